"""What a refusal tells about a provider's limits: rows of what providers write, and what follows.

The shapes are those of the research notes on providers, sections 4 and 7. A row is told from others
by what stands in the body; the first that is found counts, and of a wait in it and one in the
headers the longer one. A refusal that no row knows rests for as long as its headers say, or longer
each time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from scalix_free.core.budget import DAY_MS, FOREVER_MS, Act, Extent, Finding, Window
from scalix_free.core.errors import Kind

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000

KEY_REST_MS: Final = HOUR_MS
"""So long an account whose key was refused is left alone: long enough to waste few calls, short
enough that an operator who has mended it need not do more."""

DAY_END: Final = 0
"""As the moment of a rest: until the provider's day ends."""


class Row(NamedTuple):
    """What stands in a body, and what follows. ``rest_ms`` None: until the provider's day ends."""

    text: bytes
    extent: Extent
    act: Act = Act.REST
    rest_ms: int | None = MINUTE_MS


FOREVER: Final = FOREVER_MS

SPENT: Final = (
    # Gemini: the quotaId tells; a wait that is said beside a day's limit is not to be trusted.
    Row(b"limit: 0,", Extent.MODEL, Act.RETIRE, FOREVER),
    Row(b"PerDayPerProjectPerModel", Extent.MODEL, rest_ms=None),
    Row(b"PerMinutePerProjectPerModel", Extent.MODEL),
    Row(b"PerModelPerMinute", Extent.MODEL),
    # OpenRouter: limits of the account, and those of a pool that it shares with everybody.
    Row(b"free-models-per-day", Extent.ACCOUNT, rest_ms=None),
    Row(b"free-models-per-min", Extent.ACCOUNT),
    Row(b"upstream_provider_shared_pool", Extent.MODEL),
    Row(b"temporarily rate-limited upstream", Extent.MODEL),
    # Groq names the window in its message.
    Row(b"(RPD)", Extent.MODEL, rest_ms=None),
    Row(b"(TPD)", Extent.MODEL, rest_ms=None),
    Row(b"(RPM)", Extent.MODEL),
    Row(b"(TPM)", Extent.MODEL),
    # Z.ai: without money, and with too many at once.
    Row(b'"1113"', Extent.MODEL, Act.RETIRE, FOREVER),
    Row(b'"1305"', Extent.MODEL),
    # Cloudflare: the day's neurons, by both codes in use; and a model without capacity.
    Row(b"4006", Extent.ACCOUNT, rest_ms=None),
    Row(b"3036", Extent.ACCOUNT, rest_ms=None),
    Row(b"3040", Extent.MODEL),
    # Cohere's trial key counts the month.
    Row(b"calls / month", Extent.ACCOUNT, rest_ms=DAY_MS),
    Row(b"calls / minute", Extent.MODEL),
)
"""For 429: the first text that is found."""

MISSING: Final = (
    Row(b"support tool use", Extent.MODEL, Act.REST, 0),  # this request alone
    Row(b"data policy", Extent.MODEL, Act.RETIRE, DAY_MS),
)
"""For 404: not every model that is not found is gone."""

BY_KIND: Final[Mapping[Kind, Row]] = {
    Kind.REFUSED_KEY: Row(b"", Extent.ACCOUNT, Act.RETIRE, KEY_REST_MS),
    Kind.GONE: Row(b"", Extent.MODEL, Act.RETIRE, DAY_MS),
}
"""What follows from other failures."""

DURATION: Final = re.compile(rb"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")
TRY_AGAIN: Final = re.compile(rb"try again in ([0-9hms.]+)")
RETRY_DELAY: Final = re.compile(rb'"retryDelay":\s*"(\d+(?:\.\d+)?)s"')
QUOTA: Final = re.compile(
    rb'"quotaId":\s*"[A-Za-z]*Requests(PerDay|PerMinute)[^"]*"[^\]]*?"quotaValue":\s*"(\d+)"'
)
MOST_WAIT_MS: Final = DAY_MS


