"""What may be spent on whom: a model's scopes, what is known to be short, one call's spending.

    Spending    all of it, in one process: takes from the shared budgets, remembers what was short
                and how far each day is used
    Spent       one upstream call that may be made; ends in ``close``, once

Calls of a model without any limit are not spent. Only that it tripped is noted, and until it has
proved itself again it is asked for like the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from scalix_free.core.budget import (
    FOREVER_MS,
    WHOLE,
    Act,
    Allowance,
    Close,
    Extent,
    Finding,
    Scope,
    Short,
    Take,
    Verdict,
    Why,
    Window,
    left,
    shortage,
)
from scalix_free.core.clock import DAY_MS, HOUR_MS
from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ports import Budgets, Clock
from scalix_free.routing.catalogue import UNLIMITED, Account, Model
from scalix_free.routing.claim import Claim

BEAT_S: Final = 20.0
"""Two beats may fail before a call in flight loses its slot."""

LASTING: Final = {
    Why.RETIRED: False,
    Why.RESTING: False,
    Why.RPM: False,
    Why.RPD: False,
    Why.PACE: True,
}
"""Shortages that hold for every call → whether for callers of the same class alone."""

EVERYBODY: Final = -1
PRO: Final = "#pro"
"""How the keys of shares end."""

Notice: TypeAlias = Callable[[bool], None]
Retire: TypeAlias = Callable[[str, int], None]


class Spending:
    """Providers' budgets as the router uses them.

    ``pro_share`` is the part of each day that pro callers may have, in thousandths. What was found
    short is believed for ``ttl_ms`` at most; ``notice`` hears of each model whether that was known.
    ``retire`` hears of models that are gone, by their ids, and until when that is believed; what
    one replica has found, the others find in the budgets.
    """

    def __init__(
        self,
        budgets: Budgets,
        clock: Clock,
        *,
        pro_share: int = 500,
        ttl_ms: int = 60_000,
        max_size: int = 100,
        notice: Notice = lambda hit: None,
        retire: Retire = lambda model_id, until_ms: None,
    ) -> None:
        self._budgets = budgets
        self._clock = clock
        self._pro_share = pro_share
        self._ttl_ms = ttl_ms
        self._max_size = max_size
        self._notice = notice
        self._retire = retire
        self._shorts: OrderedDict[tuple[str, int], tuple[int, Short]] = OrderedDict()
        self._books: dict[str, _Books] = {}
        self._used: dict[str, _Used] = {}
        self._rolling_since_ms: dict[str, int] = {}
        self._troubled: set[str] = set()
        self._days = Days()

    def short(self, model: Model, claim: Claim) -> Short | None:
        """Why a model is known to give nothing now, without asking."""
        shorts = self._shorts
        if not shorts:
            return None
        now_ms = self._clock()
        for scope in self._books_of(model, now_ms).scopes:
            for whose in (EVERYBODY, _class_of(claim)):
                known = shorts.get((scope.key, whose))
                if known is not None and known[0] > now_ms:
                    self._notice(True)
                    return known[1]
        return None

    def spare(self, model: Model) -> int:
        """How far the use of a model's day is behind the clock, in thousandths of the day.

        Below 0 it is ahead, and the evening would be short of it. ``WHOLE`` where no day limits it.
        What a day was used by is known of the last call of this process, which is close enough: a
        model that is believed to have more than it has is asked, and then it is known.
        """
        if not model.is_metered or model.renews:
            return WHOLE
        now_ms = self._clock()
        parts = [
            self._passed(scope, now_ms) - self._used_part(scope, now_ms)
            for scope in self._books_of(model, now_ms).scopes
            if scope.allowance.rpd is not None or scope.allowance.tpd is not None
        ]
        return min(parts, default=WHOLE)

    def _passed(self, scope: Scope, now_ms: int) -> int:
        """The part of a scope's day that has passed, in thousandths.

        A rolling day begins where its use as it was first seen would have been on pace, and once it
        is over it stays so: what was spent a day ago comes back, hour by hour.
        """
        if scope.day_end_ms:
            return WHOLE - min(max(scope.day_end_ms - now_ms, 0), DAY_MS) * WHOLE // DAY_MS
        since_ms = self._rolling_since_ms.get(scope.key, now_ms)
        return min((now_ms - since_ms) * WHOLE // DAY_MS, WHOLE)

    def _used_part(self, scope: Scope, now_ms: int) -> int:
        known = self._used.get(scope.key)
        if known is None or known.end_ms != scope.day_end_ms:  # another day has begun
            return 0
        if scope.day_end_ms:
            return known.part
        kept_ms = max(DAY_MS - (now_ms - known.at_ms), 0)
        return known.part * kept_ms // DAY_MS

    def _note_used(self, scope: Scope, part: int, now_ms: int) -> None:
        self._used[scope.key] = _Used(part, scope.day_end_ms, now_ms)
        if not scope.day_end_ms:
            self._rolling_since_ms.setdefault(scope.key, now_ms - part * DAY_MS // WHOLE)

    async def take(self, model: Model, claim: Claim, rid: bytes, tokens: int) -> Spent | Short:
        """Spend one call, if all budgets that it touches have it. Raises ``StoreUnavailable``."""
        now_ms = self._clock()
        books = self._books_of(model, now_ms)
        scopes = books.of_pro if claim.pro else books.scopes
        ask = Take(rid, scopes, tokens, claim.headroom, claim.received)
        if not books.metered and model.id not in self._troubled:
            return Spent(self, books, ask, None)
        self._notice(False)
        try:
            taken = await self._budgets.take(ask)
        except asyncio.CancelledError:  # whoever asked has left, and it may be taken all the same
            await self._close(Close(rid, scopes, now_ms, tokens, None), books)
            raise
        if isinstance(taken, Short):
            if taken.why is Why.RETIRED and taken.key == key_of(model):
                self._retire(model.id, FOREVER_MS if taken.until_ms is None else taken.until_ms)
            self._remember(model, claim, taken, now_ms)
            return taken
        for scope, part in zip(books.scopes, taken.used, strict=False):  # shares come after them
            if part >= 0:
                self._note_used(scope, part, now_ms)
        return Spent(self, books, ask, taken.at_ms)

    async def left_today(self, models: Iterable[Model]) -> Mapping[str, int]:
        """Requests that accounts have left of their day, by name, where that is limited.

        It is what the account has left, and no more than its models have together. Raises
        ``StoreUnavailable``.
        """
        now_ms = self._clock()
        pairs = [self._books_of(model, now_ms).scopes for model in models]
        scopes = {scope.key: scope for pair in pairs for scope in pair}
        budgets = await self._budgets.look(list(scopes.values()))
        has: dict[str, int | None] = {}
        for budget, scope in zip(budgets, scopes.values(), strict=True):
            budget.forget(now_ms)
            gone = budget.retired_until_ms > now_ms
            has[scope.key] = 0 if gone else left(budget, scope.allowance, Window.RPD)
        told: dict[str, int] = {}
        for name in {account.key for account, _ in pairs}:
            each = [has[model.key] for account, model in pairs if account.key == name]
            together = [amount for amount in each if amount is not None]
            most = [has[name], sum(together) if len(together) == len(each) else None]
            known = [amount for amount in most if amount is not None]
            if known:
                told[name] = min(known)
        return told

    async def shortages(self, models: Iterable[Model]) -> Mapping[str, Short]:
        """What is missing for the smallest call of a model, by its id; spends nothing.

        Pace and fairness hold nobody up here. Raises ``StoreUnavailable``.
        """
        now_ms = self._clock()
        scopes_of = {model.id: self._books_of(model, now_ms).scopes for model in models}
        scopes = list({scope.key: scope for pair in scopes_of.values() for scope in pair}.values())
        budgets = await self._budgets.look(scopes)
        kept = {scope.key: one for scope, one in zip(scopes, budgets, strict=True)}
        found = {
            name: shortage([kept[one.key] for one in pair], Take(b"", pair, 1), now_ms)
            for name, pair in scopes_of.items()
        }
        return {name: short for name, short in found.items() if short is not None}

    def _books_of(self, model: Model, now_ms: int) -> _Books:
        account = model.account or Account(name=model.provider)
        end_ms = self._days.end_ms(account.zone, now_ms)
        known = self._books.get(model.id)
        if known is None or known.model is not model or known.end_ms != end_ms:
            known = self._books[model.id] = _books(model, account, end_ms, self._pro_share)
        return known

    def _remember(self, model: Model, claim: Claim, short: Short, now_ms: int) -> None:
        if short.why not in LASTING or (short.until_ms is None and short.why is not Why.RETIRED):
            return
        until_ms = now_ms + self._ttl_ms
        if short.until_ms is not None:
            until_ms = min(until_ms, short.until_ms)
        of_share = short.key.endswith(PRO)
        whose = _class_of(claim) if of_share or LASTING[short.why] else EVERYBODY
        self._shorts[key_of(model) if of_share else short.key, whose] = (until_ms, short)
        if len(self._shorts) > self._max_size:
            self._shorts.popitem(last=False)

    async def _close(self, end: Close, books: _Books) -> None:
        for place, found in end.findings:
            if found.act is Act.RETIRE and end.scopes[place].key == key_of(books.model):
                self._retire(books.model.id, found.until_ms)
        if not books.metered:
            if end.findings:
                self._troubled.add(books.model.id)
            elif end.verdict is Verdict.SUCCESS:
                self._troubled.discard(books.model.id)  # others learn of it by their own calls
        # What cannot be noted now is found again by the next call.
        with contextlib.suppress(StoreUnavailable):
            await self._budgets.close(end)


class Spent:
    """One upstream call that may be made. Keeps its slot until it is closed.

    ``at_ms`` is None where nothing had to be taken.
    """

    def __init__(self, spending: Spending, books: _Books, ask: Take, at_ms: int | None) -> None:
        self._spending = spending
        self._books = books
        self._ask = ask
        self._at_ms = at_ms
        self._timer: asyncio.TimerHandle | None = None
        self._beating: asyncio.Task[None] | None = None
        if at_ms is not None and any(scope.allowance.concurrent for scope in ask.scopes):
            self._beat_later()

    async def close(
        self, *, tokens: int | None, verdict: Verdict, findings: Sequence[Finding] = ()
    ) -> None:
        """The call has ended: what it took, None where nobody knows, and what was found.

        What was left at its beginning is not told where it has returned since.
        """
        if self._timer is not None:
            self._timer.cancel()
        if not self._books.metered:  # what has no limit has none to learn about
            findings = [found for found in findings if found.act is Act.TRIP]
        if self._at_ms is None and not findings:
            return
        now_ms = self._spending._clock()
        places = {Extent.ACCOUNT: 0, Extent.MODEL: 1}
        end = Close(
            self._ask.rid,
            self._ask.scopes,
            self._at_ms or 0,
            self._ask.tokens,
            None if self._at_ms is None else tokens,
            verdict,
            tuple(
                (places[found.extent], self._dated(found, now_ms))
                for found in findings
                if found.act is not Act.LEFT or not 0 < found.until_ms <= now_ms
            ),
        )
        await self._spending._close(end, self._books)

    def _dated(self, found: Finding, now_ms: int) -> Finding:
        """A rest until the end of the day gets its moment; of a rolling day, an hour."""
        if found.act is not Act.REST or found.until_ms:
            return found
        until_ms = self._ask.scopes[0].day_end_ms or now_ms + HOUR_MS
        return found._replace(until_ms=until_ms)

    def _beat_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(BEAT_S, self._beat)

    def _beat(self) -> None:
        self._beat_later()
        self._beating = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        with contextlib.suppress(StoreUnavailable):
            await self._spending._budgets.beat(self._ask.scopes, self._ask.rid)


class _Used(NamedTuple):
    """The part of a day that was used at a moment, in thousandths."""

    part: int
    end_ms: int
    at_ms: int


class _Books(NamedTuple):
    """The scopes of a model until the day ends."""

    model: Model
    end_ms: int
    metered: bool
    scopes: tuple[Scope, ...]
    of_pro: tuple[Scope, ...]


def _books(model: Model, account: Account, end_ms: int, pro_share: int) -> _Books:
    scopes = (
        Scope(account.name, account.allowance, end_ms),
        Scope(key_of(model), model.allowance, end_ms),
    )
    shares = (
        Scope(f"{scope.key}{suffix}", _share(scope.allowance, pro_share), end_ms)
        for scope, suffix in zip(scopes, (f"/{PRO}", PRO), strict=True)
        if scope.allowance.rpd is not None or scope.allowance.tpd is not None
    )
    return _Books(model, end_ms, model.is_metered, scopes, (*scopes, *shares))


class Days:
    """When the day of each zone ends. Remembers it until then."""

    def __init__(self) -> None:
        self._ends_ms: dict[ZoneInfo, int] = {}

    def end_ms(self, zone: ZoneInfo | None, now_ms: int) -> int:
        """The next midnight of a zone; 0 without one: the day is rolling."""
        if zone is None:
            return 0
        end_ms = self._ends_ms.get(zone, 0)
        if not now_ms < end_ms <= now_ms + 90_000_000:  # a day has 25 hours at most
            end_ms = self._ends_ms[zone] = next_midnight_ms(zone, now_ms)
        return end_ms


def next_midnight_ms(zone: ZoneInfo, now_ms: int) -> int:
    """The moment at which the next day begins there."""
    today = dt.datetime.fromtimestamp(now_ms / 1000, zone).date()
    midnight = dt.datetime.combine(today + dt.timedelta(days=1), dt.time(), zone)
    return int(midnight.timestamp() * 1000)


def key_of(model: Model) -> str:
    """A model's key among budgets: it begins with that of its account."""
    name = model.account.name if model.account is not None else model.provider
    return model.id if model.id.startswith(f"{name}/") else f"{name}/{model.id}"


def _class_of(claim: Claim) -> int:
    return claim.headroom * 2 + claim.pro


def _share(allowance: Allowance, share: int) -> Allowance:
    """That part of a day's limits."""

    def part(limit: int | None) -> int | None:
        return None if limit is None else limit * share // 1000

    return replace(UNLIMITED, rpd=part(allowance.rpd), tpd=part(allowance.tpd), firm=allowance.firm)
