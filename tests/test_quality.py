"""Questions for a model: what counts, what is waited for, and what ends it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from scalix_free.core.budget import Allowance, Why
from scalix_free.core.chat import Chunk, Usage
from scalix_free.core.errors import Failure, Kind
from scalix_free.quality import IN_VAIN, MOST_WAITS, SHORT, Marks, examine
from scalix_free.routing.attempt import SICK
from scalix_free.routing.attempts import Patience
from scalix_free.routing.catalogue import Model
from scalix_free.routing.questions import Question
from scalix_free.routing.router import Router
from tests.core.held_clock import NOON, HeldClock
from tests.routing.routers import Arithmetic, router
from tests.routing.scripted import ScriptedBackend, Step, model

ASKED = [
    Question(kind="any", ask=f"Say {word}.", check="words", answer=word)
    for word in ("yes", "no", "yes")
]
YES: Sequence[Step] = (Chunk("Yes"), Chunk(finish="stop", usage=Usage(3, 1)))
AT_ONCE = Patience(attempts=3, first_token_s=5.0, idle_s=5.0, queue_s=0.0)


class Desk:
    """One model, its budgets, and a clock that is moved by whoever waits."""

    def __init__(self, *steps: Step, **limits: int) -> None:
        self.clock = HeldClock(NOON)
        self.budgets = Arithmetic(self.clock)
        self.backend = ScriptedBackend(*steps)
        self.model: Model = replace(model("m", self.backend), allowance=Allowance(**limits))  # type: ignore[arg-type]
        self.router: Router = router(
            [self.model, model("other", ScriptedBackend(*YES))],
            AT_ONCE,
            clock=self.clock,
            budgets=self.budgets,
        )
        self.waits_s: list[float] = []

    async def pause(self, wait_s: float) -> None:
        self.waits_s.append(wait_s)
        self.clock.now_ms += int(wait_s * 1000)

    async def examine(self) -> Marks:
        return await examine(self.router, self.model, ASKED, self.pause)


async def test_right_answers_are_counted_and_timed() -> None:
    desk = Desk(*YES)
    marks = await desk.examine()

    assert (marks.right, marks.asked, marks.stopped) == (2, 3, None)
    assert marks.tokens == len(marks.first_tokens_ms) == 3
    assert marks.first_token_ms is not None
    assert marks.tokens_per_s is not None
    assert [call.messages[0]["content"] for call in desk.backend.calls] == [
        question.ask for question in ASKED
    ]
    assert len({call.rid for call in desk.backend.calls}) == 3
    assert desk.backend.balanced


async def test_each_question_is_spent_and_closed_at_what_it_took() -> None:
    desk = Desk(*YES, rpd=10, tpd=100_000)
    await desk.examine()

    assert len(desk.budgets.asked) == len(desk.budgets.ended) == 3
    assert [end.tokens for end in desk.budgets.ended] == [4, 4, 4]


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in IN_VAIN])
@pytest.mark.parametrize("begun", [True, False])
async def test_a_failure_of_one_answer_is_no_right_answer(kind: Kind, begun: bool) -> None:
    desk = Desk(*([Chunk("Yes")] if begun else []), Failure(kind, "It broke."))
    marks = await desk.examine()

    if kind in SICK:  # two in a row, and it rests
        assert (marks.right, marks.asked) == (0, 2)
        assert (marks.stopped or "").startswith("it rests after failures, until ")
    else:
        assert (marks.right, marks.asked, marks.stopped) == (0, 3, None)
    assert (marks.first_token_ms, marks.tokens_per_s) == (None, None)
    assert desk.backend.balanced


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind in IN_VAIN])
async def test_who_cannot_answer_is_asked_once(kind: Kind) -> None:
    desk = Desk(Failure(kind, "It is closed.", retry_after_ms=60_000))
    marks = await desk.examine()

    # An instance that went away is no word of the model: another one is asked, once.
    assert len(desk.backend.calls) == (2 if kind is Kind.LOST else 1)
    assert (marks.asked, marks.right) == (0, 0)
    assert marks.stopped is not None
    assert marks.stopped.startswith("It is closed, until 20")
    assert (await Desk(Failure(kind, "It is closed.")).examine()).stopped == "It is closed"


@pytest.mark.parametrize("limits", [{"rpm": 2}, {"tpm": 620}])
async def test_the_limit_of_a_minute_is_waited_for(limits: dict[str, int]) -> None:
    desk = Desk(*YES, **limits)
    if "tpm" in limits:  # so that its real price is not known, and the reserved one stands
        desk.backend.steps = (Chunk("Yes"), Chunk(finish="stop"))
    marks = await desk.examine()

    assert (marks.asked, marks.stopped) == (3, None)
    assert 60 <= sum(desk.waits_s) <= 125


async def test_a_minute_that_never_suffices_is_not_waited_for() -> None:
    desk = Desk(*YES, tpm=10)
    marks = await desk.examine()

    assert (marks.asked, desk.waits_s) == (0, [])
    assert marks.stopped == "the tokens of its minute are spent"


async def test_minutes_that_others_use_up_are_not_waited_for_for_ever() -> None:
    desk = Desk(*YES, rpm=1)

    async def others_are_faster(wait_s: float) -> None:
        await desk.pause(wait_s)
        assert (await examine(desk.router, desk.model, ASKED[:1], desk.pause)).asked == 1

    marks = await examine(desk.router, desk.model, ASKED, others_are_faster)

    assert (marks.asked, len(desk.waits_s)) == (1, MOST_WAITS)
    assert marks.stopped is not None


async def test_the_limit_of_a_day_ends_it() -> None:
    desk = Desk(*YES, rpd=2)
    marks = await desk.examine()

    assert (marks.asked, marks.right, desk.waits_s) == (2, 1, [])
    assert marks.stopped is not None
    assert marks.stopped.startswith("the requests of its day are spent, until 20")
    assert (await desk.examine()).asked == 0


async def test_a_store_that_is_away_ends_it() -> None:
    desk = Desk(*YES, rpd=9)
    desk.budgets.is_away = True
    marks = await desk.examine()

    assert (marks.asked, marks.stopped) == (0, "the store of its budget does not answer")


def test_every_shortage_has_words() -> None:
    assert set(SHORT) == set(Why)
