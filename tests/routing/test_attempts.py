"""One candidate after the other, until somebody sees something."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalix_free.core.budget import Act, Allowance
from scalix_free.core.chat import Call, Chunk, ToolCall, Usage
from scalix_free.core.errors import Failure, Kind
from scalix_free.routing.attempts import FINAL, SLOW_TOKENS, Exhausted, Patience
from scalix_free.routing.catalogue import Model
from tests.routing.routers import Arithmetic, attempts
from tests.routing.scripted import SILENCE, ScriptedBackend, ScriptedReply, Step, model

PATIENCE = Patience(attempts=3, first_token_s=5.0, idle_s=5.0)
HASTE = Patience(attempts=3, first_token_s=0.005, idle_s=0.005)

STREAM = Call(rid=bytes(16), messages=[], stream=True, output_tokens=100)
WHOLE = STREAM._replace(stream=False)
BOTH = pytest.mark.parametrize("call", [STREAM, WHOLE], ids=["stream", "whole"])

HELLO, WORLD, STOP = Chunk("Hello"), Chunk(" world"), Chunk(finish="stop")
THOUGHT = Chunk(reasoning="Hm.")
GOOD: Sequence[Step] = (HELLO, WORLD, STOP)

RECOVERABLE = [kind for kind in Kind if kind not in FINAL and kind is not Kind.LOST]


def failure(kind: Kind = Kind.BROKEN, message: str = "It broke.") -> Failure:
    return Failure(kind, message)


def candidates(*backends: ScriptedBackend) -> list[Model]:
    return [model(f"m{n}", backend) for n, backend in enumerate(backends, 1)]


def attempt(
    call: Call, *backends: ScriptedBackend, patience: Patience = PATIENCE
) -> AbstractAsyncContextManager["Reading"]:
    return Reading(candidates(*backends), patience, call)


class Reading:
    """An attempt with what came of it."""

    def __init__(self, models: Sequence[Model], patience: Patience, call: Call) -> None:
        self.attempting = attempts(patience).open(call, models)
        self.batches: list[Sequence[Chunk]] = []

    async def __aenter__(self) -> "Reading":
        await self.attempting.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        kind, raised, trace = error
        await self.attempting.__aexit__(kind, raised, trace)  # type: ignore[arg-type]

    async def to_end(self) -> list[Chunk]:
        while batch := await self.attempting.read():
            self.batches.append(batch)
        return self.chunks

    @property
    def chunks(self) -> list[Chunk]:
        return [chunk for batch in self.batches for chunk in batch]


async def exhausted(
    call: Call, *backends: ScriptedBackend, patience: Patience = PATIENCE
) -> Exhausted:
    with pytest.raises(Exhausted) as raised:
        async with attempt(call, *backends, patience=patience):
            pass
    assert all(backend.balanced for backend in backends)
    return raised.value


# ── Failing over ─────────────────────────────────────────────────────────────────────────────


@BOTH
async def test_the_first_who_answers_is_the_only_one_asked(call: Call) -> None:
    first, second = ScriptedBackend(*GOOD), ScriptedBackend(*GOOD)
    async with attempt(call, first, second) as reading:
        assert (reading.attempting.answered_by, reading.attempting.attempts) == ("m1", 1)
        assert await reading.to_end() == [HELLO, WORLD, STOP]

    assert (first.calls, second.calls) == ([call], [])
    assert first.left == [None]


@BOTH
@pytest.mark.parametrize("kind", RECOVERABLE)
@pytest.mark.parametrize("where", ["entering", "reading"])
async def test_after_a_failure_the_next_is_asked(call: Call, kind: Kind, where: str) -> None:
    broken = failure(kind)
    bad = ScriptedBackend(entering=[broken]) if where == "entering" else ScriptedBackend(broken)
    good = ScriptedBackend(*GOOD)
    async with attempt(call, bad, good) as reading:
        assert (reading.attempting.answered_by, reading.attempting.attempts) == ("m2", 2)
        assert bad.balanced
        assert await reading.to_end() == [HELLO, WORLD, STOP]

    assert bad.left == ([] if where == "entering" else [broken])
    assert good.left == [None]


@BOTH
@pytest.mark.parametrize("kind", [kind for kind in Kind if kind in FINAL])
async def test_what_lies_in_the_request_is_not_tried_on_others(call: Call, kind: Kind) -> None:
    others = ScriptedBackend(*GOOD)
    broken = failure(kind)
    end = await exhausted(call, ScriptedBackend(broken), others)

    assert (end.failures, end.kind, others.calls) == ([broken], kind, [])


class Losing(ScriptedBackend):
    """One whose instances go away with the first calls of each request."""

    def __init__(self, lost: int) -> None:
        super().__init__(*GOOD)
        self._lost = lost

    def open(self, call: Call) -> ScriptedReply:
        reply = super().open(call)
        if [one.rid for one in self.calls].count(call.rid) > self._lost:
            return reply
        return ScriptedReply(ScriptedBackend(failure(Kind.LOST)))


@BOTH
async def test_a_model_that_lost_an_instance_is_asked_again(call: Call) -> None:
    """Once, since the others may fare no better; each time it is a call of its own."""
    losing, others = Losing(1), ScriptedBackend(*GOOD)
    async with attempt(call, losing, others) as reading:
        assert (reading.attempting.answered_by, reading.attempting.attempts) == ("m1", 2)
        assert await reading.to_end() == [HELLO, WORLD, STOP]

    losing = Losing(2)
    async with attempt(call, losing, others) as reading:
        assert (reading.attempting.answered_by, reading.attempting.attempts) == ("m2", 3)

    end = await exhausted(call, Losing(2))
    assert end.kind is Kind.LOST


async def test_however_many_calls_an_instance_had_none_is_lost_with_it() -> None:
    """Neither for want of retries, nor since the model would rest."""
    budgets = Arithmetic()
    metered = replace(model("m1", Losing(1)), allowance=Allowance(rpm=100))
    everybody = attempts(budgets=budgets)

    async def one(number: int) -> str:
        call = STREAM._replace(rid=number.to_bytes(16, "big"))
        async with everybody.open(call, [metered]) as reply:
            return reply.answered_by

    found = await asyncio.gather(*map(one, range(20)))
    assert found == ["m1"] * 20
    assert len(budgets.asked) == 40, "each question is spent, also one that was lost"
    assert not any(place.act is Act.TRIP for end in budgets.ended for _, place in end.findings)


def test_only_a_bad_request_and_a_filter_lie_in_the_request() -> None:
    assert {Kind.BAD_REQUEST, Kind.FILTERED} == FINAL


@BOTH
async def test_when_all_have_failed_their_failures_are_told_in_order(call: Call) -> None:
    kinds = [Kind.UNREACHABLE, Kind.RATE_LIMITED, Kind.TIMEOUT]
    failures = [failure(kind, f"{kind}") for kind in kinds]
    end = await exhausted(call, *(ScriptedBackend(one) for one in failures))

    assert end.failures == failures
    assert (end.kind, end.message, end.untried) == (Kind.TIMEOUT, f"{Kind.TIMEOUT}", False)


@BOTH
async def test_no_more_are_asked_than_a_request_may_ask(call: Call) -> None:
    backends = [ScriptedBackend(failure()) for _ in range(5)]
    end = await exhausted(call, *backends)

    assert [len(backend.calls) for backend in backends] == [1, 1, 1, 0, 0]
    assert end.untried


# ── Committing ───────────────────────────────────────────────────────────────────────────────


async def test_a_stream_is_committed_to_with_its_first_content() -> None:
    gate, second = asyncio.Event(), ScriptedBackend(*GOOD)
    async with attempt(STREAM, ScriptedBackend(HELLO, gate, failure()), second) as reading:
        assert await reading.attempting.read() == [HELLO]
        gate.set()
        with pytest.raises(Failure, match="It broke"):
            await reading.attempting.read()

    assert second.calls == []


async def test_a_whole_answer_is_committed_to_at_its_end() -> None:
    broken = ScriptedBackend(HELLO, WORLD, failure())
    async with attempt(WHOLE, broken, ScriptedBackend(Chunk("Good"), STOP)) as reading:
        assert await reading.to_end() == [Chunk("Good"), STOP]

    assert reading.attempting.attempts == 2


async def test_thoughts_are_no_content_and_are_not_shown_when_nothing_follows() -> None:
    thinker = ScriptedBackend(THOUGHT, [THOUGHT, THOUGHT], failure())
    async with attempt(STREAM, thinker, ScriptedBackend(THOUGHT, HELLO, STOP)) as reading:
        assert await reading.to_end() == [THOUGHT, HELLO, STOP]


async def test_what_came_before_the_first_content_is_handed_out_with_it() -> None:
    backend = ScriptedBackend(THOUGHT, Chunk(usage=Usage(5, 0)), [THOUGHT, HELLO], WORLD, STOP)
    async with attempt(STREAM, backend) as reading:
        await reading.to_end()

    assert reading.batches == [[THOUGHT, Chunk(usage=Usage(5, 0)), THOUGHT, HELLO], [WORLD], [STOP]]


@BOTH
@pytest.mark.parametrize(
    "content", [Chunk(tools=(ToolCall(0, "id", "look"),)), Chunk(refusal="No."), Chunk(" ")]
)
async def test_tools_and_refusals_are_content(call: Call, content: Chunk) -> None:
    async with attempt(call, ScriptedBackend(content, STOP)) as reading:
        assert await reading.to_end() == [content, STOP]


@BOTH
@pytest.mark.parametrize(
    "steps",
    [
        *([], [[]], [STOP], [STOP, SILENCE], [THOUGHT, STOP], [[THOUGHT, STOP]], [THOUGHT]),
        [Chunk(usage=Usage(5, 0))],
    ],
)
async def test_an_answer_without_content_is_a_failed_attempt(
    call: Call, steps: Sequence[Step]
) -> None:
    empty = ScriptedBackend(*steps)
    async with attempt(call, empty, ScriptedBackend(*GOOD)) as reading:
        assert reading.attempting.attempts == 2
        assert await reading.to_end() == [HELLO, WORLD, STOP]
    end = await exhausted(call, ScriptedBackend(*steps))

    assert end.kind is Kind.EMPTY
    assert empty.balanced


@BOTH
async def test_an_answer_that_was_filtered_away_is_told_as_such(call: Call) -> None:
    other = ScriptedBackend(*GOOD)
    end = await exhausted(call, ScriptedBackend(Chunk(finish="content_filter")), other)

    assert (end.kind, other.calls) == (Kind.FILTERED, [])


# ── Closing ──────────────────────────────────────────────────────────────────────────────────


@BOTH
async def test_what_was_never_entered_is_not_left(call: Call) -> None:
    """An adapter whose entering failed has cleaned up behind itself, as any context has."""
    first, second = (ScriptedBackend(entering=[failure(Kind.UNREACHABLE)]) for _ in range(2))
    end = await exhausted(call, first, second)

    assert [one.kind for one in end.failures] == [Kind.UNREACHABLE] * 2
    assert first.left == second.left == []


@BOTH
async def test_whoever_leaves_in_the_middle_closes_what_is_open(call: Call) -> None:
    backend = ScriptedBackend(*GOOD)
    wish = ValueError("of the caller's")
    with pytest.raises(ValueError, match="caller"):
        async with attempt(call, ScriptedBackend(failure()), backend):
            raise wish

    assert backend.left == [wish]


@BOTH
async def test_an_error_nobody_foresaw_is_no_reason_to_try_another(call: Call) -> None:
    bad, good = ScriptedBackend(KeyError("a bug of ours")), ScriptedBackend(*GOOD)
    with pytest.raises(KeyError):
        async with attempt(call, bad, good):
            pass

    assert bad.balanced
    assert good.calls == []


@BOTH
@pytest.mark.parametrize("turns", range(1, 12))
async def test_wherever_it_is_cancelled_every_context_is_left_exactly_once(
    call: Call, turns: int
) -> None:
    pause = 0.0
    first = ScriptedBackend(pause, HELLO, pause, failure(), entering=[pause])
    if call.stream:
        first = ScriptedBackend(pause, failure(), entering=[pause])
    second = ScriptedBackend(pause, HELLO, pause, STOP, SILENCE, entering=[pause])
    task = asyncio.create_task(read_all(attempt(call, first, second)))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert first.balanced
    assert second.balanced


async def read_all(attempt: AbstractAsyncContextManager[Reading]) -> None:
    async with attempt as reading:
        await reading.to_end()


# ── Deadlines ────────────────────────────────────────────────────────────────────────────────


@BOTH
@pytest.mark.parametrize(
    "silent",
    [lambda: ScriptedBackend(entering=[SILENCE]), lambda: ScriptedBackend(SILENCE)],
    ids=["entering", "reading"],
)
async def test_who_does_not_begin_in_time_is_given_up(
    call: Call, silent: Callable[[], ScriptedBackend]
) -> None:
    lazy, good = silent(), ScriptedBackend(*GOOD)
    async with attempt(call, lazy, good, patience=HASTE) as reading:
        assert reading.attempting.answered_by == "m2"
    end = await exhausted(call, silent(), patience=HASTE)

    assert end.kind is Kind.TIMEOUT
    assert lazy.balanced


async def test_a_stream_that_falls_silent_in_the_middle_is_broken() -> None:
    backend = ScriptedBackend(HELLO, SILENCE)
    async with attempt(STREAM, backend, ScriptedBackend(*GOOD), patience=HASTE) as reading:
        assert await reading.attempting.read() == [HELLO]
        with pytest.raises(Failure) as raised:
            await reading.attempting.read()

    assert raised.value.kind is Kind.TIMEOUT
    assert backend.balanced


async def test_who_thinks_aloud_is_waited_for_as_long_as_the_thoughts_come() -> None:
    patience = Patience(attempts=1, first_token_s=0.02, idle_s=2.0)
    backend = ScriptedBackend(THOUGHT, 0.02, THOUGHT, 0.02, HELLO, STOP)
    async with attempt(STREAM, backend, patience=patience) as reading:
        assert await reading.to_end() == [THOUGHT, THOUGHT, HELLO, STOP]


async def test_who_stops_thinking_aloud_is_given_up() -> None:
    patience = Patience(attempts=1, first_token_s=60.0, idle_s=0.005)
    end = await exhausted(STREAM, ScriptedBackend(THOUGHT, SILENCE), patience=patience)

    assert end.kind is Kind.TIMEOUT


async def test_a_whole_answer_is_waited_for_as_long_as_the_slowest_model_takes() -> None:
    patience = Patience(attempts=1, first_token_s=0.01, idle_s=0.01)
    patient = WHOLE._replace(output_tokens=100 * SLOW_TOKENS)
    slow = ScriptedBackend(0.015, THOUGHT, 0.015, HELLO, STOP)
    async with attempt(patient, slow, patience=patience) as reading:
        assert await reading.to_end() == [THOUGHT, HELLO, STOP]


@pytest.mark.parametrize(
    ("call", "seconds"),
    [
        (STREAM, 20),
        (STREAM._replace(output_tokens=100_000), 20),
        (WHOLE._replace(output_tokens=None), 20),
        (WHOLE._replace(output_tokens=SLOW_TOKENS), 40),
        (WHOLE._replace(output_tokens=2_048), 180),
    ],
)
def test_how_long_a_candidate_may_take(call: Call, seconds: float) -> None:
    patience = Patience(attempts=3, first_token_s=20, idle_s=30)

    assert patience.begin_s(call) == seconds


# ── The call that a model gets ───────────────────────────────────────────────────────────────


async def told(call: Call, one: Model) -> Call:
    backend = one.backend
    assert isinstance(backend, ScriptedBackend)
    async with Reading([one], PATIENCE, call):
        return backend.calls[0]


def with_cap(cap: int | None, hidden: int | None = None) -> Model:
    return model("m", ScriptedBackend(*GOOD), max_output_tokens=cap, hidden_tokens=hidden)


@pytest.mark.parametrize(
    ("asked", "cap", "hidden", "got"),
    [
        *((100, None, None, 100), (100, 200, None, 100), (100, 50, None, 50)),
        *((None, None, None, None), (None, 50, None, 50)),
        *((100, None, 1_000, 1_100), (100, 50, 1_000, 1_050), (None, None, 1_000, None)),
    ],
)
async def test_the_cap_is_the_caller_s_or_the_model_s_and_thoughts_come_on_top(
    asked: int | None, cap: int | None, hidden: int | None, got: int | None
) -> None:
    call = STREAM._replace(output_tokens=asked)

    assert (await told(call, with_cap(cap, hidden))).output_tokens == got


async def test_who_reasons_does_it_with_the_least_effort_unless_more_is_asked_for() -> None:
    asked = STREAM._replace(parameters={"seed": 1})
    assert (await told(asked, with_cap(None, 9))).parameters == {
        "seed": 1,
        "reasoning_effort": "low",
    }
    asked = STREAM._replace(parameters={"reasoning_effort": "high"})
    assert (await told(asked, with_cap(None, 9))).parameters == {"reasoning_effort": "high"}


async def test_else_a_model_gets_the_call_as_it_is() -> None:
    assert await told(STREAM, with_cap(100)) is STREAM


async def test_every_candidate_gets_a_call_of_its_own() -> None:
    first, second = ScriptedBackend(failure()), ScriptedBackend(*GOOD)
    models = [model("a", first, max_output_tokens=10), model("b", second)]
    async with Reading(models, PATIENCE, STREAM):
        assert [first.calls[0].output_tokens, second.calls[0].output_tokens] == [10, 100]


# ── A law ────────────────────────────────────────────────────────────────────────────────────

chunks = st.one_of(
    st.builds(Chunk, text=st.sampled_from(["a", "b", " "])),
    st.builds(Chunk, reasoning=st.just("hm")),
    st.builds(Chunk, usage=st.just(Usage(3, 4))),
)
scripts = st.lists(st.lists(chunks, max_size=3), max_size=6)


@settings(deadline=None)
@given(scripts, st.booleans())
def test_what_is_handed_out_is_what_was_said_whole_and_in_order(
    script: Sequence[Sequence[Chunk]], streamed: bool
) -> None:
    said = [chunk for batch in script for chunk in batch]
    steps = [batch for batch in script if batch]

    async def main() -> None:
        call = STREAM if streamed else WHOLE
        backend = ScriptedBackend(*steps, STOP)
        if not any(chunk.has_content for chunk in said):
            await exhausted(call, backend)
            return
        async with attempt(call, backend) as reading:
            assert await reading.to_end() == [*said, STOP]
        assert all(reading.batches)
        assert backend.left == [None]

    asyncio.run(main())


# ── Who was let down ─────────────────────────────────────────────────────────────────────────

CUT: Sequence[Step] = (HELLO, Chunk(finish="length", usage=Usage(1, 50)))


@BOTH
@pytest.mark.parametrize(
    ("first", "let_down"),
    [
        (GOOD, []),
        (CUT, ["m1"]),
        ((HELLO, Chunk(finish="length", usage=Usage(1, 95))), []),  # the caller's own cap
        ((HELLO, Chunk(finish="length")), []),  # nobody knows whose
        ((STOP,), ["m1"]),
        ((failure(Kind.EMPTY),), ["m1"]),
        ((failure(Kind.BROKEN),), []),  # another answers, and nobody saw it
        ((failure(Kind.RATE_LIMITED),), []),
    ],
    ids=["good", "cut", "capped", "uncounted", "empty", "found-empty", "broken", "limited"],
)
async def test_who_gives_an_empty_or_a_cut_answer_lets_the_caller_down(
    call: Call, first: Sequence[Step], let_down: list[str]
) -> None:
    async with attempt(call, ScriptedBackend(*first), ScriptedBackend(*GOOD)) as reading:
        await reading.to_end()
    assert reading.attempting.let_down == let_down


async def test_who_breaks_off_lets_the_caller_down_and_who_is_left_does_not() -> None:
    broken = attempt(STREAM, ScriptedBackend(HELLO, failure()), ScriptedBackend(*GOOD))
    with pytest.raises(Failure):
        async with broken as reading:
            await reading.to_end()
    assert reading.attempting.let_down == ["m1"]

    async with attempt(STREAM, ScriptedBackend(*GOOD)) as reading:
        await reading.attempting.read()
        await reading.attempting.__aexit__(asyncio.CancelledError, asyncio.CancelledError(), None)
    assert reading.attempting.let_down == []
