"""The backend by LiteLLM's SDK, with a script in LiteLLM's place."""

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from scalix_free.core.budget import Act, Extent
from scalix_free.core.chat import Call, Chunk, ToolCall, Usage
from scalix_free.core.errors import Kind
from scalix_free.providers import litellm_sdk
from scalix_free.providers.failures import dialect_of
from scalix_free.providers.labels import pseudonym
from scalix_free.providers.litellm_sdk import Deployment, LiteLLMSdk, Sdk
from scalix_free.providers.witness import Witness
from tests.providers.hearing import BOTH, Heard, call, hear

NOW = 1_800_000_000_000
EVENTS = {"Content-Type": "text/event-stream; charset=utf-8"}
JSON = {"Content-Type": "application/json"}
HI = b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n'
STOP = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
COUNTED = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n'
DONE = b"data: [DONE]\n\n"
WHOLE = b"""{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],
"usage":{"prompt_tokens":3,"completion_tokens":4}}"""
OTHER = b'data: {"candidates":[{"content":{"parts":[{"text":"hi"}]}}]}\n\n'

END = b""

Step = bytes | Chunk | Exception | asyncio.Event
"""What comes over the wire, what LiteLLM makes of it, what it raises, what it waits for."""


class ComplaintError(Exception):
    def __init__(self, status: int | None = None, *, late: bool = False) -> None:
        super().__init__("a complaint of LiteLLM's")
        self.status = status
        self.late = late


@dataclass
class Script:
    """LiteLLM, as far as it is used: one answer, step by step."""

    steps: Sequence[Step] = ()
    headers: Mapping[str, str] = field(default_factory=lambda: EVENTS)
    refuses: Exception | None = None
    sends: bool = True
    finished: bool = False
    usage: Usage | None = None
    closed: list[str] = field(default_factory=list)
    asked: list[Mapping[str, object]] = field(default_factory=list)

    async def ask(self, question: Mapping[str, object], witness: Witness) -> "Script":
        self.asked.append(question)
        self._left = iter(self.steps)
        self._witness = witness
        if self.sends:
            assert witness.asks("POST", "https://provider/chat")
        if self.refuses is not None:
            raise self.refuses
        witness.answers(200, self.headers, self._hang_up)
        return self

    async def _hang_up(self) -> None:
        self.closed.append("connection")

    async def read(self) -> Chunk | None:
        for step in self._left:
            if step == END:
                self._witness.end()
            elif isinstance(step, bytes):
                self._witness.feed(step)
            elif isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, Exception):
                raise step
            else:
                return step
        self._witness.end()
        return None

    def complaint(self, error: Exception) -> tuple[int | None, bool]:
        assert isinstance(error, ComplaintError)
        return error.status, error.late

    async def close(self) -> None:
        self.closed.append("answer")


def backend(script: Script, **deployment: str) -> LiteLLMSdk:
    place = Deployment(**({"model": "openai/m"} | deployment))
    return LiteLLMSdk(Sdk(lambda: script), place, lambda: NOW)


async def heard(*steps: Step, streamed: bool = True, **script: object) -> Heard:
    return await hear(backend(Script(steps, **script)), streamed)  # type: ignore[arg-type]


def kind(heard: Heard) -> Kind | None:
    return None if heard.failure is None else heard.failure.kind


# ── What came over the wire counts ───────────────────────────────────────────────────────────


async def test_a_stream_is_told_piece_by_piece_its_usage_with_the_finish() -> None:
    one = await heard(HI, Chunk("hi"), Chunk(" there"), STOP, Chunk(finish="stop"), COUNTED, DONE)
    assert one.failure is None
    assert one.chunks == [Chunk("hi"), Chunk(" there"), Chunk(finish="stop", usage=Usage(3, 4))]


@pytest.mark.parametrize(
    "steps",
    [
        (HI, Chunk("hi"), Chunk(finish="stop")),
        (HI, Chunk("hi"), DONE, Chunk(finish="stop")),
        (HI, Chunk("hi")),
        (Chunk(finish="stop"),),
        (),
        (OTHER, Chunk("hi"), Chunk(finish="stop")),
        (HI, Chunk("hi"), ComplaintError(500)),
        (HI, Chunk("hi"), b"data: nonsense\n\n", Chunk(" there"), STOP, Chunk(finish="stop")),
        (HI, b'data: {"error":{"code":500}}\n\n', Chunk(finish="stop")),
        (HI, b'[{"error":{"code":500}}]\n\n', Chunk(finish="stop")),
        (b'data: {"choices":[{"delta":{},"finish_reason":"error"}]}\n\n', Chunk(finish="stop")),
    ],
    ids=[
        *("cut", "end without a finish", "no finish", "nothing", "not a step", "other format"),
        *("raised", "unreadable", "error", "error in a list", "finish error"),
    ],
)
async def test_a_stop_that_the_provider_did_not_say_is_none(steps: Sequence[Step]) -> None:
    assert kind(await heard(*steps)) is Kind.BROKEN


