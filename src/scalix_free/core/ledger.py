"""The one arithmetic of people's limits.

A *book* is what is remembered of one subject (an identity, an address, a network): one row for
each recent request, in the order of admission. From the rows follow all windows, the open calls
and the exact moment at which each limit gives something back. Nothing here reads a clock or does
I/O: a store loads books, runs these functions and keeps what they changed.

Rules of the windows
    A request admitted at ``t`` counts against a window of ``w`` ms while ``now - w < t``; it leaves
    at exactly ``t + w``. Windows roll, so a reset is the moment the oldest counted row leaves.
    A window too large to be kept row by row (see ``Policy``) is kept as 60 sub-buckets of which
    the oldest counts whole: it never admits too much and gives back at most 1/60 of itself late.

Rules of a row
    It is *open* from admission until it is settled or its lease passes. An open row counts as one
    call in flight and is charged what was reserved for it. When the lease of a row passes, its
    caller is taken for dead: the call no longer counts as in flight and the charge falls to what
    was known to be spent; a late settlement still corrects that.
    A row has a *tag*. In the book of a caller (``leased``) it tells the turn of a conversation, in
    one that callers share it tells the caller.

Rules of a turn
    One turn is charged one request: a counted call covers, for 10 minutes, the next three calls of
    its turn. They are spared: not judged by the caller's own windows of requests and not counted in
    them, but in all others. If the counted call is given back, the first that it covered is counted
    in its place; nobody is told, since it may have ended by then.

Rules of users
    A window of users counts how many different callers have a row in it. One who has is let in
    however full it is; whoever has not needs room.
"""

from __future__ import annotations

import enum
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from operator import ge
from typing import Final, NamedTuple

LEASE_MS: Final = 45_000
BEAT_MS: Final = 15_000
SUB_BUCKETS: Final = 60
MOST_ROWS: Final = 1_000
"""A window whose limit is larger than this is kept in sub-buckets."""
CONCURRENCY_RETRY_MS: Final = 2_000
"""When a call in flight ends cannot be known, so the advice is fixed."""
LEAST_OUTPUT_TOKENS: Final = 64
"""With less than this left for the answer, asking a model would be a wasted call."""
LATE_SETTLEMENT_MS: Final = 600_000
"""How long the row of a caller taken for dead is kept, at least, for a late settlement."""
TURN_MS: Final = 600_000
TURN_CALLS: Final = 4
"""So many calls of one turn are charged one request, if they come within that time."""

BOUNDLESS: Final = 2**62


class Unit(enum.IntEnum):
    """What a limit counts."""

    REQUESTS = 1
    TOKENS = 2
    CALLS = 3  # in flight
    USERS = 4  # different callers


class Kept(enum.Enum):
    """From what the use of a limit is counted."""

    REQUESTS = enum.auto()  # rows
    TOKENS = enum.auto()  # the charges of rows
    OPEN = enum.auto()  # open rows
    USERS = enum.auto()  # the tags of rows
    TALLY = enum.auto()  # sub-buckets
    NOTHING = enum.auto()  # lifted


@dataclass(frozen=True, slots=True)
class Limit:
    """Of what, how much, over which window.

    ``most`` is None where the limit is lifted. ``window_ms`` is 0 for calls in flight.
    """

    name: str
    unit: Unit
    most: int | None
    window_ms: int = 0


