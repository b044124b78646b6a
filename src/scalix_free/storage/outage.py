"""A ledger on a server that may go away: what is decided meanwhile, and how it is made good.

States
    *here*: the server is asked. After 5 failures in a row it is *away*: nobody waits for it any
    more, and every 2 s it is tried. When it answers again, what was admitted without it is entered
    into its books, and it is *back*: for some seconds it is asked together with our own ledger,
    until all other workers have entered theirs too.

Policies
    ``degrade``: each worker admits by a ledger of its own in which every limit is divided by the
    number of workers, as is what the usage log knows of the time before; so all of them together
    admit what is allowed, and one more each.
    ``allow``: everybody is admitted. ``deny``: nobody is.

What was admitted here is entered by its request id, which the server takes once, however often it
is told. A request that runs on is entered as it stands, and ended on the server. One that the
server admitted and that ended while it was away is ended when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import os
import random
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Any, Final, Literal, TypeAlias, TypeVar

from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ledger import Admitted, Ask, Denied, Entry, Level, Policy, Subject
from scalix_free.core.ports import Clock
from scalix_free.storage.restored import History, Recent, ServerLedger, entry_of
from scalix_free.storage.sqlite_ledger import SqliteLedger

log = logging.getLogger(__name__)

T = TypeVar("T")

FAILURES: Final = 5
PAUSE_MS: Final = 2_000
HOLD_MS: Final = 5_000
"""How long after its return the server is not yet asked alone. The other workers try it every
``PAUSE_MS``, and need some time to enter what they have."""
STRANGERS_MS: Final = 600_000
"""So long into an outage whoever has no account is refused: nobody knows them well enough."""
ATTEND_S: Final = 10.0
ATTEND_TTL_MS: Final = 30_000
COUNTS: Final = 4
"""A worker is missed only when so many counts in a row say so."""
MOST: Final = 100_000
"""So many requests are remembered to be entered later, some 60 MB; then the oldest are lost."""
BATCH: Final = 64

OnOutage: TypeAlias = Literal["degrade", "deny", "allow"]
Health: TypeAlias = Literal["ok", "degraded", "unavailable"]


class _State(enum.Enum):
    HERE = enum.auto()
    AWAY = enum.auto()
    BACK = enum.auto()


@dataclass(slots=True)
class _Kept:
    """A request that was admitted here.

    ``here`` are its subjects as our own ledger knows them. Once ``sent``, the server may know it
    as it was then.
    """

    subjects: tuple[Subject, ...]
    here: tuple[Subject, ...]
    entry: Entry
    sent: Entry | None = None
    refunded: bool = False


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a request of the server's ended; without tokens it was refunded."""

    subjects: tuple[Subject, ...]
    tokens: int | None
    counts: bool = True


