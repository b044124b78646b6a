"""A body of bytes becomes a ``Call``, or the reason why it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Final, TypeVar

import msgspec

from scalix_free.core.chat import IMAGE_TOKENS, OWN_MODEL, Call, estimate_tokens
from scalix_free.core.errors import Code, Refusal

T = TypeVar("T")

MOST_DEPTH: Final = 64
"""Levels of nesting in a body. A tool's schema of 64 levels is nobody's schema."""

MESSAGE_TOKENS: Final = 4
PROMPT_TOKENS: Final = 8
MARGIN: Final = 1.1
"""Overheads and margin of the estimate, from the limits' research note."""

Label = Annotated[str, msgspec.Meta(max_length=256)]
Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
Tokens = Annotated[int, msgspec.Meta(ge=1)]


class StreamOptions(msgspec.Struct):
    """``include_usage`` asks for a last frame with the tokens of the exchange."""

    include_usage: bool | None = None


class CompletionRequest(msgspec.Struct, kw_only=True):
    """A chat completion, as OpenAI's clients send it. Unknown fields are accepted and ignored."""

    messages: Annotated[list[dict[str, object]], msgspec.Meta(min_length=1)]
    model: Label | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: str | Annotated[list[str], msgspec.Meta(max_length=4)] | None = None
    tools: Annotated[list[dict[str, object]], msgspec.Meta(max_length=128)] | None = None
    tool_choice: str | dict[str, object] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, object] | None = None
    reasoning_effort: Label | None = None
    user: Label | None = None
    user_id: Label | None = None
    session_id: Label | None = None
    scalix_options: object = None


FORWARDED: Final = (
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "stop",
    "seed",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
)

_decode = msgspec.json.Decoder(CompletionRequest).decode
_encode = msgspec.json.Encoder().encode


def parse(body: bytes, decode: Callable[[bytes], T]) -> T | Refusal:
    """Read a body as a decoder wants it; the refusal names the field and what was expected."""
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        return _refused(*_explain(error))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError) as error:
        return _refused(f"The body is not valid JSON: {_reason(error)}.")


def parse_call(body: bytes, rid: bytes, turn: str | None = None) -> Call | Refusal:
    """Read a completion request; the refusal names the field and says what was expected."""
    asked = parse(body, _decode)
    if isinstance(asked, Refusal):
        return asked
    if body.count(b"[") + body.count(b"{") > MOST_DEPTH and _too_deep(asked):
        return _refused(f"The body is nested deeper than {MOST_DEPTH} levels.")
    if (fault := _fault_of_messages(asked.messages)) is not None:
        return fault
    if (fault := _fault_of_tools(asked)) is not None:
        return fault
    return _call(asked, rid, turn)


def _call(asked: CompletionRequest, rid: bytes, turn: str | None) -> Call:
    options = asked.stream_options
    parameters = {name: value for name in FORWARDED if (value := getattr(asked, name)) is not None}
    newest, prompt = _count_tokens(asked.messages)
    if asked.tools:
        prompt += estimate_tokens(_encode(asked.tools).decode()) * MARGIN
    return Call(
        rid=rid,
        messages=asked.messages,
        model=asked.model or OWN_MODEL,
        stream=bool(asked.stream),
        include_usage=bool(options and options.include_usage),
        output_tokens=asked.max_completion_tokens or asked.max_tokens,
        parameters=parameters,
        needs=_needs(asked),
        prompt_tokens=int(prompt) + 1,
        newest_tokens=int(newest) + 1,
        newest_text=_newest_text(asked.messages),
        session_id=asked.session_id,
        turn=turn,
        advanced=bool(asked.scalix_options),
    )


# ── Messages ─────────────────────────────────────────────────────────────────────────────────

ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
PARTS: Final[Mapping[str, tuple[str, type]]] = {
    "text": ("text", str),
    "refusal": ("refusal", str),
    "image_url": ("image_url", dict),
    "input_audio": ("input_audio", dict),
    "file": ("file", dict),
}
"""Kinds of content parts: the field that each must have, and its type."""


FORMATS: Final = ("text", "json_object", "json_schema")
"""A tuple, since what a caller sends as a type may be unhashable."""


