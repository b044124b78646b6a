"""People's limits in Redis or Valkey, for many machines: one server, or a cluster.

The arithmetic runs inside the server (``lua/ledger.lua``), on its clock. On one server a request's
limits are judged and written in one act. On a cluster each subject is judged where it lives, all of
them at once; where one denies, what the others wrote is given back. Between the two a neighbour may
see a place taken that is free again a moment later; never is one given twice.

An admission whose answer nobody heard, since it came too late or its caller has left, is undone: at
once, or when the server can be reached again, or by its lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Coroutine, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, TypeVar, cast

from scalix_free.core.clock import wall_clock
from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ledger import (
    COUNTS,
    SETTLED,
    SPARED,
    Admitted,
    Ask,
    Denied,
    Entry,
    Full,
    Kept,
    Level,
    Policy,
    Subject,
    Unit,
    longest,
)
from scalix_free.core.ports import Clock
from scalix_free.storage.denials import Denials
from scalix_free.storage.redis_link import COMMAND_S, Servers, Word

T = TypeVar("T")

MOST: Final = 2**53 - 1
"""Numbers in Lua are doubles."""
UNDO_S: Final = 0.5
UNDO_TRIES: Final = 120
MOST_DOUBTFUL: Final = 10_000
"""So many admissions without an answer are remembered, to be undone for about a minute."""

_LETTERS: Final = {
    Kept.REQUESTS: "R",
    Kept.TOKENS: "T",
    Kept.OPEN: "O",
    Kept.USERS: "U",
    Kept.TALLY: "Y",
    Kept.NOTHING: "N",
}

LUA: Final = ("ledger.lua", "budgets.lua")

_DENIED, _ADMITTED, _REPEATED = 0, 1, 2


@lru_cache(2)
def library(*, held_clock: bool = False) -> tuple[str, str]:
    """The name that the functions begin with, and their source.

    The name tells the version, so that two releases can share a server. With ``held_clock`` they
    take the time from whoever asks; tests alone want that.
    """
    folder = files("scalix_free.storage").joinpath("lua")
    source = "".join(folder.joinpath(name).read_text("utf-8") for name in LUA)
    if held_clock:
        source = source.replace("local HELD_CLOCK = false", "local HELD_CLOCK = true")
    name = f"scalix_free_{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    return name, source.replace("scalix_free_ledger", name)


class RedisLedger:
    """The ports ``Ledger`` and ``Once`` on Redis or Valkey. ``open`` before use, ``close`` after.

    ``url`` is ``redis://`` or ``rediss://``; ``cache_denials`` bounds the memory of denials,
    ``command_s`` is how long an answer may take. ``held_clock`` takes the place of the server's
    clock in tests.
    """

    def __init__(
        self,
        url: str,
        *,
        cache_denials: int = 10_000,
        command_s: float = COMMAND_S,
        held_clock: Clock | None = None,
    ) -> None:
        self._name, source = library(held_clock=held_clock is not None)
        self._held_clock = held_clock
        self._servers = Servers(url, source, command_s)
        self._denials = Denials(held_clock or wall_clock, cache_denials)
        self._doubtful: dict[bytes, Ask] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._undoing = False
        self._admitting: dict[bytes, asyncio.Task[None]] = {}

    async def open(self) -> None:
        """Connect, and load the functions. Raises ``StoreUnavailable``."""
        await self._servers.open()

    async def close(self) -> None:
        """Finish what was begun, as far as the server can be reached, and disconnect."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(UNDO_S):
                await self.rest()
        for task in self._tasks:
            task.cancel()
        await self._servers.close()

    async def rest(self) -> None:
        """Wait until all that nobody waits for is done: what is given back, and undone."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    # ── The ports ───────────────────────────────────────────────────────────────────────────

    async def admit(self, ask: Ask) -> Admitted | Denied:
        """See ``core.ledger.admit``."""
        if (remembered := self._denials.find(ask.subjects[0])) is not None:
            return remembered
        await self._servers.ready()
        if self._servers.is_cluster:
            told: asyncio.Future[Admitted | Denied] = asyncio.get_running_loop().create_future()
            admitting = self._admitting[ask.rid] = self._task(self._admit_each(ask, told))
            admitting.add_done_callback(lambda _: self._admitting.pop(ask.rid, None))
            verdict = await told
        else:
            verdict = _verdict(await self._admit_at(ask, ask.subjects))
        if isinstance(verdict, Denied):
            self._denials.remember(ask.subjects[0], verdict)
        return verdict

    async def settle(
        self, subjects: Sequence[Subject], rid: bytes, tokens: int, *, counts: bool = True
    ) -> tuple[Level, ...]:
        """See ``core.ledger.settle``."""
        return await self._end("settle", subjects, rid, min(tokens, MOST), int(counts))

    async def beat(self, subject: Subject, rid: bytes, spent: int) -> None:
        """See ``core.ledger.beat``."""
        await self._call("beat", [subject], rid, min(spent, MOST))

    async def refund(self, subjects: Sequence[Subject], rid: bytes) -> tuple[Level, ...]:
        """See ``core.ledger.refund``."""
        return await self._end("refund", subjects, rid)

    async def peek(self, subject: Subject) -> tuple[Level, ...]:
        """See ``core.ledger.levels``."""
        return _levels(subject.policy, cast("list[int]", await self._call("peek", [subject])))

    async def enter(self, subjects: Sequence[Subject], entry: Entry) -> bool:
        """See ``core.ledger.enter``. An admission of the same request is in doubt no longer."""
        self._doubtful.pop(entry.rid, None)
        await self._servers.ready()
        together = subjects[:1] if self._servers.is_cluster else subjects
        entered = await self._enter(together, entry, again=False)
        others = [[one] for one in subjects[len(together) :]]
        await asyncio.gather(*(self._enter(one, entry, again=not entered) for one in others))
        return entered

    async def _enter(self, subjects: Sequence[Subject], entry: Entry, *, again: bool) -> bool:
        counted = SPARED if entry.spared else COUNTS
        flags = counted * entry.counts + SETTLED * entry.settled
        numbers = (entry.at_ms, min(entry.charge, MOST), min(entry.spent, MOST), entry.user_tag)
        said = await self._call("enter", subjects, entry.rid, *numbers, flags, int(again))
        if said:
            self._denials.forget(subjects[0].key)
        return said == 1

    async def attend(self, worker: bytes, ttl_ms: int) -> int:
        """Say that a worker is here, and for how long that holds; how many are."""
        return cast("int", await self.ask("attend", [b"scalix:1:{workers}"], worker, ttl_ms))

    def remembered(self, subject: Subject) -> Denied | None:
        """A denial of this caller that only time can change."""
        return self._denials.find(subject)

    def epochs(self, subjects: Sequence[Subject], new: bytes) -> dict[bytes, Awaitable[object]]:
        """See ``restored.EpochLedger``."""
        servers = self._servers
        keys = {servers.mark_beside(_key(subject)) for subject in subjects} or servers.marks()
        return {key: servers.where(key).call("SET", key, new, "NX", "GET") for key in keys}

    async def claim(self, key: bytes, until_ms: int) -> bool:
        """See ``core.ports.Once``."""
        name = b"scalix:1:once:{%s}" % (key.hex().encode() or b"-")
        return await self.ask("claim", [name], until_ms) == 1

    # ── Asking the servers ──────────────────────────────────────────────────────────────────

    async def _call(self, what: str, subjects: Sequence[Subject], *words: Word) -> object:
        policies = [_policy(subject.policy) for subject in subjects]
        return await self.ask(what, [_key(subject) for subject in subjects], *words, *policies)

    async def read(self, keys: Sequence[bytes]) -> Sequence[object]:
        """What is kept at any keys. Raises ``StoreUnavailable``."""
        await self._servers.ready()
        return await asyncio.gather(*(self._servers.ask(key, "GET", key) for key in keys))

    async def ask(self, what: str, keys: Sequence[bytes], *words: Word) -> object:
        """Call one of the library's functions where these keys live, which is in one place.

        Raises ``StoreUnavailable``.
        """
        await self._servers.ready()
        clock = (self._held_clock(),) if self._held_clock is not None else ()
        return await self._servers.ask(
            keys[0], "FCALL", f"{self._name}_{what}", len(keys), *keys, *clock, *words
        )

    async def _admit_at(self, ask: Ask, subjects: Sequence[Subject]) -> _Judged:
        """Have those judged that live together; undo it if the answer is not heard."""
        own, alone = subjects[0] is ask.subjects[0], len(subjects) < len(ask.subjects)
        try:
            said = await self._call(
                "admit",
                subjects,
                ask.rid,
                min(ask.prompt_tokens, MOST),
                min(ask.output_tokens, MOST),
                min(ask.least_tokens, MOST),
                ask.turn_tag if own else 0,
                ask.user_tag,
                int(ask.report and own),
                int(own and alone),
            )
        except (StoreUnavailable, asyncio.CancelledError):
            self._undo(ask)
            raise
        return _Judged(subjects, own, said)

    async def _admit_each(self, ask: Ask, told: asyncio.Future[Admitted | Denied]) -> None:
        """Have each subject judged where it lives, tell the one verdict, take back what is void."""
        heard = await asyncio.gather(
            *(self._admit_at(ask, [subject]) for subject in ask.subjects), return_exceptions=True
        )
        judged = []
        for one in heard:
            if isinstance(one, BaseException):
                if not told.done():
                    told.set_exception(one)
                return
            judged.append(one)
        verdict = _verdict(*judged)
        void: list[asyncio.Task[None]] = []
        if isinstance(verdict, Denied) or judged[0].verdict == _REPEATED or told.cancelled():
            written = [one for one in judged if one.verdict == _ADMITTED]
            void = [self._task(self._take_back(ask, one)) for one in written]
        if not told.done():
            told.set_result(verdict)
        if void:
            await asyncio.wait(void)

    async def _take_back(self, ask: Ask, judged: _Judged) -> None:
        """Give back what one subject has written of a request that another one denied."""
        try:
            if judged.own:
                await self._call("refund", judged.subjects, ask.rid)
            else:
                await self._give_back(judged.subjects[0], ask.rid, judged.now_ms)
        except StoreUnavailable:
            self._undo(ask)

    async def _end(
        self, what: str, subjects: Sequence[Subject], rid: bytes, *words: Word
    ) -> tuple[Level, ...]:
        """Settle or refund, which only the caller's own book can decide."""
        if (admitting := self._admitting.get(rid)) is not None:  # its caller has left
            await asyncio.wait([admitting])
        await self._servers.ready()
        together = subjects[:1] if self._servers.is_cluster else subjects
        said = await self._call(what, together, rid, *words)
        changed, at_ms, levels = cast("tuple[int, int, list[int]]", said)
        if changed:
            self._denials.forget(subjects[0].key)
            if len(together) < len(subjects) and (what == "refund" or not words[-1]):
                others = [self._give_back(one, rid, at_ms) for one in subjects[1:]]
                await asyncio.gather(*others)
        return _levels(subjects[0].policy, levels)

    async def _give_back(self, subject: Subject, rid: bytes, at_ms: int) -> None:
        await self._call("give_back", [subject], rid, at_ms)

    # ── Undoing ─────────────────────────────────────────────────────────────────────────────

    def _undo(self, ask: Ask) -> None:
        """Give back an admission of which nobody knows whether it was written."""
        self._doubtful[ask.rid] = ask
        if len(self._doubtful) > MOST_DOUBTFUL:
            del self._doubtful[next(iter(self._doubtful))]
        if not self._undoing:
            self._undoing = True
            self._task(self._undo_all())

    async def _undo_all(self) -> None:
        tries = 0
        try:
            while self._doubtful and tries < UNDO_TRIES:
                ask = next(iter(self._doubtful.values()))
                try:
                    await self._undo_one(ask)
                    self._doubtful.pop(ask.rid, None)
                except StoreUnavailable:
                    tries += 1
                    await asyncio.sleep(UNDO_S)
        finally:
            self._undoing = False

    async def _undo_one(self, ask: Ask) -> None:
        if not self._servers.is_cluster:
            await self.refund(ask.subjects, ask.rid)
            return
        await self.refund(ask.subjects[:1], ask.rid)
        for one in ask.subjects[1:]:
            if ask.rid in self._doubtful:  # it may have been entered meanwhile
                await self._give_back(one, ask.rid, 0)  # only what a row says: it may not have come

    def _task(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


# ── What is said to the functions, and what they say ─────────────────────────────────────────


class _Judged:
    """What ADMIT says of some subjects: a verdict, and the caller's levels where it is among them.

    ``full`` are the limits without room. ``before`` are the levels as they were, told on a cluster.
    """

    __slots__ = (
        "before",
        "cover_ms",
        "full",
        "levels",
        "now_ms",
        "output_tokens",
        "own",
        "spared",
        "still",
        "subjects",
        "verdict",
    )

    def __init__(self, subjects: Sequence[Subject], own: bool, said: object) -> None:
        self.subjects = subjects
        self.own = own
        assert isinstance(said, list)
        self.verdict, self.output_tokens, self.now_ms, spared, self.cover_ms, still, *lists = said
        self.spared, self.still = bool(spared), bool(still)
        levels, full, before = lists
        policy = subjects[0].policy
        self.levels = _levels(policy, levels) if levels and own else ()
        self.before = _levels(policy, before) if before else self.levels
        self.full = [
            Full(
                subjects[book - 1].policy.limits[limit - 1],
                own and book == 1,
                used,
                None if wait < 0 else wait,
            )
            for book, limit, used, wait in zip(*[iter(full)] * 4, strict=True)
        ]


def _verdict(own: _Judged, *others: _Judged) -> Admitted | Denied:
    """One verdict of what all subjects say."""
    if own.verdict == _REPEATED or all(one.verdict != _DENIED for one in (own, *others)):
        return Admitted(own.output_tokens, own.levels, own.now_ms, own.spared)
    full = [limit for one in (own, *others) for limit in one.full]
    one = longest(full, own.cover_ms)
    assert one is not None
    return Denied(
        limit=one.limit,
        own=one.own,
        used=one.used,
        retry_ms=one.retry_ms,
        levels=own.before,
        now_ms=own.now_ms,
        lasting=one.own and one.limit.unit is Unit.REQUESTS and own.still,
    )


def _levels(policy: Policy, numbers: Sequence[int]) -> tuple[Level, ...]:
    pairs = zip(policy.limits, numbers[::2], numbers[1::2], strict=True)
    return tuple(
        [Level(limit, used, None if resets < 0 else resets) for limit, used, resets in pairs]
    )


def _key(subject: Subject) -> bytes:
    return b"scalix:1:{%s}" % subject.key.hex().encode()


@lru_cache(1_024)
def _policy(policy: Policy) -> bytes:
    """A policy as the functions read it."""
    words: list[object] = [
        int(policy.leased),
        policy.exact_horizon_ms,
        policy.memory_ms,
        int(policy.counts_users),
    ]
    for limit, (kept, window_ms, _) in zip(policy.limits, policy.kept, strict=True):
        most = MOST if limit.most is None else min(limit.most, MOST)
        words += [_LETTERS[kept], int(limit.unit), window_ms, most]
    return " ".join(map(str, words)).encode()
