"""The shape of everything that is not an answer: CONTRACT §6, read strictly."""

from typing import Annotated, Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field

from scalix_free.api.errors import TABLE

Utc = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Kind = Literal[
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "rate_limit_error",
    "server_error",
]

OURS = ("x-", "ratelimit", "retry-after")
STANDARD = {"x-content-type-options"}


class _Strict(BaseModel):
    """A field without a default has to be there, null or not; more of them may."""

    model_config = ConfigDict(strict=True)


class FreeTier(_Strict):
    remaining_requests: int | None
    reset_time: Utc | None
    upgrade_prompt: bool
    tier: str
    remaining_tokens: int | None
    window: str | None
    session_id: str | None
    trigger: str | None


class Error(_Strict):
    message: Annotated[str, Field(min_length=10)]
    type: Kind
    param: str | None
    code: str
    legacy_code: Literal["RATE_LIMIT_EXCEEDED", "COMPLETION_FAILED"] | None
    retryable: bool
    retry_after_seconds: int | None
    reset_at: Utc | None
    window: str | None
    upgrade_url: Annotated[str, Field(pattern=r"^http://.*/upgrade$")]
    request_id: Annotated[str, Field(pattern=r"^req_[0-9a-f]{32}$")]


class Envelope(_Strict):
    error: Error
    free_tier: FreeTier | None


def read_envelope(body: bytes | str) -> Error:
    """The error inside an envelope that is as it should be, whatever the status."""
    error = Envelope.model_validate_json(body).error
    status, kind, legacy = {row: TABLE[row] for row in TABLE}[_code(error)]
    assert (error.type, error.legacy_code) == (kind, legacy), status
    waits = error.retry_after_seconds
    assert error.retryable == (waits is not None and waits <= 60)
    assert "Traceback" not in error.message
    return error


def refused(response: httpx.Response, status: int, code: str) -> Error:
    """The error of a response that refuses with this status and code."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    error = read_envelope(response.content)
    assert error.code == code, response.text
    assert TABLE[_code(error)][0] == status
    assert error.request_id == response.headers["x-request-id"]
    return error


def our_headers(response: httpx.Response) -> set[str]:
    """The headers of a response that are about us: none of CORS, none of HTTP itself."""
    return {name for name in response.headers if name.startswith(OURS)} - STANDARD


def _code(error: Error) -> Any:
    (code,) = [code for code in TABLE if code.value == error.code]
    return code
