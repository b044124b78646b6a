"""The adapter against the world: everything a provider can do, in both forms."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import pytest

from scalix_free.core.budget import Act, Extent, Finding, Window
from scalix_free.core.chat import ToolCall, Usage
from scalix_free.core.errors import Kind
from scalix_free.providers import openai_http
from scalix_free.providers.http_session import Session
from scalix_free.providers.labels import pseudonym
from scalix_free.providers.openai_http import Endpoint, OpenAIHttp, open_session
from tests.providers.canned import CLOSE, HEAD, LAST_CHUNK, RESET, WAIT, Answer, canned, chunk
from tests.providers.hearing import BOTH, Heard, call, closed, hear, quiet
from tests.world import FAULTS, Behaviour, World
from tests.world.captured import CAPTURED

ECHO = "You said: hi"


class CountingWorld(World):
    """Counts connections over all its time."""

    met = 0

    def _connection(self):  # type: ignore[no-untyped-def]
        self.met += 1
        return super()._connection()


@pytest.fixture
async def world() -> AsyncIterator[CountingWorld]:
    async with asyncio.timeout(10), CountingWorld() as running:
        running.gate("fault:slow").open()
        yield running


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with open_session() as session:
        yield session


Ask = Callable[..., OpenAIHttp]


@pytest.fixture
def backend(world: World, session: Session) -> Callable[[str], OpenAIHttp]:
    return lambda model: backend_at(session, world.base_url, model)


def backend_at(session: Session, base_url: str, model: str = "m", key: str = "") -> OpenAIHttp:
    endpoint = Endpoint(base_url=base_url, model=model, api_key=key)
    return OpenAIHttp(session, endpoint, lambda: 1_800_000_000_000)


# ── The table ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Said:
    """A whole answer."""

    text: str = ECHO
    finish: str = "stop"
    usage: Usage | None = Usage(1, 3)  # noqa: RUF009
    reasoning: str | None = None
    tools: int = 0


SAME, SILENT = Said(), Said(usage=None)
THOUGHT = Said(usage=Usage(1, 6), reasoning="Let me think. ")
CALLED = Said("", "tool_calls", Usage(1, 7), tools=2)

TABLE: dict[str, tuple[Said | Kind, Said | Kind]] = {
    "normal": (SAME, SAME),
    "slow": (SAME, SAME),
    "reset": (Kind.UNREACHABLE, Kind.UNREACHABLE),
    "cut": (Kind.BROKEN, Kind.BROKEN),
    "cut-reset": (Kind.BROKEN, Kind.BROKEN),
    "cut-clean": (Kind.BROKEN, Kind.BROKEN),
    "400-context": (Kind.TOO_LONG, Kind.TOO_LONG),
    "401": (Kind.REFUSED_KEY, Kind.REFUSED_KEY),
    "402": (Kind.REFUSED_KEY, Kind.REFUSED_KEY),
    "403": (Kind.REFUSED_KEY, Kind.REFUSED_KEY),
    "404-model": (Kind.GONE, Kind.GONE),
    "410": (Kind.GONE, Kind.GONE),
    "413": (Kind.TOO_LONG, Kind.TOO_LONG),
    "422": (Kind.BAD_REQUEST, Kind.BAD_REQUEST),
    "429": (Kind.RATE_LIMITED, Kind.RATE_LIMITED),
    "429-bare": (Kind.RATE_LIMITED, Kind.RATE_LIMITED),
    "500": (Kind.BROKEN, Kind.BROKEN),
    "503": (Kind.BROKEN, Kind.BROKEN),
    "504": (Kind.TIMEOUT, Kind.TIMEOUT),
    "html-error": (Kind.BROKEN, Kind.BROKEN),
    "status": (Kind.BROKEN, Kind.BROKEN),
    "error-openai": (Kind.BROKEN, Kind.BROKEN),
    "error-openrouter": (Kind.BROKEN, Kind.BROKEN),
    "error-groq": (Kind.BROKEN, Kind.BROKEN),
    "error-gemini": (Kind.BROKEN, Kind.BROKEN),
    "error-openai-first": (Kind.BROKEN, Kind.BROKEN),
    "error-openrouter-first": (Kind.BROKEN, Kind.BROKEN),
    "error-groq-first": (Kind.BROKEN, Kind.BROKEN),
    "error-gemini-first": (Kind.BROKEN, Kind.BROKEN),
    "finish-error": (Kind.BROKEN, Kind.BROKEN),
    "malformed": (Kind.BROKEN, Kind.BROKEN),
    "malformed-first": (Kind.BROKEN, Kind.BROKEN),
    "no-done": (SAME, SAME),
    "nothing": (Kind.BROKEN, Kind.BROKEN),
    "html": (Kind.BROKEN, Kind.BROKEN),
    "comments": (SAME, SAME),
    "split": (SAME, SAME),
    "joined": (SAME, SAME),
    "crlf": (SAME, SAME),
    "tight": (SAME, SAME),
    "huge": (Said("x" * 1_000_000, usage=Usage(1, 1)), Kind.BROKEN),
    "usage-missing": (SILENT, SILENT),
    "usage-always": (SAME, SAME),
    "usage-in-finish": (SAME, SAME),
    "usage-negative": (SILENT, SILENT),
    "usage-float": (SILENT, SILENT),
    "usage-huge": (SILENT, SILENT),
    "limits-true": (SAME, SAME),
    "limits-wrong": (SAME, SAME),
    "limits-absurd": (SAME, SAME),
    "empty": (Said("", usage=Usage(1, 0)), Said("", usage=Usage(1, 0))),
    "role-first": (SAME, SAME),
    "no-choices-first": (SAME, SAME),
    "tools": (CALLED, CALLED),
    "reasoning": (THOUGHT, THOUGHT),
    "reasoning-openrouter": (THOUGHT, THOUGHT),
    "length": (Said(finish="length"), Said(finish="length")),
    "content-filter": (Said(finish="content_filter"), Said(finish="content_filter")),
}
"""Fault → what comes of it whole, and streamed: an answer, or a kind of failure."""

ENDLESS = {"hang", "hang-head", "stall"}


def test_every_fault_that_any_provider_can_have_stands_in_the_table() -> None:
    """What single providers write is read by the table of `test_quirks`."""
    assert TABLE.keys() | ENDLESS == FAULTS.keys() - CAPTURED.keys()


@BOTH
@pytest.mark.parametrize("fault", TABLE)
async def test_what_comes_of_it(
    backend: Callable[[str], OpenAIHttp], world: World, fault: str, streamed: bool
) -> None:
    wanted = TABLE[fault][streamed]
    heard = await hear(backend(f"fault:{fault}"), streamed)
    if isinstance(wanted, Kind):
        assert heard.failure is not None
        assert heard.failure.kind is wanted
    else:
        message = heard.collected.message()
        assert heard.failure is None
        assert (
            Said(
                message.content or "",
                heard.collected.finish or "",
                heard.collected.usage,
                message.reasoning_content or None,
                len(message.tool_calls or []),
            )
            == wanted
        )
    await quiet(world)


@pytest.mark.parametrize("fault", ["cut", "cut-clean", "error-openai", "malformed"])
async def test_what_was_said_before_a_break_was_heard(
    backend: Callable[[str], OpenAIHttp], world: World, fault: str
) -> None:
    words = ("x" * 20_000,) * 60  # more than one read
    world.behave("m", Behaviour(fault, frames=words, k=len(words)))
    heard = await hear(backend("m"), streamed=True)
    assert heard.failure is not None
    assert heard.collected.text.startswith("x" * 20_000)


async def test_tool_calls_are_put_together(backend: Callable[[str], OpenAIHttp]) -> None:
    for streamed in (False, True):
        heard = await hear(backend("fault:tools"), streamed)
        assert heard.collected.tools == {
            0: ToolCall(0, "call_0", "get_weather", '{"city": "Paris"}'),
            1: ToolCall(1, "call_1", "get_time", '{"zone": "UTC"}'),
        }


@BOTH
@pytest.mark.parametrize(("fault", "wait_ms"), [("429", 7000), ("429-bare", None)])
async def test_when_to_come_back_is_heard(
    backend: Callable[[str], OpenAIHttp], fault: str, wait_ms: int | None, streamed: bool
) -> None:
    heard = await hear(backend(f"fault:{fault}"), streamed)
    assert heard.failure is not None
    assert heard.failure.retry_after_ms == wait_ms


@BOTH
async def test_what_headers_tell_is_found_of_those_whose_headers_are_known(
    world: World, session: Session, streamed: bool
) -> None:
    told = {"X-RateLimit-Limit-Requests": "1000", "x-ratelimit-remaining-requests": "7"}
    world.behave("m", Behaviour(headers=told))
    found = {}
    for provider in ("groq", "nvidia_nim"):
        endpoint = Endpoint(base_url=world.base_url, model="m", provider=provider)
        backend = OpenAIHttp(session, endpoint, lambda: 1_800_000_000_000)
        async with backend.open(call(streamed)) as reply:
            found[provider] = reply.findings
            while await reply.read():
                pass
    limit, left = found["groq"]
    assert limit == Finding(Extent.MODEL, Act.LIMIT, 0, Window.RPD, 1_000)
    assert left == Finding(Extent.MODEL, Act.LEFT, 0, Window.RPD, 7)
    assert found["nvidia_nim"] == ()


async def test_nobody_there_is_unreachable(session: Session) -> None:
    heard = await hear(backend_at(session, "http://127.0.0.1:9/v1"), streamed=False)
    assert heard.failure is not None
    assert heard.failure.kind is Kind.UNREACHABLE


# ── What is sent ─────────────────────────────────────────────────────────────────────────────


async def test_the_key_is_sent_and_little_else(world: World, session: Session) -> None:
    await hear(backend_at(session, world.base_url, key="sk-1"), streamed=False)
    await hear(backend_at(session, world.base_url + "/"), streamed=True)
    with_key, without = [dict(seen.headers) for seen in world.requests]
    assert with_key.pop("authorization") == "Bearer sk-1"
    for headers in (with_key, without):
        assert headers.pop("host") in world.base_url
        assert int(headers.pop("content-length"))
        assert headers.pop("user-agent").startswith("scalix-free/")
        assert headers == {
            "content-type": "application/json",
            "accept": "*/*",
            "accept-encoding": "identity",
        }


async def test_only_who_keeps_books_is_told_who_asks(world: World, session: Session) -> None:
    asked = call(streamed=True)._replace(caller=b"k" * 16, free=False, session_id="s-1")
    for keeps_books in (False, True):
        place = Endpoint(base_url=world.base_url, model="m", keeps_books=keeps_books)
        async with OpenAIHttp(session, place, lambda: 0).open(asked) as reply:
            while await reply.read():
                pass
    plain, told = [dict(seen.body) for seen in world.requests]
    assert told.pop("user") == pseudonym(b"k" * 16)
    assert told.pop("metadata") == {"free_tier": False, "session_id": "s-1"}
    assert told == plain
    assert b"k" * 16 not in pseudonym(b"k" * 16).encode()


async def test_what_a_provider_sets_is_not_kept(
    world: World, backend: Callable[[str], OpenAIHttp]
) -> None:
    world.behave("m", Behaviour(headers={"set-cookie": "a=b"}), "normal")
    for _ in range(2):
        await hear(backend("m"), streamed=False)
    assert "cookie" not in world.requests[1].headers


async def test_a_redirect_is_not_followed(world: World, session: Session) -> None:
    elsewhere = {"location": world.base_url + "/chat/completions"}
    world.behave("m", Behaviour("status", status=307, headers=elsewhere))
    heard = await hear(backend_at(session, world.base_url), streamed=False)
    assert heard.failure is not None
    assert world.calls("m") == 1


# ── Connections ──────────────────────────────────────────────────────────────────────────────


@BOTH
@pytest.mark.parametrize("fault", ["normal", "usage-always", "comments", "crlf", "no-done"])
async def test_a_connection_is_used_again_after_a_whole_answer(
    world: CountingWorld, backend: Callable[[str], OpenAIHttp], fault: str, streamed: bool
) -> None:
    for _ in range(5):
        assert (await hear(backend(f"fault:{fault}"), streamed)).failure is None
    assert (world.met, world.connections) == (1, 1)


@BOTH
@pytest.mark.parametrize("fault", [fault for fault in TABLE if isinstance(TABLE[fault][1], Kind)])
async def test_after_a_failure_the_next_request_is_a_good_one(
    backend: Callable[[str], OpenAIHttp], fault: str, streamed: bool
) -> None:
    """Whoever fails in the middle often closes, and the next request may run into that."""
    await hear(backend(f"fault:{fault}"), streamed)
    assert (await hear(backend("good"), streamed=streamed)).failure is None


async def test_who_leaves_in_the_middle_closes(
    world: World, backend: Callable[[str], OpenAIHttp]
) -> None:
    async with backend("fault:stall").open(call(streamed=True)) as reply:
        assert (await reply.read())[0].text
    assert await asyncio.wait_for(world.aborted(0), 1)
    await closed(world)


@BOTH
async def test_who_is_cancelled_while_waiting_closes(
    world: World, backend: Callable[[str], OpenAIHttp], streamed: bool
) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await hear(backend("fault:hang"), streamed)
    assert await asyncio.wait_for(world.aborted(0), 1)
    await closed(world)


async def test_who_is_cancelled_while_reading_closes(
    world: World, backend: Callable[[str], OpenAIHttp]
) -> None:
    for streamed in (False, True):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await hear(backend("fault:stall"), streamed)
    await closed(world)


async def test_many_at_once_leave_nothing_behind(
    world: World, backend: Callable[[str], OpenAIHttp]
) -> None:
    faults = [fault for fault in TABLE if fault != "huge"]
    asked = [
        hear(backend(f"fault:{fault}"), streamed) for fault in faults for streamed in (False, True)
    ]
    await asyncio.gather(*asked)
    await quiet(world)
    assert all(seen.ended for seen in world.requests)


# ── What no row of the world does ────────────────────────────────────────────────────────────


def frame(delta: object, finish: str | None = None, **more: object) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return chunk(f"data: {json.dumps({'choices': choices, **more})}\n\n")


USAGE = chunk('data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":6}}\n\n')
DONE = chunk("data: [DONE]\n\n")
HI, FINISH = frame({"content": "hi"}), frame({}, "stop")


async def hear_canned(session: Session, *pieces: object) -> Heard:
    async with canned([HEAD, *pieces]) as server:
        return await hear(backend_at(session, server.base_url), streamed=True)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second that usage is waited for, made short."""
    monkeypatch.setattr(openai_http, "AFTER_FINISH_S", 0.05)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("pieces", "usage"),
    [
        ((HI, FINISH, WAIT), None),
        ((HI, FINISH, USAGE, WAIT), Usage(5, 6)),
        ((HI, frame({}, "stop", usage={"prompt_tokens": 1, "completion_tokens": 2}), WAIT), (1, 2)),
        ((HI, FINISH, chunk("data: nonsense\n\n"), USAGE, DONE, LAST_CHUNK), Usage(5, 6)),
        ((HI, FINISH, chunk('data: {"error":{"code":500}}\n\n'), DONE, LAST_CHUNK), None),
        ((HI, FINISH, CLOSE), None),
        ((HI, FINISH, DONE, HI, LAST_CHUNK), None),
        ((HI, FINISH, DONE, WAIT), None),
        ((frame({"content": "hi"}, "stop"), DONE, LAST_CHUNK), None),
        ((frame({"content": "hi"}, "stop"), CLOSE), None),
        ((HI, FINISH, FINISH, DONE, LAST_CHUNK), None),
    ],
)
async def test_after_its_finish_nothing_spoils_an_answer(
    session: Session, pieces: Answer, usage: Usage | None
) -> None:
    heard = await hear_canned(session, *pieces)
    assert heard.failure is None
    assert (heard.collected.text, heard.collected.usage) == ("hi", usage)


