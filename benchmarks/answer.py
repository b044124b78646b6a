"""What the instant upstream says, and whether a subject passed it on."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

Kind = Literal["unstreamed", "stream", "refused"]
"""A scenario: one whole answer, one answer in 22 frames, one refusal."""

KINDS: tuple[Kind, ...] = ("unstreamed", "stream", "refused")
TEXT = (
    "A hop is one more stop between a question and its answer"
    " and what it costs is what we measure here, twice."
)
WORDS = tuple(re.findall(r" ?\S+", TEXT))
"""The content of the frames of a stream: 22."""
REFUSAL = "free_tier_hourly_limit"

Check = Callable[[int, bytes, bool], str | None]
"""Status, body, whether to read every frame; gives what is wrong, or None."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message, or what a frame adds to it."""

    content: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice; a frame has a delta, an answer a message."""

    message: Said | None = None
    delta: Said | None = None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The part of an answer or a frame that is checked."""

    choices: list[Choice]


@dataclass(frozen=True, slots=True)
class Fault:
    """The part of an error that is checked."""

    code: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The part of a refusal that is checked."""

    error: Fault


_answers = msgspec.json.Decoder(Answer)
_refusals = msgspec.json.Decoder(Refusal)


def check_unstreamed(status: int, body: bytes, thorough: bool) -> str | None:
    """Check one whole answer: status, one choice, the upstream's text."""
    if status != 200:
        return _unexpected(status, body)
    try:
        choices = _answers.decode(body).choices
    except msgspec.MsgspecError as error:
        return f"unreadable answer ({error}): {_excerpt(body)}"
    if not choices or choices[0].message is None or choices[0].message.content != TEXT:
        return f"not the upstream's text: {_excerpt(body)}"
    return None


def check_stream(status: int, body: bytes, thorough: bool) -> str | None:
    """Check one stream: status, end marker, no frame lost; `thorough` reads the frames too."""
    if status != 200:
        return _unexpected(status, body)
    if not body.endswith((b"data: [DONE]\n\n", b"data:[DONE]\n\n")):
        return f"a stream without its end: {_excerpt(body[-200:])}"
    if body.count(b'"choices"') < len(WORDS) + 1:
        return f"{body.count(b'choices')} frames instead of {len(WORDS) + 1}"
    return _check_frames(body) if thorough else None


def check_refused(status: int, body: bytes, thorough: bool) -> str | None:
    """Check one refusal: 429 with the code of the hourly limit."""
    if status != 429:
        return _unexpected(status, body)
    try:
        code = _refusals.decode(body).error.code
    except msgspec.MsgspecError as error:
        return f"unreadable refusal ({error}): {_excerpt(body)}"
    return None if code == REFUSAL else f"refused with {code} instead of {REFUSAL}"


CHECKS: dict[Kind, Check] = {
    "unstreamed": check_unstreamed,
    "stream": check_stream,
    "refused": check_refused,
}


def _check_frames(body: bytes) -> str | None:
    lines = [line[5:].strip() for line in body.splitlines() if line.startswith(b"data:")]
    try:
        frames = [_answers.decode(line) for line in lines[:-1]]
    except msgspec.MsgspecError as error:
        return f"unreadable frame ({error})"
    choices = [frame.choices[0] for frame in frames if frame.choices]
    text = "".join(choice.delta.content or "" for choice in choices if choice.delta)
    if text != TEXT:
        return f"not the upstream's text: {text!r}"
    if not any(choice.finish_reason == "stop" for choice in choices):
        return "a stream without a finish reason"
    return None


def _unexpected(status: int, body: bytes) -> str:
    return f"status {status}: {_excerpt(body)}"


def _excerpt(body: bytes) -> str:
    return body[:200].decode(errors="replace")
