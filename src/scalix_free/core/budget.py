"""The one arithmetic of providers' limits.

A *budget* is what is remembered of one *scope*: an account with a provider, one model of it, or
the share of either that one class of callers may have. It is coarser than the ledger of people:
what was spent lies in cells, each of which counts whole until it expires. Nothing here reads a
clock or does I/O: a store loads budgets, runs these functions and keeps what they changed.

Rules of the windows
    A minute is the last 60 s, in cells of one second, and ``MARGIN_MS`` longer than the provider's,
    since two requests may arrive closer together than they were sent. A day ends at the provider's
    own hour and is one cell; what is sent within ``MARGIN_MS`` of that hour counts on both days. A
    rolling day is the last 24 h in 60 cells.
    A request is spent before it is sent, with all tokens that it may take; afterwards the tokens
    are corrected to those that it took. The request stays spent however it ended, since providers
    count failures.

Rules of what is told
    A provider that says how much is left may have counted more than we did: others use the account,
    or it counts otherwise. Of each window the largest excess is kept beside the cells, as it was
    told last, and counts until that window is over. Our own corrections do not lower what was told:
    of a call that was in flight then, what is given back of its tokens is added to the excess.

Rules of a day's pace
    A class of callers has a headroom: that part of a day's budget it may use at once, the rest as
    the day passes, so that the evening is served too. A rolling day is not paced: it comes back as
    it was spent.

Rule of scarcity
    While more than half of a window is used, whoever has already received much is not served from
    it: with ``u`` the used part of the tightest window, a caller who has used the part ``f`` of
    their own limits is served if ``f <= 1 - 0.95 (u - 0.5) / 0.5``. The formula and its simulation
    are in the research notes on quotas, section 5.2.

Rules of rest
    A scope rests until a moment that a provider named, or that its failures earn; of two moments
    the later one counts. A scope that *tripped* is half open after its rest: one request at a time
    may try it, for which nothing is made up. Two successes close it, a failure trips it anew and
    for twice as long.
    A call that began before the rest ended says how it was before: it is no proof and no failure
    of the trial, and refusals of calls that were in flight together count as one.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from scalix_free.core.clock import DAY_MS, MINUTE_MS

MARGIN_MS: Final = 1_000
SECOND_MS: Final = 1_000
ROLLING_CELL_MS: Final = DAY_MS // 60
PROBE_MS: Final = 30_000
"""How long one request may be the only one that tries a half open scope."""
SLOT_MS: Final = 60_000
"""How long a call in flight holds its slot without a beat."""
BACK_OFF_MS: Final = 10_000
MOST_BACK_OFF_MS: Final = 900_000
TRIP_MS: Final = 30_000
MOST_TRIP_MS: Final = 600_000
PROVEN: Final = 2
"""So many successes close a half open scope."""
MOST_IN_A_ROW: Final = 16
"""Trips and refusals in a row are counted so far; by then waits have long been the longest."""
LEARNED_MS: Final = DAY_MS
"""How long a limit that a provider told is believed after it was told."""
DOUBT_MS: Final = 900_000
"""How long a remainder of the day is believed that is smaller than by our own count."""
FOREVER_MS: Final = 2**53
MOST: Final = 2**31 - 1
"""A limit that is told is kept in four bytes; no call takes more tokens."""
MOST_CELLS: Final = 128
"""Twice what a minute and a rolling day have; a clock that leaps could make any number."""
WHOLE: Final = 1_000
"""Parts are counted in thousandths."""
FINE: Final = 1_000_000
"""Parts of a day in millionths: all numbers stay below 2^53, which is where Lua's are exact."""


class Window(enum.IntEnum):
    """What a provider limits, over which time."""

    RPM = 0
    RPD = 1
    TPM = 2
    TPD = 3

    @property
    def is_day(self) -> bool:
        """Whether it is a day's."""
        return _OF_DAYS[self]

    @property
    def is_tokens(self) -> bool:
        """Whether it counts tokens."""
        return _OF_TOKENS[self]