@pytest.mark.parametrize(
    "pieces",
    [
        (HI, LAST_CHUNK),
        (HI, DONE, LAST_CHUNK),
        (DONE, LAST_CHUNK),
        (LAST_CHUNK,),
        (HI, CLOSE),
        (CLOSE,),
        (HI, chunk("data: {"), LAST_CHUNK),
        (HI, chunk("event: error\ndata: {}\n\n"), LAST_CHUNK),
        (HI, frame({}, "error"), DONE, LAST_CHUNK),
    ],
)
async def test_without_its_finish_no_answer_is_whole(session: Session, pieces: Answer) -> None:
    heard = await hear_canned(session, *pieces)
    assert heard.failure is not None
    assert heard.failure.kind is Kind.BROKEN


F: dict[str, object] = {"id": "id_f", "function": {"name": "f", "arguments": '{"a":1}'}}
G: dict[str, object] = {"id": "id_g", "function": {"name": "g", "arguments": '{"a"'}}
REST_OF_G: dict[str, object] = {"function": {"arguments": ":2}"}}


def at(index: int, call: dict[str, object]) -> dict[str, object]:
    return {"index": index, **call}


@pytest.mark.parametrize(
    "frames",
    [
        [[at(0, F)], [at(1, G)], [at(1, REST_OF_G)]],
        [[F], [G], [REST_OF_G]],
        [[F, G], [REST_OF_G]],
        [[at(0, F)], [at(0, G)], [at(0, REST_OF_G)]],
    ],
    ids=["numbered", "one a frame", "together", "all of them the first"],
)
async def test_calls_are_told_apart_whatever_their_index(
    session: Session, frames: list[list[dict[str, object]]]
) -> None:
    """OpenAI's schema wants one on every piece; Gemini leaves it out, others call all of them 0."""
    pieces = [frame({"tool_calls": calls}) for calls in frames]
    heard = await hear_canned(session, *pieces, FINISH, DONE, LAST_CHUNK)
    assert heard.failure is None
    assert heard.collected.tools == {
        0: ToolCall(0, "id_f", "f", '{"a":1}'),
        1: ToolCall(1, "id_g", "g", '{"a":2}'),
    }


