"""Whole requests, from the visitor to the settled charge: real limits, scripted models."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

import pytest

from scalix_free.admission.content import ContentRules
from scalix_free.admission.quotas import session_policy
from scalix_free.core.cache import CacheUse
from scalix_free.core.caller import Caller, Tier, Visitor
from scalix_free.core.chat import Call, Chunk, Usage
from scalix_free.core.errors import Code, Failure, Kind, Refusal, StoreUnavailable
from scalix_free.core.ledger import Admitted, Ask, Denied, Entry, Level, Subject, Unit
from scalix_free.core.outcome import Outcome, Result
from scalix_free.core.ports import Ledger, Listener
from scalix_free.routing.catalogue import Model
from scalix_free.serve import Answer, Answering, Refused, Service, SessionOf
from scalix_free.storage.sqlite_ledger import SqliteLedger
from tests.contracts.ledger import ALL, ANN, HOME, ISP, PERSON, rid, subject, used
from tests.core.held_clock import NOON, HeldClock
from tests.routing.routers import router
from tests.routing.scripted import SILENCE, ScriptedBackend, Step, model

VISITOR = Visitor("1.2.3.4")
PERSON_TIER = Tier(
    name="person",
    policy=PERSON,  # 3 an hour, 5 and 2,000 tokens a day, 2 at once
    max_output_tokens=500,
    default_output_tokens=90,
    context_tokens=1_000,
)
CALLER = Caller(tier=PERSON_TIER, subjects=ALL)
OWNER = replace(CALLER, owner="usr_1", session_id="ses_own")
ANYTHING = ContentRules(most_chars=None)
STRANGER = Refusal(code=Code.INVALID_API_KEY, message="Who?")

WHOLE = Call(rid=rid(1), messages=[], prompt_tokens=40, newest_tokens=15)
STREAM = WHOLE._replace(stream=True)
BOTH = pytest.mark.parametrize("call", [STREAM, WHOLE], ids=["stream", "whole"])

USAGE = Usage(30, 7)
HELLO, WORLD, STOP = Chunk("Hello"), Chunk(" world"), Chunk(finish="stop", usage=USAGE)
GOOD: Sequence[Step] = (HELLO, WORLD, STOP)
HELLO_TOKENS, HELLO_WORLD_TOKENS = 2, 4
"""By our own count."""


def failure(kind: Kind = Kind.BROKEN) -> Failure:
    return Failure(kind, f"It is {kind.name}.")


class RecordingListener:
    def __init__(self) -> None:
        self.heard: list[Outcome] = []

    def hear(self, outcome: Outcome) -> None:
        self.heard.append(outcome)


class FailingLedger:
    """A ledger whose store is not there for some of the operations."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.down: set[str] = set()

    def _try(self, operation: str) -> None:
        if operation in self.down:
            raise StoreUnavailable(operation)

    async def admit(self, ask: Ask) -> Admitted | Denied:
        self._try("admit")
        return await self.ledger.admit(ask)

    async def settle(
        self, subjects: Sequence[Subject], rid: bytes, tokens: int, *, counts: bool = True
    ) -> tuple[Level, ...]:
        self._try("settle")
        return await self.ledger.settle(subjects, rid, tokens, counts=counts)

    async def beat(self, subject: Subject, rid: bytes, spent: int) -> None:
        self._try("beat")
        await self.ledger.beat(subject, rid, spent)

    async def refund(self, subjects: Sequence[Subject], rid: bytes) -> tuple[Level, ...]:
        self._try("refund")
        return await self.ledger.refund(subjects, rid)

    async def peek(self, subject: Subject) -> tuple[Level, ...]:
        self._try("peek")
        return await self.ledger.peek(subject)

    async def enter(self, subjects: Sequence[Subject], entry: Entry) -> bool:
        self._try("enter")
        return await self.ledger.enter(subjects, entry)


@dataclass
class Desk:
    """A service of which everything is at hand."""

    ledger: FailingLedger
    clock: HeldClock
    listener: RecordingListener = field(default_factory=RecordingListener)
    count: int = 0

    def service(
        self,
        *backends: ScriptedBackend,
        models: Sequence[Model] | None = None,
        listeners: Sequence[Listener] = (),
        known: Caller | Refusal = CALLER,
        counts_whole_prompt: bool = True,
        session_of: SessionOf = lambda caller, session_id: None,
        content: ContentRules = ANYTHING,
        keeps_answers: bool = False,
    ) -> Service:
        if models is None:
            models = [model(f"m{n}", backend) for n, backend in enumerate(backends, 1)]
        return Service(
            identify=lambda visitor: known,
            session_of=session_of,
            content=content,
            ledger=self.ledger,
            router=router(models, clock=self.clock, keeps_answers=keeps_answers),
            listeners=[*listeners, self.listener],
            clock=self.clock,
            counts_whole_prompt=counts_whole_prompt,
        )

    def ask(self, service: Service, call: Call | Refusal = WHOLE) -> Answering:
        self.count += 1
        if isinstance(call, Call):
            call = call._replace(rid=rid(self.count))
        return service.answer(VISITOR, call, rid(self.count))

    async def used(self) -> list[int]:
        """Of the caller: requests of the hour and the day, tokens, and calls in flight."""
        return used(await self.ledger.ledger.peek(ANN))

    async def arrivals(self) -> list[int]:
        """What the address and the network have counted."""
        levels = [await self.ledger.ledger.peek(subject) for subject in (HOME, ISP)]
        return [level.used for of_one in levels for level in of_one]

    @property
    def outcome(self) -> Outcome:
        (outcome,) = self.listener.heard
        return outcome


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock = HeldClock()
    ledger = SqliteLedger(":memory:", clock=clock)
    await ledger.open()
    yield Desk(FailingLedger(ledger), clock)
    await ledger.close()