class Refused(NamedTuple):
    """What a provider answered. ``wait_ms`` is what its ``Retry-After`` says."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    wait_ms: int | None


def findings_of(kind: Kind, refused: Refused, now_ms: int) -> Sequence[Finding]:
    """What follows for the budgets."""
    status, headers, body, wait_ms = refused
    if kind is Kind.RATE_LIMITED:
        return _spent(headers, body, now_ms, wait_ms)
    if status == 402 and wait_ms is not None:  # OpenRouter: too much in flight on credit
        return [Finding(Extent.ACCOUNT, Act.REST, now_ms + wait_ms)]
    if kind is Kind.GONE and (row := _first(MISSING, body)) is not None:
        return [_found(row, now_ms)] if row.rest_ms else []
    if (
        status == 403 and kind is Kind.REFUSED_KEY and b'"metadata"' in body
    ):  # one model that is closed to this key
        return [Finding(Extent.MODEL, Act.RETIRE, now_ms + DAY_MS)]
    if (row := BY_KIND.get(kind)) is not None:
        return [_found(row, now_ms)]
    if status == 503 and wait_ms:
        return [Finding(Extent.MODEL, Act.REST, now_ms + wait_ms)]
    return ()


def _spent(
    headers: Mapping[str, str], body: bytes, now_ms: int, wait_ms: int | None
) -> Sequence[Finding]:
    if headers.get("x-ratelimit-limit-req-minute") == "0":  # Mistral: not on this plan
        return [Finding(Extent.MODEL, Act.RETIRE, FOREVER)]
    row = _first(SPENT, body)
    if row is None:
        if wait_ms is None:
            return [Finding(Extent.MODEL, Act.BACK_OFF)]
        return [Finding(Extent.MODEL, Act.REST, now_ms + max(wait_ms, 1_000))]
    found = [_found(row, now_ms)]
    until_ms = now_ms + min(max(wait_ms or 0, _wait_in(body)), MOST_WAIT_MS)
    reset_ms = _epoch_ms(headers.get("X-RateLimit-Reset", ""), now_ms)
    if row.act is Act.REST and row.rest_ms is None and reset_ms is not None:
        found = [Finding(row.extent, Act.REST, reset_ms)]
    elif row.act is Act.REST and row.rest_ms is not None:
        longest_ms = until_ms if until_ms > now_ms else now_ms + row.rest_ms
        found = [Finding(row.extent, Act.REST, longest_ms)]
    return [*found, *_told_limits(body)]


def _first(rows: Sequence[Row], body: bytes) -> Row | None:
    return next((row for row in rows if row.text in body), None)


def _found(row: Row, now_ms: int) -> Finding:
    if row.rest_ms is None:
        return Finding(row.extent, row.act, DAY_END)
    return Finding(row.extent, row.act, min(now_ms + row.rest_ms, FOREVER))


def _told_limits(body: bytes) -> Sequence[Finding]:
    """The limits of requests that Gemini names beside a refusal."""
    windows = {b"PerDay": Window.RPD, b"PerMinute": Window.RPM}
    return [
        Finding(Extent.MODEL, Act.LIMIT, 0, windows[per], int(value))
        for per, value in QUOTA.findall(body)
        if int(value) > 0
    ]


def _wait_in(body: bytes) -> int:
    """The wait that a body names, in ms; 0 where it names none."""
    if (delay := RETRY_DELAY.search(body)) is not None:
        return int(float(delay[1]) * 1_000)
    if (again := TRY_AGAIN.search(body)) is not None:
        return duration_ms(again[1].rstrip(b"."))
    return 0


def duration_ms(text: bytes) -> int:
    """A duration such as ``2m59.56s``, ``250ms`` or ``5h0m0s``; 0 where it is none."""
    match = DURATION.fullmatch(text)
    if match is None or not text:
        return 0
    hours, minutes, seconds, ms = (float(part or 0) for part in match.groups())
    return int(((hours * 60 + minutes) * 60 + seconds) * 1_000 + ms)


def _epoch_ms(text: str, now_ms: int) -> int | None:
    """A moment in epoch milliseconds, if it is one that can be waited for."""
    if not text.isdigit() or not now_ms < int(text) <= now_ms + 2 * DAY_MS:
        return None
    return int(text)
