"""Questions with one right answer each, and how an answer is judged."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Check: TypeAlias = Literal["number", "says", "words", "json"]

NUMBER: Final = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
FENCED: Final = re.compile(r"\s*```(?:json)?\s*(.*?)\s*```\s*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, what is right, and how that is found in an answer."""

    kind: str
    ask: str
    check: Check
    answer: str

    def is_right(self, said: str) -> bool:
        """Whether this answers it."""
        return JUDGES[self.check](said, self.answer)


def _ends_in_number(said: str, right: str) -> bool:
    numbers = NUMBER.findall(said)
    return bool(numbers) and float(numbers[-1].replace(",", "")) == float(right)


def _says(said: str, right: str) -> bool:
    return f" {' '.join(_words(right))} " in f" {' '.join(_words(said))} "


def _is_words(said: str, right: str) -> bool:
    return _words(said) == _words(right)


def _is_json(said: str, right: str) -> bool:
    fenced = FENCED.fullmatch(said)
    try:
        return bool(json.loads(fenced[1] if fenced else said) == json.loads(right))
    except (ValueError, RecursionError):
        return False


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


JUDGES: Final[Mapping[Check, Callable[[str, str], bool]]] = {
    "number": _ends_in_number,
    "says": _says,
    "words": _is_words,
    "json": _is_json,
}