async def read(answer: Answer | Refused) -> Answer:
    assert isinstance(answer, Answer), answer
    while await answer.read():
        pass
    return answer


async def answered(answering: Answering) -> Answer:
    async with answering as answer:
        return await read(answer)


async def refused(answering: Answering) -> Refused:
    async with answering as answer:
        assert isinstance(answer, Refused)
        return answer


async def test_whom_a_model_let_down_others_answer_first(desk: Desk) -> None:
    broken = ScriptedBackend(HELLO, failure())
    models = [model("m1", broken, priority=1), model("m2", ScriptedBackend(*GOOD), priority=2)]
    service = desk.service(models=models)
    service = replace(service, listeners=[service.router.preferences, desk.listener])
    with pytest.raises(Failure):
        await answered(desk.ask(service, STREAM))
    assert desk.outcome.let_down == ("m1",)

    answer = await answered(desk.ask(service, STREAM))
    assert answer.answered_by == "m2"
    other = replace(CALLER, subjects=(subject("bob"), HOME, ISP))
    with pytest.raises(Failure):
        await answered(desk.ask(replace(service, identify=lambda _: other), STREAM))
    desk.clock.advance(3_660_000)
    with pytest.raises(Failure):
        await answered(desk.ask(service, STREAM))


async def test_an_empty_answer_that_nobody_could_replace_is_told_of(desk: Desk) -> None:
    await refused(desk.ask(desk.service(ScriptedBackend(STOP))))

    assert desk.outcome.let_down == ("m1",)


# ── Answers ──────────────────────────────────────────────────────────────────────────────────


@BOTH
async def test_a_whole_answer_is_charged_at_the_provider_s_count(desk: Desk, call: Call) -> None:
    answer = await answered(desk.ask(desk.service(ScriptedBackend(*GOOD)), call))

    assert (answer.collected.text, answer.usage) == ("Hello world", USAGE)
    assert await desk.used() == used(answer.standing.levels) == [1, 1, 37, 0]
    assert await desk.arrivals() == [1, 1, 1]


@BOTH
async def test_where_the_provider_does_not_count_our_own_count_stands(
    desk: Desk, call: Call
) -> None:
    backend = ScriptedBackend(HELLO, WORLD, Chunk(finish="stop"))
    answer = await answered(desk.ask(desk.service(backend), call))

    assert answer.usage == Usage(40, HELLO_WORLD_TOKENS)
    assert await desk.used() == [1, 1, 40 + HELLO_WORLD_TOKENS, 0]


@BOTH
@pytest.mark.parametrize(("newest", "charged"), [(15, 15 + 7), (35, 30 + 7)])
async def test_the_newest_message_alone_is_charged_where_the_accounting_says_so(
    desk: Desk, call: Call, newest: int, charged: int
) -> None:
    service = desk.service(ScriptedBackend(*GOOD), counts_whole_prompt=False)
    async with desk.ask(service, call._replace(newest_tokens=newest)) as answer:
        assert await desk.used() == [1, 1, newest + 90, 1]
        await read(answer)

    assert await desk.used() == [1, 1, charged, 0]


async def test_while_a_model_is_asked_the_longest_answer_is_reserved(desk: Desk) -> None:
    backend = ScriptedBackend(HELLO, STOP)
    async with desk.ask(desk.service(backend), STREAM) as answer:
        assert isinstance(answer, Answer)
        assert await desk.used() == used(answer.standing.levels) == [1, 1, 130, 1]

    assert backend.calls[0].output_tokens == 90


@pytest.mark.parametrize(
    ("asked", "reserved"), [(None, 90), (10, 10), (499, 499), (500, 500), (9_000, 500)]
)
async def test_a_tier_has_an_answer_s_usual_and_longest_length(
    desk: Desk, asked: int | None, reserved: int
) -> None:
    backend = ScriptedBackend(*GOOD)
    await answered(desk.ask(desk.service(backend), WHOLE._replace(output_tokens=asked)))

    assert backend.calls[0].output_tokens == reserved


