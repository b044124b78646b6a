"""The forms in which providers say when to come back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.core.clock import DAY_MS
from scalix_free.providers.waits import (
    MOST_WAIT_MS,
    duration_ms,
    retry_after_ms,
    told_wait_ms,
    wait_ms,
)

NOW_MS = 1_800_000_000_000  # 2027-01-15T08:00:00Z


@pytest.mark.parametrize(
    ("text", "wait"),
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
def test_the_forms_of_retry_after(text: str, wait: int | None) -> None:
    assert retry_after_ms({"Retry-After": text}, NOW_MS) == wait


def test_without_the_header_nothing_is_known() -> None:
    assert retry_after_ms({}, NOW_MS) is None


@given(st.text(max_size=40) | st.floats().map(str) | st.integers().map(str))
def test_no_text_breaks_it(text: str) -> None:
    wait = retry_after_ms({"Retry-After": text}, NOW_MS)
    assert wait is None or 0 <= wait <= MOST_WAIT_MS
    wait = wait_ms(text, NOW_MS)
    assert wait is None or 0 < wait <= 2 * DAY_MS
    wait = told_wait_ms({"Retry-After": text, "X-RateLimit-Reset": text}, text.encode(), NOW_MS)
    assert wait is None or 0 <= wait <= MOST_WAIT_MS


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        *(("250ms", 250), ("7.66s", 7_660), ("2m59.56s", 179_560), ("5h0m0s", 18_000_000)),
        *(("", 0), ("soon", 0), ("9m38.016s", 578_016)),
    ],
)
def test_durations(text: str, ms: int) -> None:
    assert duration_ms(text) == ms


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("2m59.56s", 179_560),
        ("33011.38", 33_011_380),
        ("26", 26_000),
        (str(NOW_MS + 60_000), 60_000),
        (str(NOW_MS // 1000 + 60), 60_000),
        (str(NOW_MS - 60_000), None),
        (str(NOW_MS + 3 * DAY_MS), None),
        *((text, None) for text in ("", "0", "-5", "nan", "inf", "soon", "0s")),
    ],
)
def test_a_reset_is_a_duration_seconds_or_a_moment(text: str, wait: int | None) -> None:
    assert wait_ms(text, NOW_MS) == wait


def test_the_longest_of_several_waits_is_told() -> None:
    body = b"Please try again in 7.66s. Need more?"
    assert told_wait_ms({"Retry-After": "4"}, body, NOW_MS) == 7_660
    assert told_wait_ms({"Retry-After": "9"}, body, NOW_MS) == 9_000
    assert told_wait_ms({}, b'"retryDelay": "12.5s"', NOW_MS) == 12_500
    assert told_wait_ms({}, b"Please retry in 48.1s.", NOW_MS) == 48_100
    assert told_wait_ms({}, b'"retry_after_seconds": 5', NOW_MS) == 5_000
    assert told_wait_ms({}, b"", NOW_MS) is None
