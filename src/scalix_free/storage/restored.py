"""A ledger on a server that may lose its data: what is missing is read from the usage log.

Each server holds an epoch, a key that says since when its data are there. It is asked for together
with every admission, at no round trip of its own. Where it is new, whoever is seen for the first
time in the 24 h after it is first looked up in the usage log, and what that knows is entered.
Entering is harmless when it is repeated, so that workers need not agree on who does it; where a
window keeps no rows, and it would not be, the first one does. What runs here is entered as well.

The usage log is written within a second: what ended in the last second may be missing.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias

from scalix_free.core.clock import DAY_MS
from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ledger import Admitted, Ask, Denied, Entry, Level, Subject
from scalix_free.core.outcome import Charge
from scalix_free.core.ports import Clock, Ledger, Once

log = logging.getLogger(__name__)

LOOK_S: Final = 0.5
PAUSE_MS: Final = 2_000
MOST: Final = 100_000
"""So many subjects are known to be complete; whoever is forgotten is looked up again."""
MOST_RUNNING: Final = 10_000

Recent: TypeAlias = Callable[[bytes, int], Awaitable[Sequence[Charge]]]
"""What a subject was charged since some moment; ``UsageLog.recent``."""


class ServerLedger(Ledger, Once, Protocol):
    """A ledger on a server that several workers share."""

    async def open(self) -> None:
        """Connect. Raises ``StoreUnavailable``."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...

    async def attend(self, worker: bytes, ttl_ms: int) -> int:
        """Say that a worker is here for so long; how many are."""
        ...


class EpochLedger(ServerLedger, Protocol):
    """One that tells data sets apart."""

    def remembered(self, subject: Subject) -> Denied | None:
        """A denial that needs no asking."""
        ...

    def epochs(self, subjects: Sequence[Subject], new: bytes) -> Mapping[bytes, Awaitable[object]]:
        """The epoch of each server that holds one of them, which is ``new`` where it had none.

        Without subjects, of all servers.

        The question is sent when this is called. The answer is what the server had before, bytes or
        None; anything else, which is not raised, where it does not answer.
        """
        ...


class History:
    """What the usage log knows of subjects; nobody waits for it long."""

    def __init__(self, recent: Recent, clock: Clock) -> None:
        self._recent = recent
        self._clock = clock
        self._failed_ms = -PAUSE_MS

    async def of(self, subject: Subject) -> Sequence[Charge] | None:
        """The charges of the last day that matter to a subject; None where that is not known."""
        now_ms = self._clock()
        if 0 <= now_ms - self._failed_ms < PAUSE_MS:
            return None
        try:
            async with asyncio.timeout(LOOK_S):
                charges = await self._recent(subject.key, now_ms - DAY_MS)
        except (StoreUnavailable, TimeoutError):
            self._failed_ms = now_ms
            return None
        return [one for one in charges if one.counts or subject.policy.leased]


class _Asked(NamedTuple):
    """Epochs that are asked for: those that were known then, and the one of a new data set."""

    known: Mapping[bytes, bytes]
    new: bytes
    epochs: Mapping[bytes, Awaitable[object]]


