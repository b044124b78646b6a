"""OpenAI's shapes, read strictly: their own types, and the keys that their schema requires."""

import json
from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk

Body = dict[str, Any]

FRAME_END = "\n\n"
DONE = "data: [DONE]"


def read_completion(body: bytes | str) -> Body:
    """A whole answer, valid under the published schema, with the keys of the contract."""
    ChatCompletion.model_validate_json(body, strict=True)
    found: Body = json.loads(body)
    assert {"id", "object", "created", "model", "choices", "usage", "free_tier"} <= found.keys()
    (choice,) = found["choices"]
    assert {"index", "message", "logprobs", "finish_reason"} <= choice.keys()
    assert {"role", "content", "refusal"} <= choice["message"].keys()
    usage = found["usage"]
    assert all(type(count) is int for count in usage.values())
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    return found


def read_chunk(data: str) -> Body:
    """One frame's data; every frame has ``choices``."""
    ChatCompletionChunk.model_validate_json(data, strict=True)
    found: Body = json.loads(data)
    assert {"id", "object", "created", "model", "choices"} <= found.keys()
    for choice in found["choices"]:
        assert {"index", "delta", "finish_reason"} <= choice.keys()
    return found


def read_stream(text: str) -> list[Body]:
    """The frames of a whole stream: nothing but ``data:`` lines, and ``[DONE]`` at its end.

    All are of one answer, and one of them says how it finished.
    """
    *frames, done, nothing = text.split(FRAME_END)
    assert (done, nothing) == (DONE, "")
    chunks = [read_chunk(frame.removeprefix("data: ")) for frame in frames]
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    assert len([reason for chunk in chunks if (reason := finish_of(chunk))]) == 1
    return chunks


def finish_of(chunk: Body) -> str | None:
    """How the answer ended, where this frame says it."""
    reasons: list[str | None] = [choice["finish_reason"] for choice in chunk["choices"]]
    return reasons[0] if reasons else None


def collect(chunks: list[Body]) -> Body:
    """The message that a client puts together from a stream, as OpenAI's rules say."""
    message: Body = {"content": None, "refusal": None}
    calls: dict[int, Body] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            delta = choice["delta"]
            for name in ("role", "content", "refusal", "reasoning_content"):
                if delta.get(name) is not None:
                    message[name] = (message.get(name) or "") + delta[name]
            for piece in delta.get("tool_calls") or []:
                _add_call(calls, piece)
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
        message["content"] = message["content"] or None
    return message


def _add_call(calls: dict[int, Body], piece: Body) -> None:
    """A piece of a tool call: the first names it, each adds to its arguments."""
    index, function = piece["index"], piece["function"]
    assert isinstance(function["arguments"], str)
    if index not in calls:
        assert piece["type"] == "function"
        calls[index] = {"id": piece["id"], "type": "function", "function": dict(function)}
        return
    assert not {"id", "type"} & piece.keys()
    assert "name" not in function
    calls[index]["function"]["arguments"] += function["arguments"]
