"""A second candidate beside one that is late: who wins, what it may cost, that all is closed."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from scalix_free.core.budget import Allowance, Short, Take, Taken, Verdict, unpack
from scalix_free.core.chat import Call, Chunk, Usage
from scalix_free.core.errors import Failure, Kind
from scalix_free.routing import health
from scalix_free.routing.attempts import LATE, Attempting, Exhausted, Patience
from scalix_free.routing.budgets import Spent
from scalix_free.routing.catalogue import Account, Model
from scalix_free.routing.claim import UNBOUNDED
from tests.routing.routers import Arithmetic, attempts
from tests.routing.scripted import SILENCE, ScriptedBackend, Step, model

CALL = Call(rid=bytes(16), messages=[], stream=True, output_tokens=100, prompt_tokens=50)
STOP = Chunk(finish="stop", usage=Usage(40, 7))
HELLO, THOUGHT = Chunk("Hello"), Chunk(reasoning="Hm.")
UTC = ZoneInfo("UTC")
PATIENCE = Patience(attempts=3, first_token_s=5.0, idle_s=5.0, hedge=True)


@pytest.fixture(autouse=True)
def _late_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing is late before a second has passed."""
    monkeypatch.setattr(health, "LEAST_LATE_S", 0.002)


def candidate(name: str, *steps: Step, **limits: int | None) -> Model:
    """A model of an account of its own; its calls have slots, so that each must be closed."""
    backend = ScriptedBackend(*(steps or (HELLO, STOP)))
    allowance = Allowance(**{"concurrent": 5, **limits})  # type: ignore[arg-type]
    return replace(model(name, backend), account=Account(name=name, zone=UTC), allowance=allowance)


class Course:
    """Candidates, whose first tokens have always come at once until now."""

    def __init__(
        self,
        *models: Model,
        patience: Patience = PATIENCE,
        known: bool = True,
        budgets: Arithmetic | None = None,
    ) -> None:
        self.models = models
        self.budgets = budgets or Arithmetic()
        self.attempts = attempts(patience, budgets=self.budgets)
        for one in models:
            for _ in range(health.LEAST_SAMPLES if known else 0):
                self.attempts.learning.health.first_token(one.id).hear(0.0)

    def open(self, call: Call = CALL) -> Attempting:
        return self.attempts.open(call, self.models)

    async def ask(self, call: Call = CALL) -> tuple[str, int]:
        """Who answered, and after how many calls."""
        async with self.open(call) as reply:
            while await reply.read():
                pass
        assert self.is_closed
        return reply.answered_by, reply.attempts

    def backend(self, number: int) -> ScriptedBackend:
        backend = self.models[number].backend
        assert isinstance(backend, ScriptedBackend)
        return backend

    @property
    def asked(self) -> list[int]:
        return [len(self.backend(n).calls) for n in range(len(self.models))]

    @property
    def is_closed(self) -> bool:
        """Whether no context, slot or retry is left over."""
        budgets = [unpack(blob) for blob in self.budgets.kept.values()]
        return (
            all(self.backend(n).balanced for n in range(len(self.models)))
            and not any(one.slots for one in budgets)
            and (self.attempts.retries.requests, self.attempts.retries.retries) == (0, 0)
        )

    async def use(self, number: int, times: int) -> None:
        """Have a model called before, by others."""
        for n in range(times):
            rid = b"%17d" % n
            spent = await self.attempts.spending.take(self.models[number], UNBOUNDED, rid, 150)
            assert isinstance(spent, Spent)
            await spent.close(tokens=None, verdict=Verdict.NEUTRAL)


# ── Who wins ─────────────────────────────────────────────────────────────────────────────────


async def test_beside_one_that_is_late_the_next_is_asked_and_the_late_one_is_closed() -> None:
    course = Course(candidate("a", SILENCE), candidate("b"), candidate("c"))
    assert await course.ask() == ("b", 2)
    assert course.asked == [1, 1, 0]
    assert course.backend(0).left == [LATE]
    late, winner = course.budgets.ended
    assert (late.verdict, late.tokens) == (Verdict.FAILURE, None)
    assert (winner.verdict, winner.tokens) == (Verdict.SUCCESS, 47)


async def test_the_late_one_may_win_after_all_and_the_other_is_not_blamed() -> None:
    second = asyncio.Event()

    class Begun(ScriptedBackend):
        def open(self, call: Call):  # type: ignore[no-untyped-def]
            second.set()
            return super().open(call)

    course = Course(
        candidate("a", second, HELLO, STOP), replace(candidate("b"), backend=Begun(SILENCE))
    )
    assert await course.ask() == ("a", 2)
    assert course.backend(1).left in ([None], [])
    assert [one.verdict for one in course.budgets.ended] == [Verdict.NEUTRAL, Verdict.SUCCESS]


async def test_who_thinks_aloud_is_not_blamed_for_being_late() -> None:
    course = Course(candidate("a", THOUGHT, SILENCE), candidate("b"))
    assert await course.ask() == ("b", 2)
    assert course.backend(0).left == [None]


async def test_when_both_fail_the_third_is_asked_and_nobody_twice() -> None:
    broken = Failure(Kind.BROKEN, "It broke.")
    course = Course(candidate("a", 0.02, broken), candidate("b", broken), candidate("c"))
    assert await course.ask() == ("c", 3)
    assert course.asked == [1, 1, 1]