@pytest.mark.parametrize(
    ("finish", "ours"), [("tool_calls", "tool_calls"), ("stop", "tool_calls"), ("length", "length")]
)
async def test_an_answer_that_calls_tools_finishes_so(
    session: Session, finish: str, ours: str
) -> None:
    """Gemini says "stop", and clients that go by the finish would never run the tool."""
    pieces = (frame({"tool_calls": [at(0, F)]}), frame({}, finish))
    heard = await hear_canned(session, *pieces, DONE, LAST_CHUNK)
    assert heard.collected.finish == ours


async def test_a_stream_that_never_ends_is_ended(session: Session) -> None:
    word = frame({"content": "x" * 200_000})
    heard = await hear_canned(session, *[word] * 60, WAIT)
    assert heard.failure is not None
    assert heard.failure.kind is Kind.BROKEN


async def test_a_body_that_never_ends_is_ended(
    world: World, backend: Callable[[str], OpenAIHttp]
) -> None:
    world.behave("m", Behaviour("huge", size=9_000_000))
    heard = await hear(backend("m"), streamed=False)
    assert heard.failure is not None
    assert heard.failure.kind is Kind.BROKEN
    await closed(world)


async def test_an_answer_that_does_not_stream_is_heard_too(
    session: Session,
) -> None:
    body = json.dumps({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]})
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    async with canned([head.encode() + b"\r\n" + body.encode()]) as server:
        heard = await hear(backend_at(session, server.base_url), streamed=True)
    assert (heard.failure, heard.collected.text) == (None, "hi")


