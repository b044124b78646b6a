"""Moments, and how they are written."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.core.clock import utc, wall_clock


@pytest.mark.parametrize(
    ("at_ms", "written"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:01Z"),
        (1_800_000_000_000, "2027-01-15T08:00:00Z"),
        (1_800_000_000_001, "2027-01-15T08:00:01Z"),
        (1_800_000_001_000, "2027-01-15T08:00:01Z"),
    ],
)
def test_a_moment_is_written_to_the_second_and_never_too_early(at_ms: int, written: str) -> None:
    assert utc(at_ms) == written


@given(st.integers(0, 4_000_000_000_000))
def test_whoever_waits_until_then_has_waited_long_enough(at_ms: int) -> None:
    back = datetime.strptime(utc(at_ms), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)

    assert 0 <= back.timestamp() * 1_000 - at_ms < 1_000


def test_the_wall_clock_tells_the_time() -> None:
    assert abs(wall_clock() / 1_000 - datetime.now(UTC).timestamp()) < 5
