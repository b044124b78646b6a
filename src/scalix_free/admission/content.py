"""What may be asked: the length of a message, and words that an operator does not want."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from scalix_free.core.errors import Code, Refusal

_MARKS: Final = frozenset({"Mn", "Cf"})
"""Categories of characters that change how a word looks and not which word it is."""


class ContentRules:
    """Judges the newest message of a user.

    ``most_chars`` is None where any length is taken. ``denied`` words refuse the request, of
    ``flagged`` ones only the operator hears. Words count whole and however they are written: in
    capitals, in full-width letters, with accents or invisible characters in between.
    """

    def __init__(
        self, *, most_chars: int | None, denied: Iterable[str] = (), flagged: Iterable[str] = ()
    ) -> None:
        self._most_chars = most_chars
        self._denied = _Words(denied)
        self._flagged = _Words(flagged)

    def refusal(self, text: str) -> Refusal | None:
        """Why this cannot be asked; None where it can."""
        if self._most_chars is not None and len(text) > self._most_chars:
            return Refusal(
                code=Code.PROMPT_TOO_LONG,
                message=(
                    f"Your message has {len(text):,} characters; at most {self._most_chars:,} "
                    "are taken here. Shorten it, or send it in parts."
                ),
                param="messages",
            )
        if (word := self._denied.first_in(text)) is not None:
            return Refusal(
                code=Code.CONTENT_BLOCKED,
                message=(
                    f"This server does not answer messages with the word “{word}”. "
                    "Say it in other words."
                ),
                param="messages",
            )
        return None

    def is_flagged(self, text: str) -> bool:
        """Whether the operator wants to know of this message."""
        return self._flagged.first_in(text) is not None


def normalised(text: str) -> str:
    """A text as words are looked for in it."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text)
    return "".join(c for c in parts if unicodedata.category(c) not in _MARKS).casefold()


class _Words:
    """Finds whole words; a space in one stands for any space."""

    def __init__(self, words: Iterable[str]) -> None:
        found = sorted({" ".join(normalised(word).split()) for word in words} - {""})
        self._beginnings = tuple({word.split()[0] for word in found})
        either = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in found)
        self._pattern = re.compile(rf"(?<!\w)(?:{either})(?!\w)")

    def first_in(self, text: str) -> str | None:
        """The first of them that the text has."""
        if not self._beginnings:
            return None
        text = normalised(text)
        if not any(map(text.__contains__, self._beginnings)):
            return None  # nearly always, and at once
        match = self._pattern.search(text)
        return None if match is None else match[0]