async def test_what_was_said_before_a_break_was_heard() -> None:
    one = await heard(HI, Chunk("hi"), ComplaintError(500))
    assert (one.collected.text, kind(one)) == ("hi", Kind.BROKEN)


async def test_an_error_in_a_stream_means_what_it_means_by_itself() -> None:
    one = await heard(b'data: {"error":{"code":429,"message":"try again in 7s"}}\n\n', Chunk("x"))
    assert one.failure is not None
    assert (one.failure.kind, one.failure.retry_after_ms) == (Kind.RATE_LIMITED, 7_000)


@pytest.mark.parametrize("made_up", [None, Usage(8, 9)])
async def test_a_usage_that_the_provider_did_not_tell_is_none(made_up: Usage | None) -> None:
    one = await heard(HI, Chunk("hi"), STOP, Chunk(finish="stop"), DONE, usage=made_up)
    assert (one.failure, one.collected.usage) == (None, None)


async def test_of_another_format_litellm_is_believed() -> None:
    said = (OTHER, Chunk("hi"), Chunk(finish="stop"))
    one = await heard(*said, finished=True, usage=Usage(5, 6))
    assert (one.failure, one.collected.text, one.collected.usage) == (None, "hi", Usage(5, 6))


@pytest.mark.parametrize(
    "after",
    [
        b"data: nonsense\n\n",
        b'data: {"error":{"code":500}}\n\n',
        ComplaintError(500),
        Chunk("more"),
        asyncio.Event(),
    ],
    ids=["unreadable", "error", "raised", "more", "silence"],
)
async def test_after_its_finish_nothing_spoils_an_answer(
    after: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litellm_sdk, "AFTER_FINISH_S", 0.05)
    one = await heard(HI, Chunk("hi"), STOP, Chunk(finish="stop"), after)
    assert (one.failure, one.collected.text) == (None, "hi")


async def test_who_calls_tools_finishes_so() -> None:
    tool = Chunk(tools=(ToolCall(0, "a", "f", "{}"),))
    one = await heard(HI, tool, STOP, Chunk(finish="stop"))
    assert (one.failure, one.collected.finish) == (None, "tool_calls")


# ── Answers in one piece ─────────────────────────────────────────────────────────────────────


async def test_an_answer_in_one_piece() -> None:
    said = Chunk("hi", finish="stop")
    one = await heard(WHOLE, END, said, streamed=False, headers=JSON)
    assert one.failure is None
    assert (one.collected.text, one.collected.usage) == ("hi", Usage(3, 4))


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices":[{"message":{"content":"hi"},"finish_reason":null}]}',
        b'{"choices":[{"message":{"content":"hi"},"finish_reason":"error"}]}',
        b'{"error":{"code":502,"message":"no"}}',
        b'{"choices":[{"message":{"cont',
    ],
    ids=["no finish", "finish error", "error", "cut"],
)
async def test_an_answer_in_one_piece_that_is_none(body: bytes) -> None:
    said = Chunk("hi", finish="stop")
    one = await heard(body, END, said, streamed=False, headers=JSON)
    assert kind(one) is Kind.BROKEN


async def test_a_good_answer_over_which_litellm_stumbles_is_given_all_the_same() -> None:
    class Stumbling(Script):
        async def ask(self, question: Mapping[str, object], witness: Witness) -> Script:
            witness.asks("POST", "https://provider/chat")
            witness.answers(200, JSON, self._hang_up)
            witness.feed(WHOLE)
            witness.end()
            raise ComplaintError(500)

    one = await hear(backend(Stumbling()), streamed=False)
    assert one.failure is None
    assert (one.collected.text, one.collected.usage) == ("hi", Usage(3, 4))


# ── Failures ─────────────────────────────────────────────────────────────────────────────────


@BOTH
async def test_a_refusal_means_what_it_says_whatever_litellm_calls_it(streamed: bool) -> None:
    class Refusing(Script):
        async def ask(self, question: Mapping[str, object], witness: Witness) -> Script:
            witness.asks("POST", "https://provider/chat")
            witness.refused(413, {}, b'{"error":{"message":"(TPM): Limit 8000, Requested 9000"}}')
            raise ComplaintError(429)

    one = await hear(backend(Refusing(), provider="groq"), streamed)
    assert one.failure is not None
    assert one.failure.kind is Kind.RATE_LIMITED
    assert [finding.amount for finding in one.failure.findings] == [8_000]