def _fault_of_messages(messages: Sequence[Mapping[str, object]]) -> Refusal | None:
    for i, message in enumerate(messages):
        role = message.get("role")
        if not isinstance(role, str) or role not in ROLES:
            return _refused(f"messages[{i}].role must be one of {_either(ROLES)}.", "messages")
        if "tool_calls" in message and not isinstance(message["tool_calls"], list | None):
            return _refused(f"messages[{i}].tool_calls must be a list.", "messages")
        if role == "tool" and not isinstance(message.get("tool_call_id"), str):
            return _refused(f"messages[{i}].tool_call_id is missing.", "messages")
        content = message.get("content")
        if isinstance(content, str):
            continue
        if content is None:
            if role in {"assistant", "function"}:
                continue
            return _refused(f"messages[{i}].content is missing.", "messages")
        if not isinstance(content, list) or not content:
            return _refused(f"messages[{i}].content must be a text or parts.", "messages")
        for k, part in enumerate(content):
            if (fault := _fault_of_part(part)) is not None:
                return _refused(f"messages[{i}].content[{k}] {fault}.", "messages")
    return None


def _fault_of_part(part: object) -> str | None:
    if not isinstance(part, dict):
        return "must be an object"
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in PARTS:
        return f"must have a type that is one of {_either(PARTS)}"
    name, wanted = PARTS[kind]
    return None if isinstance(part.get(name), wanted) else f"lacks its {name}"


def _fault_of_tools(asked: CompletionRequest) -> Refusal | None:
    for i, tool in enumerate(asked.tools or ()):
        function = tool.get("function")
        if tool.get("type") == "function" and not (
            isinstance(function, dict) and isinstance(function.get("name"), str)
        ):
            return _refused(f"tools[{i}].function must have a name.", "tools")
        if not isinstance(tool.get("type"), str):
            return _refused(f"tools[{i}].type must be a text.", "tools")
    shape = asked.response_format
    if shape is not None and shape.get("type") not in FORMATS:
        what = f"response_format.type must be one of {', '.join(FORMATS)}."
        return _refused(what, "response_format")
    return None


def _needs(asked: CompletionRequest) -> dict[str, str]:
    needs: dict[str, str] = {}
    if asked.tools:
        needs["tools"] = "tools"
    if asked.response_format is not None and asked.response_format["type"] != "text":
        needs["json"] = "response_format"
    for message in asked.messages:
        if isinstance(message.get("content"), str):
            continue
        if any(part.get("type") == "image_url" for part in _parts(message)):
            needs["images"] = "messages"
    return needs


def _parts(message: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    content = message.get("content")
    return content if isinstance(content, list) else ()


def _count_tokens(messages: Sequence[Mapping[str, object]]) -> tuple[float, float]:
    """Estimates for the newest user message and for the whole prompt."""
    newest, total = 0.0, float(PROMPT_TOKENS)
    for message in messages:
        content = message.get("content")
        tokens = MESSAGE_TOKENS + (
            estimate_tokens(content)
            if isinstance(content, str)
            else sum(_part_tokens(part) for part in _parts(message))
        )
        if "tool_calls" in message:
            tokens += estimate_tokens(_encode(message["tool_calls"]).decode())
        if message["role"] == "user":
            newest = tokens
        total += tokens
    return newest * MARGIN, total * MARGIN


def _newest_text(messages: Sequence[Mapping[str, object]]) -> str:
    for message in reversed(messages):
        if message["role"] == "user":
            content = message["content"]
            if isinstance(content, str):
                return content
            texts = [text for part in _parts(message) if isinstance(text := part.get("text"), str)]
            return "\n".join(texts)
    return ""


def _part_tokens(part: Mapping[str, object]) -> float:
    text = part.get("text") or part.get("refusal")
    return estimate_tokens(text) if isinstance(text, str) else IMAGE_TOKENS


# ── Faults, in words ─────────────────────────────────────────────────────────────────────────


def _refused(message: str, param: str | None = None) -> Refusal:
    return Refusal(code=Code.INVALID_REQUEST, message=message, param=param)


def _explain(error: msgspec.ValidationError) -> tuple[str, str | None]:
    """What msgspec found, with the path as a user writes it: ``$.max_tokens`` → max_tokens."""
    what, _, path = str(error).partition(" - at `$")
    path = path.rstrip("`").lstrip(".").replace("[...]", "[]")
    if not path:
        missing = re.search(r"missing required field `(\w+)`", what)
        return f"The body is not valid: {what}.", missing[1] if missing else None
    return f"{path} is not valid: {what}.", re.split(r"[.\[]", path)[0]


def _reason(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _either(names: Iterator[str] | frozenset[str] | Mapping[str, object]) -> str:
    return ", ".join(sorted(names))


def _too_deep(asked: CompletionRequest) -> bool:
    """Whether anything in the request is nested too deeply, looked at level by level."""
    level: list[object] = [asked.messages, asked.tools, asked.tool_choice, asked.response_format]
    for _ in range(MOST_DEPTH):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        if not below:
            return False
        level = below
    return True
