"""All stores of providers' limits against the arithmetic: step by step the same answers."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import ClassVar, Final, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from scalix_free.core.budget import (
    FOREVER_MS,
    MOST,
    SLOT_MS,
    Act,
    Allowance,
    Close,
    Extent,
    Finding,
    Scope,
    Take,
    Taken,
    Verdict,
    Window,
    pack,
)
from scalix_free.core.clock import DAY_MS, MINUTE_MS
from scalix_free.core.ports import Budgets
from scalix_free.storage.redis_budgets import RedisBudgets
from scalix_free.storage.redis_ledger import RedisLedger
from scalix_free.storage.sqlite_budgets import SqliteBudgets
from scalix_free.storage.sqlite_ledger import SqliteLedger
from tests.contracts.budgets import BudgetExamples
from tests.core.held_clock import NOON, HeldClock
from tests.routing.routers import Arithmetic
from tests.storage.servers import Running

T = TypeVar("T")

SUITE: Final = settings(
    max_examples=150,
    stateful_step_count=24,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
LONG: Final = settings(SUITE, max_examples=10_000, stateful_step_count=40)

SECOND_MS: Final = 1_000
ABSURD: Final = 2**40

numbers = itertools.count(1)
few = st.none() | st.integers(0, 8)
tokens = st.integers(0, 900) | st.sampled_from([0, 1, 900, ABSURD])
allowances = st.builds(
    Allowance,
    rpm=few,
    rpd=few | st.sampled_from([20, 50, 2**30]),
    tpm=st.none() | st.integers(0, 3_000),
    tpd=st.none() | st.integers(0, 6_000) | st.sampled_from([10**9, 10**10]),
    concurrent=st.none() | st.none() | st.integers(1, 3),
    firm=st.booleans(),
)
UNLIMITED: Final = Allowance()
ROOMY: Final = Allowance(rpm=60, rpd=500, tpm=10_000, tpd=50_000)
kinds = allowances | st.sampled_from([UNLIMITED, ROOMY, replace(ROOMY, firm=False)])

claims = st.tuples(
    st.sampled_from([0, 50, 200, 500, 1_000]), st.just(0) | st.just(1_000) | st.integers(0, 1_000)
)
soon = st.integers(-SECOND_MS, 20 * SECOND_MS)
moments = soon | st.integers(-2 * MINUTE_MS, 2 * DAY_MS) | st.none()
amounts = st.integers(-2, 60) | st.integers(0, 3_000) | st.sampled_from([ABSURD, MOST + 1])
healthy = st.sampled_from([Act.TRIP, Act.BACK_OFF])
told = st.sampled_from([Act.LEFT, Act.LEFT, Act.LIMIT])
findings = st.one_of(
    st.tuples(healthy, st.just(0), st.just(Window.RPM), st.just(0)),
    st.tuples(told, st.just(0) | soon, st.sampled_from(Window), amounts),
    st.tuples(st.just(Act.REST), soon, st.just(Window.RPM), st.just(0)),
    st.tuples(st.sampled_from(Act), moments, st.sampled_from(Window), amounts),
)


class Machine(RuleBasedStateMachine):
    """One account with two models, in every store and in the arithmetic."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    clock: ClassVar[HeldClock]
    stores: ClassVar[Sequence[Budgets]]

    @initialize(
        allowed=st.lists(kinds, min_size=3, max_size=3),
        ahead_ms=st.sampled_from([0, SECOND_MS, MINUTE_MS, DAY_MS // 2, DAY_MS]),
    )
    def begin(self, allowed: Sequence[Allowance], ahead_ms: int) -> None:
        """The provider's day ends so much later; 0: it is rolling."""
        self.clock.now_ms = NOON
        self.arithmetic = Arithmetic(self.clock)
        name = f"account{next(numbers)}"
        end_ms = NOON + ahead_ms if ahead_ms else 0
        self.scopes = [
            Scope(key, allowance, end_ms)
            for key, allowance in zip((name, f"{name}/a", f"{name}/b#pro"), allowed, strict=True)
        ]
        self.open: list[tuple[Take, int]] = []
        self.latest_ms = NOON
        self.until_ms = NOON

    @rule(
        places=st.sampled_from([(0, 1), (0, 2), (0, 1, 2)]),
        tokens=tokens,
        claim=st.just((1_000, 0)) | claims,
        calls=st.sampled_from([1, 1, 2, 5]),
    )
    def take(self, places: Sequence[int], tokens: int, claim: tuple[int, int], calls: int) -> None:
        for _ in range(calls):
            self._take(places, tokens, *claim)

    def _take(self, places: Sequence[int], tokens: int, headroom: int, received: int) -> None:
        rid = next(numbers).to_bytes(17, "big")
        scopes = tuple(self.scopes[place] for place in places)
        ask = Take(rid, scopes, tokens, headroom, received)
        expected = self._run(self.arithmetic.take(ask))
        self._agree(lambda store: store.take(ask), expected)
        if isinstance(expected, Taken):
            self.open.append((ask, expected.at_ms))
        elif expected.until_ms is not None and expected.until_ms < self.clock() + 2 * DAY_MS:
            self.until_ms = expected.until_ms

    @rule(
        which=st.integers(0, 20),
        tokens=st.none() | tokens,
        verdict=st.sampled_from(Verdict),
        found=st.lists(st.tuples(st.integers(0, 1), findings), max_size=2),
    )
    def close(
        self,
        which: int,
        tokens: int | None,
        verdict: Verdict,
        found: Sequence[tuple[int, tuple[Act, int | None, Window, int]]],
    ) -> None:
        if not self.open:
            return
        ask, at_ms = self.open.pop(which % len(self.open))
        told = tuple(
            (place, Finding(Extent.MODEL, act, self._moment(ahead), window, amount))
            for place, (act, ahead, window, amount) in found
        )
        end = Close(ask.rid, ask.scopes, at_ms, ask.tokens, tokens, verdict, told)
        self._agree(lambda store: store.close(end), self._run(self.arithmetic.close(end)))
        self._compare(self.stores[1:2])

    @rule(end=st.sampled_from(["trip", "fail", "succeed"]), which=st.integers(0, 20))
    def try_it(self, end: str, which: int) -> None:
        """A call of a model that fails, or is tried again once it has rested."""
        self.wait_until_that_is_over(0)
        self._take((0, 1), 1, 1_000, 0)
        verdict = Verdict.SUCCESS if end == "succeed" else Verdict.FAILURE
        found = [(1, (Act.TRIP, 0, Window.RPM, 0))] if end == "trip" else []
        self.close(which, 1, verdict, found)
        self._take((0, 1), 1, 1_000, 0)

    @rule(which=st.integers(0, 20))
    def beat(self, which: int) -> None:
        if self.open:
            ask, _ = self.open[which % len(self.open)]
            expected = self._run(self.arithmetic.beat(ask.scopes, ask.rid))
            self._agree(lambda store: store.beat(ask.scopes, ask.rid), expected)

    @rule(
        ms=st.sampled_from([1, 999, MINUTE_MS, MINUTE_MS + 1_001, SLOT_MS, 3_600_000, DAY_MS])
        | st.integers(0, 40_000)
    )
    def wait(self, ms: int) -> None:
        self.clock.advance(ms)

    @rule(off_ms=st.sampled_from([-1, 0, 0, 1]))
    def wait_until_that_is_over(self, off_ms: int) -> None:
        """What was short last, to the millisecond."""
        self.clock.advance(max(self.until_ms + off_ms - self.clock(), 0))

    @rule(off_ms=st.sampled_from([-SECOND_MS - 1, -SECOND_MS, -1, 0]))
    def wait_for_the_day_s_end(self, off_ms: int) -> None:
        if end_ms := self.scopes[0].day_end_ms:
            late_ms = (self.clock() - end_ms) % DAY_MS
            self.clock.advance((DAY_MS - late_ms + off_ms) % DAY_MS)

    @rule(ms=st.integers(-5_000, 0))
    def put_the_clock_back(self, ms: int) -> None:
        """But not so far that something counts again which some have swept out already."""
        then_ms = self.clock() + ms
        self.latest_ms = max(self.latest_ms, self.clock())
        kept = self._run(self.arithmetic.look(self.scopes))
        ends = [
            end_ms
            for one in kept
            for end_ms in (
                one.limits_until_ms,
                *(cell.expires_ms for cell in (*one.minute, *one.day)),
                *(until_ms for _, until_ms in one.slots),
                *(told.expires_ms for told in one.excess.values()),
            )
        ]
        if not any(then_ms < end_ms <= self.latest_ms for end_ms in ends):
            self.clock.advance(ms)

    def teardown(self) -> None:
        if hasattr(self, "scopes"):
            self._compare(self.stores)

    def _compare(self, stores: Sequence[Budgets]) -> None:
        expected = self._living(self.arithmetic)
        for store in stores:
            assert self._living(store) == expected

    def _living(self, store: Budgets) -> list[bytes]:
        """What is kept and still counts; when the rest is swept out is the store's own affair."""
        budgets = self._run(store.look(self.scopes))
        for one in budgets:
            one.forget(self.clock())
        return [pack(one) for one in budgets]

    def _moment(self, ahead_ms: int | None) -> int:
        return FOREVER_MS if ahead_ms is None else max(self.clock() + ahead_ms, 0)

    def _agree(self, act: Callable[[Budgets], Awaitable[T]], expected: T) -> None:
        for store in self.stores:
            assert self._run(act(store)) == expected

    def _run(self, act: Awaitable[T]) -> T:
        async def main() -> T:
            return await act

        return self.loop.run_until_complete(main())


class TestStores(BudgetExamples):
    """A file and a server, beside the arithmetic."""

    url: ClassVar[str]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def served(cls, valkey: Running) -> None:
        valkey.empty()
        cls.url = valkey.url

    @asynccontextmanager
    async def opened(self, clock: HeldClock) -> AsyncIterator[Sequence[Budgets]]:
        file = SqliteLedger(":memory:", clock=clock)
        server = RedisLedger(self.url, held_clock=clock, command_s=5.0)
        async with AsyncExitStack() as stack:
            for one in (file, server):
                await one.open()
                stack.push_async_callback(one.close)
            yield [Arithmetic(clock), SqliteBudgets(file), RedisBudgets(server)]


def prove(urls: Sequence[str], how: settings) -> None:
    clock = HeldClock()
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        file = SqliteLedger(":memory:", clock=clock)
        servers = [RedisLedger(url, held_clock=clock, command_s=5.0) for url in urls]
        opened: list[SqliteLedger | RedisLedger] = [file, *servers]
        for one in opened:
            loop.run_until_complete(one.open())
        stores: list[Budgets] = [SqliteBudgets(file), *map(RedisBudgets, servers)]
        try:
            machine = type("Bound", (Machine,), {"loop": loop, "clock": clock, "stores": stores})
            run_state_machine_as_test(machine, settings=how)
        finally:
            for one in opened:
                loop.run_until_complete(one.close())


@pytest.mark.timeout(300)
def test_every_store_keeps_budgets_as_the_arithmetic_does(
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