WINDOWS: Final = tuple(Window)
# Tables, since members of an enumeration are slow to look up, and budgets ask for each request.
_OF_DAYS: Final = tuple(window in {Window.RPD, Window.TPD} for window in WINDOWS)
_OF_TOKENS: Final = tuple(window in {Window.TPM, Window.TPD} for window in WINDOWS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a provider allows a scope; None where it says nothing.

    ``firm`` limits are an operator's: what a provider tells may lower them only. The others are
    starting values, and what the provider tells counts in their place.
    """

    rpm: int | None = None
    rpd: int | None = None
    tpm: int | None = None
    tpd: int | None = None
    concurrent: int | None = None
    firm: bool = True

    @property
    def is_limiting(self) -> bool:
        """Whether there is any limit."""
        return (self.rpm, self.rpd, self.tpm, self.tpd, self.concurrent) != (None,) * 5

    @property
    def limits(self) -> tuple[int | None, int | None, int | None, int | None]:
        """The limits of all windows, in their order."""
        return self.rpm, self.rpd, self.tpm, self.tpd


class Scope(NamedTuple):
    """Whose budget, what it is allowed, and when the provider's day ends (0: it is rolling).

    The key of an account is its provider's name; keys of what lies within it begin with that name
    and a slash.
    """

    key: str
    allowance: Allowance
    day_end_ms: int = 0


class Take(NamedTuple):
    """What one upstream call may spend.

    ``rid`` is of this attempt alone, 17 bytes. ``tokens`` is the most it may take, with the answer.
    ``headroom`` and ``received`` are thousandths: of a day's budget that the caller's class may use
    at once, and of the caller's own limits that are used.
    """

    rid: bytes
    scopes: tuple[Scope, ...]
    tokens: int
    headroom: int = WHOLE
    received: int = 0


class Why(enum.IntEnum):
    """Why a scope gives nothing now."""

    RETIRED = 1  # gone, or its key refused
    RESTING = 2
    PROBED = 3  # half open, and somebody is trying it
    BUSY = 4  # all calls that it allows are in flight
    RPM = 5
    RPD = 6
    TPM = 7
    TPD = 8
    PACE = 9  # the day's budget has to last
    SCARCE = 10  # others have received less


class Taken(NamedTuple):
    """It may be sent; ``at_ms`` is the moment it was spent at.

    ``used`` is the part of its day's budget that each scope has used now, in thousandths; -1 where
    nothing limits its day.
    """

    at_ms: int
    used: tuple[int, ...] = ()


class Short(NamedTuple):
    """It may not be sent. ``until_ms`` is when to ask again; None where nobody can know."""

    key: str
    why: Why
    until_ms: int | None


class Extent(enum.IntEnum):
    """How far a finding reaches."""

    MODEL = 1
    ACCOUNT = 2


class Act(enum.IntEnum):
    """What follows from a finding."""

    REST = 1  # until ``until_ms``
    BACK_OFF = 2  # longer with each time in a row
    TRIP = 3  # rest, then half open
    RETIRE = 4  # until ``until_ms``
    LIMIT = 5  # ``window`` allows ``amount``
    LEFT = 6  # ``window`` has ``amount`` left, until ``until_ms`` if that is known


class Finding(NamedTuple):
    """What an answer or an error told about a provider's limits."""

    extent: Extent
    act: Act
    until_ms: int = 0
    window: Window = Window.RPM
    amount: int = 0


class Verdict(enum.IntEnum):
    """What a call says about the health of its scopes."""

    NEUTRAL = 0
    SUCCESS = 1
    FAILURE = 2


class Close(NamedTuple):
    """The end of one upstream call.

    ``tokens`` is what it really took, None where nobody knows; ``reserved`` what was taken for it.
    ``findings`` are pairs of the place of a scope in ``scopes`` and what was found about it.
    """

    rid: bytes
    scopes: tuple[Scope, ...]
    at_ms: int
    reserved: int
    tokens: int | None
    verdict: Verdict = Verdict.NEUTRAL
    findings: tuple[tuple[int, Finding], ...] = ()


@dataclass(slots=True)
class Cell:
    """What was spent within a short time; it counts until it expires."""

    expires_ms: int
    requests: int
    tokens: int


@dataclass(slots=True)
class Excess:
    """So much more of a window is used than we counted, as the provider told at a moment."""

    told_ms: int
    expires_ms: int
    amount: int


@dataclass(slots=True)
class Budget:
    """What is remembered of one scope.

    Cells stand in the order in which they expire. ``slots`` are calls in flight and when they lose
    their slot. ``limits`` are those that the provider told, -1 where it told nothing; ``excess`` is
    what it told to be used.
    """

    minute: list[Cell] = field(default_factory=list)
    day: list[Cell] = field(default_factory=list)
    slots: list[tuple[bytes, int]] = field(default_factory=list)
    rest_until_ms: int = 0
    retired_until_ms: int = 0
    probe_until_ms: int = 0
    trips: int = 0
    proofs: int = 0
    back_offs: int = 0
    limits: list[int] = field(default_factory=lambda: [-1, -1, -1, -1])
    limits_until_ms: int = 0
    excess: dict[Window, Excess] = field(default_factory=dict)
    counted: list[int] | None = field(default=None, compare=False, repr=False)
    """What all cells add up to, in the order of the windows; None where that has to be found."""

    def forget(self, now_ms: int) -> None:
        """Drop what no longer counts."""
        if self.minute and self.minute[0].expires_ms <= now_ms:
            self.minute = [cell for cell in self.minute if cell.expires_ms > now_ms]
            self.counted = None
        for cell in self.day:
            if cell.expires_ms <= now_ms:
                self.day = [cell for cell in self.day if cell.expires_ms > now_ms]
                self.counted = None
                break
        if self.slots:
            self.slots = [slot for slot in self.slots if slot[1] > now_ms]
        if self.excess:
            self.excess = {of: told for of, told in self.excess.items() if told.expires_ms > now_ms}
        if self.limits_until_ms <= now_ms:
            self.limits = [-1, -1, -1, -1]
            self.limits_until_ms = 0


def most(budget: Budget, allowance: Allowance) -> Sequence[int | None]:
    """The limits that count, in the order of the windows: the configured or what was told."""
    limits = allowance.limits
    if not budget.limits_until_ms:  # nothing was told
        return limits
    pairs = zip(limits, budget.limits, strict=True)
    return [_stricter(allowed, told, allowance.firm) for allowed, told in pairs]


def _stricter(allowed: int | None, told: int, firm: bool) -> int | None:
    if told < 0:
        return allowed
    return min(allowed, told) if allowed is not None and firm else told


def used(budget: Budget, window: Window) -> int:
    """How much of a window is spent."""
    return _spent(budget)[window]


def left(budget: Budget, allowance: Allowance, window: Window) -> int | None:
    """How much of a window is left; None where it has no limit."""
    limit = most(budget, allowance)[window]
    return None if limit is None else max(limit - used(budget, window), 0)


def day_used(budget: Budget, scope: Scope) -> int:
    """The part of its day that a scope has spent itself, in thousandths; -1 without a day's limit.

    What the provider told beside it is left out: it is believed for a short time, this for the day.
    """
    _, requests, _, tokens = most(budget, scope.allowance)
    _, spent_requests, _, spent_tokens = _counted(budget)
    part = -1
    if requests is not None:
        part = spent_requests * WHOLE // max(requests, 1)
    if tokens is not None:
        part = max(part, spent_tokens * WHOLE // max(tokens, 1))
    return part


def _spent(budget: Budget) -> Sequence[int]:
    """How much of each window is spent, in their order."""
    counted = _counted(budget)
    if not budget.excess:
        return counted
    spent = [*counted]
    for window, told in budget.excess.items():
        spent[window] += told.amount
    return spent


def _counted(budget: Budget) -> list[int]:
    """What all cells add up to, kept up to date by whoever changes them."""
    if budget.counted is None:
        minute, day = budget.minute, budget.day
        budget.counted = [
            sum([cell.requests for cell in minute]),
            sum([cell.requests for cell in day]),
            sum([cell.tokens for cell in minute]),
            sum([cell.tokens for cell in day]),
        ]
    return budget.counted


def take(budgets: Sequence[Budget], ask: Take, now_ms: int) -> Taken | Short:
    """Spend from all scopes, or from none and say from which it cannot be and until when."""
    if (short := shortage(budgets, ask, now_ms)) is not None:
        return short
    for budget, scope in zip(budgets, ask.scopes, strict=True):
        _spend(budget, scope, ask, now_ms)
    used = (day_used(budget, scope) for budget, scope in zip(budgets, ask.scopes, strict=True))
    return Taken(now_ms, tuple(used))


def shortage(budgets: Sequence[Budget], ask: Take, now_ms: int) -> Short | None:
    """What is missing for a call; of several things, the one that will be missing longest."""
    short: Short | None = None
    for budget, scope in zip(budgets, ask.scopes, strict=True):
        budget.forget(now_ms)
        found = _short(budget, scope, ask, now_ms)
        if found is not None and (short is None or _lasts_longer(found, short)):
            short = found
    return short


def close(budgets: Sequence[Budget], end: Close, now_ms: int) -> None:
    """Correct the tokens, free the slot and take note of what was found."""
    for budget, scope in zip(budgets, end.scopes, strict=True):
        budget.forget(now_ms)
        budget.slots = [slot for slot in budget.slots if slot[0] != end.rid]
        if end.tokens is not None and end.tokens != end.reserved:
            _correct(budget, scope, end.at_ms, min(end.tokens, MOST) - min(end.reserved, MOST))
        _judge(budget, end, now_ms)
    for place, finding in end.findings:
        note(budgets[place], end.scopes[place], finding, now_ms, end.at_ms)


def beat(budgets: Sequence[Budget], rid: bytes, now_ms: int) -> None:
    """Keep the slots of a call in flight; one that was lost stays lost."""
    for budget in budgets:
        budget.forget(now_ms)
        budget.slots = [
            (known, now_ms + SLOT_MS if known == rid else until) for known, until in budget.slots
        ]


def note(
    budget: Budget, scope: Scope, finding: Finding, now_ms: int, at_ms: int = FOREVER_MS
) -> None:
    """Take note of one finding, of a call that was taken at ``at_ms``."""
    is_new = at_ms >= budget.rest_until_ms
    until_ms = min(finding.until_ms, FOREVER_MS)
    match finding.act:
        case Act.REST:
            budget.rest_until_ms = max(budget.rest_until_ms, until_ms)
        case Act.BACK_OFF:
            if is_new or not budget.back_offs:
                budget.back_offs = min(budget.back_offs + 1, MOST_IN_A_ROW)
            wait_ms = min(BACK_OFF_MS * 2 ** (budget.back_offs - 1), MOST_BACK_OFF_MS)
            budget.rest_until_ms = max(budget.rest_until_ms, now_ms + wait_ms)
        case Act.TRIP:
            if is_new or not budget.trips:
                _trip(budget, now_ms)
        case Act.RETIRE:
            budget.retired_until_ms = max(budget.retired_until_ms, until_ms)
        case Act.LIMIT:
            budget.limits[finding.window] = min(max(finding.amount, -1), MOST)
            budget.limits_until_ms = now_ms + LEARNED_MS
        case Act.LEFT:
            _believe(budget, scope, finding, now_ms)


def cell_end_ms(scope: Scope, now_ms: int, *, day: bool) -> int:
    """When what is spent now expires."""
    if not day:
        return (now_ms // SECOND_MS + 1) * SECOND_MS + MINUTE_MS + MARGIN_MS
    if scope.day_end_ms:
        return day_end_ms(scope, now_ms)
    return (now_ms // ROLLING_CELL_MS + 1) * ROLLING_CELL_MS + DAY_MS + MARGIN_MS


def day_end_ms(scope: Scope, now_ms: int) -> int:
    """The end of the provider's day; where the scope's own is past, of a day of 24 h after it."""
    late_ms = now_ms - scope.day_end_ms
    return scope.day_end_ms if late_ms < 0 else scope.day_end_ms + (late_ms // DAY_MS + 1) * DAY_MS


# ── May it be spent ──────────────────────────────────────────────────────────────────────────


def _short(budget: Budget, scope: Scope, ask: Take, now_ms: int) -> Short | None:
    if budget.retired_until_ms > now_ms:
        gone = budget.retired_until_ms
        return Short(scope.key, Why.RETIRED, None if gone >= FOREVER_MS else gone)
    if budget.rest_until_ms > now_ms:
        return Short(scope.key, Why.RESTING, budget.rest_until_ms)
    if budget.trips and budget.probe_until_ms > now_ms:
        return Short(scope.key, Why.PROBED, budget.probe_until_ms)
    concurrent = scope.allowance.concurrent
    if concurrent is not None and len(budget.slots) >= concurrent:
        return Short(scope.key, Why.BUSY, None)
    short: Short | None = None
    tightest = 0
    limits = most(budget, scope.allowance)
    for window, limit, spent in zip(WINDOWS, limits, _spent(budget), strict=True):
        if limit is None:
            continue
        amount = ask.tokens if _OF_TOKENS[window] else 1
        found, may_use = None, limit
        if spent + amount > limit:
            until_ms = _room_ms(budget, window, spent + amount - limit)
            found = Short(scope.key, _FULL[window], until_ms)
        elif _OF_DAYS[window]:
            may_use = _allowed(scope, limit, ask.headroom, now_ms)
            if spent + amount > max(may_use, amount):
                until_ms = _pace_ms(scope, limit, ask.headroom, spent + amount, now_ms)
                found = Short(scope.key, Why.PACE, until_ms)
        if found is not None and (short is None or _lasts_longer(found, short)):
            short = found
        tightest = max(tightest, spent * WHOLE // max(may_use, 1))
    if short is None and not _is_due(tightest, ask.received):
        return Short(scope.key, Why.SCARCE, _earliest_ms(budget))
    return short


_FULL: Final = {
    Window.RPM: Why.RPM,
    Window.RPD: Why.RPD,
    Window.TPM: Why.TPM,
    Window.TPD: Why.TPD,
}


def _is_due(utilisation: int, received: int) -> bool:
    """The rule of scarcity, in thousandths."""
    return utilisation <= WHOLE // 2 or received <= WHOLE - (95 * (utilisation - WHOLE // 2)) // 50


def _allowed(scope: Scope, limit: int, headroom: int, now_ms: int) -> int:
    """How much of a day's limit may be spent by now."""
    if not scope.day_end_ms or headroom >= WHOLE:
        return limit
    passed_ms = max(DAY_MS - (day_end_ms(scope, now_ms) - now_ms), 0)
    part = (headroom * DAY_MS + (WHOLE - headroom) * passed_ms) * 1_000 // DAY_MS
    return limit * part // FINE


def _pace_ms(scope: Scope, limit: int, headroom: int, wanted: int, now_ms: int) -> int:
    """When so much of a day's limit may have been spent; at most the end of the day."""
    end_ms = day_end_ms(scope, now_ms)
    if not limit:
        return end_ms
    part = -(-wanted * FINE // limit)
    passed_ms = -(-(part - headroom * 1_000) * DAY_MS // ((WHOLE - headroom) * 1_000))
    return end_ms - DAY_MS + min(max(passed_ms, 0), DAY_MS)


def _room_ms(budget: Budget, window: Window, missing: int) -> int | None:
    """When so much of a window will have expired; None where it never has as much."""
    parts = [
        (cell.expires_ms, cell.tokens if window.is_tokens else cell.requests)
        for cell in (budget.day if window.is_day else budget.minute)
    ]
    if (told := budget.excess.get(window)) is not None:
        parts.append((told.expires_ms, told.amount))
    parts.sort()
    for expires_ms, amount in parts:
        missing -= amount
        if missing <= 0:
            return expires_ms
    return None


def _earliest_ms(budget: Budget) -> int | None:
    ends_ms = [cell.expires_ms for cell in (*budget.minute, *budget.day)]
    ends_ms += [told.expires_ms for told in budget.excess.values()]
    return min(ends_ms, default=None)


def _lasts_longer(short: Short, other: Short) -> bool:
    if other.until_ms is None:
        return False
    return short.until_ms is None or short.until_ms > other.until_ms


# ── Spending and correcting ──────────────────────────────────────────────────────────────────


def _spend(budget: Budget, scope: Scope, ask: Take, now_ms: int) -> None:
    tokens = min(ask.tokens, MOST)
    rpm, rpd, tpm, tpd = most(budget, scope.allowance)  # what nothing limits is not counted
    counted = _counted(budget)
    if rpm is not None or tpm is not None:
        _add(budget.minute, cell_end_ms(scope, now_ms, day=False), tokens)
        counted[Window.RPM] += 1
        counted[Window.TPM] += tokens
    if rpd is not None or tpd is not None:
        for end_ms in _day_ends_ms(scope, now_ms):
            _add(budget.day, end_ms, tokens)
            counted[Window.RPD] += 1
            counted[Window.TPD] += tokens
    if scope.allowance.concurrent is not None:
        budget.slots.append((ask.rid, now_ms + SLOT_MS))
    if budget.trips:
        budget.probe_until_ms = now_ms + PROBE_MS


def _day_ends_ms(scope: Scope, at_ms: int) -> Sequence[int]:
    """When what is spent of a day at a moment expires: near its end, on both days."""
    end_ms = cell_end_ms(scope, at_ms, day=True)
    if scope.day_end_ms and end_ms - at_ms <= MARGIN_MS:
        return end_ms, end_ms + DAY_MS
    return (end_ms,)


def _was_kept(budget: Budget, scope: Scope, at_ms: int, one: Window, other: Window) -> bool:
    """Whether what was spent at a moment was surely counted.

    Where only the provider tells limits that is known since it last did.
    """
    limits = scope.allowance.limits
    if limits[one] is not None or limits[other] is not None:
        return True
    is_told = budget.limits[one] >= 0 or budget.limits[other] >= 0
    return is_told and at_ms > budget.limits_until_ms - LEARNED_MS


def _find(cells: Sequence[Cell], expires_ms: int) -> Cell | None:
    for cell in reversed(cells):
        if cell.expires_ms == expires_ms:
            return cell
    return None


def _add(cells: list[Cell], expires_ms: int, tokens: int) -> None:
    """Add one request."""
    if (cell := _find(cells, expires_ms)) is not None:
        cell.requests += 1
        cell.tokens += tokens
        return
    cells.append(Cell(expires_ms, 1, tokens))
    if len(cells) > MOST_CELLS:  # the two oldest become one
        oldest, next_one = cells.pop(0), cells[0]
        next_one.expires_ms = max(next_one.expires_ms, oldest.expires_ms)
        next_one.requests += oldest.requests
        next_one.tokens += oldest.tokens


def _correct(budget: Budget, scope: Scope, at_ms: int, tokens: int) -> None:
    """Change the tokens of what was spent at a moment, where that still counts."""
    if _was_kept(budget, scope, at_ms, Window.RPM, Window.TPM):
        end_ms = cell_end_ms(scope, at_ms, day=False)
        _change(budget, Window.TPM, end_ms, at_ms, tokens)
    if _was_kept(budget, scope, at_ms, Window.RPD, Window.TPD):
        for end_ms in _day_ends_ms(scope, at_ms):
            _change(budget, Window.TPD, end_ms, at_ms, tokens)


def _change(budget: Budget, window: Window, expires_ms: int, at_ms: int, tokens: int) -> None:
    cell = _find(budget.day if _OF_DAYS[window] else budget.minute, expires_ms)
    if cell is None:
        return
    before = cell.tokens
    cell.tokens = max(before + tokens, 0)
    if budget.counted is not None:
        budget.counted[window] += cell.tokens - before
    told = budget.excess.get(window)
    if told is not None and at_ms <= told.told_ms and cell.tokens < before:
        told.amount += before - cell.tokens


def _judge(budget: Budget, end: Close, now_ms: int) -> None:
    """Take note of how a call ended."""
    if budget.probe_until_ms == end.at_ms + PROBE_MS:  # it was the one that tried
        budget.probe_until_ms = 0
    if end.at_ms < budget.rest_until_ms:
        return
    if end.verdict is Verdict.SUCCESS:
        budget.back_offs = 0
    if not budget.trips:
        return
    if end.verdict is Verdict.FAILURE:
        _trip(budget, now_ms)
    elif end.verdict is Verdict.SUCCESS:
        budget.proofs += 1
        if budget.proofs >= PROVEN:
            budget.trips = budget.proofs = budget.probe_until_ms = 0


def _trip(budget: Budget, now_ms: int) -> None:
    budget.trips = min(budget.trips + 1, MOST_IN_A_ROW)
    budget.proofs = budget.probe_until_ms = 0
    wait_ms = min(TRIP_MS * 2 ** (budget.trips - 1), MOST_TRIP_MS)
    budget.rest_until_ms = max(budget.rest_until_ms, now_ms + wait_ms)


def _believe(budget: Budget, scope: Scope, finding: Finding, now_ms: int) -> None:
    """Let a window have no more left than the provider says.

    Where a day is said to have less than we counted, that is believed for a quarter of an hour
    alone: if it is true, the next refusal says until when; if it is not, the day is not lost.
    """
    window = finding.window
    limit = most(budget, scope.allowance)[window]
    if limit is None:
        return
    known = budget.excess[window].amount if window in budget.excess else 0
    amount = limit - (used(budget, window) - known) - max(finding.amount, 0)
    if amount < max(known, 1):
        return
    expires_ms = cell_end_ms(scope, now_ms, day=window.is_day)
    if window.is_day:
        expires_ms = min(expires_ms, now_ms + DOUBT_MS)
    if finding.until_ms > now_ms:
        expires_ms = min(expires_ms, finding.until_ms)
    budget.excess[window] = Excess(now_ms, expires_ms, amount)


# ── Bytes ────────────────────────────────────────────────────────────────────────────────────

HEADER: Final = struct.Struct("<HHHHHHqqqqiiii")
CELL: Final = struct.Struct("<qIq")
SLOT: Final = struct.Struct("<17sq")
EXCESS: Final = struct.Struct("<Bqqq")
"""These come last, in the order of the windows; earlier versions had none and read no further."""


def pack(budget: Budget) -> bytes:
    """A budget as the bytes that a store keeps, little-endian; none where nothing is remembered."""
    if not budget.minute and budget == _NOTHING:
        return b""
    head = HEADER.pack(
        len(budget.minute),
        len(budget.day),
        len(budget.slots),
        budget.trips,
        budget.proofs,
        budget.back_offs,
        budget.rest_until_ms,
        budget.retired_until_ms,
        budget.probe_until_ms,
        budget.limits_until_ms,
        *budget.limits,
    )
    numbers = [
        number
        for cells in (budget.minute, budget.day)
        for cell in cells
        for number in (cell.expires_ms, cell.requests, cell.tokens)
    ]
    cells = struct.pack("<" + "qIq" * (len(numbers) // 3), *numbers)
    slots = [SLOT.pack(*slot) for slot in budget.slots]
    told = [
        EXCESS.pack(window, one.told_ms, one.expires_ms, one.amount)
        for window, one in sorted(budget.excess.items())
    ]
    return b"".join([head, cells, *slots, *told])


def unpack(blob: bytes | None) -> Budget:
    """The budget kept as these bytes; an empty one of none."""
    if not blob:
        return Budget()
    minutes, days, slots, trips, proofs, back_offs, *rest = HEADER.unpack_from(blob)
    rest_until_ms, retired_until_ms, probe_until_ms, limits_until_ms, *limits = rest
    at = HEADER.size
    between = at + (minutes + days) * CELL.size
    cells = [Cell(*cell) for cell in CELL.iter_unpack(blob[at:between])]
    end = between + slots * SLOT.size
    return Budget(
        minute=cells[:minutes],
        day=cells[minutes:],
        slots=list(SLOT.iter_unpack(blob[between:end])),
        rest_until_ms=rest_until_ms,
        retired_until_ms=retired_until_ms,
        probe_until_ms=probe_until_ms,
        trips=trips,
        proofs=proofs,
        back_offs=back_offs,
        limits=limits,
        limits_until_ms=limits_until_ms,
        excess={Window(of): Excess(*told) for of, *told in EXCESS.iter_unpack(blob[end:])},
    )


_NOTHING: Final = Budget()
