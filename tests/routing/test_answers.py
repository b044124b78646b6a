"""Answers that were given before, and what of them may be given again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.core.cache import CacheUse
from scalix_free.core.chat import Call, Chunk, ToolCall, Usage
from scalix_free.core.errors import Failure, Kind
from scalix_free.routing.answers import MOST_ANSWER_BYTES, MOST_BYTES, PIECE_CHARS, Answers
from scalix_free.routing.attempts import Asked, Exhausted
from scalix_free.routing.catalogue import Catalogue, Gone
from scalix_free.routing.claim import Claim
from scalix_free.routing.preferences import Preferences
from scalix_free.wire.answer import Collected
from tests.core.held_clock import HeldClock
from tests.routing.routers import attempts
from tests.routing.scripted import ScriptedBackend, Step, model

USAGE = Usage(30, 7)
HELLO, WORLD, STOP = Chunk("Hello"), Chunk(" world"), Chunk(finish="stop", usage=USAGE)
GOOD: tuple[Step, ...] = (HELLO, WORLD, STOP)

USER = {"role": "user", "content": "What is a budget?"}
SYSTEM = {"role": "system", "content": "Be brief."}
CALL = Call(rid=bytes(16), messages=[USER], output_tokens=100)
ANN, BEN = Claim(order=3, owner=b"ann."), Claim(order=3, owner=b"ben.")
PRO = Claim(order=0, owner=b"pro.", pro=True)
TTL_S = 300


class Desk:
    """A cache in front of scripted models: ``best``, and ``other`` to fall back on."""

    def __init__(self, *steps: Step, max_size: int = 100, shared: bool = False) -> None:
        self.clock = HeldClock()
        self.best, self.other = ScriptedBackend(*(steps or GOOD)), ScriptedBackend(*GOOD)
        self.models = [model("best", self.best, fallbacks=["other"]), model("other", self.other)]
        self.preferences = Preferences(3_600_000, 100)
        self.answers = Answers(
            attempts(clock=self.clock),
            catalogue=Catalogue(self.models, [Gone(id="old", provider="x", successor="best")]),
            preferences=self.preferences,
            clock=self.clock,
            ttl_ms=TTL_S * 1000,
            max_size=max_size,
            shared=shared,
        )

    async def ask(self, call: Call = CALL, claim: Claim = ANN) -> tuple[Asked, Collected]:
        asked, collected = self.answers.open(call, self.models, claim), Collected()
        reply = await asked.__aenter__()
        try:
            while chunks := await reply.read():
                collected.add(chunks)
        finally:
            await asked.__aexit__(None, None, None)
        return asked, collected

    async def use(self, call: Call = CALL, claim: Claim = ANN) -> CacheUse:
        return (await self.ask(call, claim))[0].cache


def said(collected: Collected) -> tuple[object, ...]:
    return collected.message(), collected.finish, collected.usage


# ── Again ────────────────────────────────────────────────────────────────────────────────────


async def test_the_same_again_asks_nobody() -> None:
    desk = Desk()
    first, told = await desk.ask()
    again, repeated = await desk.ask(CALL._replace(rid=b"another request."))

    assert (first.cache, again.cache) == (CacheUse.MISS, CacheUse.HIT)
    assert (first.attempts, again.attempts) == (1, 0)
    assert first.answered_by == again.answered_by == "best"
    assert said(repeated) == said(told)
    assert len(desk.best.calls) == 1


@given(
    texts=st.lists(st.text(max_size=3 * PIECE_CHARS), min_size=1).filter(any),
    thoughts=st.lists(st.text(max_size=2 * PIECE_CHARS)),
    usage=st.none() | st.builds(Usage, st.integers(0, 99), st.integers(0, 99)),
    streams=st.tuples(st.booleans(), st.booleans()),
)
async def test_a_replayed_stream_is_the_answer_of_the_first(
    texts: list[str], thoughts: list[str], usage: Usage | None, streams: tuple[bool, bool]
) -> None:
    chunks = [Chunk(reasoning=text) for text in thoughts] + [Chunk(text) for text in texts]
    desk = Desk(*chunks, Chunk(finish="stop", usage=usage))
    first, again = (CALL._replace(stream=stream) for stream in streams)
    told, (asked, repeated) = await desk.ask(first), await desk.ask(again)

    assert asked.cache is CacheUse.HIT
    assert said(repeated) == said(told[1])


async def test_a_replay_comes_in_pieces_and_ends_with_its_finish() -> None:
    desk = Desk(Chunk("x" * (2 * PIECE_CHARS + 1)), STOP)
    await desk.ask()
    chunks = await desk.answers.open(CALL, desk.models, ANN).read()

    assert [len(chunk.text) for chunk in chunks] == [PIECE_CHARS, PIECE_CHARS, 1, 0]
    assert chunks[-1] == STOP


@pytest.mark.parametrize(
    "other",
    [
        CALL._replace(messages=[{"role": "user", "content": "What is a budget"}]),
        CALL._replace(messages=[SYSTEM, USER]),
        CALL._replace(parameters={"temperature": 0}),
        CALL._replace(parameters={"response_format": {"type": "json_object"}}),
        CALL._replace(parameters={"seed": 7}),
        CALL._replace(output_tokens=99),
        CALL._replace(output_tokens=None),
        CALL._replace(model="best"),
        CALL._replace(model="other"),
    ],
)
async def test_what_differs_in_anything_is_asked(other: Call) -> None:
    desk = Desk()
    await desk.ask()

    assert await desk.use(other) is CacheUse.MISS
    assert await desk.use(other) is CacheUse.HIT


async def test_models_that_do_not_exist_are_one() -> None:
    desk = Desk()
    await desk.ask(CALL._replace(model="gpt-4o"))
    assert await desk.use(CALL._replace(model="gpt-5")) is CacheUse.HIT
    assert await desk.use() is CacheUse.HIT


# ── What may be kept ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "call",
    [
        CALL._replace(messages=[]),
        CALL._replace(messages=[SYSTEM]),
        CALL._replace(messages=[USER, USER]),
        CALL._replace(messages=[SYSTEM, SYSTEM, USER]),
        CALL._replace(messages=[USER, {"role": "assistant", "content": "It is."}, USER]),
        CALL._replace(messages=[{"role": "user", "content": [{"type": "image_url"}]}]),
        CALL._replace(messages=[{"role": "user", "content": [{"type": "input_audio"}]}]),
        CALL._replace(parameters={"tools": []}),
        CALL._replace(parameters={"temperature": 0.1}),
        CALL._replace(fresh=True),
    ],
)
async def test_what_needs_more_than_itself_or_wants_to_differ_is_a_bypass(call: Call) -> None:
    desk = Desk()
    assert [await desk.use(call) for _ in range(2)] == [CacheUse.BYPASS] * 2
    assert len(desk.best.calls) == 2


@pytest.mark.parametrize(
    "call",
    [
        CALL._replace(messages=[SYSTEM, USER]),
        CALL._replace(messages=[{"role": "developer", "content": "Be brief."}, USER]),
        CALL._replace(messages=[{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]),
        CALL._replace(parameters={"temperature": 0}),
        CALL._replace(parameters={"temperature": 1, "seed": 7}),
    ],
)
async def test_one_question_is_kept(call: Call) -> None:
    desk = Desk()
    assert [await desk.use(call) for _ in range(2)] == [CacheUse.MISS, CacheUse.HIT]


@pytest.mark.parametrize(
    "steps",
    [
        (HELLO, Chunk(finish="length")),
        (HELLO, Chunk(finish="content_filter")),
        (Chunk(refusal="No."), STOP),
        (HELLO, Chunk(tools=(ToolCall(0, "a", "f"),)), Chunk(finish="tool_calls")),
        (HELLO, Chunk(tools=(ToolCall(0, "a", "f"),)), STOP),
        (Chunk("x" * MOST_ANSWER_BYTES), STOP),
    ],
)
async def test_what_is_no_whole_answer_is_not_kept(steps: tuple[Step, ...]) -> None:
    desk = Desk(*steps)
    assert [await desk.use() for _ in range(2)] == [CacheUse.MISS] * 2
    assert (len(desk.answers), desk.answers.size_bytes) == (0, 0)


async def test_a_failure_is_not_kept() -> None:
    desk = Desk()
    for backend in (desk.best, desk.other):
        backend.steps = (STOP,)  # empty
    for _ in range(2):
        with pytest.raises(Exhausted):
            await desk.ask()
    assert len(desk.best.calls) == 2


# ── Whose, by whom, for how long ─────────────────────────────────────────────────────────────


async def test_everybody_has_their_own() -> None:
    desk = Desk()
    assert await desk.use() is CacheUse.MISS
    assert await desk.use(claim=BEN) is CacheUse.MISS
    assert await desk.use(claim=BEN) is CacheUse.HIT


async def test_shared_are_those_of_a_class() -> None:
    desk = Desk(shared=True)
    assert await desk.use() is CacheUse.MISS
    assert await desk.use(claim=BEN) is CacheUse.HIT
    assert await desk.use(claim=PRO) is CacheUse.MISS
    desk.answers.forget(BEN.owner)
    assert await desk.use() is CacheUse.HIT


async def test_forgotten_are_those_of_one_caller() -> None:
    desk = Desk()
    await desk.ask()
    await desk.ask(claim=BEN)
    desk.answers.forget(ANN.owner)

    assert await desk.use(claim=BEN) is CacheUse.HIT
    assert await desk.use() is CacheUse.MISS


async def test_a_named_model_has_no_answer_of_its_fallback() -> None:
    desk = Desk(STOP)  # an empty answer
    named = CALL._replace(model="best")
    assert (await desk.ask(named))[0].answered_by == "other"
    desk.best.steps = GOOD

    asked, _ = await desk.ask(named)
    assert (asked.cache, asked.answered_by) == (CacheUse.MISS, "best")
    assert await desk.use(named) is CacheUse.HIT


async def test_what_somebody_did_not_like_is_not_given_again() -> None:
    desk = Desk()
    await desk.ask()
    desk.preferences.avoid(ANN.owner, "best", desk.clock())

    assert await desk.use() is CacheUse.MISS


async def test_a_model_that_may_no_longer_answer_is_not_quoted() -> None:
    desk = Desk()
    await desk.ask()
    desk.models = desk.models[1:]

    asked, _ = await desk.ask()
    assert (asked.cache, asked.answered_by) == (CacheUse.MISS, "other")


async def test_it_holds_for_its_time() -> None:
    desk = Desk()
    await desk.ask()
    desk.clock.now_ms += TTL_S * 1000 - 1
    assert await desk.use() is CacheUse.HIT
    desk.clock.now_ms += 1
    assert await desk.use() is CacheUse.MISS
    assert await desk.use() is CacheUse.HIT


def question(n: int) -> Call:
    return CALL._replace(messages=[{"role": "user", "content": f"What is {n}?"}])


async def test_of_too_many_the_oldest_go() -> None:
    desk = Desk(max_size=2)
    for n in range(3):
        await desk.ask(question(n))

    assert len(desk.answers) == 2
    assert [await desk.use(question(n)) for n in (2, 1)] == [CacheUse.HIT] * 2
    assert await desk.use(question(0)) is CacheUse.MISS


async def test_what_no_longer_holds_gives_way_to_the_next() -> None:
    desk = Desk()
    await desk.ask(question(0))
    desk.clock.now_ms += TTL_S * 1000
    await desk.ask(question(1))

    assert len(desk.answers) == 1


async def test_their_memory_is_bounded() -> None:
    desk = Desk(Chunk("x" * (MOST_ANSWER_BYTES - 1_024)), STOP, max_size=1_000)
    for n in range(100):
        await desk.ask(question(n))

    assert MOST_BYTES - MOST_ANSWER_BYTES < desk.answers.size_bytes <= MOST_BYTES
    assert len(desk.answers) == MOST_BYTES // (MOST_ANSWER_BYTES - 1_024 + 600)


async def test_who_names_a_model_that_is_gone_gets_no_answer_of_its_heir_s_fallback_again() -> None:
    desk = Desk(Failure(Kind.EMPTY, "Nothing."))
    assert (await desk.ask())[0].answered_by == "other"
    desk.best.steps = GOOD

    asked, _ = await desk.ask(CALL._replace(model="old"))
    assert (asked.cache, asked.answered_by) == (CacheUse.MISS, "best")
