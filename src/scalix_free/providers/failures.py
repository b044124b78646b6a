"""Raw failures of providers become ours: one table by status, a few readings of the body."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from scalix_free.core.errors import Failure, Kind
from scalix_free.providers.findings import Refused, findings_of

BY_STATUS: Final = {
    400: Kind.BAD_REQUEST,
    401: Kind.REFUSED_KEY,
    402: Kind.REFUSED_KEY,
    403: Kind.REFUSED_KEY,
    404: Kind.GONE,
    405: Kind.GONE,
    408: Kind.TIMEOUT,
    410: Kind.GONE,
    413: Kind.TOO_LONG,
    422: Kind.BAD_REQUEST,
    429: Kind.RATE_LIMITED,
    504: Kind.TIMEOUT,
}
"""A provider's status → what it means; every other status is a broken server."""

BY_TEXT: Final = (
    (b"context_length_exceeded", Kind.TOO_LONG),
    (b"exceed_context_size_error", Kind.TOO_LONG),
    (b"maximum context length", Kind.TOO_LONG),
    (b"API_KEY_INVALID", Kind.REFUSED_KEY),
    (b"pass a valid API key", Kind.REFUSED_KEY),
    (b"User location is not supported", Kind.REFUSED_KEY),
    (b"model_decommissioned", Kind.GONE),
    (b"DEGRADED", Kind.BROKEN),
    (b"content_filter", Kind.FILTERED),
    (b"content_policy_violation", Kind.FILTERED),
    (b"flagged_input", Kind.FILTERED),
)
"""For 400 and 403 alone: what a provider writes → what it means; the first that is found."""

WORDS: Final = {
    Kind.RATE_LIMITED: "The model's budget is used up for now.",
    Kind.REFUSED_KEY: "The model's provider does not accept this server's account.",
    Kind.GONE: "The model is no longer there.",
    Kind.BAD_REQUEST: "The model's provider does not accept this request.",
    Kind.TOO_LONG: "The conversation does not fit the model.",
    Kind.FILTERED: "The provider's content filter refused this.",
    Kind.TIMEOUT: "The model's server did not answer in time.",
    Kind.BROKEN: "The model's server failed.",
}

MOST_WAIT_MS: Final = 24 * 3_600_000


def failure_of(status: int, headers: Mapping[str, str], body: bytes, now_ms: int) -> Failure:
    """What an answer with this status means. The body is read, never passed on."""
    kind = BY_STATUS.get(status, Kind.BROKEN)
    if status in {400, 403}:
        kind = next((kind for text, kind in BY_TEXT if text in body), kind)
    wait_ms = retry_after_ms(headers, now_ms)
    findings = findings_of(kind, Refused(status, headers, body, wait_ms), now_ms)
    return Failure(kind, WORDS[kind], retry_after_ms=wait_ms, findings=findings)


def retry_after_ms(headers: Mapping[str, str], now_ms: int) -> int | None:
    """What ``Retry-After`` says, in seconds or as a date; None where it says nothing usable."""
    text = headers.get("Retry-After", "").strip()
    try:
        wait_ms = int(float(text) * 1000)
    except (ValueError, OverflowError):
        try:
            wait_ms = int(parsedate_to_datetime(text).timestamp() * 1000) - now_ms
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(wait_ms, 0), MOST_WAIT_MS)
