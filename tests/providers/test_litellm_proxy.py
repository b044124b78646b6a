"""A pool in front of plain servers: who is asked, what is retried, who is left out."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from scalix_free.core.chat import Call, Chunk
from scalix_free.core.errors import Failure, Kind
from scalix_free.core.ports import Reply
from scalix_free.providers import litellm_proxy
from scalix_free.providers.balance import FIRST_MS, Balance, Sign
from scalix_free.providers.http_session import Session
from scalix_free.providers.litellm_proxy import PooledModel, PoolPlan, ProxyPool, open_pools
from scalix_free.providers.openai_http import Endpoint, OpenAIHttp, open_session
from tests.core.held_clock import HeldClock
from tests.providers.instances import TEXT, Instance, instances, until

NOW = 1_800_000_000_000
BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def call(streamed: bool = True) -> Call:
    return Call(rid=bytes(16), messages=[{"role": "user", "content": "hi"}], stream=streamed)


class Bench:
    """A pool in front of some instances, and what can be asked of it."""

    def __init__(
        self, session: Session, those: Sequence[Instance], balance: Balance = "least-connections"
    ) -> None:
        self.clock = HeldClock(NOW)
        plan = PoolPlan(name="pool", roots=tuple(one.root for one in those), balance=balance)
        self.removed: list[tuple[str, Sign]] = []
        self.pool = ProxyPool(
            plan, session, self.clock, chance=lambda: 0.5, notice=self._note_removal
        )
        self.model = PooledModel(
            self.pool,
            [
                OpenAIHttp(session, Endpoint(base_url=f"{root}/v1", model="one"), self.clock)
                for root in plan.roots
            ],
        )

    def _note_removal(self, name: str, root: str, sign: Sign) -> None:
        assert name == "pool"
        self.removed.append((root, sign))

    def open(self, streamed: bool = True) -> AbstractAsyncContextManager[Reply]:
        return self.model.open(call(streamed))

    async def ask(self, streamed: bool = True) -> str:
        async with self.open(streamed) as reply:
            chunks: list[Chunk] = []
            while more := await reply.read():
                chunks += more
        return "".join(chunk.text for chunk in chunks)

    async def failure(self, streamed: bool = True) -> Kind:
        with pytest.raises(Failure) as raised:
            await self.ask(streamed)
        return raised.value.kind

    @property
    def serving(self) -> list[bool]:
        return [state.serves for state in self.pool.states]

    @property
    def calls(self) -> list[int]:
        return [state.calls for state in self.pool.states]


@asynccontextmanager
async def benched(
    count: int = 2, balance: Balance = "least-connections"
) -> AsyncIterator[tuple[Bench, list[Instance]]]:
    async with instances(count) as those, open_session() as session:
        yield Bench(session, those, balance), those


# ── Who is asked ─────────────────────────────────────────────────────────────────────────────


@BOTH
async def test_calls_one_after_the_other_go_round(streamed: bool) -> None:
    async with benched(3) as (bench, those):
        for _ in range(6):
            assert await bench.ask(streamed) == TEXT
        assert [len(one.asked) for one in those] == [2, 2, 2]
        assert bench.calls == [0, 0, 0]


async def test_the_slower_of_two_gets_fewer_calls() -> None:
    async with benched() as (bench, (slow, fast)):
        slow.gate.clear()
        waiting = [asyncio.create_task(bench.ask()) for _ in range(2)]
        await until(lambda: slow.running == 1 and bench.calls == [1, 0])
        for _ in range(10):
            await bench.ask()
        assert (len(slow.asked), len(fast.asked)) == (1, 11)
        slow.gate.set()
        await asyncio.gather(*waiting)
        assert bench.calls == [0, 0]


async def test_in_turn_whoever_is_slow_gets_as_many() -> None:
    async with benched(balance="round-robin") as (bench, (slow, fast)):
        slow.gate.clear()
        waiting = [asyncio.create_task(bench.ask()) for _ in range(10)]
        await until(lambda: len(slow.asked) + len(fast.asked) == 10)
        assert (len(slow.asked), len(fast.asked)) == (5, 5)
        slow.gate.set()
        await asyncio.gather(*waiting)


async def test_a_call_runs_until_it_is_left() -> None:
    async with benched() as (bench, _):
        async with bench.open() as reply:
            while await reply.read():
                assert sum(bench.calls) == 1
        assert sum(bench.calls) == 0


@pytest.mark.parametrize("after", [0.0, 0.05])
async def test_who_is_cancelled_leaves_nothing_behind(after: float) -> None:
    async with benched() as (bench, those):
        for one in those:
            one.gate.clear()
        asking = asyncio.create_task(bench.ask())
        await asyncio.sleep(after)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert sum(bench.calls) == 0
        assert bench.serving == [True, True], "they left early, which says nothing"
        for one in those:
            one.gate.set()


# ── What is retried ──────────────────────────────────────────────────────────────────────────


@BOTH
async def test_where_nobody_listens_another_is_asked_at_once(streamed: bool) -> None:
    async with benched(3) as (bench, those):
        await those[0].close()
        await those[2].close()
        for _ in range(6):
            assert await bench.ask(streamed) == TEXT
        assert len(those[1].asked) == 6
        assert bench.serving == [False, True, False]
        assert {*bench.removed} == {(those[at].root, Sign.REFUSED) for at in (0, 2)}
        assert len(bench.removed) == 2


@BOTH
async def test_where_nobody_listens_at_all_the_model_cannot_be_reached(streamed: bool) -> None:
    async with benched() as (bench, those):
        for one in those:
            await one.close()
        assert await bench.failure(streamed) is Kind.UNREACHABLE
        assert bench.serving.count(True) == 1, "the last one standing stays"
        assert bench.pool.is_down
        await those[0].begin()
        assert await bench.ask(streamed) == TEXT, "who was left out is asked where nobody else is"


@BOTH
@pytest.mark.parametrize("how", ["reset", "cut"])
async def test_what_may_have_been_spent_is_for_whoever_keeps_the_budget(
    streamed: bool, how: str
) -> None:
    """Not asked again here: the other instance has heard nothing."""
    async with benched() as (bench, (bad, good)):
        bad.how = how
        assert await bench.failure(streamed) is Kind.LOST
        assert (len(bad.asked), len(good.asked)) == (1, 0)
        assert await bench.ask(streamed) == TEXT
        assert sum(bench.calls) == 0


@BOTH
async def test_an_instance_that_goes_away_with_a_question_may_have_spent_it(streamed: bool) -> None:
    """On a connection that was kept from before, too: nobody is there to be asked again."""
    async with benched() as (bench, (bad, good)):
        for _ in range(2):
            await bench.ask(streamed)
        bad.gate.clear()
        asking = asyncio.create_task(bench.failure(streamed))
        await until(lambda: bad.running)
        await bad.close()
        assert await asking is Kind.LOST
        assert len(good.asked) == 1


async def test_of_one_alone_nobody_else_can_be_asked() -> None:
    async with benched(1) as (bench, (only,)):
        only.how = "reset"
        assert await bench.failure() is Kind.UNREACHABLE
        only.how = "cut"
        assert await bench.failure() is Kind.BROKEN
        only.how = "answer"
        assert await bench.ask() == TEXT


@BOTH
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, Kind.RATE_LIMITED),
        (400, Kind.BAD_REQUEST),
        (401, Kind.REFUSED_KEY),
        (500, Kind.BROKEN),
    ],
)
async def test_an_answer_is_an_answer(streamed: bool, status: int, kind: Kind) -> None:
    async with benched() as (bench, (bad, good)):
        bad.how = str(status)
        assert await bench.failure(streamed) is kind
        assert (len(bad.asked), len(good.asked)) == (1, 0)


# ── Who is left out, and comes back ──────────────────────────────────────────────────────────


async def test_who_fails_where_the_other_does_not_is_left_out() -> None:
    async with benched() as (bench, (bad, good)):
        bad.how = "502"
        for _ in range(6):
            assert await bench.failure() is Kind.BROKEN
            assert await bench.ask() == TEXT
        assert bench.serving == [False, True]
        assert bench.removed == [(bad.root, Sign.FAILED)]
        for _ in range(4):
            assert await bench.ask() == TEXT
        assert (len(bad.asked), len(good.asked)) == (6, 10)


async def test_where_the_provider_fails_behind_both_both_stay() -> None:
    async with benched() as (bench, those):
        for one in those:
            one.how = "500"
        for _ in range(20):
            await bench.failure()
        assert bench.serving == [True, True]


async def test_who_refuses_for_a_limit_is_well() -> None:
    async with benched() as (bench, (bad, _)):
        bad.how = "429"
        for _ in range(20):
            await asyncio.gather(bench.failure(), bench.ask())
        assert bench.serving == [True, True]


async def test_whoever_says_nothing_for_long_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litellm_proxy, "SILENT_S", 0.01)
    async with benched() as (bench, (bad, _)):
        bad.how = "silent"
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.03):
                    await bench.ask()
            assert await bench.ask() == TEXT
        assert bench.serving == [False, True]
        assert bench.removed == [(bad.root, Sign.SILENT)]


async def test_it_comes_back_with_a_good_check_once_its_time_is_over() -> None:
    async with benched() as (bench, (bad, _)):
        await bad.close()
        await bench.ask()
        assert bench.serving == [False, True]
        await bad.begin()
        await bench.pool.check()
        assert bench.serving == [False, True], "its time is not over"
        bench.clock.advance(FIRST_MS)
        assert bench.serving == [False, True], "nobody has looked"
        await bench.pool.check()
        assert bench.serving == [True, True]
        await bench.ask()
        await bench.ask()
        assert len(bad.asked) == 1


async def test_a_check_alone_finds_who_is_gone() -> None:
    async with benched() as (bench, (bad, good)):
        await bad.close()
        await bench.pool.check()
        assert bench.serving == [False, True]
        await good.close()
        await bench.pool.check()
        assert bench.serving == [False, True], "the last one standing stays"
        assert bench.pool.is_down
        await good.begin()
        await bench.pool.check()
        assert not bench.pool.is_down


async def test_a_check_alone_finds_who_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litellm_proxy, "HEALTH_S", 0.05)
    async with benched() as (bench, (frozen, _)):
        frozen.how = "frozen"
        await bench.pool.check()
        assert bench.serving == [True, True], "it may be busy"
        await bench.pool.check()
        assert bench.serving == [False, True]
        assert bench.removed == [(frozen.root, Sign.HUNG)]


async def test_one_that_is_ending_goes_on_with_what_it_has_and_gets_no_more() -> None:
    async with benched() as (bench, (ending, other)):
        ending.gate.clear()
        running = asyncio.create_task(bench.ask())
        await until(lambda: ending.running)
        ending.health = 503
        await bench.pool.check()
        assert bench.serving == [False, True]
        for _ in range(5):
            await bench.ask()
        assert (len(ending.asked), len(other.asked)) == (1, 5)
        ending.gate.set()
        assert await running == TEXT
        ending.health = 200
        await bench.pool.check()
        assert bench.serving == [True, True]


async def test_where_all_are_ending_they_are_asked_all_the_same() -> None:
    async with benched() as (bench, those):
        for one in those:
            one.health = 503
        await bench.pool.check()
        assert bench.serving == [False, False]
        assert not bench.pool.is_down
        assert await bench.ask() == TEXT


async def test_pools_are_watched_until_they_are_left() -> None:
    rounds: asyncio.Queue[float] = asyncio.Queue()
    step = asyncio.Event()

    async def pause(seconds: float) -> None:
        rounds.put_nowait(seconds)
        await step.wait()

    async with instances() as those, open_session() as session:
        plan = PoolPlan(name="pool", roots=tuple(one.root for one in those), health_interval_s=10)
        async with open_pools([plan], session, HeldClock(NOW), pause=pause) as pools:
            waits = [await rounds.get() for _ in those]
            assert all(8 <= wait <= 12 for wait in waits)
            assert [one.checked for one in those] == [1, 1]
            await those[1].close()
            step.set()
            await until(lambda: not pools["pool"].states[1].serves)
        checked = those[0].checked
        await asyncio.sleep(0.05)
        assert those[0].checked == checked


async def test_what_becomes_of_an_instance_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with benched() as (bench, (bad, _)):
        await bad.close()
        for _ in range(3):
            await bench.pool.check()
        bench.clock.advance(FIRST_MS)
        await bad.begin()
        for _ in range(3):
            await bench.pool.check()
        bad.health = 503
        for _ in range(3):
            await bench.pool.check()
        assert caplog.messages == [
            f"pool: {bad.root} is left out, as it cannot be reached",
            f"pool: {bad.root} is used again",
            f"pool: {bad.root} gets no new calls, as it says that it is ending",
        ]
