"""What providers answer when they do not answer: one table, and the forms of Retry-After."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.core.errors import Kind
from scalix_free.providers.failures import MOST_WAIT_MS, failure_of, retry_after_ms

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


@pytest.mark.parametrize(
    ("text", "wait_ms"),
    [
        ("0", 0),
        ("7", 7_000),
        (" 7 ", 7_000),
        ("7.5", 7_500),
        ("0.001", 1),
        ("-3", 0),
        ("1e3", 1_000_000),
        ("86401", MOST_WAIT_MS),
        ("1e300", MOST_WAIT_MS),
        ("Fri, 15 Jan 2027 08:01:00 GMT", 60_000),
        ("Friday, 15-Jan-27 08:01:00 GMT", 60_000),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
        ("Fri, 15 Jan 2030 08:00:00 GMT", MOST_WAIT_MS),
        ("", None),
        ("soon", None),
        ("inf", None),
        ("nan", None),
        ("7s", None),
        ("Fri, 99 Jan 2027 08:01:00 GMT", None),
    ],
)
def test_the_forms_of_retry_after(text: str, wait_ms: int | None) -> None:
    assert retry_after_ms({"Retry-After": text}, NOW_MS) == wait_ms


def test_without_the_header_nothing_is_known() -> None:
    assert retry_after_ms({}, NOW_MS) is None


@given(st.text(max_size=40) | st.floats().map(str) | st.integers().map(str))
def test_no_text_breaks_it(text: str) -> None:
    wait_ms = retry_after_ms({"Retry-After": text}, NOW_MS)
    assert wait_ms is None or 0 <= wait_ms <= MOST_WAIT_MS
