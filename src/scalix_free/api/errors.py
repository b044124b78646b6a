"""A refusal becomes a status, headers and an envelope: one table."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec

from scalix_free.api.headers import CACHE_LINES, free_tier, limit_headers
from scalix_free.core.cache import CacheUse
from scalix_free.core.clock import utc
from scalix_free.core.errors import Code, Refusal
from scalix_free.core.standing import Standing
from scalix_free.growth.triggers import OWN_LIMITS, of_refusal
from scalix_free.wire.answer import FreeTier

SHORT_WAIT_MS: Final = 60_000
"""Up to here a client may wait for us; longer waits it must not sleep through."""

PAYMENT_REQUIRED: Final = 402
"""What long waits are where an operator wants clients not to try again."""

RETRIED: Final = frozenset({429, 502, 503, 504})
"""The statuses that clients try again by themselves."""

INVALID, AUTHENTICATION, PERMISSION = (
    "invalid_request_error",
    "authentication_error",
    "permission_error",
)
RATE_LIMIT, SERVER = "rate_limit_error", "server_error"
FAILED, LIMITED = "COMPLETION_FAILED", "RATE_LIMIT_EXCEEDED"

TABLE: Final[dict[Code, tuple[int, str, str | None]]] = {
    Code.INVALID_REQUEST: (400, INVALID, FAILED),
    Code.PROMPT_TOO_LONG: (400, INVALID, FAILED),
    Code.CONTEXT_LENGTH_EXCEEDED: (400, INVALID, FAILED),
    Code.CONTENT_BLOCKED: (400, INVALID, FAILED),
    Code.REQUEST_EXCEEDS_QUOTA: (400, INVALID, FAILED),
    Code.INVALID_API_KEY: (401, AUTHENTICATION, FAILED),
    Code.CHALLENGE_REQUIRED: (403, PERMISSION, FAILED),
    Code.ACCESS_DENIED: (403, PERMISSION, FAILED),
    Code.NOT_FOUND: (404, INVALID, None),
    Code.METHOD_NOT_ALLOWED: (405, INVALID, None),
    Code.ALREADY_RATED: (409, INVALID, None),
    Code.PAYMENTS_UNAVAILABLE: (409, INVALID, None),
    Code.BODY_TOO_LARGE: (413, INVALID, None),
    Code.UNSUPPORTED_MEDIA_TYPE: (415, INVALID, None),
    Code.HOURLY_LIMIT: (429, RATE_LIMIT, LIMITED),
    Code.DAILY_LIMIT: (429, RATE_LIMIT, LIMITED),
    Code.TOKEN_LIMIT: (429, RATE_LIMIT, LIMITED),
    Code.CONCURRENCY: (429, RATE_LIMIT, LIMITED),
    Code.SESSION_LIMIT: (429, RATE_LIMIT, LIMITED),
    Code.IP_RATE_LIMIT: (429, RATE_LIMIT, LIMITED),
    Code.UPSTREAM_ERROR: (502, SERVER, FAILED),
    Code.UPSTREAM_TIMEOUT: (504, SERVER, FAILED),
    Code.NO_FREE_MODEL: (503, SERVER, FAILED),
    Code.STORE_UNAVAILABLE: (503, SERVER, FAILED),
    Code.DRAINING: (503, SERVER, FAILED),
    Code.INTERNAL_ERROR: (500, SERVER, FAILED),
}
"""Code → status, type, legacy code."""

BY_STATUS: Final = {
    400: Code.INVALID_REQUEST,
    401: Code.INVALID_API_KEY,
    403: Code.ACCESS_DENIED,
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.BODY_TOO_LARGE,
    415: Code.UNSUPPORTED_MEDIA_TYPE,
    500: Code.INTERNAL_ERROR,
}
"""The framework's own refusals, in our words."""


class ErrorBody(msgspec.Struct, kw_only=True):
    """Why a request was not served. Every key is there, null where it does not apply.

    Only ``challenge`` is not: it stands in ``challenge_required`` alone.
    """

    message: str
    type: str
    param: str | None
    code: str
    legacy_code: str | None
    retryable: bool
    retry_after_seconds: int | None
    reset_at: str | None
    window: str | None
    upgrade_url: str
    request_id: str
    challenge: dict[str, object] | msgspec.UnsetType = msgspec.UNSET