class OutageLedger:
    """The ports ``Ledger`` and ``Once`` around those of a server. ``open`` before use.

    ``workers`` is how many share the server at least; more are counted there. Of the kinds of
    policies, ``strangers`` are refused when an outage lasts, and ``server_only`` at once.
    """

    def __init__(
        self,
        server: ServerLedger,
        *,
        on_outage: OnOutage,
        clock: Clock,
        recent: Recent,
        workers: int = 1,
        strangers: Collection[str] = (),
        server_only: Collection[str] = (),
    ) -> None:
        self._server = server
        self._on_outage = on_outage
        self._clock = clock
        self._history = History(recent, clock)
        self._strangers = frozenset(strangers)
        self._server_only = frozenset(server_only)
        self._worker = os.urandom(16)
        self._least_workers = workers
        self._counted: deque[int] = deque(maxlen=COUNTS)
        self._state = _State.HERE
        self._failures = 0
        self._since_ms = 0  # it is in this state
        self._failed_ms = 0  # the first failure of those in a row
        self._tried_ms = 0
        self._trying = False
        self._ahead_ms = 0  # of the server's clock, before ours
        self._shares = 1
        self._kept: dict[bytes, _Kept] = {}
        self._endings: dict[bytes, _Ending] = {}
        self._doubly: dict[bytes, tuple[Subject, ...]] = {}
        self._begun: dict[bytes, asyncio.Task[None]] = {}
        self._entered = self._lost = 0
        self._entering: asyncio.Task[None] | None = None
        self._tending: asyncio.Task[None] | None = None

    # ── Life ────────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Connect; where that fails the server is away from the beginning."""
        self._here = await self._fresh()
        try:
            await self._server.open()
            await self._attend()
        except StoreUnavailable:
            self._failures = FAILURES
            self._since_ms = self._tried_ms = self._clock()
            self._state = _State.AWAY
            self._shares = self.workers
        self._tending = asyncio.create_task(self._tend_on())

    async def close(self) -> None:
        """Enter what can still be entered, and disconnect."""
        tasks = [task for task in (self._tending, self._entering) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._begun.values(), return_exceptions=True)
        with contextlib.suppress(StoreUnavailable):
            await self._enter_all()
        if lost := self._lost + len(self._kept):
            log.error("%d requests are not counted: the ledger's server is away", lost)
        await self._server.close()
        await self._here.close()

    @property
    def workers(self) -> int:
        """How many workers share the server, as far as it is known."""
        return max(self._least_workers, *self._counted, 1)

    async def health(self) -> Health:
        """How well requests can be counted now."""
        await self._end_hold()
        try:
            await self._ask(lambda: self._server.peek(_NOBODY))
        except StoreUnavailable:
            return "unavailable" if self._on_outage == "deny" else "degraded"
        return "ok" if self._state is _State.HERE else "degraded"

    async def tend(self) -> None:
        """Tell the server that we are here; thereby find out whether it is."""
        with contextlib.suppress(StoreUnavailable):
            await self._ask(self._attend)

    # ── The ports ───────────────────────────────────────────────────────────────────────────

    async def admit(self, ask: Ask) -> Admitted | Denied:
        """Ask the server, or decide here."""
        await self._end_hold()
        is_ours = self._is_ours(ask)
        if self._state is _State.BACK and is_ours:
            return await self._admit_doubly(ask)
        if self._state is not _State.AWAY or not is_ours:
            try:
                return await self._admit_there(ask)
            except StoreUnavailable:
                if not is_ours:
                    raise
        return await self._admit_here(ask)

    async def settle(
        self, subjects: Sequence[Subject], rid: bytes, tokens: int, *, counts: bool = True
    ) -> tuple[Level, ...]:
        """Settle where it was admitted; what cannot be settled now is settled later."""
        kept = self._kept.get(rid)
        if kept is None:
            ending = _Ending(tuple(subjects), tokens, counts)
            await self._end_doubly(rid, ending)
            return await self._end(rid, ending)
        kept.entry = kept.entry._replace(charge=tokens, spent=tokens, counts=counts, settled=True)
        if not counts and kept.sent is None:  # the others need not hear of it
            kept.subjects = kept.subjects[:1]
        return await self._here.settle(kept.here, rid, tokens, counts=counts)

    async def beat(self, subject: Subject, rid: bytes, spent: int) -> None:
        """Renew a lease where it was given."""
        kept = self._kept.get(rid)
        if kept is None:
            await self._ask(lambda: self._server.beat(subject, rid, spent))
            return
        kept.entry = kept.entry._replace(spent=spent)
        await self._here.beat(kept.here[0], rid, spent)

    async def refund(self, subjects: Sequence[Subject], rid: bytes) -> tuple[Level, ...]:
        """Undo an admission where it was given, now or later."""
        kept = self._kept.get(rid)
        if kept is None:
            ending = _Ending(tuple(subjects), None)
            await self._end_doubly(rid, ending)
            return await self._end(rid, ending)
        kept.refunded = True
        if kept.sent is None:
            del self._kept[rid]
        return await self._here.refund(kept.here, rid)

    async def peek(self, subject: Subject) -> tuple[Level, ...]:
        """What the server says, or what is left of our share."""
        try:
            return await self._ask(lambda: self._server.peek(subject))
        except StoreUnavailable:
            if self._on_outage == "deny":
                raise
        shares = None if self._on_outage == "allow" else self._shares
        return await self._here.peek(_share(subject, shares))

    async def enter(self, subjects: Sequence[Subject], entry: Entry) -> bool:
        """Enter it on the server."""
        return await self._ask(lambda: self._server.enter(subjects, entry))

    async def claim(self, key: bytes, until_ms: int) -> bool:
        """Ask the server, which alone can promise that it is the first time."""
        return await self._ask(lambda: self._server.claim(key, until_ms))

    # ── Admitting ───────────────────────────────────────────────────────────────────────────

    async def _admit_there(self, ask: Ask) -> Admitted | Denied:
        verdict = await self._ask(lambda: self._server.admit(ask))
        self._ahead_ms = verdict.now_ms - self._clock()
        return verdict

    def _is_ours(self, ask: Ask) -> bool:
        """Whether we may decide without the server."""
        return self._on_outage != "deny" and ask.subjects[0].policy.kind not in self._server_only

    async def _admit_here(self, ask: Ask) -> Admitted | Denied:
        """Decide by our own ledger, and remember what the server has to be told."""
        if self._lasts() and ask.subjects[0].policy.kind in self._strangers:
            raise _AWAY
        here, verdict = await self._judge(ask)
        if isinstance(verdict, Admitted):
            leased = ask.subjects[0].policy.leased
            entry = Entry(
                rid=ask.rid,
                at_ms=verdict.now_ms,
                charge=ask.prompt_tokens + verdict.output_tokens if leased else 0,
                spent=ask.prompt_tokens if leased else 0,
                settled=not leased,
                user_tag=ask.user_tag,
            )
            self._kept.setdefault(ask.rid, _Kept(ask.subjects, here, entry))
            if len(self._kept) > MOST:
                del self._kept[next(iter(self._kept))]
                self._lost += 1
        return verdict

    async def _judge(self, ask: Ask) -> tuple[tuple[Subject, ...], Admitted | Denied]:
        """What our own ledger says, and to whom.

        Turns are not known to it: what covers a call may be known to the server alone.
        """
        shares = None if self._on_outage == "allow" else self._shares
        here = tuple([_share(subject, shares) for subject in ask.subjects])
        if shares is not None:
            for subject in here:
                await self._begin(subject, shares)
        try:
            return here, await self._here.admit(ask._replace(subjects=here, turn=b""))
        except asyncio.CancelledError:
            await self._here.refund(here, ask.rid)
            raise

    async def _begin(self, subject: Subject, shares: int) -> None:
        """Enter our share of what a subject had before, the first time that we decide on it."""
        begun = self._begun.get(subject.key)
        if begun is None:
            begun = self._begun[subject.key] = asyncio.create_task(
                self._enter_past(subject, shares)
            )
        if not begun.done():
            await asyncio.shield(begun)

    async def _enter_past(self, subject: Subject, shares: int) -> None:
        past = await self._history.of(subject) or ()
        for entry in _share_of_past([entry_of(one) for one in past], shares):
            await self._here.enter([subject], entry)

    def _lasts(self) -> bool:
        """Whether the server is away for so long that strangers are refused."""
        if self._on_outage != "degrade" or self._state is not _State.AWAY:
            return False
        return self._clock() - self._since_ms >= STRANGERS_MS

    async def _admit_doubly(self, ask: Ask) -> Admitted | Denied:
        """Ask our own ledger and the server: other workers may still have to tell it something."""
        here, verdict = await self._judge(ask)
        if isinstance(verdict, Denied):
            return verdict
        self._doubly[ask.rid] = here
        try:
            verdict = await self._admit_there(ask)
        except StoreUnavailable:
            self._doubly.pop(ask.rid, None)
            return await self._admit_here(ask)  # asked again, it is the same admission
        except BaseException:
            await self._end_doubly(ask.rid, _Ending(ask.subjects, None))
            raise
        if isinstance(verdict, Denied):
            await self._end_doubly(ask.rid, _Ending(ask.subjects, None))
        return verdict

    async def _end_doubly(self, rid: bytes, ending: _Ending) -> None:
        if (here := self._doubly.pop(rid, None)) is None:
            return
        if ending.tokens is None:
            await self._here.refund(here, rid)
        else:
            await self._here.settle(here, rid, ending.tokens, counts=ending.counts)

    async def _end_hold(self) -> None:
        """Ask the server alone again, once it has been back for long enough."""
        if self._state is _State.BACK and not 0 <= self._clock() - self._since_ms < HOLD_MS:
            await self._forget()

    async def _forget(self) -> None:
        """Begin our own ledger anew: the server knows everything."""
        self._state = _State.HERE
        self._doubly.clear()
        self._begun.clear()
        old, self._here = self._here, await self._fresh()
        await old.close()

    async def _fresh(self) -> SqliteLedger:
        ledger = SqliteLedger(":memory:", clock=lambda: self._clock() + self._ahead_ms)
        await ledger.open()
        return ledger

    # ── Asking the server ───────────────────────────────────────────────────────────────────

    async def _ask(self, act: Callable[[], Awaitable[T]]) -> T:
        """Ask the server if that is worth while. Raises ``StoreUnavailable``."""
        tries = self._state is _State.AWAY and self._entering is None
        if tries:
            if self._trying or self._pauses():
                raise _AWAY
            self._trying, self._tried_ms = True, self._clock()
        try:
            said = await act()
        except StoreUnavailable as error:
            self._failed(error)
            raise
        finally:
            if tries:
                self._trying = False
        self._failures = 0
        if tries or ((self._kept or self._endings) and not self._pauses()):
            self._enter_soon()
        return said

    def _pauses(self) -> bool:
        return 0 <= self._clock() - self._tried_ms < PAUSE_MS

    def _failed(self, error: StoreUnavailable) -> None:
        if self._failures == 0 and self._state is not _State.AWAY:
            if self._state is _State.HERE:
                self._shares = self.workers
            self._failed_ms = self._clock()
        self._failures += 1
        if self._state is _State.AWAY or self._failures < FAILURES:
            return
        self._state, self._since_ms, self._tried_ms = _State.AWAY, self._failed_ms, self._clock()
        log.warning("%s; %s", error, MEANWHILE[self._on_outage])

    async def _attend(self) -> None:
        self._counted.append(await self._server.attend(self._worker, ATTEND_TTL_MS))

    async def _tend_on(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + ATTEND_S
        while True:
            await asyncio.sleep(PAUSE_MS / 1000 * random.uniform(1.0, 1.1))
            if self._state is _State.AWAY or loop.time() >= due:
                due = loop.time() + ATTEND_S
                await self.tend()

    # ── Making good ─────────────────────────────────────────────────────────────────────────

    async def _end(self, rid: bytes, ending: _Ending) -> tuple[Level, ...]:
        try:
            return await self._ask(lambda: self._end_there(rid, ending))
        except StoreUnavailable:
            self._endings.setdefault(rid, ending)
            if len(self._endings) > MOST:
                del self._endings[next(iter(self._endings))]
            raise

    def _end_there(self, rid: bytes, ending: _Ending) -> Awaitable[tuple[Level, ...]]:
        subjects, tokens, counts = ending.subjects, ending.tokens, ending.counts
        if tokens is None:
            return self._server.refund(subjects, rid)
        return self._server.settle(subjects, rid, tokens, counts=counts)

    def _enter_soon(self) -> None:
        if self._entering is None:
            self._entering = asyncio.create_task(self._make_good())

    async def _make_good(self) -> None:
        """Enter everything; then the server is back, if it was away."""
        try:
            await self._attend()  # what was told from memory proves nothing
            await self._enter_all()
        except StoreUnavailable as error:
            self._tried_ms = self._clock()
            self._failed(error)
            return
        finally:
            self._entering = None
        if self._state is _State.AWAY:
            self._state, self._since_ms = _State.BACK, self._clock()
            if self._on_outage != "degrade":
                await self._forget()  # nobody's share can be overtaken
            log.warning(
                "the ledger's server is back; %d requests of meanwhile were entered, %d are lost",
                self._entered,
                self._lost,
            )
            self._entered = self._lost = 0
        elif self._state is _State.HERE:
            await self._forget()

    async def _enter_all(self) -> None:
        """Tell the server what it missed. Raises ``StoreUnavailable``."""
        while self._kept or self._endings:
            endings = list(islice(self._endings.items(), BATCH))
            await _all(self._end_late(rid, ending) for rid, ending in endings)
            kept = list(islice(self._kept.items(), BATCH))
            await _all(self._enter_kept(rid, one) for rid, one in kept)

    async def _end_late(self, rid: bytes, ending: _Ending) -> None:
        await self._end_there(rid, ending)
        self._endings.pop(rid, None)

    async def _enter_kept(self, rid: bytes, kept: _Kept) -> None:
        """Enter one request; what became of it meanwhile is told afterwards.

        As long as nobody knows whether the server has heard, it is told the same.
        """
        sent = kept.sent = kept.sent or kept.entry
        is_new = await self._server.enter(kept.subjects, sent)
        if self._kept.pop(rid, None) is None:
            return
        self._entered += is_new
        if kept.refunded:
            self._endings[rid] = _Ending(kept.subjects, None)
        elif kept.entry.settled and (kept.entry is not sent or not is_new):
            self._endings[rid] = _Ending(kept.subjects, kept.entry.charge, counts=kept.entry.counts)


MEANWHILE: Final = {
    "degrade": "until it is back every worker admits its share of each limit",
    "deny": "until it is back nobody is admitted",
    "allow": "until it is back everybody is admitted",
}

_AWAY: Final = StoreUnavailable("the ledger's store failed: the server is away")
_NOBODY: Final = Subject(bytes(16), Policy("nobody", ()))


def _share(subject: Subject, shares: int | None) -> Subject:
    return Subject(subject.key, _share_of(subject.policy, shares))


@lru_cache(1_024)
def _share_of(policy: Policy, shares: int | None) -> Policy:
    """The limits of one of so many workers, rounded up; None lifts them."""
    limits = []
    for limit in policy.limits:
        most = None if shares is None or limit.most is None else -(-limit.most // shares)
        limits.append(replace(limit, most=most))
    return Policy(policy.kind, tuple(limits), policy.leased)


def _share_of_past(entries: Sequence[Entry], shares: int) -> Iterator[Entry]:
    """Of so many requests one for each share of them, rounded up; tokens are divided."""
    counted = [entry for entry in entries if entry.counts]
    for i in range(0, len(counted), shares):
        some = counted[i : i + shares]
        tokens = -(-sum(one.charge for one in some) // shares)
        yield some[-1]._replace(charge=tokens, spent=tokens)
    for entry in entries:
        if not entry.counts:
            tokens = -(-entry.charge // shares)
            yield entry._replace(charge=tokens, spent=tokens)


async def _all(acts: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all of it, and then say that some of it failed."""
    for said in await asyncio.gather(*acts, return_exceptions=True):
        if isinstance(said, BaseException):
            raise said
