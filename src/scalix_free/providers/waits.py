"""How providers write when to come back: in headers and bodies, as a duration or as a moment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from scalix_free.core.clock import DAY_MS

MOST_WAIT_MS: Final = DAY_MS

DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")

IN_BODIES: Final = (
    re.compile(rb'"retryDelay":\s*"([0-9hms.]+)"'),  # Gemini
    re.compile(rb"retry in ([0-9hms.]+)"),  # Gemini, in its message
    re.compile(rb"try again in ([0-9hms.]+)"),  # Groq
    re.compile(rb"Try again in (\d+(?:\.\d+)?) seconds"),  # LiteLLM, of one of its own rests
    re.compile(rb'"retry_after_seconds":\s*(\d+(?:\.\d+)?)'),  # OpenRouter
    re.compile(rb'"X-RateLimit-Reset":\s*"(\d+)"'),  # OpenRouter, of the server behind it
)

LEAST_EPOCH_S: Final = 10**9
LEAST_EPOCH_MS: Final = 10**12


def told_wait_ms(headers: Mapping[str, str], body: bytes, now_ms: int) -> int | None:
    """The longest wait that a refusal tells, at most a day; None where it tells none."""
    waits = [wait for wait in _told(headers, body, now_ms) if wait is not None]
    return min(max(waits), MOST_WAIT_MS) if waits else None


def _told(headers: Mapping[str, str], body: bytes, now_ms: int) -> Iterator[int | None]:
    yield retry_after_ms(headers, now_ms)
    yield wait_ms(headers.get("X-RateLimit-Reset", ""), now_ms)
    for pattern in IN_BODIES:
        if (found := pattern.search(body)) is not None:
            yield wait_ms(found[1].decode().rstrip("."), now_ms)


def retry_after_ms(headers: Mapping[str, str], now_ms: int) -> int | None:
    """What ``Retry-After`` says, in seconds or as a date; None where it says nothing usable."""
    text = headers.get("Retry-After", "").strip()
    try:
        wait = int(float(text) * 1000)
    except (ValueError, OverflowError):
        try:
            wait = int(parsedate_to_datetime(text).timestamp() * 1000) - now_ms
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(wait, 0), MOST_WAIT_MS)


def wait_ms(text: str, now_ms: int) -> int | None:
    """A wait in any form that is in use; None where it is none, or nobody would wait for it.

    A duration such as ``2m59.56s``; seconds, ``33011.38``; a moment in seconds or milliseconds
    since the epoch.
    """
    try:
        number = float(text)
    except ValueError:
        return duration_ms(text) or None
    if number >= LEAST_EPOCH_MS:
        wait = number - now_ms
    elif number >= LEAST_EPOCH_S:
        wait = number * 1000 - now_ms
    else:
        wait = number * 1000
    return round(wait) if 1 <= wait <= 2 * DAY_MS else None


def duration_ms(text: str) -> int:
    """A duration such as ``2m59.56s``, ``250ms`` or ``5h0m0s``; 0 where it is none."""
    match = DURATION.fullmatch(text)
    if match is None or not text:
        return 0
    hours, minutes, seconds, ms = (float(part or 0) for part in match.groups())
    return int(((hours * 60 + minutes) * 60 + seconds) * 1_000 + ms)
