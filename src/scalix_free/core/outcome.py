"""What happened to a request, told to every listener."""

from __future__ import annotations

import enum
from typing import NamedTuple

from scalix_free.core.cache import CacheUse
from scalix_free.core.chat import Usage
from scalix_free.core.errors import Code
from scalix_free.core.ledger import Subject

NOBODY = "none"
"""The tier of whoever is not known."""


class Result(enum.StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    FAILED = "failed"
    ABANDONED = "abandoned"


class Outcome(NamedTuple):
    """One ended request, without a word of what was said.

    ``model`` is who answered; durations are in milliseconds. ``at_ms`` is the moment at which it
    was admitted, or ended where it was not. ``subjects`` are those whose limits it counted against
    (the caller's own, the address, the network; none of a stranger's), ``owner`` the account or the
    minted identity, if there is one. ``charged_tokens`` is what it cost them, ``counts`` whether as
    a request too. One that was ``spared`` is no request of the caller's own, whose turn had paid
    for one: so it was judged at its admission, whatever became of the call that covered it.
    ``cache`` is what the cache of answers did for it, None where it did not come so far; a hit has
    no attempts. ``let_down`` are models whose answers were empty, cut short or broke off.
    """

    request_id: str
    result: Result
    tier: str
    model: str | None = None
    code: Code | None = None
    attempts: int = 0
    usage: Usage | None = None
    first_token_ms: float | None = None
    total_ms: float = 0.0
    at_ms: int = 0
    subjects: tuple[Subject, ...] = ()
    owner: str | None = None
    charged_tokens: int = 0
    counts: bool = False
    cache: CacheUse | None = None
    let_down: tuple[str, ...] = ()
    spared: bool = False


class Charge(NamedTuple):
    """What one request cost a subject: enough to enter it into its book of the ledger again."""

    rid: bytes
    at_ms: int
    tokens: int
    counts: bool


class Day(NamedTuple):
    """What a caller was charged on one UTC day, counted from the epoch."""

    day: int
    requests: int
    tokens: int


class Receipt(NamedTuple):
    """One request, for the person who sent it. What is not known is None."""

    rid: bytes
    at_ms: int
    model: str | None
    attempts: int
    cache: str | None
    result: str
    code: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    counts: bool
    charged_tokens: int
    first_token_ms: float | None
    total_ms: float


class Ended(NamedTuple):
    """How many requests ended in one hour, by the model that answered: whole, or not.

    ``model`` is None where none began to. ``hour_ms`` is when the hour began.
    """

    hour_ms: int
    model: str | None
    answered: int
    failed: int
