"""What people think of the answers that they got."""

from __future__ import annotations

from typing import NamedTuple


class Rating(NamedTuple):
    """What somebody says of one answer: 1 or -1, and why, if they say so."""

    rid: bytes
    rating: int
    at_ms: int
    comment: str | None = None


class Kept(NamedTuple):
    """The rating of an answer that counts: the ``first`` that was given."""

    rating: int
    first: bool


class Opinion(NamedTuple):
    """What a caller, by the key that the ledger counts them under, thought of a model's answer."""

    caller: bytes
    model: str
    rating: int
    at_ms: int
