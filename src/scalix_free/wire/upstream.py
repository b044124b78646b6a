"""The format towards providers: a ``Call`` becomes a body, what comes back becomes chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from scalix_free.core.chat import NONE, Call, Chunk, ToolCall, Usage
from scalix_free.core.errors import Failure, Kind

FINISH: Final = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
    "eos": "stop",
    "end_turn": "stop",
    "max_tokens": "length",
}
"""A provider's finish reason → OpenAI's. What is missing here is read as a plain stop."""

BROKEN_FINISH: Final = frozenset({"error", "network_error", "insufficient_system_resource"})
"""Finish reasons that say that the answer is not whole."""

UNNUMBERED: Final = -1
"""The index of a piece of a tool call whose provider gave none."""

MOST_TOKENS: Final = 10_000_000
"""A count above this is a provider's mistake, not a usage."""

_encode = msgspec.json.Encoder().encode


def encode_call(call: Call, model: str, beside: Mapping[str, object] = NONE) -> bytes:
    """The body for a provider: streamed if the caller's is, and always with usage.

    ``beside`` are fields of the body that no caller has asked for.
    """
    body: dict[str, object] = {"model": model, "messages": call.messages, "stream": call.stream}
    if call.stream:
        body["stream_options"] = {"include_usage": True}
    if call.output_tokens is not None:
        body["max_tokens"] = call.output_tokens
    body.update(call.parameters)
    body.update(beside)
    return _encode(body)


# ── Shapes ───────────────────────────────────────────────────────────────────────────────────


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, object] | None = None


class _Tool(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct, gc=False):
    content: str | list[dict[str, object]] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_Tool] | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None
    index: int | None = None


class _Frame(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: object = None
    error: object = None


_decode_frame = msgspec.json.Decoder(_Frame).decode


class ErrorInStream(Exception):  # noqa: N818
    """An error object inside an answer that began as a success; holds its JSON."""

    def __init__(self, error: bytes) -> None:
        super().__init__("an error inside a 200")
        self.error = error


def decode_frame(data: bytes) -> Chunk:
    """One frame of a stream, or one whole answer.

    Raises ``ErrorInStream`` for an error inside it, ``Failure`` for what is no frame at all.
    """
    try:
        frame = _decode_frame(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        if b'"error"' in data:  # some write it into a list
            raise ErrorInStream(data) from error
        raise Failure(Kind.BROKEN, "The model's server sent something unreadable.") from error
    if frame.error is not None:
        raise ErrorInStream(_encode(frame.error))
    if not frame.choices:
        return Chunk(usage=_usage(frame.usage))
    choice = frame.choices[0]
    delta = choice.delta or choice.message
    text = ""
    if delta is not None:
        if isinstance(delta.content, str):
            text = delta.content
        elif delta.content:
            text = "".join(_texts(delta.content))
    chunk = Chunk(text)
    if frame.usage is not None:
        chunk.usage = _usage(frame.usage)
    if delta is not None:
        _add_rest(chunk, delta)
    if choice.finish_reason is not None:
        if choice.finish_reason in BROKEN_FINISH:
            raise Failure(Kind.BROKEN, "The model stopped with an error.")
        chunk.finish = FINISH.get(choice.finish_reason, "stop")
    return chunk


def _add_rest(chunk: Chunk, delta: _Delta) -> None:
    """What is seldom there beside the text."""
    if delta.reasoning_content or delta.reasoning:
        chunk.reasoning = delta.reasoning_content or delta.reasoning or ""
    if delta.refusal:
        chunk.refusal = delta.refusal
    if delta.tool_calls:
        chunk.tools = tuple(_tool(tool) for tool in delta.tool_calls)


def _texts(parts: Sequence[dict[str, object]]) -> list[str]:
    """The texts of a content that comes as a list of parts; thoughts among them are left out."""
    return [text for part in parts if isinstance(text := part.get("text"), str)]


def _tool(tool: _Tool) -> ToolCall:
    function = tool.function or _Function()
    arguments = function.arguments or ""
    return ToolCall(
        index=UNNUMBERED if tool.index is None else tool.index,
        id=tool.id,
        name=function.name,
        arguments=arguments if isinstance(arguments, str) else _encode(arguments).decode(),
    )


def _usage(found: object) -> Usage | None:
    """Counts as they should be; None where they are missing, negative, broken or absurd."""
    if not isinstance(found, dict):
        return None
    prompt, completion = found.get("prompt_tokens"), found.get("completion_tokens")
    for count in (prompt, completion):
        if type(count) is not int or not 0 <= count <= MOST_TOKENS:
            return None
    assert isinstance(prompt, int)
    assert isinstance(completion, int)
    return Usage(prompt, completion)
