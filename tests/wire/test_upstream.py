"""What providers send, read; what they get, written."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.core.chat import Call, Chunk, ToolCall, Usage
from scalix_free.core.errors import Failure, Kind
from scalix_free.wire.upstream import UNNUMBERED, ErrorInStream, decode_frame, encode_call

MESSAGES = [{"role": "user", "content": "hi", "name": "Ada", "x": 1}]


def frame(delta: object = None, finish: object = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return json.dumps({"id": "x", "choices": [choice], **more}).encode()


def decode(delta: object = None, finish: object = None, **more: object) -> Chunk:
    return decode_frame(frame(delta, finish, **more))


# ── Towards a provider ───────────────────────────────────────────────────────────────────────


def test_an_unstreamed_call() -> None:
    call = Call(rid=bytes(16), messages=MESSAGES, output_tokens=7, parameters={"seed": 1})
    assert json.loads(encode_call(call, "its-name")) == {
        "model": "its-name",
        "messages": MESSAGES,
        "stream": False,
        "max_tokens": 7,
        "seed": 1,
    }


def test_a_stream_is_asked_for_usage_whatever_the_caller_wants() -> None:
    body = json.loads(encode_call(Call(rid=bytes(16), messages=MESSAGES, stream=True), "m"))
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert "max_tokens" not in body


# ── From a provider ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "chunk"),
    [
        (frame({"content": "a"}), Chunk("a")),
        (frame({"content": None}), Chunk()),
        (frame({}), Chunk()),
        (frame(None), Chunk()),
        (frame({"content": "a"}, "stop"), Chunk("a", finish="stop")),
        (frame({"role": "assistant", "content": ""}), Chunk()),
        (frame({"refusal": "no"}), Chunk(refusal="no")),
        (frame({"content": "a", "unknown": {"deep": [1]}}), Chunk("a")),
        (b'{"choices": []}', Chunk()),
        (b'{"choices": null}', Chunk()),
        (b"{}", Chunk()),
        (b'{"choices": [{"message": {"content": "a"}}]}', Chunk("a")),
        (frame({"content": "a"}, error=None), Chunk("a")),
    ],
)
def test_a_frame_is_read(data: bytes, chunk: Chunk) -> None:
    assert decode_frame(data) == chunk


@pytest.mark.parametrize(
    "delta", [{"reasoning_content": "hm"}, {"reasoning": "hm"}, {"reasoning": "hm", "content": ""}]
)
def test_thoughts_are_one_field(delta: dict[str, str]) -> None:
    chunk = decode(delta)
    assert chunk == Chunk(reasoning="hm")
    assert not chunk.has_content


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}], ""),
        ([{"type": "text", "text": 7}, {"type": "text"}, {}], ""),
        ([], ""),
    ],
)
def test_content_in_parts_is_its_texts(content: list[object], text: str) -> None:
    assert decode({"content": content}).text == text


@pytest.mark.parametrize(
    ("finish", "ours"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("sensitive", "content_filter"),
        ("end_turn", "stop"),
        ("whatever comes next", "stop"),
        (None, None),
    ],
)
def test_finish_reasons_are_openais(finish: str | None, ours: str | None) -> None:
    assert decode({}, finish).finish == ours


@pytest.mark.parametrize("finish", ["error", "network_error", "insufficient_system_resource"])
def test_a_finish_that_is_a_failure_is_none(finish: str) -> None:
    with pytest.raises(Failure) as failure:
        decode({"content": "a"}, finish)
    assert failure.value.kind is Kind.BROKEN


# Tool calls.


@pytest.mark.parametrize(
    ("tools", "read"),
    [
        (
            [{"index": 1, "id": "c", "type": "function", "function": {"name": "f"}}],
            (ToolCall(1, "c", "f"),),
        ),
        ([{"index": 1, "function": {"arguments": '{"a"'}}], (ToolCall(1, None, None, '{"a"'),)),
        ([{"index": 0, "function": {"arguments": {"a": 1}}}], (ToolCall(0, arguments='{"a":1}'),)),
        ([{"index": 0, "function": {"arguments": None}}], (ToolCall(0),)),
        ([{"index": 0}], (ToolCall(0),)),
        (
            [
                {"id": "c", "function": {"name": "f", "arguments": "{}"}},
                {"id": "d", "function": {"name": "g", "arguments": "{}"}},
            ],
            (ToolCall(UNNUMBERED, "c", "f", "{}"), ToolCall(UNNUMBERED, "d", "g", "{}")),
        ),
        ([], ()),
        (None, ()),
    ],
)
def test_tool_calls_are_read(tools: object, read: tuple[ToolCall, ...]) -> None:
    assert decode({"tool_calls": tools}).tools == read


# Usage.


def test_usage_is_read() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "details": {"x": []}}
    assert decode_frame(json.dumps({"choices": [], "usage": usage}).encode()).usage == Usage(3, 4)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        [],
        "many",
        7,
        True,
        {"prompt_tokens": 3},
        {"prompt_tokens": 3, "completion_tokens": None},
        {"prompt_tokens": 3, "completion_tokens": -1},
        {"prompt_tokens": 3, "completion_tokens": 1.5},
        {"prompt_tokens": 3, "completion_tokens": "4"},
        {"prompt_tokens": True, "completion_tokens": 4},
        {"prompt_tokens": 10**18, "completion_tokens": 4},
        {"prompt_tokens": 10**400, "completion_tokens": 4},
    ],
)
def test_a_wrong_usage_is_none_and_spoils_nothing(usage: object) -> None:
    assert decode({"content": "a"}, usage=usage) == Chunk("a")


# Errors and nonsense.


@pytest.mark.parametrize(
    "error", [{"code": 502, "message": "gone"}, {"code": "503"}, "busy", {"code": None}]
)
def test_an_error_inside_is_told_apart(error: object) -> None:
    with pytest.raises(ErrorInStream) as found:
        decode({"content": ""}, "error", error=error)
    assert json.loads(found.value.error) == error


def test_an_error_inside_a_list_is_one() -> None:
    with pytest.raises(ErrorInStream):
        decode_frame(b'[{"error": {"code": 503}}]')


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"7",
        b"[]",
        b"{",
        b"<!doctype html>",
        b"\xff\xfe",
        b'{"choices": 7}',
        b'{"choices": [null]}',
        b'{"choices": [{"delta": 7}]}',
        b'{"choices": [{"delta": {"content": 7}}]}',
        b'{"choices": [{"delta": {"content": "\\ud800"}}]}',
        b'{"choices": [{"finish_reason": 7}]}',
        b'{"choices": [{"delta": {"tool_calls": [7]}}]}',
        b'{"x":' * 3000,
        b"[" * 3000,
    ],
)
def test_what_is_no_frame_is_a_broken_server(data: bytes) -> None:
    with pytest.raises(Failure) as failure:
        decode_frame(data)
    assert failure.value.kind is Kind.BROKEN


NAMES = st.sampled_from(
    [
        "choices",
        "delta",
        "message",
        "content",
        "tool_calls",
        "function",
        "arguments",
        "index",
        "name",
        "text",
        "usage",
        "prompt_tokens",
        "completion_tokens",
        "finish_reason",
        "error",
    ]
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=4),
    max_leaves=12,
)


@given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60))
def test_whatever_comes_is_a_chunk_or_a_failure(data: bytes) -> None:
    try:
        chunk = decode_frame(data)
    except (Failure, ErrorInStream):
        return
    assert isinstance(chunk, Chunk)
    assert isinstance(chunk.text, str)
    assert chunk.usage is None or min(chunk.usage) >= 0
