"""Moments: milliseconds since the epoch, and how they are written."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS


def wall_clock() -> int:
    """The machine's time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def utc(at_ms: int) -> str:
    """ISO 8601 in UTC, rounded up to the second."""
    return _utc(-(-at_ms // 1000))


@lru_cache(1_024)  # many answers tell the same second, and writing it is slow
def _utc(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
