"""What a model says, and the two shapes in which the OpenAI format says it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from tests.world.behaviour import Behaviour

Body = dict[str, object]

REASONING = ("Let ", "me ", "think. ")
ARGUMENT_PIECE = 5  # characters of a tool call's arguments in one frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer; rows that differ in what is said only change a field of it."""

    id: str
    created: int
    model: str
    prompt_tokens: int
    pieces: tuple[str, ...]
    finish: str = "stop"
    reasoning: tuple[str, ...] = ()
    reasoning_key: str = "reasoning_content"
    calls: tuple[tuple[str, str], ...] = ()
    role_first: bool = False  # the role comes in a frame of its own
    nothing_first: bool = False  # a frame without choices comes before all others
    usage_at: Literal["nowhere", "tail", "finish"] = "nowhere"  # in a stream
    counts: bool = True  # whether usage is told at all
    misreport: Mapping[str, object] | None = None  # laid over the true usage

    @property
    def usage(self) -> Body | None:
        """The usage that is told."""
        if not self.counts:
            return None
        arguments = sum(len(list(_argument_pieces(text))) for _, text in self.calls)
        told = len(self.pieces) + len(self.reasoning) + arguments
        true = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": told,
            "total_tokens": self.prompt_tokens + told,
        }
        return {**true, **(self.misreport or {})}

    def completion(self) -> Body:
        """The unstreamed answer."""
        content = "".join(self.pieces)
        message: Body = {"role": "assistant", "content": None if self.calls else content}
        if self.reasoning:
            message[self.reasoning_key] = "".join(self.reasoning)
        if self.calls:
            message["tool_calls"] = [
                {"id": f"call_{at}", "type": "function", "function": _function(name, arguments)}
                for at, (name, arguments) in enumerate(self.calls)
            ]
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        body = {**self._head("chat.completion"), "choices": [choice]}
        return body if self.usage is None else {**body, "usage": self.usage}

    def opening(self) -> list[Body]:
        """The frames before the content."""
        frames = []
        if self.nothing_first:
            frames.append({**self._head("chat.completion.chunk"), "choices": []})
        if self.role_first:
            frames.append(self.chunk({"role": "assistant", "content": ""}))
        return frames

    def content(self) -> list[Body]:
        """The frames that carry something."""
        deltas = [*self._deltas()]
        if deltas and not self.role_first:
            deltas[0] = {"role": "assistant", **deltas[0]}
        return [self.chunk(delta) for delta in deltas]

    def closing(self) -> list[Body]:
        """The frame with the finish reason, and the one with the usage if there is one."""
        last = self.chunk({}, self.finish)
        if self.usage is None or self.usage_at == "nowhere":
            return [last]
        if self.usage_at == "finish":
            return [{**last, "usage": self.usage}]
        return [last, {**last, "choices": [], "usage": self.usage}]

    def chunk(self, delta: Body, finish: str | None = None) -> Body:
        """One frame of the stream."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        body: Body = {**self._head("chat.completion.chunk"), "choices": [choice]}
        return {**body, "usage": None} if self.usage_at == "tail" else body

    def _head(self, kind: str) -> Body:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _deltas(self) -> Iterator[Body]:
        for piece in self.reasoning:
            yield {self.reasoning_key: piece}
        for piece in self.pieces:
            yield {"content": piece}
        for at, (name, arguments) in enumerate(self.calls):
            called = {"id": f"call_{at}", "type": "function", "function": _function(name, "")}
            yield {"tool_calls": [{"index": at, **called}]}
            for part in _argument_pieces(arguments):
                yield {"tool_calls": [{"index": at, "function": {"arguments": part}}]}


def answer_to(body: Mapping[str, object], behaviour: Behaviour, number: int, now: float) -> Answer:
    """Answer this request normally: the given text or an echo, within the cap that was asked."""
    messages = _messages(body)
    text = behaviour.text
    if text is None:
        text = f"You said: {_text(messages[-1]) if messages else ''}"
    answer = Answer(
        id=f"chatcmpl-{number}",
        created=int(now),
        model=str(body.get("model")),
        prompt_tokens=sum(len(_text(message).split()) for message in messages),
        pieces=words(text) if behaviour.frames is None else behaviour.frames,
        usage_at="tail" if _includes_usage(body) else "nowhere",
        misreport=behaviour.usage,
    )
    cap = body.get("max_completion_tokens", body.get("max_tokens"))
    if isinstance(cap, int) and len(answer.pieces) > cap:
        return replace(answer, pieces=answer.pieces[:cap], finish="length")
    return answer


def words(text: str) -> tuple[str, ...]:
    """Cut a text into words, each with the space after it; joined they are the text again."""
    return tuple(re.findall(r"\S+\s*|\s+", text))


def _messages(body: Mapping[str, object]) -> list[Mapping[str, object]]:
    messages = body.get("messages")
    return [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []


def _text(message: Mapping[str, object]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _includes_usage(body: Mapping[str, object]) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and bool(options.get("include_usage"))


def _function(name: str, arguments: str) -> Body:
    return {"name": name, "arguments": arguments}


def _argument_pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), ARGUMENT_PIECE):
        yield text[start : start + ARGUMENT_PIECE]