async def test_with_few_tokens_left_the_model_is_asked_for_a_shorter_answer(desk: Desk) -> None:
    dear = ScriptedBackend(HELLO, Chunk(finish="stop", usage=Usage(1_500, 300)))
    await answered(desk.ask(desk.service(dear)))
    backend = ScriptedBackend(*GOOD)
    await answered(desk.ask(desk.service(backend), WHOLE._replace(output_tokens=400)))

    assert backend.calls[0].output_tokens == 2_000 - 1_800 - 40


async def test_a_stream_is_settled_before_its_last_frame_is_sent(desk: Desk) -> None:
    async with desk.ask(desk.service(ScriptedBackend(*GOOD)), STREAM) as answer:
        assert isinstance(answer, Answer)
        while (await answer.read())[-1].finish is None:
            pass
        assert await desk.used() == used(answer.standing.levels) == [1, 1, 37, 0]
        assert list(await answer.read()) == []

    assert await desk.used() == [1, 1, 37, 0]


@BOTH
async def test_an_answer_is_told_to_every_listener_once(desk: Desk, call: Call) -> None:
    other = RecordingListener()
    backends = ScriptedBackend(failure()), ScriptedBackend(*GOOD)
    answering = desk.ask(desk.service(*backends, listeners=[other]), call)
    await answered(answering)

    outcome = desk.outcome
    assert other.heard == [outcome]
    assert outcome.request_id == f"req_{rid(1).hex()}"
    assert (outcome.result, outcome.tier, outcome.model) == (Result.ANSWERED, "person", "m2")
    assert (outcome.code, outcome.attempts, outcome.usage) == (None, 2, USAGE)
    assert (outcome.first_token_ms is not None) == call.stream
    assert 0 <= (outcome.first_token_ms or 0) <= outcome.total_ms


async def test_a_listener_that_fails_harms_nobody(desk: Desk) -> None:
    class Deaf:
        def hear(self, outcome: Outcome) -> None:
            raise RuntimeError("I cannot hear you")

    service = desk.service(ScriptedBackend(*GOOD), listeners=[Deaf()])
    answer = await answered(desk.ask(service))

    assert answer.collected.text == "Hello world"
    assert desk.outcome.result is Result.ANSWERED


# ── Refusals ─────────────────────────────────────────────────────────────────────────────────


async def test_a_stranger_learns_nothing_and_is_not_counted(desk: Desk) -> None:
    backend = ScriptedBackend(*GOOD)
    told = await refused(desk.ask(desk.service(backend, known=STRANGER)))

    assert (told.refusal, told.standing, backend.calls) == (STRANGER, None, [])
    assert await desk.used() == [0, 0, 0, 0]
    assert (desk.outcome.result, desk.outcome.tier) == (Result.REFUSED, "none")
    assert desk.outcome.code is Code.INVALID_API_KEY


async def test_a_request_that_is_none_costs_nothing(desk: Desk) -> None:
    await answered(desk.ask(desk.service(ScriptedBackend(*GOOD))))
    desk.listener.heard.clear()
    bad = Refusal(code=Code.INVALID_REQUEST, message="What?", param="messages")
    told = await refused(desk.ask(desk.service(ScriptedBackend(*GOOD)), bad))

    assert told.refusal == bad
    assert told.standing is not None
    assert used(told.standing.levels) == [1, 1, 37, 0]
    assert (desk.outcome.result, desk.outcome.code) == (Result.REFUSED, Code.INVALID_REQUEST)


@BOTH
async def test_who_has_used_up_the_hour_is_told_so_and_no_model_is_asked(
    desk: Desk, call: Call
) -> None:
    for _ in range(3):
        await answered(desk.ask(desk.service(ScriptedBackend(*GOOD)), call))
    desk.listener.heard.clear()
    desk.clock.advance(1_000)
    backend = ScriptedBackend(*GOOD)
    told = await refused(desk.ask(desk.service(backend), call._replace(session_id="s")))

    assert told.refusal.code is Code.HOURLY_LIMIT
    assert told.refusal.reset_at_ms == NOON + 3_600_000
    assert told.standing is not None
    assert told.standing.binding is not None
    assert told.standing.binding.remaining == 0
    assert told.session_id == "s"
    assert backend.calls == []
    assert await desk.used() == used(told.standing.levels) == [3, 3, 3 * 37, 0]
    assert (desk.outcome.result, desk.outcome.code) == (Result.REFUSED, Code.HOURLY_LIMIT)


async def test_as_many_calls_run_at_once_as_the_tier_says(desk: Desk) -> None:
    service = desk.service(ScriptedBackend(*GOOD))
    async with desk.ask(service) as first, desk.ask(service) as second:
        third = await refused(desk.ask(service))
        assert (third.refusal.code, third.refusal.retry_ms) == (Code.CONCURRENCY, 2_000)
        await read(first)
        await read(second)

    assert (await answered(desk.ask(service))).collected.text == "Hello world"