@BOTH
@pytest.mark.parametrize(
    ("error", "sends", "means"),
    [
        (ComplaintError(500), True, Kind.UNREACHABLE),
        (ComplaintError(408, late=True), True, Kind.TIMEOUT),
        (ComplaintError(400), False, Kind.GONE),
        (ComplaintError(None), False, Kind.GONE),
        (ComplaintError(401), False, Kind.REFUSED_KEY),
        (ComplaintError(500), False, Kind.BROKEN),
    ],
)
async def test_what_never_came_to_an_answer(
    error: Exception, sends: bool, means: Kind, streamed: bool
) -> None:
    one = await heard(streamed=streamed, refuses=error, sends=sends)
    assert kind(one) is means


async def test_a_call_that_litellm_does_not_take_is_told_to_the_operator_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = backend(Script(refuses=ComplaintError(400), sends=False))
    for _ in range(2):
        assert kind(await hear(asked, streamed=False)) is Kind.GONE
    assert caplog.messages == ["LiteLLM does not take a call of openai/m (400)"]


# ── Leaving ──────────────────────────────────────────────────────────────────────────────────


async def test_who_leaves_in_the_middle_hangs_up() -> None:
    script = Script((HI, Chunk("hi"), asyncio.Event()))
    tasks = asyncio.all_tasks()
    async with backend(script).open(call(streamed=True)) as reply:
        assert await reply.read() == [Chunk("hi")]
    assert script.closed == ["answer", "connection"]
    assert asyncio.all_tasks() == tasks


async def test_a_read_that_is_cancelled_loses_nothing() -> None:
    gate = asyncio.Event()
    script = Script((HI, gate, Chunk("hi"), STOP, Chunk(finish="stop")))
    async with backend(script).open(call(streamed=True)) as reply:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await reply.read()
        gate.set()
        assert await reply.read() == [Chunk("hi")]
        assert (await reply.read())[-1].finish == "stop"


async def test_who_is_cancelled_while_asking_hangs_up() -> None:
    asking = asyncio.Event()

    class Hanging(Script):
        async def ask(self, question: Mapping[str, object], witness: Witness) -> Script:
            witness.answers(200, EVENTS, self._hang_up)
            asking.set()
            await asyncio.Event().wait()
            raise AssertionError

    script = Hanging()
    task = asyncio.create_task(hear(backend(script), streamed=True))
    await asking.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert script.closed == ["connection"]


# ── What is asked ────────────────────────────────────────────────────────────────────────────


async def asked_for(call: Call, **deployment: str) -> Mapping[str, object]:
    script = Script((HI, Chunk("hi"), STOP, Chunk(finish="stop")))
    async with backend(script, **deployment).open(call):
        pass
    return script.asked[0]


async def test_a_question_has_its_place_its_cap_and_nothing_is_tried_twice() -> None:
    asked = await asked_for(
        call(streamed=True)._replace(output_tokens=7, parameters={"temperature": 0.5}),
        api_base="http://127.0.0.1:9/v1",
        api_key="sk-1",
    )
    assert asked == {
        "model": "openai/m",
        "messages": [{"role": "user", "content": "hi"}],
        "api_base": "http://127.0.0.1:9/v1",
        "api_key": "sk-1",
        "max_tokens": 7,
        "temperature": 0.5,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_retries": 0,
        "num_retries": 0,
        "drop_params": True,
        "metadata": {"free_tier": True, "session_id": None},
    }


async def test_a_caller_goes_by_a_name_of_ours_and_their_session() -> None:
    paying = call(streamed=True)._replace(caller=b"k" * 16, free=False, session_id="s")
    asked = await asked_for(paying)
    assert asked["user"] == pseudonym(b"k" * 16)
    assert asked["metadata"] == {"free_tier": False, "session_id": "s"}
    assert "extra_body" not in asked
    asked = await asked_for(paying, model="litellm_proxy/m")
    assert asked["extra_body"] == {"metadata": {"free_tier": False, "session_id": "s"}}


def test_a_name_of_ours_says_nothing_and_stays_the_same() -> None:
    names = {pseudonym(bytes([at]) * 16) for at in range(100)}
    assert len(names) == 100
    assert pseudonym(b"k" * 16) == pseudonym(b"k" * 16)
    assert b"k" * 16 not in pseudonym(b"k" * 16).encode()
    assert (b"k" * 16).hex() not in pseudonym(b"k" * 16)