class RestoredLedger:
    """The ports ``Ledger`` and ``Once`` of a server, made whole from the usage log."""

    def __init__(self, server: EpochLedger, recent: Recent, *, clock: Clock) -> None:
        self._server = server
        self._history = History(recent, clock)
        self._clock = clock
        self._epochs: dict[bytes, bytes] = {}
        self._whole_from_ms = 0
        self._restored: OrderedDict[bytes, None] = OrderedDict()
        self._running: dict[bytes, tuple[tuple[Subject, ...], Entry]] = {}
        self._restoring: dict[bytes, asyncio.Task[None]] = {}

    # ── The ports ───────────────────────────────────────────────────────────────────────────

    async def admit(self, ask: Ask) -> Admitted | Denied:
        """Ask the server, whose books of these subjects are made whole first."""
        if (denied := self._server.remembered(ask.subjects[0])) is not None:
            return denied
        await self._restore(ask.subjects)
        asked = self._ask_epochs(ask.subjects)
        verdict = await self._server.admit(ask)
        if await self._have_changed(asked):
            if isinstance(verdict, Admitted):
                await self._server.refund(ask.subjects, ask.rid)
            await self._restore(ask.subjects)
            verdict = await self._server.admit(ask)
        if isinstance(verdict, Admitted) and ask.subjects[0].policy.leased:
            charge = ask.prompt_tokens + verdict.output_tokens
            entry = Entry(
                rid=ask.rid,
                at_ms=verdict.now_ms,
                charge=charge,
                spent=ask.prompt_tokens,
                settled=False,
                user_tag=ask.user_tag,
                spared=verdict.spared,
            )
            self._running[ask.rid] = (ask.subjects, entry)
            if len(self._running) > MOST_RUNNING:  # settled by another worker, or never
                del self._running[next(iter(self._running))]
        return verdict

    async def settle(
        self, subjects: Sequence[Subject], rid: bytes, tokens: int, *, counts: bool = True
    ) -> tuple[Level, ...]:
        """Settle there."""
        self._running.pop(rid, None)
        return await self._server.settle(subjects, rid, tokens, counts=counts)

    async def beat(self, subject: Subject, rid: bytes, spent: int) -> None:
        """Beat there."""
        await self._server.beat(subject, rid, spent)

    async def refund(self, subjects: Sequence[Subject], rid: bytes) -> tuple[Level, ...]:
        """Refund there."""
        self._running.pop(rid, None)
        return await self._server.refund(subjects, rid)

    async def peek(self, subject: Subject) -> tuple[Level, ...]:
        """Peek there, at a book that was made whole first."""
        await self._restore([subject])
        asked = self._ask_epochs([subject])
        levels = await self._server.peek(subject)
        if await self._have_changed(asked):
            await self._restore([subject])
            levels = await self._server.peek(subject)
        return levels

    async def enter(self, subjects: Sequence[Subject], entry: Entry) -> bool:
        """Enter there."""
        return await self._server.enter(subjects, entry)

    async def claim(self, key: bytes, until_ms: int) -> bool:
        """Claim there."""
        return await self._server.claim(key, until_ms)

    async def open(self) -> None:
        """Connect. Raises ``StoreUnavailable``."""
        await self._server.open()

    async def close(self) -> None:
        """Disconnect."""
        await self._server.close()

    async def attend(self, worker: bytes, ttl_ms: int) -> int:
        """Attend there, and see whether data were lost."""
        asked = self._ask_epochs(())
        count = await self._server.attend(worker, ttl_ms)
        await self._have_changed(asked)
        return count

    # ── Losses ──────────────────────────────────────────────────────────────────────────────

    def _ask_epochs(self, subjects: Sequence[Subject]) -> _Asked:
        new = b"%d:%s" % (self._clock(), os.urandom(4).hex().encode())
        return _Asked(self._epochs, new, self._server.epochs(subjects, new))

    async def _have_changed(self, asked: _Asked) -> bool:
        """Whether data may be missing that were taken to be there when they were asked for."""
        changed = False
        for server, asking in asked.epochs.items():
            had = await asking
            epoch = asked.new if had is None else had
            if isinstance(epoch, bytes) and epoch != asked.known.get(server):
                until_ms = int(epoch.partition(b":")[0]) + DAY_MS
                changed = changed or self._clock() < until_ms
                if epoch != self._epochs.get(server):
                    self._note(server, epoch, until_ms)
        if changed:
            running = list(self._running.values())
            await asyncio.gather(*(self._server.enter(*one) for one in running))
        return changed

    def _note(self, server: bytes, epoch: bytes, until_ms: int) -> None:
        if server in self._epochs:
            log.warning("the ledger's server lost its data; it is restored from the usage log")
        self._epochs, self._restored = {**self._epochs, server: epoch}, OrderedDict()
        self._whole_from_ms = max(self._whole_from_ms, until_ms)

    async def _restore(self, subjects: Sequence[Subject]) -> None:
        """Make books whole which may have been lost. Raises ``StoreUnavailable``."""
        if self._clock() >= self._whole_from_ms:
            return
        for subject in subjects:
            if subject.key in self._restored:
                self._restored.move_to_end(subject.key)
                continue
            restoring = self._restoring.get(subject.key)
            if restoring is None:
                restoring = asyncio.create_task(self._restore_one(subject))
                self._restoring[subject.key] = restoring
            try:
                await asyncio.shield(restoring)
            finally:
                if restoring.done():
                    self._restoring.pop(subject.key, None)

    async def _restore_one(self, subject: Subject) -> None:
        restored = self._restored
        charges = await self._history.of(subject)
        if charges is None:
            return
        if charges and (not subject.policy.coarse or await self._is_first(subject)):
            entries = [entry_of(charge) for charge in charges]
            await asyncio.gather(*(self._server.enter([subject], entry) for entry in entries))
        restored[subject.key] = None
        if len(restored) > MOST:
            restored.popitem(last=False)

    async def _is_first(self, subject: Subject) -> bool:
        return await self._server.claim(b"restored:" + subject.key, self._clock() + DAY_MS)


def entry_of(charge: Charge) -> Entry:
    """What the usage log knows of a request, as it is entered into a book."""
    return Entry(charge.rid, charge.at_ms, charge.tokens, charge.tokens, charge.counts)