async def test_a_prompt_too_long_for_the_tier_or_for_all_models_is_refused(desk: Desk) -> None:
    service = desk.service(models=[model("m", ScriptedBackend(*GOOD), context_tokens=100)])
    for tokens, room in ((1_001, "1000"), (500, "100")):
        told = await refused(desk.ask(service, WHOLE._replace(prompt_tokens=tokens)))
        assert told.refusal.code is Code.CONTEXT_LENGTH_EXCEEDED
        assert room in told.refusal.message

    assert await desk.used() == [0, 0, 0, 0]
    assert {outcome.result for outcome in desk.listener.heard} == {Result.REFUSED}


async def test_without_any_model_it_is_our_failure(desk: Desk) -> None:
    told = await refused(desk.ask(desk.service()))

    assert told.refusal.code is Code.NO_FREE_MODEL
    assert (desk.outcome.result, desk.outcome.code) == (Result.FAILED, Code.NO_FREE_MODEL)
    assert await desk.used() == [0, 0, 0, 0]


# ── When no model begins to answer ───────────────────────────────────────────────────────────


@BOTH
async def test_when_all_attempts_fail_nothing_is_charged(desk: Desk, call: Call) -> None:
    backends = [ScriptedBackend(failure()) for _ in range(2)]
    told = await refused(desk.ask(desk.service(*backends), call))

    assert told.refusal.code is Code.UPSTREAM_ERROR
    assert told.refusal.attempts == 2
    assert told.standing is not None
    assert await desk.used() == used(told.standing.levels) == [0, 0, 0, 0]
    assert await desk.arrivals() == [0, 0, 0]
    assert all(backend.balanced for backend in backends)
    outcome = desk.outcome
    assert (outcome.result, outcome.code) == (Result.FAILED, Code.UPSTREAM_ERROR)
    assert (outcome.model, outcome.usage, outcome.first_token_ms) == (None, None, None)


async def test_the_attempts_of_a_request_that_failed_are_told_too(desk: Desk) -> None:
    await refused(desk.ask(desk.service(*(ScriptedBackend(failure()) for _ in range(2)))))

    assert desk.outcome.attempts == 2


@pytest.mark.parametrize(
    ("kinds", "code", "beginning"),
    [
        *(
            ([kind], Code.UPSTREAM_ERROR, "All free models currently unavailable")
            for kind in (Kind.UNREACHABLE, Kind.BROKEN, Kind.EMPTY, Kind.REFUSED_KEY, Kind.GONE)
        ),
        ([Kind.TIMEOUT], Code.UPSTREAM_TIMEOUT, "All free models currently unavailable"),
        ([Kind.TIMEOUT] * 2, Code.UPSTREAM_TIMEOUT, "All free models currently unavailable"),
        ([Kind.TIMEOUT, Kind.BROKEN], Code.UPSTREAM_ERROR, "All free models currently"),
        ([Kind.RATE_LIMITED], Code.NO_FREE_MODEL, "No free models currently available. Please try"),
        ([Kind.RATE_LIMITED, Kind.GONE], Code.UPSTREAM_ERROR, "All free models currently"),
        ([Kind.TOO_LONG], Code.CONTEXT_LENGTH_EXCEEDED, "This conversation has about 40 tokens"),
        ([Kind.FILTERED], Code.CONTENT_BLOCKED, "It is FILTERED."),
        ([Kind.BROKEN, Kind.FILTERED], Code.CONTENT_BLOCKED, "It is FILTERED."),
        ([Kind.BAD_REQUEST], Code.INVALID_REQUEST, "It is BAD_REQUEST."),
    ],
)
async def test_what_a_caller_is_told_of_failures(
    desk: Desk, kinds: Sequence[Kind], code: Code, beginning: str
) -> None:
    service = desk.service(*(ScriptedBackend(failure(kind)) for kind in kinds))
    told = await refused(desk.ask(service))

    assert told.refusal.code is code
    assert told.refusal.message.startswith(beginning)
    assert told.refusal.attempts == len(kinds)
    assert await desk.used() == [0, 0, 0, 0]


@pytest.mark.parametrize(("models", "retry_ms"), [(3, None), (4, 2_000)])
async def test_trying_again_makes_sense_while_there_are_others(
    desk: Desk, models: int, retry_ms: int | None
) -> None:
    service = desk.service(*(ScriptedBackend(failure()) for _ in range(models)))
    told = await refused(desk.ask(service))

    assert told.refusal.retry_ms == retry_ms


async def test_budgets_return_when_the_first_provider_says_so(desk: Desk) -> None:
    waits = (60_000, None, 30_000)
    spent = [Failure(Kind.RATE_LIMITED, "Spent.", retry_after_ms=wait) for wait in waits]
    told = await refused(desk.ask(desk.service(*map(ScriptedBackend, spent))))

    assert told.refusal.retry_ms == 30_000


@BOTH
async def test_a_bug_of_ours_is_not_charged_and_not_hidden(desk: Desk, call: Call) -> None:
    backend = ScriptedBackend(KeyError("a bug"))
    with pytest.raises(KeyError):
        await answered(desk.ask(desk.service(backend), call))

    assert await desk.used() == [0, 0, 0, 0]
    assert await desk.arrivals() == [0, 0, 0]
    assert backend.balanced
    assert (desk.outcome.result, desk.outcome.code) == (Result.FAILED, Code.INTERNAL_ERROR)


