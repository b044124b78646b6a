"""What happened to a request, told to every listener."""

from __future__ import annotations

import enum
from typing import NamedTuple

from scalix_free.core.chat import Usage
from scalix_free.core.errors import Code

NOBODY = "none"
"""The tier of whoever is not known."""


class Result(enum.StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    FAILED = "failed"
    ABANDONED = "abandoned"


class Outcome(NamedTuple):
    """One ended request. ``model`` is who answered; times are in milliseconds."""

    request_id: str
    result: Result
    tier: str
    model: str | None = None
    code: Code | None = None
    attempts: int = 0
    usage: Usage | None = None
    first_token_ms: float | None = None
    total_ms: float = 0.0
