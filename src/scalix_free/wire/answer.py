"""The format towards callers: chunks become one completion, or the frames of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from scalix_free.core.chat import OWN_MODEL, Chunk, ToolCall, Usage, estimate_tokens

DONE: Final = b"data: [DONE]\n\n"
_encode = msgspec.json.Encoder().encode


# ── Shapes, also the source of the API's description ─────────────────────────────────────────


class FreeTier(msgspec.Struct, kw_only=True):
    """What is left. Times in UTC to the second; nulls where a thing is not limited."""

    remaining_requests: int | None
    reset_time: str | None
    upgrade_prompt: bool
    tier: str
    remaining_tokens: int | None
    window: str | None
    session_id: str | None
    trigger: str | None = None
    model: str | msgspec.UnsetType | None = msgspec.UNSET
    attempts: int | msgspec.UnsetType = msgspec.UNSET


class FunctionCall(msgspec.Struct):
    """The function that the model wants called, and its arguments as JSON text."""

    name: str
    arguments: str


class ToolCallMessage(msgspec.Struct):
    """One call of a tool."""

    id: str
    function: FunctionCall
    type: str = "function"


class AnswerMessage(msgspec.Struct, kw_only=True):
    """What the model said."""

    role: str = "assistant"
    content: str | None
    refusal: str | None = None
    annotations: list[object] = []
    tool_calls: list[ToolCallMessage] | msgspec.UnsetType = msgspec.UNSET
    reasoning_content: str | msgspec.UnsetType = msgspec.UNSET


class AnswerChoice(msgspec.Struct, kw_only=True):
    """The one answer."""

    index: int = 0
    message: AnswerMessage
    logprobs: None = None
    finish_reason: str


class AnswerUsage(msgspec.Struct):
    """Tokens of the exchange."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionResponse(msgspec.Struct, kw_only=True):
    """A chat completion with what is left of the free tier."""

    id: str
    object: str = "chat.completion"
    created: int
    model: str = OWN_MODEL
    choices: list[AnswerChoice]
    usage: AnswerUsage
    free_tier: FreeTier


# ── Collecting ───────────────────────────────────────────────────────────────────────────────


