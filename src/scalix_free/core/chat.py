"""The words of a conversation: what is asked, what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

OWN_MODEL: Final = "scalix-free"
"""The model name of whoever leaves the choice to us."""

NONE: Final[Mapping[str, str]] = MappingProxyType({})

IMAGE_TOKENS: Final = 1_000
"""A cautious count for one image, whatever its size."""


class Call(NamedTuple):
    """One question to a model, in the OpenAI format, checked.

    ``parameters`` are those that a provider gets as they came (tools, stop, temperature …).
    ``output_tokens`` is the most the answer may have; ``prompt_tokens`` our own estimate of the
    whole prompt, ``newest_tokens`` that of the newest user message, whose text is ``newest_text``.
    ``needs`` names the abilities that a model must have (tools, json, images), each with the field
    that asked for it. Calls of one ``turn`` are charged one request, where that is granted. A
    ``fresh`` one wants an answer of its own. An ``advanced`` one asks for what only Pro has.
    ``caller`` is the key of whoever asks, which names nobody; whether they are ``free`` is whether
    they pay nothing.
    """

    rid: bytes
    messages: Sequence[Mapping[str, object]]
    model: str = OWN_MODEL
    stream: bool = False
    include_usage: bool = False
    output_tokens: int | None = None
    parameters: Mapping[str, object] = NONE
    needs: Mapping[str, str] = NONE
    prompt_tokens: int = 0
    newest_tokens: int = 0
    newest_text: str = ""
    session_id: str | None = None
    turn: str | None = None
    fresh: bool = False
    advanced: bool = False
    caller: bytes = b""
    free: bool = True

    @property
    def request_id(self) -> str:
        """The id that the caller is told, and that the log knows."""
        return f"req_{self.rid.hex()}"

    def capped(self, output_tokens: int) -> Call:
        """The same call, with this as the most its answer may have."""
        return self._replace(output_tokens=output_tokens)


class Usage(NamedTuple):
    """Tokens of one exchange, as the provider counts them."""

    prompt_tokens: int
    completion_tokens: int

    @property
    def total_tokens(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(slots=True)
class ToolCall:
    """A piece of a tool call: the first has ``id`` and ``name``, all have their ``index``."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(slots=True)
class Chunk:
    """A piece of an answer. ``finish`` is one of OpenAI's finish reasons."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tools: tuple[ToolCall, ...] = ()
    finish: str | None = None
    usage: Usage | None = None

    @property
    def has_content(self) -> bool:
        """Whether a caller would see something; thoughts alone are no answer."""
        return bool(self.text or self.tools or self.refusal)


def estimate_tokens(text: str) -> float:
    """Tokens of a text, guessed: a token for 3.5 ASCII characters, 1.1 tokens for any other.

    Figures of the limits' research note; meant to be a little high.
    """
    if text.isascii():
        return len(text) / 3.5
    others = len(text) - len(text.encode("ascii", "ignore"))
    return (len(text) - others) / 3.5 + others * 1.1
