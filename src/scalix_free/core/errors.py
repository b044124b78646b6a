"""One family of refusals and failures.

    Refusal            an answer to the caller: the request is not served, and why
    Failure            raised by a backend: this attempt gave no whole answer
      .kind            decides whether another candidate is tried, and what the caller is told

A refusal is a value and travels as one. A failure is an exception, because it ends a stream that
several wrappers hold open. The status of each lives in ``api/errors.py`` alone.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scalix_free.core.budget import Finding


class Code(enum.StrEnum):
    """Why a request was not served; stable, part of the contract."""

    INVALID_REQUEST = "invalid_request"
    PROMPT_TOO_LONG = "prompt_too_long"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    CONTENT_BLOCKED = "content_blocked"
    REQUEST_EXCEEDS_QUOTA = "request_exceeds_quota"
    INVALID_API_KEY = "invalid_api_key"
    CHALLENGE_REQUIRED = "challenge_required"
    ACCESS_DENIED = "access_denied"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    ALREADY_RATED = "already_rated"
    PAYMENTS_UNAVAILABLE = "payments_unavailable"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    HOURLY_LIMIT = "free_tier_hourly_limit"
    DAILY_LIMIT = "free_tier_daily_limit"
    TOKEN_LIMIT = "free_tier_token_limit"  # noqa: S105
    CONCURRENCY = "free_tier_concurrency"
    SESSION_LIMIT = "session_limit"
    IP_RATE_LIMIT = "ip_rate_limit"
    UPSTREAM_ERROR = "upstream_error"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    NO_FREE_MODEL = "no_free_model_available"
    STORE_UNAVAILABLE = "store_unavailable"
    DRAINING = "draining"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is not served, what is left, when it returns.

    ``retry_ms`` is how long to wait before the same call can succeed, None when waiting does not
    help or nobody knows. ``window`` is the name of the limit, ``reset_at_ms`` when it gives
    something back. ``challenge`` is the puzzle whose solution is due.
    """

    code: Code
    message: str
    param: str | None = None
    window: str | None = None
    retry_ms: int | None = None
    reset_at_ms: int | None = None
    attempts: int = 0
    challenge: Mapping[str, object] | None = None


class Kind(enum.Enum):
    """What a failed attempt means for the request."""

    UNREACHABLE = enum.auto()  # no connection, reset, TLS, DNS
    LOST = enum.auto()  # one instance of several went away; the same model may answer by another
    TIMEOUT = enum.auto()  # no first token, or silence in the middle
    RATE_LIMITED = enum.auto()  # the provider's budget, not the caller's
    BROKEN = enum.auto()  # 5xx, nonsense, a cut stream, an error inside a 200
    EMPTY = enum.auto()  # a finished answer without content
    REFUSED_KEY = enum.auto()  # 401, 402, 403: the account, not the caller
    GONE = enum.auto()  # the model is not there
    BAD_REQUEST = enum.auto()  # the provider does not take this request
    TOO_LONG = enum.auto()  # the prompt does not fit this model
    FILTERED = enum.auto()  # the provider's content filter


class Failure(Exception):  # noqa: N818  (the field's word)
    """One attempt that gave no whole answer.

    ``retry_after_ms`` is what the provider said of when to come back, ``findings`` what follows for
    its budgets. The message is ours: what a provider writes never reaches a caller.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        retry_after_ms: int | None = None,
        findings: Sequence[Finding] = (),
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retry_after_ms = retry_after_ms
        self.findings = findings


class StoreUnavailable(Exception):  # noqa: N818
    """A store did not answer within its deadline, or cannot be written.

    The message names no statement and no value: those may hold what no log may.
    """


class MailError(Exception):
    """A mail could not be handed over."""