# ── When an answer breaks in the middle ──────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (Kind.BROKEN, Code.UPSTREAM_ERROR),
        (Kind.UNREACHABLE, Code.UPSTREAM_ERROR),
        (Kind.TIMEOUT, Code.UPSTREAM_TIMEOUT),
    ],
)
async def test_a_broken_stream_gives_the_request_back_and_keeps_the_tokens(
    desk: Desk, kind: Kind, code: Code
) -> None:
    backend, other = ScriptedBackend(HELLO, WORLD, failure(kind)), ScriptedBackend(*GOOD)
    with pytest.raises(Failure, match=kind.name):
        await answered(desk.ask(desk.service(backend, other), STREAM))

    assert await desk.used() == [0, 0, 40 + HELLO_WORLD_TOKENS, 0]
    assert await desk.arrivals() == [0, 0, 0]
    assert (backend.balanced, other.calls) == (True, [])
    outcome = desk.outcome
    assert (outcome.result, outcome.code, outcome.model) == (Result.FAILED, code, "m1")
    assert outcome.usage == Usage(40, HELLO_WORLD_TOKENS)


async def test_a_sender_that_fails_is_no_fault_of_the_caller_s(desk: Desk) -> None:
    backend = ScriptedBackend(*GOOD)

    async def send() -> None:
        async with desk.ask(desk.service(backend), STREAM) as answer:
            assert isinstance(answer, Answer)
            await answer.read()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await send()

    assert await desk.used() == [0, 0, 40 + HELLO_TOKENS, 0]
    assert backend.balanced
    assert (desk.outcome.result, desk.outcome.code) == (Result.FAILED, Code.INTERNAL_ERROR)


# ── Answers given again ──────────────────────────────────────────────────────────────────────

ALONE = WHOLE._replace(messages=[{"role": "user", "content": "Hi"}])


@pytest.mark.parametrize("stream", [True, False])
async def test_a_hit_is_settled_like_any_answer_and_asks_nobody(desk: Desk, stream: bool) -> None:
    backend = ScriptedBackend(*GOOD)
    service = desk.service(backend, keeps_answers=True)
    first = await answered(desk.ask(service, ALONE))
    again = await answered(desk.ask(service, ALONE._replace(stream=stream)))

    assert (first.cache, again.cache) == (CacheUse.MISS, CacheUse.HIT)
    assert (again.attempts, again.answered_by, again.usage) == (0, "m1", USAGE)
    assert again.collected.text == first.collected.text
    assert await desk.used() == used(again.standing.levels) == [2, 2, 2 * 37, 0]
    assert await desk.arrivals() == [2, 2, 2]
    assert len(backend.calls) == 1
    told = [(heard.cache, heard.attempts, heard.charged_tokens) for heard in desk.listener.heard]
    assert told == [(CacheUse.MISS, 1, 37), (CacheUse.HIT, 0, 37)]
    assert {heard.result for heard in desk.listener.heard} == {Result.ANSWERED}


@BOTH
async def test_each_of_those_who_share_a_call_pays_for_it(desk: Desk, call: Call) -> None:
    gate = asyncio.Event()
    backend = ScriptedBackend(gate, *GOOD)
    service = desk.service(backend, keeps_answers=True)
    call = call._replace(messages=ALONE.messages)
    asking = [asyncio.create_task(answered(desk.ask(service, call))) for _ in range(2)]
    while not backend.calls or await desk.used() != [2, 2, 2 * 130, 2]:
        await asyncio.sleep(0)
    gate.set()
    answers = await asyncio.gather(*asking)

    assert [answer.collected.text for answer in answers] == ["Hello world"] * 2
    assert await desk.used() == [2, 2, 2 * 37, 0]
    assert (len(backend.calls), backend.left) == (1, [None])


async def test_who_hangs_up_on_a_hit_has_had_it(desk: Desk) -> None:
    service = desk.service(ScriptedBackend(*GOOD), keeps_answers=True)
    await answered(desk.ask(service, ALONE))
    answering = desk.ask(service, ALONE)
    async with answering as answer:
        assert isinstance(answer, Answer)
        answering.abandoned = True

    assert await desk.used() == [2, 2, 37 + 40, 0]
    assert desk.listener.heard[-1].result is Result.ABANDONED


async def test_a_failure_says_that_it_was_looked_for(desk: Desk) -> None:
    service = desk.service(ScriptedBackend(failure()), keeps_answers=True)
    assert (await refused(desk.ask(service, ALONE))).cache is CacheUse.MISS
    assert desk.outcome.cache is CacheUse.MISS


async def test_who_is_refused_before_has_not_come_so_far(desk: Desk) -> None:
    service = desk.service(ScriptedBackend(*GOOD), keeps_answers=True)
    assert (await refused(desk.ask(service, STRANGER))).cache is CacheUse.BYPASS
    assert desk.outcome.cache is None


# ── When somebody leaves ─────────────────────────────────────────────────────────────────────


