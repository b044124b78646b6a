"""The world seen from outside: by a client library, and byte by byte."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import aiohttp
import openai
import pytest

from tests.world import FAULTS, Behaviour, World, running_world
from tests.world.answer import words
from tests.world.frame import split

ROOT = Path(__file__).parents[2]
BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["unstreamed", "streamed"])
SHAPES = ["openai", "openrouter", "groq", "gemini"]

Frame = dict[str, Any]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with asyncio.timeout(10), World(now=lambda: 1_800_000_000.5) as running:
        yield running


@pytest.fixture
async def client(world: World) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(world.base_url + "/") as session:
        yield session


def question(model: str, streamed: bool = False, **more: object) -> dict[str, object]:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "¿Qué tal, señor Müller?"}]},
    ]
    return {"model": model, "messages": messages, "stream": streamed, **more}


ECHO = "You said: ¿Qué tal, señor Müller?"


def ask(client: aiohttp.ClientSession, model: str, streamed: bool = False, **more: object) -> Any:
    return client.post("chat/completions", json=question(model, streamed, **more))


async def answer_of(client: aiohttp.ClientSession, model: str, **more: object) -> Frame:
    async with ask(client, model, streamed=False, **more) as response:
        assert response.status == 200
        return cast(Frame, await response.json())


async def frames_of(client: aiohttp.ClientSession, model: str, **more: object) -> list[Any]:
    async with ask(client, model, streamed=True, **more) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        return read_events(await response.text())


def read_events(text: str) -> list[Any]:
    """Read a plain stream strictly: nothing but `data: …` and a blank line."""
    assert text.endswith("\n\n")
    lines = text.removesuffix("\n\n").split("\n\n")
    return ["[DONE]" if line == "data: [DONE]" else json.loads(line[6:]) for line in lines]


def content_of(frames: list[Any]) -> str:
    deltas = [choice["delta"] for f in frames if f != "[DONE]" for choice in f["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def finish_of(frames: list[Any]) -> list[str]:
    choices = [choice for f in frames if f != "[DONE]" for choice in f["choices"]]
    return [c["finish_reason"] for c in choices if c["finish_reason"]]


async def raw_chunks(world: World, model: str, streamed: bool = True) -> tuple[str, list[bytes]]:
    """The head and the chunks of a body, exactly as the world wrote them."""
    body = json.dumps(question(model, streamed)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nconnection: close\r\ncontent-length: {len(body)}"
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(world.base_url))
    writer.write(head.encode() + b"\r\n\r\n" + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    chunks = []
    while size := int(await reader.readline(), 16):
        chunks.append((await reader.readexactly(size + 2))[:-2])
    assert await reader.read() == b"\r\n"
    writer.close()
    await writer.wait_closed()
    return answer.decode(), chunks


async def readable(response: aiohttp.ClientResponse) -> bytes:
    """What can be read of a body that is going to be cut."""
    said = b""
    try:
        while True:
            said += await response.content.readany()
    except aiohttp.ClientPayloadError:
        return said


def drain(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def port_of(base_url: str) -> int:
    return int(re.findall(r":(\d+)/", base_url)[0])


# Normal answers.


async def test_an_unstreamed_answer_echoes_and_counts(client: aiohttp.ClientSession) -> None:
    assert await answer_of(client, "fast") == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_800_000_000,
        "model": "fast",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": ECHO},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 6, "completion_tokens": 6, "total_tokens": 12},
    }


async def test_a_stream_says_the_same_word_by_word(client: aiohttp.ClientSession) -> None:
    frames = await frames_of(client, "fast")
    assert frames[-1] == "[DONE]"
    assert content_of(frames) == ECHO
    assert finish_of(frames) == ["stop"]
    assert len(frames) == 6 + 2
    assert frames[0]["choices"][0]["delta"] == {"role": "assistant", "content": "You "}
    assert {frame["id"] for frame in frames[:-1]} == {"chatcmpl-1"}
    assert not any("usage" in frame for frame in frames[:-1])


async def test_a_stream_tells_usage_when_asked(client: aiohttp.ClientSession) -> None:
    frames = await frames_of(client, "fast", stream_options={"include_usage": True})
    assert [frame["usage"] for frame in frames[:-2]] == [None] * 7
    assert frames[-2]["choices"] == []
    assert frames[-2]["usage"]["total_tokens"] == 12


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_a_cap_is_kept(client: aiohttp.ClientSession, name: str) -> None:
    answer = await answer_of(client, "fast", **{name: 2})
    assert answer["choices"][0]["message"]["content"] == "You said: "
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 2


async def test_text_and_frames_can_be_given(world: World, client: aiohttp.ClientSession) -> None:
    world.behave("told", Behaviour(text="Good day."), Behaviour(frames=("A", "", "B")))
    assert content_of(await frames_of(client, "told")) == "Good day."
    assert len(await frames_of(client, "told")) == 3 + 2


async def test_the_openai_client_understands_it(world: World) -> None:
    async with openai.AsyncOpenAI(base_url=world.base_url, api_key="k") as sdk:
        assert [model.id async for model in sdk.models.list()] == []
        stream = await sdk.chat.completions.create(
            model="fault:tools", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        names: dict[int, tuple[str | None, str | None]] = {}
        arguments = {0: "", 1: ""}
        async for chunk in stream:
            for call in chunk.choices[0].delta.tool_calls or []:
                assert call.function is not None
                names.setdefault(call.index, (call.id, call.function.name))
                arguments[call.index] += call.function.arguments or ""
    assert names == {0: ("call_0", "get_weather"), 1: ("call_1", "get_time")}
    assert arguments == {0: '{"city": "Paris"}', 1: '{"zone": "UTC"}'}


# Scripts and memory.


async def test_a_script_is_played_in_order_and_its_last_line_repeats(
    world: World, client: aiohttp.ClientSession
) -> None:
    world.behave("moody", "500", Behaviour("429", retry_after_s=3), "normal")
    statuses = []
    for _ in range(4):
        async with ask(client, "moody") as response:
            statuses.append(response.status)
    assert statuses == [500, 429, 200, 200]
    assert (world.calls("moody"), world.calls("other")) == (4, 0)
    world.behave("moody")
    await answer_of(client, "moody")


async def test_an_unknown_behaviour_is_refused(world: World, client: aiohttp.ClientSession) -> None:
    with pytest.raises(ValueError, match="no such behaviour"):
        world.behave("fast", "nonsense")
    async with ask(client, "fault:nonsense") as response:
        assert response.status == 404


async def test_requests_are_remembered(world: World, client: aiohttp.ClientSession) -> None:
    headers = {"Authorization": "Bearer secret"}
    asked = question("fast", streamed=True, temperature=0)
    async with client.post("chat/completions", json=asked, headers=headers) as response:
        await response.read()
    assert await world.aborted(0) is False
    (seen,) = world.requests
    assert (seen.model, seen.body, seen.streamed) == ("fast", asked, True)
    assert seen.headers["authorization"] == "Bearer secret"
    assert (seen.at, seen.frames, seen.ended) == (1_800_000_000.5, 8, True)


async def test_connections_are_kept_and_counted(
    world: World, client: aiohttp.ClientSession
) -> None:
    for streamed in (True, False, True):
        async with ask(client, "fast", streamed) as response:
            await response.read()
    assert world.connections == 1


async def test_models_with_a_script_are_listed(world: World, client: aiohttp.ClientSession) -> None:
    world.behave("fast", "slow")
    async with client.get("models") as response:
        assert [row["id"] for row in (await response.json())["data"]] == ["fast"]


async def test_what_is_not_a_completion_is_refused(client: aiohttp.ClientSession) -> None:
    async with client.post("embeddings", json={}) as response:
        assert response.status == 404
    async with client.get("chat/completions") as response:
        assert response.status == 404
    async with client.post("chat/completions", data=b"{") as response:
        assert response.status == 400


@BOTH
@pytest.mark.parametrize("name", FAULTS)
async def test_every_row_comes_to_an_end(
    world: World, client: aiohttp.ClientSession, name: str, streamed: bool
) -> None:
    """However it ends, the world itself does not fail, and keeps nothing open."""
    model = f"fault:{name}"
    world.gate(model).open()
    try:
        async with ask(client, model, streamed) as response:
            await response.read()
    except aiohttp.ClientError:
        assert name in {"reset", "cut", "cut-reset"}
    assert await world.aborted(0) is False
    assert world.open_streams == 0


# Refusals.


@BOTH
@pytest.mark.parametrize(
    ("name", "status", "code", "retry_after"),
    [
        ("429", 429, "rate_limit_exceeded", "7"),
        ("429-bare", 429, "rate_limit_exceeded", None),
        ("500", 500, None, None),
        ("503", 503, None, None),
        ("401", 401, "invalid_api_key", None),
        ("400-context", 400, "context_length_exceeded", None),
        ("404-model", 404, "model_not_found", None),
    ],
)
async def test_refusals(
    client: aiohttp.ClientSession,
    name: str,
    status: int,
    code: str | None,
    retry_after: str | None,
    streamed: bool,
) -> None:
    async with ask(client, f"fault:{name}", streamed) as response:
        assert response.status == status
        assert response.headers.get("Retry-After") == retry_after
        error = (await response.json())["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["code"] == code


async def test_any_refusal_can_be_scripted(world: World, client: aiohttp.ClientSession) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "content-type": "text/plain"}
    world.behave(
        "odd",
        Behaviour("status", status=498, body=b"capacity", headers=headers),
        Behaviour("429", retry_after_s=0.5, body=[{"error": {"code": 429}}]),
    )
    async with ask(client, "odd") as response:
        assert (response.status, await response.text()) == (498, "capacity")
        assert response.headers["x-ratelimit-remaining-requests"] == "0"
        assert response.content_type == "text/plain"
    async with ask(client, "odd") as response:
        assert await response.json() == [{"error": {"code": 429}}]
        assert response.headers["Retry-After"] == "0.5"


# Time.


async def test_a_slow_stream_waits_at_its_gate(world: World, client: aiohttp.ClientSession) -> None:
    world.behave("slow", Behaviour("slow", text="one two three"))
    gate = world.gate("slow")
    async with ask(client, "slow", streamed=True) as response:
        await gate.arrived()
        assert (response.status, world.requests[0].frames) == (200, 0)
        gate.step()
        await gate.arrived(2)
        assert b"one" in await response.content.readline()
        assert (world.requests[0].frames, world.open_streams) == (1, 1)
        gate.open()
        assert b"[DONE]" in await response.read()


async def test_waits_of_zero_are_none(world: World, client: aiohttp.ClientSession) -> None:
    world.behave("slow", Behaviour("slow", first_s=0, between_s=0))
    assert content_of(await frames_of(client, "slow")) == ECHO
    assert world.gate("slow").arrivals == 0


@BOTH
async def test_with_a_sleep_waits_take_their_seconds(streamed: bool) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with World(sleep=sleep) as world, aiohttp.ClientSession(world.base_url + "/") as client:
        world.behave("slow", Behaviour("slow", text="one two three", first_s=5, between_s=0.5))
        async with ask(client, "slow", streamed) as response:
            assert "three" in await response.text()
    assert slept == ([5, 0.5, 0.5] if streamed else [6])


@BOTH
async def test_a_hang_says_nothing_and_notices_that_the_client_leaves(
    world: World, client: aiohttp.ClientSession, streamed: bool
) -> None:
    waiting = asyncio.ensure_future(ask(client, "fault:hang", streamed))
    await world.gate("fault:hang").arrived()
    assert not world.requests[0].ended
    assert world.open_streams == streamed
    waiting.cancel()
    assert await world.aborted(0)
    assert world.requests[0].aborted
    assert world.open_streams == 0


async def test_a_hang_that_ends_answers_late(world: World, client: aiohttp.ClientSession) -> None:
    waiting = asyncio.ensure_future(answer_of(client, "fault:hang"))
    await world.gate("fault:hang").arrived()
    world.gate("fault:hang").step()
    assert (await waiting)["choices"][0]["message"]["content"] == ECHO


async def test_one_pass_is_for_one_answer(world: World, client: aiohttp.ClientSession) -> None:
    waiting = [asyncio.ensure_future(answer_of(client, "fault:hang")) for _ in range(3)]
    gate = world.gate("fault:hang")
    await gate.arrived(3)
    gate.step()
    done, left = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert (len(done), len(left)) == (1, 2)
    gate.open()
    await asyncio.gather(*left)


async def test_a_stalled_stream_falls_silent_after_k(
    world: World, client: aiohttp.ClientSession
) -> None:
    world.behave("stall", Behaviour("stall", k=3))
    async with ask(client, "stall", streamed=True) as response:
        await world.gate("stall").arrived()
        said = [await response.content.readuntil(b"\n\n") for _ in range(3)]
        assert content_of(read_events(b"".join(said).decode())) == "You said: ¿Qué "
        assert world.requests[0].frames == 3
        response.close()
        assert await world.aborted(0)
    assert world.requests[0].frames == 3


async def test_a_stalled_body_stops_half_way(world: World, client: aiohttp.ClientSession) -> None:
    async with ask(client, "fault:stall") as response:
        await world.gate("fault:stall").arrived()
        said = await response.content.readany()
        assert 0 < len(said) < int(response.headers["Content-Length"])
        world.gate("fault:stall").open()
        assert ECHO in (said + await response.content.read()).decode()


async def test_leaving_at_the_end_marker_is_not_early(
    world: World, client: aiohttp.ClientSession
) -> None:
    world.behave("slow", Behaviour("slow", text="one", first_s=1))
    async with ask(client, "slow", streamed=True) as response:
        world.gate("slow").open()
        while b"[DONE]" not in await response.content.readline():
            pass
        response.close()
    assert await world.aborted(0) is False


async def test_leaving_ends_every_open_connection(client: aiohttp.ClientSession) -> None:
    async with World() as other:
        url = f"{other.base_url}/chat/completions"
        waiting = asyncio.ensure_future(client.post(url, json=question("fault:hang")))
        await other.arrived()
        assert other.connections == 1
    assert other.connections == 0
    assert not other.requests[0].aborted
    with pytest.raises(aiohttp.ClientError):
        await waiting


# Broken transport.


@BOTH
async def test_a_reset_is_a_reset(client: aiohttp.ClientSession, streamed: bool) -> None:
    with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
        await ask(client, "fault:reset", streamed)


@BOTH
@pytest.mark.parametrize("name", ["reset", "cut-reset"])
def test_the_kernel_sees_the_reset(name: str, streamed: bool) -> None:
    body = json.dumps(question(f"fault:{name}", streamed)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n"
    with running_world() as world:
        address = ("127.0.0.1", port_of(world.base_url))
        with socket.create_connection(address) as connection:
            connection.sendall(head.encode() + body)
            with pytest.raises(ConnectionResetError):
                drain(connection)


@BOTH
@pytest.mark.parametrize("name", ["cut", "cut-reset"])
async def test_a_cut_leaves_a_body_incomplete(
    client: aiohttp.ClientSession, name: str, streamed: bool
) -> None:
    async with ask(client, f"fault:{name}", streamed) as response:
        assert response.status == 200
        with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientOSError)):
            await response.read()


async def test_a_cut_comes_inside_a_frame(world: World, client: aiohttp.ClientSession) -> None:
    world.behave("cut", Behaviour("cut", k=1))
    async with ask(client, "cut", streamed=True) as response:
        said = await readable(response)
    whole, half = said.decode().split("\n\n")
    assert content_of([json.loads(whole[6:])]) == "You "
    assert half.startswith('data: {"id"')


async def test_a_clean_cut_looks_finished_to_http_alone(
    world: World, client: aiohttp.ClientSession
) -> None:
    frames = await frames_of(client, "fault:cut-clean")
    assert content_of(frames) == "You said: "
    assert (finish_of(frames), "[DONE]" in frames) == ([], False)
    world.behave("at once", Behaviour("cut-clean", k=0))
    async with ask(client, "at once", streamed=True) as response:
        assert await response.read() == b""
    async with ask(client, "fault:cut-clean") as response:
        with pytest.raises(json.JSONDecodeError):
            await response.json()


# Errors and nonsense inside a 200.


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("suffix", "said"), [("", "You said: "), ("-first", "")])
async def test_an_error_in_a_stream(
    client: aiohttp.ClientSession, shape: str, suffix: str, said: str
) -> None:
    async with ask(client, f"fault:error-{shape}{suffix}", streamed=True) as response:
        text = await response.text()
    *before, last = text.removesuffix("\n\n").split("\n\n")
    assert content_of([json.loads(line[6:]) for line in before]) == said
    start, error = {
        "openai": ('data: {"error":{"message"', "server_error"),
        "openrouter": ('data: {"id"', '"finish_reason":"error"'),
        "groq": ('event: error\ndata: {"error"', "Over capacity"),
        "gemini": ('[{"error"', "UNAVAILABLE"),
    }[shape]
    assert last.startswith(start)
    assert error in last


@pytest.mark.parametrize("shape", SHAPES)
async def test_an_error_in_an_unstreamed_body(client: aiohttp.ClientSession, shape: str) -> None:
    async with ask(client, f"fault:error-{shape}") as response:
        assert response.status == 200
        body = await response.json()
    assert "error" in (body[0] if shape == "gemini" else body)


@pytest.mark.parametrize(("name", "at"), [("malformed", 2), ("malformed-first", 0)])
async def test_a_malformed_chunk(client: aiohttp.ClientSession, name: str, at: int) -> None:
    async with ask(client, f"fault:{name}", streamed=True) as response:
        lines = (await response.text()).removesuffix("\n\n").split("\n\n")
    with pytest.raises(json.JSONDecodeError):
        json.loads(lines.pop(at)[6:])
    assert content_of(read_events("\n\n".join(lines) + "\n\n")) == ECHO


async def test_a_malformed_body(client: aiohttp.ClientSession) -> None:
    async with ask(client, "fault:malformed") as response:
        with pytest.raises(json.JSONDecodeError):
            await response.json()


async def test_a_missing_end_marker(client: aiohttp.ClientSession) -> None:
    frames = await frames_of(client, "fault:no-done")
    assert (finish_of(frames), "[DONE]" in frames) == (["stop"], False)


@BOTH
async def test_a_page_for_people(client: aiohttp.ClientSession, streamed: bool) -> None:
    async with ask(client, "fault:html", streamed) as response:
        assert (response.status, response.content_type) == (200, "text/html")


async def test_a_huge_event(world: World, client: aiohttp.ClientSession) -> None:
    frames = await frames_of(client, "fault:huge")
    assert len(content_of(frames[:1])) == 1_000_000
    world.behave("huge", Behaviour("huge", size=7))
    answer = await answer_of(client, "huge")
    assert answer["choices"][0]["message"]["content"] == "x" * 7


# Unusual bytes.


async def test_frames_come_one_a_write(world: World) -> None:
    _, chunks = await raw_chunks(world, "fast")
    assert all(chunk.startswith(b"data: ") and chunk.endswith(b"\n\n") for chunk in chunks)
    assert len(chunks) == 8


async def test_frames_split_anywhere(world: World) -> None:
    plain = b"".join((await raw_chunks(world, "fast"))[1])
    assert b"".join(split([plain])) == plain
    _, chunks = await raw_chunks(world, "fault:split")
    said = b"".join(chunks).decode()
    assert content_of(read_events(said)) == ECHO
    assert any(not _is_text(chunk) for chunk in chunks)
    _, chunks = await raw_chunks(world, "fault:split", streamed=False)
    assert json.loads(b"".join(chunks))["choices"][0]["message"]["content"] == ECHO


def _is_text(chunk: bytes) -> bool:
    try:
        chunk.decode()
    except UnicodeDecodeError:
        return False
    return True


async def test_frames_joined(world: World) -> None:
    _, chunks = await raw_chunks(world, "fault:joined")
    assert [chunk.count(b"data: ") for chunk in chunks] == [3, 3, 2]


async def test_comments_and_blank_lines(world: World) -> None:
    _, chunks = await raw_chunks(world, "fault:comments")
    lines = b"".join(chunks).decode().splitlines()
    assert lines[0] == ": OPENROUTER PROCESSING"
    data = [line for line in lines if line and not line.startswith(":")]
    assert content_of(read_events("".join(f"{line}\n\n" for line in data))) == ECHO
    _, chunks = await raw_chunks(world, "fault:comments", streamed=False)
    assert chunks[:2] == [b"\n", b"\n"]
    json.loads(b"".join(chunks))


async def test_carriage_returns(world: World) -> None:
    _, chunks = await raw_chunks(world, "fault:crlf")
    said = b"".join(chunks).decode()
    assert said.count("\n") == said.count("\r\n") == 2 * len(chunks)
    assert content_of(read_events(said.replace("\r\n", "\n"))) == ECHO


async def test_no_space_after_the_colon(world: World) -> None:
    _, chunks = await raw_chunks(world, "fault:tight")
    assert chunks[-1] == b"data:[DONE]\n\n"
    assert all(chunk.startswith(b"data:{") for chunk in chunks[:-1])


# Usage.


async def test_usage_can_be_missing(client: aiohttp.ClientSession) -> None:
    assert "usage" not in await answer_of(client, "fault:usage-missing")
    asked = {"include_usage": True}
    frames = await frames_of(client, "fault:usage-missing", stream_options=asked)
    assert finish_of(frames[-2:-1]) == ["stop"]


async def test_usage_can_come_unasked(client: aiohttp.ClientSession) -> None:
    frames = await frames_of(client, "fault:usage-always")
    assert (frames[-2]["choices"], frames[-2]["usage"]["total_tokens"]) == ([], 12)


async def test_usage_can_come_with_the_finish_reason(client: aiohttp.ClientSession) -> None:
    frames = await frames_of(client, "fault:usage-in-finish")
    assert finish_of(frames[-2:-1]) == ["stop"]
    assert frames[-2]["usage"]["total_tokens"] == 12


@pytest.mark.parametrize(
    ("name", "key", "wrong"),
    [
        ("usage-negative", "completion_tokens", -7),
        ("usage-float", "completion_tokens", 12.5),
        ("usage-huge", "total_tokens", 10**18),
    ],
)
async def test_usage_can_be_wrong(
    client: aiohttp.ClientSession, name: str, key: str, wrong: float
) -> None:
    assert (await answer_of(client, f"fault:{name}"))["usage"][key] == wrong
    asked = {"include_usage": True}
    frames = await frames_of(client, f"fault:{name}", stream_options=asked)
    assert frames[-2]["usage"][key] == wrong


async def test_any_usage_can_be_scripted(world: World, client: aiohttp.ClientSession) -> None:
    world.behave("odd", Behaviour(usage={"total_tokens": "many"}))
    usage = (await answer_of(client, "odd"))["usage"]
    assert usage == {"prompt_tokens": 6, "completion_tokens": 6, "total_tokens": "many"}


# What is said.


async def test_an_empty_answer(client: aiohttp.ClientSession) -> None:
    frames = await frames_of(client, "fault:empty")
    assert (content_of(frames), finish_of(frames)) == ("", ["stop"])
    answer = await answer_of(client, "fault:empty")
    assert answer["choices"][0]["message"]["content"] == ""
    assert answer["usage"]["completion_tokens"] == 0


async def test_a_role_by_itself(client: aiohttp.ClientSession) -> None:
    frames = await frames_of(client, "fault:role-first")
    assert frames[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert "role" not in frames[1]["choices"][0]["delta"]


async def test_a_first_chunk_without_choices(client: aiohttp.ClientSession) -> None:
    frames = await frames_of(client, "fault:no-choices-first")
    assert frames[0]["choices"] == []
    assert content_of(frames) == ECHO


@pytest.mark.parametrize(
    ("name", "key"), [("reasoning", "reasoning_content"), ("reasoning-openrouter", "reasoning")]
)
async def test_reasoning(client: aiohttp.ClientSession, name: str, key: str) -> None:
    frames = await frames_of(client, f"fault:{name}")
    deltas = [frame["choices"][0]["delta"] for frame in frames[:-1]]
    assert "".join(delta.get(key, "") for delta in deltas) == "Let me think. "
    assert content_of(frames) == ECHO
    message = (await answer_of(client, f"fault:{name}"))["choices"][0]["message"]
    assert (message[key], message["content"]) == ("Let me think. ", ECHO)


@BOTH
@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_finish_reasons(client: aiohttp.ClientSession, reason: str, streamed: bool) -> None:
    model = "fault:" + reason.replace("_", "-")
    if streamed:
        assert finish_of(await frames_of(client, model)) == [reason]
    else:
        assert (await answer_of(client, model))["choices"][0]["finish_reason"] == reason


async def test_tool_calls_unstreamed(world: World, client: aiohttp.ClientSession) -> None:
    world.behave("tools", Behaviour("tools", calls=(("add", "{}"),)))
    choice = (await answer_of(client, "tools"))["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_0", "type": "function", "function": {"name": "add", "arguments": "{}"}}
        ],
    }


def test_words_joined_are_the_text() -> None:
    for text in ("", " a", "a  b\n\nc ", "\t"):
        assert "".join(words(text)) == text


# In a thread, and by itself.


def test_a_world_in_a_thread_serves_those_without_a_loop() -> None:
    with running_world() as world:
        world.behave("fast", Behaviour(text="Hello."))
        body = json.dumps(question("fast")).encode()
        with urllib.request.urlopen(f"{world.base_url}/chat/completions", body) as response:
            assert json.load(response)["choices"][0]["message"]["content"] == "Hello."
        assert (world.calls("fast"), world.open_streams) == (1, 0)
        assert world.requests[0].model == "fast"
        assert world.aborted(0) is False
        with pytest.raises(TimeoutError):
            world.arrived(2, timeout=0.01)


def test_a_world_in_a_thread_can_be_waited_for() -> None:
    body = json.dumps(question("fault:stall", streamed=True)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n"
    with running_world() as world:
        address = ("127.0.0.1", port_of(world.base_url))
        with socket.create_connection(address) as connection:
            connection.sendall(head.encode() + body)
            world.at_gate("fault:stall")
            assert (world.open_streams, world.connections) == (1, 1)
        assert world.aborted(0)
        assert world.open_streams == 0
        world.step_gate("fault:stall")
        world.open_gate("fault:stall")


async def test_a_failure_of_the_world_itself_is_told() -> None:
    world = await World().__aenter__()
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(world.base_url))
    writer.write(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    with pytest.raises(ExceptionGroup, match="the world itself failed"):
        await world.__aexit__(None, None, None)


def test_the_command_prints_where_and_what() -> None:
    command = [sys.executable, "-m", "tests.world", "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{base_url}/models") as response:
            listed = {row["id"] for row in json.load(response)["data"]}
        process.send_signal(signal.SIGTERM)
        printed = process.stdout.read()
    assert process.returncode == 0
    assert listed == {"echo", *(f"fault:{name}" for name in FAULTS)}
    assert all(f"fault:{name} " in printed for name in FAULTS)