class ErrorEnvelope(msgspec.Struct, kw_only=True):
    """OpenAI's envelope, and what is left of the free tier."""

    error: ErrorBody
    free_tier: FreeTier | None


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """A refusal, ready to be sent; ``head`` is its own header lines."""

    status: int
    head: bytes
    body: bytes


class ErrorWriter:
    """Turns refusals into responses. ``public_url`` is where upgrades are offered.

    ``always_retry_after`` tells clients of long waits in ``Retry-After``, too, and
    ``payment_required`` makes limits that last longer than a client should sleep 402, which none
    tries again.
    """

    def __init__(
        self, public_url: str, *, always_retry_after: bool = False, payment_required: bool = False
    ) -> None:
        self._upgrade_url = f"{public_url}/upgrade"
        self._always_retry_after = always_retry_after
        self._payment_required = payment_required
        self._encode = msgspec.json.Encoder().encode

    def response(
        self,
        refusal: Refusal,
        request_id: str,
        standing: Standing | None = None,
        session_id: str | None = None,
        cache: CacheUse = CacheUse.BYPASS,
    ) -> ErrorResponse:
        """The whole response to a refused request."""
        status = status_of(refusal)
        body = self.body(refusal, request_id, standing, session_id)
        head = b"content-type: application/json\r\ncache-control: no-store\r\n"
        if status in RETRIED:
            head += _retry_headers(refusal, always=self._always_retry_after)
        if self._payment_required and refusal.code in OWN_LIMITS and _is_long(refusal):
            status = PAYMENT_REQUIRED
        if standing is not None:
            head += b"x-scalix-attempts: %d\r\n" % refusal.attempts + CACHE_LINES[cache]
            head += limit_headers(standing)
        return ErrorResponse(status, head, body)

    def body(
        self,
        refusal: Refusal,
        request_id: str,
        standing: Standing | None = None,
        session_id: str | None = None,
    ) -> bytes:
        """The envelope alone, as it also stands in a stream that broke."""
        _, kind, legacy = TABLE[refusal.code]
        retry_ms, message = refusal.retry_ms, refusal.message
        if refusal.code in OWN_LIMITS:  # some clients show nothing else
            message += f" Upgrade: {self._upgrade_url}"
        return self._encode(
            ErrorEnvelope(
                error=ErrorBody(
                    message=message,
                    type=kind,
                    param=refusal.param,
                    code=refusal.code.value,
                    legacy_code=legacy,
                    retryable=retry_ms is not None and retry_ms <= SHORT_WAIT_MS,
                    retry_after_seconds=None if retry_ms is None else -(-retry_ms // 1000),
                    reset_at=None if refusal.reset_at_ms is None else utc(refusal.reset_at_ms),
                    window=refusal.window,
                    upgrade_url=self._upgrade_url,
                    request_id=request_id,
                    challenge=(
                        msgspec.UNSET if refusal.challenge is None else dict(refusal.challenge)
                    ),
                ),
                free_tier=(
                    None
                    if standing is None
                    else free_tier(standing, session_id, of_refusal(refusal.code))
                ),
            )
        )


def status_of(refusal: Refusal) -> int:
    """The status of whatever tells this refusal."""
    return TABLE[refusal.code][0]


def _is_long(refusal: Refusal) -> bool:
    return refusal.retry_ms is None or refusal.retry_ms > SHORT_WAIT_MS


def _retry_headers(refusal: Refusal, *, always: bool) -> bytes:
    """Short waits are for the client to sleep, long ones for a person to read."""
    retry_ms = refusal.retry_ms
    if retry_ms is None:
        return b"x-should-retry: false\r\n"
    wait = b"retry-after: %d\r\nretry-after-ms: %d\r\n" % (-(-retry_ms // 1000), retry_ms)
    if retry_ms <= SHORT_WAIT_MS:
        return wait
    head = b"x-should-retry: false\r\n" + (wait if always else b"")
    if refusal.reset_at_ms is None:
        return head
    return head + b"x-scalix-reset-at: %s\r\n" % utc(refusal.reset_at_ms).encode()


def framework_refusal(status: int, detail: str) -> Refusal:
    """A refusal that the framework decided on."""
    code = BY_STATUS.get(status, Code.INVALID_REQUEST)
    return Refusal(code=code, message=detail or HTTPStatus(status).phrase)