# ── Loading ──────────────────────────────────────────────────────────────────────────────────


async def test_it_is_loaded_once_and_beside_the_loop() -> None:
    threads, script = [], Script()

    def load() -> Script:
        threads.append(threading.current_thread())
        return script

    sdk = Sdk(load)
    found = await asyncio.gather(*(sdk.library() for _ in range(3)))
    assert found == [script] * 3
    (thread,) = threads
    assert thread is not threading.main_thread()
    assert thread.daemon
    await sdk.close()
    assert script.closed == ["answer"]


async def test_what_is_not_used_is_not_loaded() -> None:
    sdk = Sdk(lambda: pytest.fail("loaded"))
    await sdk.close()


async def test_who_stops_waiting_for_it_stops_nobody_else() -> None:
    script, gate = Script(), threading.Event()

    def load() -> Script:
        gate.wait()
        return script

    sdk = Sdk(load)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await sdk.library()
    gate.set()
    assert await sdk.library() is script


async def test_what_cannot_be_loaded_fails_its_calls_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def load() -> Script:
        raise ImportError("no such module")

    asked = LiteLLMSdk(Sdk(load), Deployment(model="openai/m"), lambda: NOW)
    for streamed in (False, True):
        assert kind(await hear(asked, streamed)) is Kind.BROKEN
    await asked.sdk.close()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


DEFAULT = """
import asyncio, sys, pathlib
from scalix_free.ask import ask
from scalix_free.operator import open_service
from scalix_free.settings import load
import scalix_free.worker, scalix_free.parent, scalix_free.cli

async def main():
    settings = load(config=None, data=None, environ=ENVIRON, cwd=pathlib.Path("/nowhere")).settings
    async with open_service(settings) as service:
        assert service.models()
        await asyncio.sleep(0)

ENVIRON = {"SCALIX_FREE_LOCAL__USE": "never", "GROQ_API_KEY": "none"}
asyncio.run(main())
heavy = {"litellm", "openai", "httpx", "boto3", "tiktoken"}
print(sorted(heavy.intersection(sys.modules)))
"""


def test_a_service_that_does_not_use_litellm_does_not_load_it() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", DEFAULT], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ran.stdout, ran.returncode) == ("[]\n", 0), ran.stderr


# ── The witness ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def witness() -> Witness:
    return Witness(lambda: NOW, dialect_of("groq"))


def test_a_witness_lets_nobody_ask_the_same_twice(witness: Witness) -> None:
    assert not witness.has_asked
    assert witness.asks("POST", "https://a/token")
    assert witness.asks("POST", "https://a/chat")
    assert not witness.asks("POST", "https://a/chat")
    assert witness.has_asked


async def nothing() -> None:
    pass


def test_a_witness_hears_what_headers_tell(witness: Witness) -> None:
    witness.answers(200, EVENTS | {"x-ratelimit-limit-requests": "1000"}, nothing)
    (finding,) = witness.findings
    assert (finding.extent, finding.act, finding.amount) == (Extent.MODEL, Act.LIMIT, 1_000)


@pytest.mark.parametrize(
    ("headers", "data"),
    [
        (JSON, b'[{"generated_text":"hi"}]'),
        (JSON, b'{"candidates":[{"content":{}}],"error":null}'),
        (EVENTS, b'event: message_start\ndata: {"type":"message_start"}\n\n'),
        ({"Content-Type": "application/vnd.amazon.eventstream"}, b"\x00\x01\x02"),
        ({"Content-Type": "application/x-ndjson"}, b'{"a":1}\n{"a":2}\n'),
        ({}, b"?"),
    ],
)
def test_a_witness_does_not_judge_what_it_cannot_read(
    witness: Witness, headers: Mapping[str, str], data: bytes
) -> None:
    witness.answers(200, headers, nothing)
    witness.feed(data)
    witness.end()
    assert (witness.failure, witness.is_openai, witness.finished) == (None, False, False)


Feed = Callable[[Witness], None]


@pytest.mark.parametrize("headers", [EVENTS, JSON, {}], ids=["events", "json", "anything"])
def test_a_witness_ends_what_never_ends(witness: Witness, headers: Mapping[str, str]) -> None:
    witness.answers(200, headers, nothing)
    for _ in range(90):
        witness.feed(b": " + b"x" * 99_998 + b"\n\n" if headers is EVENTS else b"x" * 100_000)
    assert witness.failure is not None
    assert witness.failure.kind is Kind.BROKEN