@pytest.mark.parametrize("end", [CLOSE, RESET], ids=["closed", "reset"])
async def test_a_kept_connection_that_has_ended_is_no_failure(
    session: Session, end: object
) -> None:
    """It may end at the very moment of the next request; then a new one is tried."""
    whole: Sequence[object] = (HEAD, HI, FINISH, DONE, LAST_CHUNK)
    async with canned(whole, [end], whole) as server:
        backend = backend_at(session, server.base_url)
        first, second = await hear(backend, True), await hear(backend, True)
        heads = [len(heads) for heads in server.heard]
    assert first.failure is None
    assert second.failure is None
    assert heads == [2, 1]


async def test_several_kept_connections_may_have_ended(session: Session) -> None:
    whole: Sequence[object] = (HEAD, HI, FINISH, DONE, LAST_CHUNK)
    async with canned(whole, whole, [CLOSE], [RESET], whole) as server:
        backend = backend_at(session, server.base_url)
        await asyncio.gather(hear(backend, True), hear(backend, True))
        third = await hear(backend, True)
        heads = [len(heads) for heads in server.heard]
    assert third.failure is None
    assert heads == [2, 2, 1]


@pytest.mark.parametrize("end", [CLOSE, RESET], ids=["closed", "reset"])
async def test_a_new_connection_that_ends_is_not_tried_again(session: Session, end: object) -> None:
    async with canned([end], [HEAD, HI, FINISH, DONE, LAST_CHUNK]) as server:
        heard = await hear(backend_at(session, server.base_url), True)
        assert len(server.heard) == 1
    assert heard.failure is not None
    assert heard.failure.kind is Kind.UNREACHABLE


async def test_a_name_that_nobody_has_is_a_failure(session: Session) -> None:
    heard = await hear(backend_at(session, "http://nobody.invalid/v1"), True)
    assert heard.failure is not None
    assert heard.failure.kind is Kind.UNREACHABLE