@dataclass(frozen=True, eq=False)
class Policy:
    """The limits of one kind of subject, and what follows from them for its book.

    ``leased`` subjects have requests that stay open until they are settled; the others only count
    arrivals. The names of the limits differ, and at most one counts tokens. ``kind`` says of whom:
    a tier's name, ``address`` or ``network``. Users are counted where arrivals are, and always row
    by row: whoever limits them bounds the rows by a window of requests.
    """

    kind: str
    limits: tuple[Limit, ...]
    leased: bool = True

    @cached_property
    def most(self) -> tuple[int, ...]:
        """The limits as numbers, ``BOUNDLESS`` where one is lifted."""
        return tuple(BOUNDLESS if limit.most is None else limit.most for limit in self.limits)

    @cached_property
    def tokens(self) -> int | None:
        """Which of the limits is the one of tokens; None where tokens are not limited."""
        found = [i for i, limit in enumerate(self.limits) if limit.unit is Unit.TOKENS]
        return found[0] if found and self.limits[found[0]].most is not None else None

    @cached_property
    def counts_users(self) -> bool:
        """Whether one of the limits is of users."""
        return any(kept is Kept.USERS for kept, _, _ in self.kept)

    @cached_property
    def memory_ms(self) -> int:
        """How long after its last change a book may still matter."""
        windows = [limit.window_ms for limit in self.limits if self.is_exact(limit)]
        windows += [limit.window_ms + -(-limit.window_ms // SUB_BUCKETS) for limit in self.coarse]
        if self.leased:
            windows.append(LATE_SETTLEMENT_MS)
        return max(windows, default=0) + LEASE_MS

    @cached_property
    def kept(self) -> tuple[tuple[Kept, int, str], ...]:
        """For each limit: from what its use is counted, its window in ms and its name."""
        return tuple((self._kept(limit), limit.window_ms, limit.name) for limit in self.limits)

    def _kept(self, limit: Limit) -> Kept:
        if limit.most is None:
            return Kept.NOTHING
        if limit.unit is Unit.CALLS:
            return Kept.OPEN
        if limit.unit is Unit.USERS:
            return Kept.USERS
        if not self.is_exact(limit):
            return Kept.TALLY
        return Kept.TOKENS if limit.unit is Unit.TOKENS else Kept.REQUESTS

    @cached_property
    def exact_horizon_ms(self) -> int:
        """How long a settled row is needed; 0 when no window is kept row by row."""
        return max((limit.window_ms for limit in self.limits if self.is_exact(limit)), default=0)

    @cached_property
    def coarse(self) -> tuple[Limit, ...]:
        """The windows kept in sub-buckets."""
        return tuple(
            limit
            for limit in self.limits
            if limit.most is not None and limit.window_ms and not self.is_exact(limit)
        )

    def is_exact(self, limit: Limit) -> bool:
        """Whether the window is counted row by row.

        Rows are bounded by a request window of at most 1,000; a token window is counted exactly
        where such a request window, at least as long, bounds its rows.
        """
        if limit.most is None or limit.unit is Unit.CALLS:
            return False
        if limit.most <= MOST_ROWS or limit.unit is Unit.USERS:
            return True
        return limit.unit is Unit.TOKENS and limit.window_ms <= self._bounded_ms

    @cached_property
    def _bounded_ms(self) -> int:
        return max(
            (
                limit.window_ms
                for limit in self.limits
                if limit.unit is Unit.REQUESTS
                and limit.most is not None
                and limit.most <= MOST_ROWS
            ),
            default=0,
        )


@dataclass(slots=True, eq=False)
class Row:
    """One request. ``lease_ms`` is 0 once it is closed; ``spent`` and ``charge`` are tokens.

    ``tag`` is 0 where there is none. What does not count was given back, or is ``spared``.
    """

    rid: bytes
    at_ms: int
    lease_ms: int
    charge: int
    spent: int
    tag: int = 0
    counts: bool = True  # as a request
    settled: bool = False
    spared: bool = False


@dataclass(slots=True)
class Tally:
    """A window kept in sub-buckets: index of the sub-bucket → amount, in order of time."""

    unit: Unit
    window_ms: int
    counts: dict[int, int] = field(default_factory=dict)
    total: int = 0

    def add(self, at_ms: int, amount: int) -> None:
        """Count an amount, which may be a correction, where its request was admitted."""
        index = at_ms * SUB_BUCKETS // self.window_ms
        before = self.counts.get(index)
        if before is None:
            if amount <= 0:
                return
            late = bool(self.counts) and index < next(reversed(self.counts))
            self.counts[index] = amount
            if late:
                self.counts = dict(sorted(self.counts.items()))
        else:
            amount = max(amount, -before)
            self.counts[index] = before + amount
        self.total += amount

    def used(self, now_ms: int) -> int:
        """What counts now; the sub-buckets that have left the window are dropped."""
        counts = self.counts
        while counts and self._leaves_ms(oldest := next(iter(counts))) <= now_ms:
            self.total -= counts.pop(oldest)
        return self.total

    def releases(self, now_ms: int) -> Iterator[tuple[int, int]]:
        """``(when, how much)`` is given back, in order of time."""
        for index, amount in self.counts.items():
            if amount and (leaves_ms := self._leaves_ms(index)) > now_ms:
                yield leaves_ms, amount

    def _leaves_ms(self, index: int) -> int:
        # The first millisecond at which no moment of the sub-bucket is inside the window.
        return -(-(index + 1) * self.window_ms // SUB_BUCKETS) - 1 + self.window_ms


class Level(NamedTuple):
    """How far one limit is used. ``resets_at_ms`` is when it next gives something back."""

    limit: Limit
    used: int
    resets_at_ms: int | None

    @property
    def remaining(self) -> int | None:
        """What is left; None where the limit is lifted."""
        most = self.limit.most
        if most is None:
            return None
        return most - self.used if self.used < most else 0


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose limits: the key of a book, and what holds for it."""

    key: bytes
    policy: Policy


class Ask(NamedTuple):
    """What one request wants of all its subjects; the first one is the caller's own.

    ``prompt_tokens`` is an estimate, ``output_tokens`` the most the answer may have. ``report``
    asks for the levels after an admission; who does not need them yet saves their cost. ``turn``
    names the turn that the call belongs to, as a digest of 4 bytes or more; empty where none does.
    """

    rid: bytes
    subjects: tuple[Subject, ...]
    prompt_tokens: int
    output_tokens: int
    report: bool = True
    turn: bytes = b""

    @property
    def turn_tag(self) -> int:
        """The turn as rows tell it; 0 for none."""
        return tag_of(self.turn) if self.turn else 0

    @property
    def user_tag(self) -> int:
        """The caller as the rows of shared books tell it."""
        return tag_of(self.subjects[0].key) if self.subjects else 0

    @property
    def least_tokens(self) -> int:
        """The fewest tokens with which the request makes sense."""
        return self.prompt_tokens + min(self.output_tokens, LEAST_OUTPUT_TOKENS)


def tag_of(digest: bytes) -> int:
    """The tag by which a digest is known in a book; never 0."""
    return int.from_bytes(digest[-4:], "little") or 1


class Admitted(NamedTuple):
    """Yes. ``output_tokens`` may be lower than asked.

    ``levels`` are the caller's own, after; empty where the ask wants no report. Who is ``spared``
    is not counted in the caller's own windows of requests.
    """

    output_tokens: int
    levels: tuple[Level, ...]
    now_ms: int
    spared: bool = False


class Denied(NamedTuple):
    """No, because of ``limit``: nothing was written.

    ``retry_ms`` is how long to wait; None when waiting cannot help. ``lasting`` says that until
    then no event can change the answer to the same caller.
    """

    limit: Limit
    own: bool
    used: int
    retry_ms: int | None
    levels: tuple[Level, ...]
    now_ms: int
    lasting: bool = False


class Entry(NamedTuple):
    """A request that was admitted elsewhere, as it stands by now.

    ``charge`` and ``spent`` are tokens. What is not ``settled`` still runs. ``user_tag`` is its
    caller as the rows of shared books tell it. One that counts and is ``spared`` counts in shared
    books alone.
    """

    rid: bytes
    at_ms: int
    charge: int
    spent: int
    counts: bool = True  # as a request
    settled: bool = True
    user_tag: int = 0
    spared: bool = False


class Book:
    """What is remembered of one subject. Changed only by the functions of this module."""

    __slots__ = (
        "blob",
        "charged",
        "index",
        "open",
        "policy",
        "rows",
        "seen",
        "tallies",
        "times",
        "uncounted",
        "users",
    )

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.rows: list[Row] = []
        self.times: list[int] = []
        self.index: dict[bytes, Row] = {}
        self.open: list[Row] = []
        self.charged = 0  # the tokens of all rows
        self.uncounted = 0  # rows that do not count as a request
        self.users: dict[int, int] = {}  # where users are counted: tag → its newest row's time
        self.seen: list[int] = []  # these times, in order
        self.tallies = {limit.name: Tally(limit.unit, limit.window_ms) for limit in policy.coarse}
        self.blob = bytearray()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to keep."""
        return not self.rows and not any(tally.counts for tally in self.tallies.values())

    def row(self, rid: bytes) -> Row | None:
        """The row of a request."""
        return self.index.get(rid)


# ── The operations ───────────────────────────────────────────────────────────────────────────


def admit(books: Sequence[Book], ask: Ask, now_ms: int) -> Admitted | Denied:
    """Judge all limits of a request at once; write rows only when every one has room.

    ``books`` stand in the order of ``ask.subjects``. Repeating an ask that was admitted answers
    the same and writes nothing.
    """
    own = books[0]
    times_ms = [_no_earlier(book, now_ms) for book in books]
    is_late, now_ms = times_ms[0] > now_ms, times_ms[0]
    _expire(own, now_ms)
    if (row := own.row(ask.rid)) is not None and _is_known(own, row, now_ms):
        output_tokens = row.charge - ask.prompt_tokens if own.policy.leased else ask.output_tokens
        return Admitted(max(0, output_tokens), levels(own, now_ms), now_ms, row.spared)
    cover_ms = _cover_ms(own, ask.turn_tag, now_ms) if ask.turn else 0
    usages = list(map(_usage, books, times_ms))
    if not _has_room(books, usages, ask.least_tokens):
        full = longest(_full(books, usages, ask, times_ms), cover_ms)
        if full is not None:
            still = not is_late and _is_still(own, now_ms)
            return _denied(own, full, now_ms, still=still)
    output_tokens = ask.output_tokens
    i = own.policy.tokens
    if i is not None:
        output_tokens = min(output_tokens, own.policy.most[i] - usages[0][i] - ask.prompt_tokens)
    spared = cover_ms > 0
    for book, at_ms in zip(books, times_ms, strict=True):
        _write(book, ask, output_tokens, at_ms, spared=spared)
    return Admitted(output_tokens, levels(own, now_ms) if ask.report else (), now_ms, spared)


def settle(
    books: Sequence[Book], rid: bytes, tokens: int, now_ms: int, *, counts: bool = True
) -> bool:
    """Close a request at what it really took; ``counts=False`` gives the request back.

    The first book is the caller's own; the others are needed only to give a request back. False
    when there was nothing to change, so that repeats are harmless.
    """
    own, *others = books
    now_ms = _no_earlier(own, now_ms)
    _expire(own, now_ms)
    row = own.row(rid)
    if row is None or row.settled:
        return False
    _charge(own, row, tokens)
    if not counts:
        _uncount(own, row)
        for book in others:
            _give_back(book, rid, row.at_ms)
    _close(own, row)
    _prune(own, now_ms)
    return True


def beat(book: Book, rid: bytes, spent: int, now_ms: int) -> bool:
    """Renew the lease of a running request and note what it has spent so far.

    A lease that has passed stays passed, since its slot may be somebody else's by now.
    """
    now_ms = _no_earlier(book, now_ms)
    _expire(book, now_ms)
    row = book.row(rid)
    if row is None or row.settled:
        return False
    row.spent = spent
    if row.lease_ms:
        row.lease_ms = now_ms + LEASE_MS
    else:
        _charge(book, row, spent)
    _repack(book, row)
    return True


def refund(books: Sequence[Book], rid: bytes) -> bool:
    """Undo an admission in all its books: the request, its tokens and its slot.

    An arrival in a book that is not leased can be undone for as long as its row is kept.
    """
    own, *others = books
    row = own.row(rid)
    if row is None or (row.settled and own.policy.leased):
        return False
    _charge(own, row, 0)
    if row in own.open:
        own.open.remove(row)
    _uncount(own, row)
    _remove(own, row)
    for book in others:
        _give_back(book, rid, row.at_ms)
    return True


def enter(books: Sequence[Book], entry: Entry, now_ms: int) -> bool:
    """Write down, at its time, a request that was admitted elsewhere; no limit is asked.

    False where the first book, the caller's own, has it already: then nothing is changed, so that
    repeats are harmless. An entry that does not count belongs into the caller's own book alone.
    """
    _expire(books[0], _no_earlier(books[0], now_ms))
    if books[0].row(entry.rid) is not None:
        return False
    for book in books:
        _insert(book, entry, _no_earlier(book, now_ms))
    return True


def levels(book: Book, now_ms: int) -> tuple[Level, ...]:
    """How far each limit of a book is used. Writes nothing that counts."""
    now_ms = _no_earlier(book, now_ms)
    _expire(book, now_ms)
    usage = _usage(book, now_ms)
    return tuple(
        [
            Level(limit, used, _resets_at(book, limit, now_ms) if used else None)
            for limit, used in zip(book.policy.limits, usage, strict=True)
        ]
    )


# ── Reading ──────────────────────────────────────────────────────────────────────────────────


def _usage(book: Book, now_ms: int) -> list[int]:
    """What counts now against each limit of a book, in their order; 0 where one is lifted."""
    usage = []
    times = book.times
    for kept, window_ms, name in book.policy.kept:
        if kept is _REQUESTS:
            out = bisect_right(times, now_ms - window_ms)  # rows that have left the window
            if book.uncounted:
                usage.append(sum([row.counts for row in book.rows[out:]]))
            else:
                usage.append(len(times) - out)
        elif kept is _OPEN:
            usage.append(len(book.open))
        elif kept is _TOKENS:
            out = bisect_right(times, now_ms - window_ms)
            gone = sum([row.charge for row in book.rows[:out]]) if out else 0
            usage.append(book.charged - gone)
        elif kept is _USERS:
            usage.append(len(book.seen) - bisect_right(book.seen, now_ms - window_ms))
        else:
            usage.append(book.tallies[name].used(now_ms) if kept is _TALLY else 0)
    return usage


# Looked up so often that finding them in their class can be measured.
_REQUESTS, _TOKENS, _OPEN, _USERS, _TALLY, _NOTHING = Kept


def _is_known(own: Book, row: Row, now_ms: int) -> bool:
    """Whether a row stands for its request; an arrival that has left all windows is forgotten."""
    return own.policy.leased or row.at_ms > now_ms - own.policy.exact_horizon_ms


def _has_room(books: Sequence[Book], usages: Sequence[Sequence[int]], least_tokens: int) -> bool:
    """Whether no limit is reached, whomever it may concern."""
    for book, usage in zip(books, usages, strict=True):
        policy = book.policy
        if any(map(ge, usage, policy.most)):
            return False
        i = policy.tokens
        if i is not None and usage[i] + least_tokens > policy.most[i]:
            return False
    return True


def _releases(book: Book, limit: Limit, now_ms: int) -> Iterator[tuple[int, int]]:
    """``(when, how much)`` the window gives back, in order of time, if nobody comes."""
    if (tally := book.tallies.get(limit.name)) is not None:
        yield from tally.releases(now_ms)
        return
    if limit.unit is Unit.USERS:
        out = bisect_right(book.seen, now_ms - limit.window_ms)
        yield from ((seen_ms + limit.window_ms, 1) for seen_ms in book.seen[out:])
        return
    rows = book.rows[bisect_right(book.times, now_ms - limit.window_ms) :]
    if limit.unit is Unit.REQUESTS:
        yield from ((row.at_ms + limit.window_ms, 1) for row in rows if row.counts)
        return
    events = []
    for row in rows:
        leaves_ms, charge = row.at_ms + limit.window_ms, row.charge
        if row.lease_ms and row.lease_ms < leaves_ms:
            # The death of its caller would release what was reserved and not spent.
            events.append((row.lease_ms, charge - row.spent))
            charge = row.spent
        events.append((leaves_ms, charge))
    yield from sorted(events)


def _resets_at(book: Book, limit: Limit, now_ms: int) -> int | None:
    """When a window next gives something back, if all requests end as they should."""
    if limit.unit is Unit.CALLS or limit.most is None:
        return None
    if (tally := book.tallies.get(limit.name)) is not None:
        return next((at_ms for at_ms, _ in tally.releases(now_ms)), None)
    if limit.unit is Unit.USERS:
        return next((at_ms for at_ms, _ in _releases(book, limit, now_ms)), None)
    rows, i = book.rows, bisect_right(book.times, now_ms - limit.window_ms)
    while i < len(rows) and not (rows[i].counts if limit.unit is Unit.REQUESTS else rows[i].charge):
        i += 1
    return rows[i].at_ms + limit.window_ms if i < len(rows) else None


def _retry_ms(book: Book, limit: Limit, over: int, ask: int, now_ms: int) -> int | None:
    """How long until ``over`` is given back, if nobody else comes; None when ``ask`` never fits."""
    if limit.unit is Unit.CALLS:
        return CONCURRENCY_RETRY_MS
    if limit.most is None or ask > limit.most:
        return None
    for at_ms, amount in _releases(book, limit, now_ms):
        over -= amount
        if over <= 0:
            return at_ms - now_ms
    return None


class Full(NamedTuple):
    """A limit without room for a request. ``retry_ms`` is None when waiting cannot help."""

    limit: Limit
    own: bool
    used: int
    retry_ms: int | None

    @property
    def wait_ms(self) -> float:
        """The same as a number that can be compared."""
        return float("inf") if self.retry_ms is None else self.retry_ms


def longest(full: Sequence[Full], cover_ms: int) -> Full | None:
    """Of the limits without room, in order, the one that has to be waited for longest.

    For ``cover_ms`` the call is spared the caller's own windows of requests; when something else
    has to be waited for longer than that, they do count again. None: nothing stands in the way.
    """
    judged = [one for one in full if not (cover_ms and one.own and one.limit.unit is Unit.REQUESTS)]
    if not judged:
        return None
    one = max(judged, key=lambda one: one.wait_ms)
    return max(full, key=lambda one: one.wait_ms) if one.wait_ms >= cover_ms else one


def _full(
    books: Sequence[Book], usages: Sequence[Sequence[int]], ask: Ask, times_ms: Sequence[int]
) -> list[Full]:
    found = []
    for book, usage, now_ms in zip(books, usages, times_ms, strict=True):
        for limit, used in zip(book.policy.limits, usage, strict=True):
            wanted = ask.least_tokens if limit.unit is Unit.TOKENS else 1
            if limit.most is None or used + wanted <= limit.most:
                continue
            if limit.unit is Unit.USERS:
                seen_ms = book.users.get(ask.user_tag)
                if seen_ms is not None and seen_ms > now_ms - limit.window_ms:
                    continue
            retry_ms = _retry_ms(book, limit, used + wanted - limit.most, wanted, now_ms)
            found.append(Full(limit, book is books[0], used, retry_ms))
    return found


def _denied(own: Book, full: Full, now_ms: int, *, still: bool) -> Denied:
    return Denied(
        limit=full.limit,
        own=full.own,
        used=full.used,
        retry_ms=full.retry_ms,
        levels=levels(own, now_ms),
        now_ms=now_ms,
        lasting=still and full.own and full.limit.unit is Unit.REQUESTS,
    )


def _is_still(book: Book, now_ms: int) -> bool:
    """Whether only time can change how many requests count.

    What is not settled may yet be given back, and arrivals can always be undone. While a turn is
    under way one of its calls may be let in, so that what is said of the other limits is not true
    for long. (Tokens never last: they depend on the size of the request.)
    """
    return book.policy.leased and all(
        row.settled and not (row.tag and row.at_ms > now_ms - TURN_MS) for row in book.rows
    )


# ── Turns ────────────────────────────────────────────────────────────────────────────────────


def _cover_ms(book: Book, turn: int, now_ms: int) -> int:
    """For how long a counted call of this turn covers another one; 0 where none does."""
    if not book.policy.leased:
        return 0
    calls = 0
    for row in reversed(book.rows):
        if row.at_ms <= now_ms - TURN_MS:
            return 0
        if row.tag == turn:
            calls += row.counts or row.spared
            if row.counts:
                return row.at_ms + TURN_MS - now_ms if calls < TURN_CALLS else 0
    return 0


def _uncount(book: Book, row: Row) -> None:
    """Count a call no longer as a request; the first that it covered is counted in its place."""
    row.spared = False
    if not row.counts:
        return
    row.counts = False
    book.uncounted += 1
    _tally(book, Unit.REQUESTS, row.at_ms, -1)
    if not row.tag or not book.policy.leased:
        return
    for other in book.rows[book.rows.index(row) + 1 :]:
        if other.tag == row.tag and other.counts:
            return
        if other.tag == row.tag and other.spared:
            other.counts, other.spared = True, False
            book.uncounted -= 1
            _tally(book, Unit.REQUESTS, other.at_ms, 1)
            _repack(book, other)
            return


# ── Writing ──────────────────────────────────────────────────────────────────────────────────


def _no_earlier(book: Book, now_ms: int) -> int:
    """Time never runs backwards for a subject, whatever the machine's clock does."""
    if book.times and book.times[-1] > now_ms:
        return book.times[-1]
    return now_ms


def _write(book: Book, ask: Ask, output_tokens: int, now_ms: int, *, spared: bool) -> None:
    _prune(book, now_ms)
    policy = book.policy
    if policy.leased:
        charge = ask.prompt_tokens + output_tokens
        if book.tallies:
            _tally(book, Unit.TOKENS, now_ms, charge)
        book.charged += charge
        row = Row(ask.rid, now_ms, now_ms + LEASE_MS, charge, ask.prompt_tokens)
        book.open.append(row)
        if ask.turn:
            row.tag = ask.turn_tag
        if spared:
            row.counts, row.spared = False, True
            book.uncounted += 1
        elif book.tallies:
            _tally(book, Unit.REQUESTS, now_ms, 1)
    else:
        if book.tallies:
            _tally(book, Unit.REQUESTS, now_ms, 1)
        if not policy.exact_horizon_ms:
            return
        row = Row(ask.rid, now_ms, 0, 0, 0, settled=True)
        if policy.counts_users:
            row.tag = ask.user_tag
            _see(book, row)
    book.rows.append(row)
    book.index[row.rid] = row
    book.times.append(now_ms)
    book.blob += _pack(row)


def _insert(book: Book, entry: Entry, now_ms: int) -> None:
    """Add a row among the others; one that no window reaches any more goes at once."""
    policy, at_ms = book.policy, min(entry.at_ms, now_ms)
    if entry.rid in book.index:
        return
    if policy.leased:
        lease_ms = 0 if entry.settled else now_ms + LEASE_MS
        row = Row(entry.rid, at_ms, lease_ms, entry.charge, entry.spent)
        row.counts, row.spared = entry.counts and not entry.spared, entry.counts and entry.spared
        row.settled = entry.settled
        _tally(book, Unit.TOKENS, at_ms, entry.charge)
    else:
        row = Row(entry.rid, at_ms, 0, 0, 0, settled=True)
        row.tag = entry.user_tag if policy.counts_users else 0
    _tally(book, Unit.REQUESTS, at_ms, int(row.counts))
    if not policy.leased and not policy.exact_horizon_ms:
        return
    index = bisect_right(book.times, at_ms)
    book.rows.insert(index, row)
    book.times.insert(index, at_ms)
    book.blob[index * ROW.size : index * ROW.size] = _pack(row)
    if row.lease_ms:
        book.open.append(row)
    _sum_up(book)
    _prune(book, now_ms)


def _see(book: Book, row: Row) -> None:
    before_ms = book.users.get(row.tag)
    if before_ms is not None:
        del book.seen[bisect_left(book.seen, before_ms)]
    book.users[row.tag] = row.at_ms
    book.seen.append(row.at_ms)


def _give_back(book: Book, rid: bytes, at_ms: int) -> None:
    """Count an arrival no longer; where it has no row, what was counted at its time."""
    row = book.row(rid)
    if row is None:
        _tally(book, Unit.REQUESTS, at_ms, -1)
        return
    _tally(book, Unit.REQUESTS, row.at_ms, -1)
    _remove(book, row)


def _remove(book: Book, row: Row) -> None:
    index = book.rows.index(row)
    del book.index[row.rid], book.rows[index], book.times[index]
    del book.blob[index * ROW.size : (index + 1) * ROW.size]
    _sum_up(book)


def _expire(book: Book, now_ms: int) -> None:
    """Take callers whose lease has passed for dead."""
    if not book.open:
        return
    for row in [row for row in book.open if row.lease_ms <= now_ms]:
        book.open.remove(row)
        row.lease_ms = 0
        _charge(book, row, row.spent)
        _repack(book, row)


def _charge(book: Book, row: Row, tokens: int) -> None:
    _tally(book, Unit.TOKENS, row.at_ms, tokens - row.charge)
    book.charged += tokens - row.charge
    row.charge = row.spent = tokens


def _close(book: Book, row: Row) -> None:
    row.settled, row.lease_ms = True, 0
    if row in book.open:
        book.open.remove(row)
    _repack(book, row)


def _tally(book: Book, unit: Unit, at_ms: int, amount: int) -> None:
    if not book.tallies or not amount:
        return
    for tally in book.tallies.values():
        if tally.unit is unit:
            tally.add(at_ms, amount)


def _prune(book: Book, now_ms: int) -> None:
    """Forget what no window and no late settlement needs."""
    horizon_ms = book.policy.exact_horizon_ms
    late_ms = max(horizon_ms, LATE_SETTLEMENT_MS, TURN_MS) if book.policy.leased else horizon_ms
    rows = book.rows
    if rows and rows[0].at_ms <= now_ms - horizon_ms:
        kept = [row for row in rows if not _is_over(row, now_ms, horizon_ms, late_ms)]
        if len(kept) < len(rows):
            book.rows, book.times = kept, [row.at_ms for row in kept]
            book.blob = bytearray().join([_pack(row) for row in kept])
            _sum_up(book)


def _sum_up(book: Book) -> None:
    """What is kept beside the rows, made anew from them."""
    book.index = {row.rid: row for row in book.rows}
    book.charged = sum([row.charge for row in book.rows])
    book.uncounted = sum([not row.counts for row in book.rows])
    if book.policy.counts_users:
        book.users, book.seen = {}, []
        for row in book.rows:
            _see(book, row)


def _is_over(row: Row, now_ms: int, horizon_ms: int, late_ms: int) -> bool:
    kept_ms = horizon_ms if row.settled and not row.tag else late_ms
    return not row.lease_ms and row.at_ms <= now_ms - kept_ms


# ── Packing ──────────────────────────────────────────────────────────────────────────────────
#
# header  version u8 · rows u32 · tallies u8
# row     rid 16 B · admitted ms u64 · lease ms after that u32 · charge u32 · spent u32 · tag u32 ·
#         flags u8  = 41 B
# tally   unit u8 · window ms u64 · entries u8, then entries of: index u64 · amount u64

VERSION: Final = 1
HEADER: Final = struct.Struct("<BIB")
ROW: Final = struct.Struct("<16sQIIIIB")
TALLY: Final = struct.Struct("<BQB")
ENTRY: Final = struct.Struct("<QQ")
MOST_TOKENS: Final = 2**32 - 1
COUNTS, SETTLED, SPARED = 1, 2, 4  # the flags


def pack(book: Book) -> bytes:
    """A book as the bytes that a store keeps; little-endian."""
    parts = [HEADER.pack(VERSION, len(book.rows), len(book.tallies)), bytes(book.blob)]
    for tally in book.tallies.values():
        parts.append(TALLY.pack(tally.unit, tally.window_ms, len(tally.counts)))
        entries = chain.from_iterable(tally.counts.items())
        parts.append(struct.pack(f"<{2 * len(tally.counts)}Q", *entries))
    return b"".join(parts)


def unpack(blob: bytes, policy: Policy) -> Book:
    """The book kept as these bytes, read under the policy of today.

    A window that changed between rows and sub-buckets since it was written starts from what the
    other form still tells: rows are counted into a new tally; an old tally is forgotten.
    """
    book = Book(policy)
    version, row_count, tally_count = HEADER.unpack_from(blob)
    if version != VERSION:
        raise ValueError(f"a book of version {version}, known is {VERSION}")
    end = HEADER.size + row_count * ROW.size
    book.blob = bytearray(blob[HEADER.size : end])
    for rid, at_ms, lease_ms, charge, spent, tag, flags in ROW.iter_unpack(book.blob):
        row = Row(
            rid,
            at_ms,
            at_ms + lease_ms if lease_ms else 0,
            charge,
            spent,
            tag,
            bool(flags & COUNTS),
            bool(flags & SETTLED),
            bool(flags & SPARED),
        )
        book.rows.append(row)
        if lease_ms:
            book.open.append(row)
    book.times = [row.at_ms for row in book.rows]
    _sum_up(book)
    _unpack_tallies(book, blob, end, tally_count)
    return book


def _unpack_tallies(book: Book, blob: bytes, offset: int, count: int) -> None:
    kept: dict[tuple[int, int], dict[int, int]] = {}
    for _ in range(count):
        unit, window_ms, entries = TALLY.unpack_from(blob, offset)
        offset += TALLY.size
        end = offset + entries * ENTRY.size
        kept[unit, window_ms] = dict(ENTRY.iter_unpack(blob[offset:end]))
        offset = end
    for tally in book.tallies.values():
        counts = kept.get((tally.unit, tally.window_ms))
        if counts is not None:
            tally.counts, tally.total = counts, sum(counts.values())
            continue
        for row in book.rows:
            tally.add(row.at_ms, row.charge if tally.unit is Unit.TOKENS else int(row.counts))


def _pack(row: Row) -> bytes:
    return ROW.pack(
        row.rid,
        row.at_ms,
        row.lease_ms and row.lease_ms - row.at_ms,
        min(row.charge, MOST_TOKENS),
        min(row.spent, MOST_TOKENS),
        row.tag,
        (row.counts and COUNTS) | (row.settled and SETTLED) | (row.spared and SPARED),
    )


def _repack(book: Book, row: Row) -> None:
    index = bisect_left(book.times, row.at_ms)
    while book.rows[index] is not row:
        index += 1
    book.blob[index * ROW.size : (index + 1) * ROW.size] = _pack(row)