class Collected:
    """An answer as it grows: what was said, how it ended, what it took."""

    __slots__ = ("_reasoning", "_refusal", "_texts", "finish", "tools", "usage")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self.tools: dict[int, ToolCall] = {}
        self.finish: str | None = None
        self.usage: Usage | None = None

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Take in what has arrived."""
        for chunk in chunks:
            if chunk.text:
                self._texts.append(chunk.text)
            if chunk.reasoning:
                self._reasoning.append(chunk.reasoning)
            if chunk.refusal:
                self._refusal.append(chunk.refusal)
            for tool in chunk.tools:
                self._add_tool(tool)
            if chunk.finish is not None:
                self.finish = chunk.finish
            if chunk.usage is not None:
                self.usage = chunk.usage

    @property
    def text(self) -> str:
        """All that was said."""
        return "".join(self._texts)

    @property
    def output_tokens(self) -> int:
        """Our own count of the answer, for where no usage comes."""
        said = "".join([*self._texts, *self._reasoning, *self._refusal])
        tools = "".join([f"{tool.name}{tool.arguments}" for tool in self.tools.values()])
        return int(estimate_tokens(said) + estimate_tokens(tools) + 0.999)

    def message(self) -> AnswerMessage:
        """The whole answer as one message."""
        message = AnswerMessage(
            content=self.text if self._texts or not (self.tools or self._refusal) else None,
            refusal="".join(self._refusal) or None,
        )
        if self.tools:
            message.tool_calls = [
                ToolCallMessage(
                    tool.id or f"call_{index}", FunctionCall(tool.name or "", tool.arguments)
                )
                for index, tool in sorted(self.tools.items())
            ]
        if self._reasoning:
            message.reasoning_content = "".join(self._reasoning)
        return message

    def _add_tool(self, piece: ToolCall) -> None:
        tool = self.tools.setdefault(piece.index, ToolCall(piece.index))
        tool.id = tool.id or piece.id
        tool.name = tool.name or piece.name
        tool.arguments += piece.arguments


def encode_completion(
    rid: bytes, created: int, collected: Collected, usage: Usage, free_tier: FreeTier
) -> bytes:
    """The unstreamed answer."""
    return _encode(
        CompletionResponse(
            id=f"free_cmp_{rid.hex()}",
            created=created,
            choices=[
                AnswerChoice(message=collected.message(), finish_reason=collected.finish or "stop")
            ],
            usage=_answer_usage(usage),
            free_tier=free_tier,
        )
    )


def _answer_usage(usage: Usage) -> AnswerUsage:
    return AnswerUsage(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)


# ── Frames ───────────────────────────────────────────────────────────────────────────────────


class FrameWriter:
    """Writes the frames of one streamed answer, every one whole and on one line."""

    def __init__(self, rid: bytes, created: int) -> None:
        head = _encode(
            {
                "id": f"free_cmp_{rid.hex()}",
                "object": "chat.completion.chunk",
                "created": created,
                "model": OWN_MODEL,
            }
        )
        self._head = b"data: " + head[:-1]
        self._plain = self._head + b',"choices":[{"index":0,"delta":{"content":'
        self._first = True
        self._named: set[int] = set()

    def frames(self, chunks: Sequence[Chunk]) -> bytes:
        """The content of these chunks; their finish and usage are told by ``last``."""
        frames = []
        for chunk in chunks:
            if chunk.text and not (self._first or chunk.reasoning or chunk.tools or chunk.refusal):
                frames.append(self._plain + _encode(chunk.text) + _PLAIN_END)
            elif chunk.has_content or chunk.reasoning:
                frames.append(self._frame(self._delta(chunk), None))
        return b"".join(frames)

    def last(self, finish: str, free_tier: FreeTier) -> bytes:
        """The frame that says how the answer ended and what is left."""
        return self._frame({}, finish, free_tier)

    def usage(self, usage: Usage, free_tier: FreeTier) -> bytes:
        """The frame without choices, for who asked for it, with what is left once more."""
        rest = b',"free_tier":' + _encode(free_tier) + b"}\n\n"
        return self._head + b',"choices":[],"usage":' + _encode(_answer_usage(usage)) + rest

    def _frame(
        self, delta: dict[str, object], finish: str | None, free_tier: FreeTier | None = None
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        rest = b"" if free_tier is None else b',"free_tier":' + _encode(free_tier)
        return self._head + b',"choices":[' + _encode(choice) + b"]" + rest + b"}\n\n"

    def _delta(self, chunk: Chunk) -> dict[str, object]:
        delta: dict[str, object] = {}
        if self._first:
            self._first = False
            delta["role"] = "assistant"
            delta["content"] = "" if not chunk.tools else None
        if chunk.text:
            delta["content"] = chunk.text
        if chunk.refusal:
            delta["refusal"] = chunk.refusal
        if chunk.reasoning:
            delta["reasoning_content"] = chunk.reasoning
        if chunk.tools:
            delta["tool_calls"] = [self._tool(tool) for tool in chunk.tools]
        return delta

    def _tool(self, tool: ToolCall) -> dict[str, object]:
        """Id, type and name go with the first piece of a call, arguments with all."""
        function: dict[str, object] = {"arguments": tool.arguments}
        piece: dict[str, object] = {"index": tool.index, "function": function}
        if tool.index not in self._named:
            self._named.add(tool.index)
            piece |= {"id": tool.id or f"call_{tool.index}", "type": "function"}
            function["name"] = tool.name or ""
        return piece


_PLAIN_END: Final = b'},"logprobs":null,"finish_reason":null}]}\n\n'


def encode_error_frame(body: bytes) -> bytes:
    """The one frame without choices: a stream that broke."""
    return b"data: " + body + b"\n\n"