class Request:
    """A request on its way, which can be cut off."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.chunks: list[Chunk] = []
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async with self.answering as answer:
            if isinstance(answer, Answer):
                while chunks := await answer.read():
                    self.chunks += chunks

    async def until(self, chunks: int) -> None:
        async with asyncio.timeout(2):
            while len(self.chunks) < chunks:
                await asyncio.sleep(0)

    async def turns(self, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def cut_off(self, *, hung_up: bool, times: int = 1) -> None:
        """The caller hangs up, or we shut down."""
        self.answering.abandoned = hung_up
        for _ in range(times):
            self.task.cancel()
            await asyncio.sleep(0)
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@BOTH
async def test_who_hangs_up_before_the_first_word_pays_for_the_request_and_the_prompt(
    desk: Desk, call: Call
) -> None:
    backend = ScriptedBackend(SILENCE)
    request = Request(desk.ask(desk.service(backend), call))
    await request.turns(20)
    await request.cut_off(hung_up=True)

    assert await desk.used() == [1, 1, 40, 0]
    assert await desk.arrivals() == [1, 1, 1]
    assert backend.balanced
    assert (desk.outcome.result, desk.outcome.code) == (Result.ABANDONED, None)


async def test_who_hangs_up_in_the_middle_pays_for_what_was_relayed(desk: Desk) -> None:
    backend = ScriptedBackend(HELLO, WORLD, SILENCE)
    request = Request(desk.ask(desk.service(backend), STREAM))
    await request.until(chunks=2)
    await request.cut_off(hung_up=True)

    assert await desk.used() == [1, 1, 40 + HELLO_WORLD_TOKENS, 0]
    assert backend.balanced
    assert (desk.outcome.result, desk.outcome.model) == (Result.ABANDONED, "m1")


@BOTH
async def test_our_shutdown_before_the_first_word_costs_nothing(desk: Desk, call: Call) -> None:
    backend = ScriptedBackend(SILENCE)
    request = Request(desk.ask(desk.service(backend), call))
    await request.turns(20)
    await request.cut_off(hung_up=False)

    assert await desk.used() == [0, 0, 0, 0]
    assert await desk.arrivals() == [0, 0, 0]
    assert (desk.outcome.result, desk.outcome.code) == (Result.FAILED, Code.DRAINING)


async def test_our_shutdown_in_the_middle_gives_the_request_back(desk: Desk) -> None:
    request = Request(desk.ask(desk.service(ScriptedBackend(HELLO, SILENCE)), STREAM))
    await request.until(chunks=1)
    await request.cut_off(hung_up=False)

    assert await desk.used() == [0, 0, 40 + HELLO_TOKENS, 0]
    assert await desk.arrivals() == [0, 0, 0]


async def test_who_hangs_up_while_the_limits_are_looked_at_pays_nothing(desk: Desk) -> None:
    backend = ScriptedBackend(*GOOD)
    request = Request(desk.ask(desk.service(backend)))
    await request.turns(1)  # the admission is asked for, and not yet answered
    await request.cut_off(hung_up=True)

    assert backend.calls == []
    assert await desk.used() == [0, 0, 0, 0]
    assert await desk.arrivals() == [0, 0, 0]
    assert desk.outcome.result is Result.ABANDONED


@BOTH
@pytest.mark.parametrize("hung_up", [True, False], ids=["hung up", "shut down"])
@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize("end", [STOP, failure()], ids=["whole", "broken"])
async def test_wherever_a_request_is_cut_off_it_is_told_once_and_leaves_nothing_open(
    desk: Desk, call: Call, hung_up: bool, times: int, end: Step
) -> None:
    for turns in range(1, 40):
        desk.listener.heard.clear()
        before = await desk.used()
        first = ScriptedBackend(0.0, failure(), entering=[0.0])
        second = ScriptedBackend(0.0, HELLO, 0.0, WORLD, 0.0, end, entering=[0.0])
        request = Request(desk.ask(desk.service(first, second), call))
        await request.turns(turns)
        done = request.task.done()
        with contextlib.suppress(Failure):
            await request.cut_off(hung_up=hung_up, times=times)
        await request.turns(5)  # what nobody waits for any more is written all the same

        assert first.balanced
        assert second.balanced
        requests, _, tokens, open_calls = await desk.used()
        assert open_calls == before[3] == 0
        assert len(desk.listener.heard) == 1, f"after {turns} turns"
        result, code = desk.outcome.result, desk.outcome.code
        assert (code is None) == (result in {Result.ANSWERED, Result.ABANDONED})
        charged = (requests - before[0], tokens - before[2])
        if not first.calls:
            assert charged == (0, 0)
        elif result is Result.ANSWERED:
            assert charged == (1, 37)
        elif result is Result.ABANDONED:
            assert charged[0] == 1
            assert 40 <= charged[1] <= 40 + HELLO_WORLD_TOKENS
        else:
            assert charged[0] == 0
            assert charged[1] in (0, 40, 40 + HELLO_TOKENS, 40 + HELLO_WORLD_TOKENS)
        if done:
            return
        desk.clock.advance(86_400_000)
    raise AssertionError("it should have ended by now")


# ── What the log is told ─────────────────────────────────────────────────────────────────────


def charge(outcome: Outcome) -> list[int]:
    """What it says, as the ledger would count it: requests of the hour and the day, tokens."""
    return [int(outcome.counts), int(outcome.counts), outcome.charged_tokens]


@BOTH
async def test_the_log_hears_the_price_of_an_answer_whose_and_since_when(
    desk: Desk, call: Call
) -> None:
    known = replace(CALLER, owner="acc_1")
    async with desk.ask(desk.service(ScriptedBackend(*GOOD), known=known), call) as answer:
        desk.clock.advance(5_000)
        await read(answer)

    outcome = desk.outcome
    assert charge(outcome) == (await desk.used())[:3] == [1, 1, 37]
    assert (outcome.at_ms, outcome.owner, outcome.subjects) == (NOON, "acc_1", ALL)


async def test_the_log_hears_what_a_broken_answer_still_costs(desk: Desk) -> None:
    with pytest.raises(Failure):
        await answered(desk.ask(desk.service(ScriptedBackend(HELLO, failure())), STREAM))

    assert charge(desk.outcome) == (await desk.used())[:3] == [0, 0, 40 + HELLO_TOKENS]


@BOTH
async def test_the_log_hears_what_somebody_who_left_has_used(desk: Desk, call: Call) -> None:
    request = Request(desk.ask(desk.service(ScriptedBackend(SILENCE)), call))
    await request.turns(20)
    await request.cut_off(hung_up=True)

    assert charge(desk.outcome) == (await desk.used())[:3] == [1, 1, 40]


async def test_the_log_hears_that_what_was_not_served_costs_nothing(desk: Desk) -> None:
    await refused(desk.ask(desk.service(ScriptedBackend(failure()))))
    desk.clock.advance(1_000)
    await refused(desk.ask(desk.service(), Refusal(code=Code.INVALID_REQUEST, message="What?")))
    await refused(desk.ask(desk.service(known=STRANGER)))

    failed, bad, strange = desk.listener.heard
    assert [charge(outcome) for outcome in desk.listener.heard] == [[0, 0, 0]] * 3
    assert [outcome.at_ms - NOON for outcome in desk.listener.heard] == [0, 1_000, 1_000]
    assert (failed.subjects, bad.subjects, strange.subjects) == (ALL, ALL, ())


# ── When the store is not there ──────────────────────────────────────────────────────────────


@BOTH
async def test_without_the_store_nobody_is_served(desk: Desk, call: Call) -> None:
    desk.ledger.down = {"admit", "peek"}
    backend = ScriptedBackend(*GOOD)
    told = await refused(desk.ask(desk.service(backend), call))

    assert told.refusal.code is Code.STORE_UNAVAILABLE
    assert told.refusal.message.startswith("Failed to generate response")
    assert told.refusal.retry_ms is not None
    assert backend.calls == []
    assert (desk.outcome.result, desk.outcome.code) == (Result.FAILED, Code.STORE_UNAVAILABLE)
    desk.ledger.down = set()
    assert await desk.used() == [0, 0, 0, 0]


@BOTH
async def test_an_answer_whose_price_cannot_be_written_is_an_answer_all_the_same(
    desk: Desk, call: Call
) -> None:
    desk.ledger.down = {"settle"}
    answer = await answered(desk.ask(desk.service(ScriptedBackend(*GOOD)), call))

    assert answer.collected.text == "Hello world"
    assert desk.outcome.result is Result.ANSWERED
    assert await desk.used() == [1, 1, 130, 1]
    desk.clock.advance(45_000)
    assert await desk.used() == [1, 1, 40, 0]


async def test_a_refusal_is_told_also_when_nothing_can_be_given_back(desk: Desk) -> None:
    desk.ledger.down = {"refund", "peek"}
    told = await refused(desk.ask(desk.service(ScriptedBackend(failure()))))

    assert told.refusal.code is Code.UPSTREAM_ERROR
    assert desk.outcome.result is Result.FAILED


async def test_a_broken_stream_is_told_also_when_nothing_can_be_given_back(desk: Desk) -> None:
    desk.ledger.down = {"refund", "settle"}
    with pytest.raises(Failure):
        await answered(desk.ask(desk.service(ScriptedBackend(HELLO, failure())), STREAM))

    assert desk.outcome.result is Result.FAILED


# ── Looking at one's limits ──────────────────────────────────────────────────────────────────


async def test_looking_at_the_limits_counts_nothing(desk: Desk) -> None:
    service = desk.service(ScriptedBackend(*GOOD))
    await answered(desk.ask(service))
    desk.clock.advance(1_000)
    standing = await service.limits(VISITOR)

    assert not isinstance(standing, Refused)
    assert used(standing.levels) == await desk.used() == [1, 1, 37, 0]
    assert (standing.tier, standing.now_ms) == (PERSON_TIER, NOON + 1_000)
    assert standing.binding is not None
    assert (standing.binding.limit.unit, standing.binding.remaining) == (Unit.REQUESTS, 2)
    assert len(desk.listener.heard) == 1


async def test_a_stranger_has_no_limits_to_look_at(desk: Desk) -> None:
    told = await desk.service(known=STRANGER).limits(VISITOR)

    assert told == Refused(STRANGER, None)


async def test_without_the_store_there_are_no_limits_to_look_at(desk: Desk) -> None:
    desk.ledger.down = {"peek"}
    told = await desk.service().limits(VISITOR)

    assert isinstance(told, Refused)
    assert told.refusal.code is Code.STORE_UNAVAILABLE


async def test_the_models_are_those_of_the_catalogue_in_its_order(desk: Desk) -> None:
    service = desk.service(models=[model("b", priority=2), model("a", priority=1)])

    assert [one.id for one in service.models()] == ["a", "b"]


# ── What is asked, in which session, in which turn ───────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "code"),
    [("x" * 31, Code.PROMPT_TOO_LONG), ("so bad", Code.CONTENT_BLOCKED)],
)
async def test_what_may_not_be_asked_costs_nothing(desk: Desk, text: str, code: Code) -> None:
    backend = ScriptedBackend(*GOOD)
    rules = ContentRules(most_chars=30, denied=["bad"])
    service = desk.service(backend, content=rules)
    async with desk.ask(service, WHOLE._replace(newest_text=text)) as refused:
        assert isinstance(refused, Refused)
        assert refused.refusal.code is code

    assert await desk.used() == [0, 0, 0, 0]
    assert await desk.arrivals() == [0, 0, 0]
    assert backend.calls == []
    assert desk.outcome.result is Result.REFUSED


async def test_a_flagged_word_is_answered_and_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    service = desk.service(
        ScriptedBackend(*GOOD), content=ContentRules(most_chars=None, flagged=["odd"])
    )
    await answered(desk.ask(service, WHOLE._replace(newest_text="how odd")))

    (line,) = caplog.messages
    assert line == f"{desk.outcome.request_id} contains a word that is flagged"


def sessions_of(most: int) -> SessionOf:
    """Books of sessions, each with so many requests."""
    policy = session_policy(most)
    return lambda caller, session_id: subject(f"{caller.owner} {session_id}", policy)


async def test_a_session_has_so_many_requests_and_others_have_theirs(desk: Desk) -> None:
    service = desk.service(ScriptedBackend(*GOOD), session_of=sessions_of(1))
    first, second = (WHOLE._replace(session_id=name) for name in ("one", "two"))
    await answered(desk.ask(service, first))
    async with desk.ask(service, first) as refused:
        assert isinstance(refused, Refused)
    await answered(desk.ask(service, second))

    assert refused.refusal.code is Code.SESSION_LIMIT
    assert refused.session_id == "one"
    assert "Start a new one" in refused.refusal.message
    assert await desk.used() == [2, 2, 74, 0]


async def test_without_a_session_of_its_own_a_call_is_of_the_caller_s(desk: Desk) -> None:
    service = desk.service(ScriptedBackend(*GOOD), known=OWNER, session_of=sessions_of(1))
    answer = await answered(desk.ask(service))
    async with desk.ask(service) as refused:
        assert isinstance(refused, Refused)

    assert answer.session_id == refused.session_id == "ses_own"
    assert refused.refusal.code is Code.SESSION_LIMIT


async def test_what_failed_counts_in_no_session(desk: Desk) -> None:
    service = desk.service(
        ScriptedBackend(failure(Kind.EMPTY), *GOOD), known=OWNER, session_of=sessions_of(1)
    )
    for _ in range(3):
        async with desk.ask(service) as refused:
            assert isinstance(refused, Refused)
            assert refused.refusal.code is Code.UPSTREAM_ERROR


@BOTH
async def test_one_turn_is_charged_one_request(desk: Desk, call: Call) -> None:
    service = desk.service(ScriptedBackend(*GOOD), known=OWNER)
    for _ in range(4):
        await answered(desk.ask(service, call._replace(turn="a turn")))

    assert await desk.used() == [1, 1, 4 * 37, 0]
    assert await desk.arrivals() == [4, 4, 4]
    told = [(heard.counts, heard.spared) for heard in desk.listener.heard]
    assert told == [(True, False), *[(True, True)] * 3]


async def test_another_turn_is_another_request(desk: Desk) -> None:
    service = desk.service(ScriptedBackend(*GOOD), known=OWNER)
    for turn in ("a turn", "another", None):
        await answered(desk.ask(service, WHOLE._replace(turn=turn)))

    assert (await desk.used())[:2] == [3, 3]


async def test_neighbours_share_no_turns(desk: Desk) -> None:
    service = desk.service(ScriptedBackend(*GOOD))
    for _ in range(2):
        await answered(desk.ask(service, WHOLE._replace(turn="a turn")))

    assert (await desk.used())[:2] == [2, 2]
