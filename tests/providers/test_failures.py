"""What providers answer when they do not answer: what it means for the request."""

import pytest

from scalix_free.core.errors import Kind
from scalix_free.providers.failures import failure_of

NOW_MS = 1_800_000_000_000  # 2027-01-15T08:00:00Z

TABLE: list[tuple[int, bytes, Kind]] = [
    (400, b"", Kind.BAD_REQUEST),
    (401, b"", Kind.REFUSED_KEY),
    (402, b"", Kind.REFUSED_KEY),
    (403, b"", Kind.REFUSED_KEY),
    (404, b"", Kind.GONE),
    (405, b"", Kind.GONE),
    (408, b"", Kind.TIMEOUT),
    (410, b"", Kind.GONE),
    (413, b"", Kind.TOO_LONG),
    (418, b"", Kind.BROKEN),
    (422, b"", Kind.BAD_REQUEST),
    (429, b"", Kind.RATE_LIMITED),
    (498, b"", Kind.BROKEN),
    (500, b"", Kind.BROKEN),
    (502, b"", Kind.BROKEN),
    (503, b"", Kind.BROKEN),
    (504, b"", Kind.TIMEOUT),
    (524, b"", Kind.BROKEN),
    (204, b"", Kind.BROKEN),
    (302, b"", Kind.BROKEN),
    # What a 400 or 403 is about stands in its body; as captured from providers.
    (400, b'{"error":{"code":"context_length_exceeded"}}', Kind.TOO_LONG),
    (400, b"This model's maximum context length is 8192 tokens.", Kind.TOO_LONG),
    (400, b'{"error":{"type":"exceed_context_size_error","n_ctx":2048}}', Kind.TOO_LONG),
    (400, b'[{"error":{"message":"Please pass a valid API key"}}]', Kind.REFUSED_KEY),
    (400, b'{"error":{"details":[{"reason":"API_KEY_INVALID"}]}}', Kind.REFUSED_KEY),
    (400, b"User location is not supported for the API use.", Kind.REFUSED_KEY),
    (400, b'{"error":{"code":"model_decommissioned"}}', Kind.GONE),
    (400, b"Function id 'x': DEGRADED function cannot be invoked", Kind.BROKEN),
    (400, b'{"error":{"code":"content_filter"}}', Kind.FILTERED),
    (400, b'{"error":{"code":"content_policy_violation"}}', Kind.FILTERED),
    (403, b'{"error":{"metadata":{"reasons":[],"flagged_input":"x"}}}', Kind.FILTERED),
    # Of no other status is the body believed.
    (500, b"context_length_exceeded", Kind.BROKEN),
    (429, b"content_filter", Kind.RATE_LIMITED),
    (404, b"API_KEY_INVALID", Kind.GONE),
]


@pytest.mark.parametrize(("status", "body", "kind"), TABLE)
def test_a_status_means_a_kind(status: int, body: bytes, kind: Kind) -> None:
    failure = failure_of(status, {}, body, NOW_MS)
    assert failure.kind is kind
    assert failure.message.endswith(".")
    assert failure.retry_after_ms is None


def test_what_a_provider_writes_is_never_passed_on() -> None:
    for status in range(300, 600):
        failure = failure_of(status, {"Retry-After": "canary"}, b"canary: sk-0123", NOW_MS)
        assert "canary" not in failure.message
