"""All stores of the ledger, side by side, against the arithmetic: step by step the same answers."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar, Final, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from scalix_free.core.ledger import (
    LATE_SETTLEMENT_MS,
    LEASE_MS,
    TURN_MS,
    Admitted,
    Ask,
    Denied,
    Entry,
    Limit,
    Policy,
    Subject,
    Unit,
)
from scalix_free.storage.redis_ledger import RedisLedger
from scalix_free.storage.sqlite_ledger import SqliteLedger
from tests.contracts.ledger import Arithmetic, subject
from tests.core.held_clock import NOON, HeldClock
from tests.storage.servers import Running

T = TypeVar("T")
Store = SqliteLedger | RedisLedger

SUITE: Final = settings(
    max_examples=250,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
LONG: Final = settings(SUITE, max_examples=20_000, stateful_step_count=25)

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
MOST_MS: Final = 2**53
numbers = itertools.count(1)
"""Every example has subjects of its own, so that stores need not be emptied."""

requests = st.none() | st.integers(1, 5)
waits = st.one_of(
    st.integers(0, 20_000),
    st.integers(0, 2 * HOUR),
    st.sampled_from([1, LEASE_MS - 1, LEASE_MS, TURN_MS, HOUR - 1, HOUR, DAY]),
)
people = st.integers(0, 2)
places = st.integers(0, 1)
known = st.integers(0, 5)
tokens = st.integers(0, 700)
turns = st.sampled_from([b"", b"", b"this", b"that"])


@st.composite
def person_policies(draw: st.DrawFn) -> Policy:
    """A tier: any of its limits lifted, tight, or too large to be kept row by row."""
    return Policy(
        "person",
        (
            Limit("requests_hour", Unit.REQUESTS, draw(requests), HOUR),
            Limit("requests_day", Unit.REQUESTS, draw(requests | st.just(1_500)), DAY),
            Limit("tokens_day", Unit.TOKENS, draw(st.sampled_from([None, 900, 1_800])), DAY),
            Limit("concurrent", Unit.CALLS, draw(st.sampled_from([None, 1, 2]))),
        ),
    )


@st.composite
def place_policies(draw: st.DrawFn) -> Policy:
    return Policy(
        "address",
        (
            Limit("place_minute", Unit.REQUESTS, draw(requests), MINUTE),
            Limit("place_day", Unit.REQUESTS, draw(st.sampled_from([None, 6, 1_500])), DAY),
            Limit("place_users", Unit.USERS, draw(st.sampled_from([None, 1, 2])), HOUR),
        ),
        leased=False,
    )


class Stores(RuleBasedStateMachine):
    """Three people at two places, in every store and in the arithmetic."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    clock: ClassVar[HeldClock]
    stores: ClassVar[Sequence[Store]]

    @initialize(person=person_policies(), place=place_policies(), network=place_policies())
    def begin(self, person: Policy, place: Policy, network: Policy) -> None:
        self.clock.now_ms = NOON
        self.arithmetic = Arithmetic(self.clock)
        self.keys = [subject(f"{next(numbers)}").key for _ in range(6)]
        self.policies = [person] * 3 + [place] * 2 + [network]
        self.asked: list[tuple[bytes, tuple[int, ...], int]] = []
        self.lease_ends_ms: list[int] = []
        self.latest_ms = NOON

    # ── Rules ───────────────────────────────────────────────────────────────────────────────

    @rule(who=people, where=places, prompt=tokens, output=tokens, turn=turns)
    def ask(self, who: int, where: int, prompt: int, output: int, turn: bytes) -> None:
        rid = next(numbers).to_bytes(16, "big")
        those = (who, 3 + where, 5)
        ask = Ask(rid, self._subjects(those), prompt // 8, output + 1, turn=turn)
        expected = self.arithmetic.admit(ask)
        for verdict in self._all(lambda store: store.admit(ask)):
            assert verdict == expected or _is_remembered(verdict, expected)
        if isinstance(expected, Admitted):
            self.asked.append((rid, those, self.clock()))
            self.lease_ends_ms.append(expected.now_ms + LEASE_MS)

    @rule(who=people, calls=st.lists(tokens, min_size=2, max_size=5))
    def talk(self, who: int, calls: Sequence[int]) -> None:
        """One turn in several calls."""
        for output in calls:
            self.ask(who, 0, 8, output, b"this")

    @precondition(lambda self: self.known)
    @rule(which=known, spent=tokens, counts=st.booleans())
    def settle(self, which: int, spent: int, counts: bool) -> None:
        rid, those = self._pick(which)
        subjects = self._subjects(those[:1] if counts else those)
        if self._is_ahead(subjects[0]):
            spent += 1  # so that the row is worth to be kept, see below
        expected = self.arithmetic.settle(subjects, rid, spent, counts=counts)
        for levels in self._all(lambda store: store.settle(subjects, rid, spent, counts=counts)):
            assert levels == expected

    @precondition(lambda self: self.known)
    @rule(which=known)
    def refund(self, which: int) -> None:
        rid, those = self._pick(which)
        subjects = self._subjects(those)
        expected = self.arithmetic.refund(subjects, rid)
        for levels in self._all(lambda store: store.refund(subjects, rid)):
            assert levels == expected

    @precondition(lambda self: self.known)
    @rule(which=known, spent=tokens)
    def beat(self, which: int, spent: int) -> None:
        rid, those = self._pick(which)
        (own,) = self._subjects(those[:1])
        self.lease_ends_ms.append(self.clock() + LEASE_MS)
        self.arithmetic.beat(own, rid, spent)
        self._all(lambda store: store.beat(own, rid, spent))

    @rule(
        who=people,
        where=places,
        ago=waits,
        spent=tokens,
        counts=st.booleans(),
        runs=st.booleans(),
        spared=st.booleans(),
    )
    def enter(
        self, who: int, where: int, ago: int, spent: int, counts: bool, runs: bool, spared: bool
    ) -> None:
        """A request that was admitted elsewhere, told twice."""
        rid = next(numbers).to_bytes(16, "big")
        those = (who, 3 + where, 5)
        subjects = self._subjects(those if counts else those[:1])
        tag = Ask(rid, subjects, 0, 0).user_tag
        at_ms = self.clock() - ago
        entry = Entry(rid, at_ms, spent + 9, spent, counts, not runs, tag, spared)
        exact = subjects[0].policy.exact_horizon_ms > ago
        for _ in range(2 if exact else 1):
            expected = self.arithmetic.enter(subjects, entry)
            assert self._all(lambda store: store.enter(subjects, entry)) == [expected] * len(
                self.stores
            )
        self.asked.append((rid, those if counts else those[:1], at_ms))
        self.lease_ends_ms.append(at_ms + LEASE_MS)

    @rule(who=people, where=places, turns_of_loop=st.integers(0, 3))
    def leave(self, who: int, where: int, turns_of_loop: int) -> None:
        """A caller who asks and hangs up before the verdict."""
        subjects = self._subjects((who, 3 + where, 5))
        rid = next(numbers).to_bytes(16, "big")
        ask = Ask(rid, subjects, 5, 50)
        if self._is_ahead(subjects[0]):
            # With a clock that was put back, sub-buckets of shared books are corrected at the
            # time of the caller's book, and on a cluster, more exactly, at their own.
            return
        if turns_of_loop:
            self.arithmetic.admit(ask)
            self.arithmetic.refund(subjects, rid)

        async def ask_and_leave(store: Store) -> None:
            asking = self.loop.create_task(store.admit(ask))
            for _ in range(turns_of_loop):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await store.refund(subjects, rid)  # as the grant does

        self._all(ask_and_leave)

    @rule(ms=waits)
    def wait(self, ms: int) -> None:
        self.clock.advance(ms)

    @rule(ms=st.integers(-5_000, 5_000))
    def set_the_clock(self, ms: int) -> None:
        """The machine's clock is put right."""
        now = [self.arithmetic.peek(one) for one in self._everybody()]
        self.latest_ms = max(self.latest_ms, self.clock())
        self.clock.advance(ms)
        then = [self.arithmetic.peek(one) for one in self._everybody()]
        passed = any(self.clock() < end_ms <= self.latest_ms for end_ms in self.lease_ends_ms)
        if ms < 0 and (now != then or passed or self._may_forget()):
            # What has been seen to end in between would be seen to run again, by some and not
            # by others: a memory of what was read need not be so exact.
            self.clock.advance(-ms)

    @rule(person=person_policies())
    def change_limits(self, person: Policy) -> None:
        """The operator starts the service anew with other limits for people.

        Of requests that no window needed any more each store may know some or none, so no window
        becomes longer than what is kept.
        """
        longest = max((limit.window_ms for limit in person.limits if limit.most), default=0)
        if longest > self.policies[0].exact_horizon_ms:
            return
        before = self.policies[:3]
        self.policies[:3] = [person] * 3
        if self._may_forget():
            self.policies[:3] = before

    # ── Laws ────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def levels_agree(self) -> None:
        everybody = self._everybody()
        expected = [self.arithmetic.peek(one) for one in everybody]

        async def levels(store: Store) -> list[object]:
            if isinstance(store, RedisLedger):
                await store.rest()
            return list(await asyncio.gather(*map(store.peek, everybody)))

        for said in self._all(levels):
            assert said == expected

    @property
    def known(self) -> list[tuple[bytes, tuple[int, ...]]]:
        """The requests that every store still knows; older ones are forgotten at leisure."""
        oldest_ms = self.clock() - LATE_SETTLEMENT_MS + 5_000
        return [(rid, those) for rid, those, at_ms in self.asked if at_ms > oldest_ms]

    def _may_forget(self) -> bool:
        """Whether some stores may forget that the clock was put back, and others not yet.

        They know it by the newest request of a caller. One that no window counts may be swept out
        at any time: on a cluster also by what is written and taken back for another's denial.
        """
        needed = self.policies[0].exact_horizon_ms > 0
        books = map(self.arithmetic.book, self._subjects(range(3)))
        return any(
            row.at_ms > self.clock()
            and not (needed and (row.counts or row.charge or not row.settled))
            for book in books
            for row in book.rows
        )

    def _is_ahead(self, one: Subject) -> bool:
        """Whether the clock was put back behind what a book knows."""
        return any(at_ms > self.clock() for at_ms in self.arithmetic.book(one).times)

    def _pick(self, which: int) -> tuple[bytes, tuple[int, ...]]:
        return self.known[-1 - which % len(self.known)]

    def _subjects(self, those: Sequence[int]) -> tuple[Subject, ...]:
        return tuple(Subject(self.keys[i], self.policies[i]) for i in those)

    def _everybody(self) -> tuple[Subject, ...]:
        return self._subjects(range(6)) if hasattr(self, "keys") else ()

    def _all(self, act: Callable[[Store], Awaitable[T]]) -> list[T]:
        async def main() -> list[T]:
            return list(await asyncio.gather(*map(act, self.stores)))

        return self.loop.run_until_complete(main())


def _is_remembered(verdict: Admitted | Denied, expected: Admitted | Denied) -> bool:
    """Whether this is a denial from before a neighbour filled a limit that lasts even longer."""
    return (
        isinstance(verdict, Denied)
        and isinstance(expected, Denied)
        and verdict.lasting
        and not expected.own
        and (verdict.retry_ms or 0) <= (expected.retry_ms or MOST_MS)
        and verdict.levels == expected.levels
    )


@asynccontextmanager
async def opened(stores: Sequence[Store]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for store in stores:
            await store.open()
            stack.push_async_callback(store.close)
        yield


def prove(urls: Sequence[str], how: settings) -> None:
    clock = HeldClock()
    stores: list[Store] = [SqliteLedger(":memory:", clock=clock)]
    stores += [RedisLedger(url, held_clock=clock, command_s=5.0) for url in urls]
    with asyncio.Runner() as runner:
        context = opened(stores)
        runner.run(_enter(context.__aenter__()))
        try:
            machine = type(
                "Machine",
                (Stores,),
                {"loop": runner.get_loop(), "clock": clock, "stores": stores},
            )
            run_state_machine_as_test(machine, settings=how)
        finally:
            runner.run(_enter(context.__aexit__(None, None, None)))


async def _enter(entering: Awaitable[Any]) -> None:
    await entering


@pytest.mark.timeout(300)
def test_every_store_answers_as_the_arithmetic_does(
    valkey: Running, cluster: Sequence[Running]
) -> None:
    prove([valkey.url, cluster[0].url], SUITE)


@pytest.mark.slow
def test_a_real_redis_does_so_too(redis_server: Running) -> None:
    prove([redis_server.url], SUITE)


@pytest.mark.proof
@pytest.mark.timeout(7_200)
def test_in_many_more_histories(
    valkey: Running, cluster: Sequence[Running], redis_server: Running
) -> None:
    prove([valkey.url, cluster[0].url, redis_server.url], LONG)