async def test_what_lies_in_the_request_ends_both() -> None:
    bad = Failure(Kind.BAD_REQUEST, "No.")
    course = Course(candidate("a", SILENCE), candidate("b", bad), candidate("c"))
    with pytest.raises(Exhausted) as raised:
        await course.ask()
    assert raised.value.failures == [bad]
    assert (course.asked, course.is_closed) == ([1, 1, 0], True)


async def test_an_error_nobody_foresaw_closes_both() -> None:
    course = Course(candidate("a", SILENCE), candidate("b", KeyError("a bug of ours")))
    with pytest.raises(KeyError):
        await course.ask()
    assert course.is_closed


# ── When it is not done ──────────────────────────────────────────────────────────────────────

SOON: Sequence[Step] = (0.2, HELLO, STOP)


async def test_who_is_in_time_is_alone() -> None:
    course = Course(candidate("a"), candidate("b"))
    assert (await course.ask(), course.asked) == (("a", 1), [1, 0])


async def test_it_is_not_done_unless_configured() -> None:
    course = Course(candidate("a", *SOON), candidate("b"), patience=replace(PATIENCE, hedge=False))
    assert (await course.ask(), course.asked) == (("a", 1), [1, 0])


async def test_it_is_not_done_for_an_answer_that_comes_whole() -> None:
    course = Course(candidate("a", *SOON), candidate("b"))
    assert await course.ask(CALL._replace(stream=False)) == ("a", 1)


async def test_it_is_not_done_before_it_is_known_what_is_late() -> None:
    course = Course(candidate("a", *SOON), candidate("b"), known=False)
    assert (await course.ask(), course.asked) == (("a", 1), [1, 0])


async def test_it_is_not_done_by_who_may_ask_no_more() -> None:
    course = Course(candidate("a", *SOON), candidate("b"), patience=replace(PATIENCE, attempts=1))
    assert (await course.ask(), course.asked) == (("a", 1), [1, 0])


async def test_it_is_not_done_beyond_the_retry_budget() -> None:
    course = Course(candidate("a", *SOON), candidate("b"))
    course.attempts.retries.retries = 3
    async with course.open() as reply:
        while await reply.read():
            pass
    assert (reply.attempts, course.asked) == (1, [1, 0])


@pytest.mark.parametrize("limits", [{"rpd": 10}, {"rpm": 10}, {"tpd": 1500}, {"tpm": 1500}])
@pytest.mark.parametrize(("taken", "asked"), [(0, 2), (5, 2), (6, 1), (9, 1)])
async def test_never_where_the_next_has_used_more_than_half(
    limits: dict[str, int], taken: int, asked: int
) -> None:
    course = Course(candidate("a", *SOON), candidate("b", **limits))
    await course.use(1, taken)
    assert await course.ask() == ("ab"[asked - 1], asked)


async def test_who_was_not_asked_beside_it_is_asked_when_it_has_failed() -> None:
    """What is scarce is no luxury; who has no answer yet gets it."""
    broken = Failure(Kind.BROKEN, "It broke.")
    course = Course(candidate("a", 0.02, broken), candidate("b", rpd=3), candidate("c"))
    await course.use(1, 2)
    assert await course.ask() == ("b", 2)
    assert course.backend(0).left == [broken]


async def test_a_store_that_is_away_hinders_nobody_who_is_under_way() -> None:
    course = Course(candidate("a", *SOON), candidate("b"))
    async with contextlib.AsyncExitStack() as stack:
        entering = asyncio.create_task(stack.enter_async_context(course.open()))
        while not course.backend(0).calls:
            await asyncio.sleep(0)
        course.budgets.is_away = True
        reply = await entering
        assert (reply.answered_by, reply.attempts) == ("a", 1)
        course.budgets.is_away = False


async def test_who_begins_while_the_next_is_being_taken_is_alone() -> None:
    """What was taken for the other stays a request that was spent, and no tokens."""
    began = asyncio.Event()

    class Distant(Arithmetic):
        async def take(self, ask: Take) -> Taken | Short:
            taken = await super().take(ask)
            if ask.scopes[0].key == "b":
                began.set()
                for _ in range(5):
                    await asyncio.sleep(0)
            return taken

    course = Course(candidate("a", began, HELLO, STOP), candidate("b"), budgets=Distant())
    assert (await course.ask(), course.asked) == (("a", 1), [1, 0])
    unused, answer = course.budgets.ended
    assert (unused.scopes[0].key, unused.tokens, answer.tokens) == ("b", 0, 47)


# ── Leaving ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("turns", range(1, 40, 2))
async def test_wherever_it_is_cancelled_both_are_closed(turns: int) -> None:
    course = Course(candidate("a", SILENCE), candidate("b", 0.0, 0.001, HELLO, 0.0, STOP))
    health_of_a = course.attempts.learning.health.first_token("a")
    task = asyncio.create_task(course.ask())
    while health_of_a.samples and not course.backend(1).calls and turns > 10:
        await asyncio.sleep(0)  # the later half of them begins where both are under way
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert course.is_closed
