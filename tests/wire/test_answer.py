"""Answers as callers get them: whole, in frames, and the law that both say the same."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion

from scalix_free.core.chat import Chunk, ToolCall, Usage
from scalix_free.wire.answer import (
    DONE,
    Collected,
    FrameWriter,
    FreeTier,
    encode_completion,
    encode_error_frame,
)
from tests.wire.openai_shapes import collect, finish_of, read_completion, read_stream

RID = bytes(range(16))
CREATED = 1_800_000_000
USAGE = Usage(3, 4)
LEFT = FreeTier(
    remaining_requests=4,
    reset_time="2027-01-15T09:00:00Z",
    upgrade_prompt=False,
    tier="anonymous",
    remaining_tokens=4800,
    window="requests_hour",
    session_id=None,
)
LEFT_AS_JSON = {
    "remaining_requests": 4,
    "reset_time": "2027-01-15T09:00:00Z",
    "upgrade_prompt": False,
    "tier": "anonymous",
    "remaining_tokens": 4800,
    "window": "requests_hour",
    "session_id": None,
    "trigger": None,
}
CALL = ToolCall(0, "call_7", "f", '{"a"')
REST = ToolCall(0, arguments=":1}")


def whole(*chunks: Chunk) -> dict[str, Any]:
    collected = Collected()
    collected.add(chunks)
    return read_completion(encode_completion(RID, CREATED, collected, USAGE, LEFT))


def stream(*reads: list[Chunk], usage: Usage | None = None) -> list[dict[str, Any]]:
    """The frames of an answer whose chunks came in these reads, the last one with its finish."""
    writer = FrameWriter(RID, CREATED)
    text = b"".join([writer.frames(chunks) for chunks in reads])
    text += writer.last(reads[-1][-1].finish or "stop", LEFT)
    if usage is not None:
        text += writer.usage(usage, LEFT)
    return read_stream((text + DONE).decode())


# ── Whole ────────────────────────────────────────────────────────────────────────────────────


def test_a_whole_answer_has_the_contracts_shape() -> None:
    assert whole(Chunk("Good "), Chunk("day."), Chunk(finish="stop")) == {
        "id": f"free_cmp_{RID.hex()}",
        "object": "chat.completion",
        "created": CREATED,
        "model": "scalix-free",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Good day.",
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        "free_tier": LEFT_AS_JSON,
    }


@pytest.mark.parametrize(
    ("chunks", "part"),
    [
        ([Chunk("a", finish="length")], {"content": "a"}),
        ([Chunk(refusal="No"), Chunk(refusal=".")], {"content": None, "refusal": "No."}),
        ([Chunk("a", reasoning="hm")], {"content": "a", "reasoning_content": "hm"}),
        (
            [Chunk(tools=(CALL,)), Chunk(tools=(REST,), finish="tool_calls")],
            {
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_7",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"a":1}'},
                    }
                ],
            },
        ),
        ([Chunk("a", tools=(CALL,))], {"content": "a"}),
    ],
)
def test_a_message_holds_what_was_said(chunks: list[Chunk], part: dict[str, object]) -> None:
    message = whole(*chunks)["choices"][0]["message"]
    assert message == {**message, **part}
    assert "tool_calls" not in message or message["tool_calls"]


def test_a_call_without_an_id_gets_one() -> None:
    tools = (ToolCall(0, None, "f", "{}"), ToolCall(1, None, "g", "{}"))
    calls = whole(Chunk(tools=tools))["choices"][0]["message"]["tool_calls"]
    assert len({call["id"] for call in calls}) == 2
    assert all(call["id"] for call in calls)


# ── Frames ───────────────────────────────────────────────────────────────────────────────────


def test_a_stream_to_the_letter() -> None:
    head = {
        "id": f"free_cmp_{RID.hex()}",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": "scalix-free",
    }

    def frame(delta: object, finish: str | None = None, **more: object) -> object:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**head, "choices": [choice], **more}

    assert stream([Chunk("Good ")], [Chunk("day."), Chunk(finish="stop")], usage=USAGE) == [
        frame({"role": "assistant", "content": "Good "}),
        frame({"content": "day."}),
        frame({}, "stop", free_tier=LEFT_AS_JSON),
        {
            **head,
            "choices": [],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
            "free_tier": LEFT_AS_JSON,
        },
    ]


def test_early_headers_leave_their_news_to_the_last_frame() -> None:
    left = FreeTier(**LEFT_AS_JSON, model="a/b", attempts=2)  # type: ignore[arg-type]
    frame = FrameWriter(RID, CREATED).last("stop", left)
    told = json.loads(frame.removeprefix(b"data: "))["free_tier"]
    assert told == {**LEFT_AS_JSON, "model": "a/b", "attempts": 2}


def test_tool_calls_in_frames() -> None:
    """An index on every delta; id, type and name on the first; arguments in pieces of text."""
    other = ToolCall(1, None, "g", "{}")
    frames = stream(
        [Chunk(tools=(CALL,))], [Chunk(tools=(REST, other)), Chunk(finish="tool_calls")]
    )
    deltas = [frame["choices"][0]["delta"] for frame in frames]
    assert deltas[0] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "index": 0,
                "id": "call_7",
                "type": "function",
                "function": {"name": "f", "arguments": '{"a"'},
            }
        ],
    }
    assert deltas[1]["tool_calls"][0] == {"index": 0, "function": {"arguments": ":1}"}}
    assert deltas[1]["tool_calls"][1]["id"]
    assert finish_of(frames[-1]) == "tool_calls"


def test_a_frame_is_one_line_whatever_is_said() -> None:
    said = 'a\nb\r\n\u2028"\\ \x00 data: [DONE]\n\n😀'
    frames = stream([Chunk(said)], [Chunk(said), Chunk(finish="stop")])
    assert collect(frames)["content"] == said + said


def test_an_error_frame_has_no_choices() -> None:
    frame = encode_error_frame(b'{"error":{"code":"upstream_error"}}')
    assert frame == b'data: {"error":{"code":"upstream_error"}}\n\n'


# ── The law ──────────────────────────────────────────────────────────────────────────────────

TEXT = st.text(st.characters(codec="utf-8"), max_size=5)


@st.composite
def answers(draw: st.DrawFn) -> list[list[Chunk]]:
    """What may arrive, in reads: pieces of all kinds, the finish with the last."""
    names = {
        index: (draw(st.none() | st.just(f"id{index}")), draw(st.none() | st.just("f")))
        for index in range(2)
    }
    begun: set[int] = set()

    def piece() -> ToolCall:
        index = draw(st.sampled_from([0, 1]))
        told = index not in begun or draw(st.booleans())  # some providers repeat them
        begun.add(index)
        call_id, name = names[index] if told else (None, None)
        return ToolCall(index, call_id, name, draw(TEXT))

    def chunk() -> Chunk:
        kind = draw(st.sampled_from(["text", "text", "reasoning", "refusal", "tools", "mixed"]))
        if kind == "tools":
            return Chunk(tools=tuple(piece() for _ in range(draw(st.integers(1, 2)))))
        if kind == "mixed":
            return Chunk(draw(TEXT), reasoning=draw(TEXT), refusal=draw(TEXT), tools=(piece(),))
        said = draw(TEXT)
        if kind == "text":
            return Chunk(said)
        return Chunk(reasoning=said) if kind == "reasoning" else Chunk(refusal=said)

    reads = [
        [chunk() for _ in range(draw(st.integers(1, 3)))] for _ in range(draw(st.integers(1, 4)))
    ]
    assume(any(chunk.has_content for chunks in reads for chunk in chunks))  # others are failures
    finish = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
    reads[-1].append(Chunk(finish=finish))
    return reads


@given(answers())
def test_a_collected_stream_is_the_unstreamed_answer(reads: list[list[Chunk]]) -> None:
    message = whole(*[chunk for chunks in reads for chunk in chunks])["choices"][0]["message"]
    frames = stream(*reads)
    collected = collect(frames)
    said = message.keys() - {"annotations"}
    assert {name: collected.get(name) for name in said if name != "content"} == {
        name: message[name] for name in said if name != "content"
    }
    assert (collected["content"] or "") == (message["content"] or "")
    assert [reason for frame in frames if (reason := finish_of(frame))] == [reads[-1][-1].finish]


@given(answers())
def test_how_an_answer_was_cut_changes_nothing(reads: list[list[Chunk]]) -> None:
    together = collect(stream([chunk for chunks in reads for chunk in chunks]))
    assert together == collect(stream(*reads))


@given(answers())
def test_our_own_count_is_never_below_zero_and_grows(reads: list[list[Chunk]]) -> None:
    collected, before = Collected(), 0
    for chunks in reads:
        collected.add(chunks)
        assert collected.output_tokens >= before
        before = collected.output_tokens


def test_the_types_of_the_client_agree() -> None:
    """What strict reading is worth: it refuses an answer that lacks a thing."""
    body = whole(Chunk("a", finish="stop"))
    del body["choices"][0]["finish_reason"]
    with pytest.raises(ValueError, match="finish_reason"):
        ChatCompletion.model_validate(body, strict=True)
