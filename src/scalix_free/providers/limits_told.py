"""What providers tell of their limits: which headers and which words mean which window.

Headers ride on answers, and with some on refusals too; bodies of refusals name the limit that was
reached. What is missing, unreadable or absurd tells nothing. Names and forms are those of the
research notes on providers, sections 4.2 to 4.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from multidict import istr

from scalix_free.core.budget import MOST, Act, Extent, Finding, Window
from scalix_free.core.clock import MINUTE_MS
from scalix_free.providers.waits import wait_ms


class Told(NamedTuple):
    """The headers that tell of one window: its limit, what is left of it, and until when."""

    window: Window
    limit: str
    left: str
    reset: str


class Named(NamedTuple):
    """How a refusal names a limit: a pattern of the window's name and the limit, in this order."""

    pattern: re.Pattern[bytes]
    windows: Mapping[bytes, Window]
    extent: Extent = Extent.MODEL


def _usual(window: Window, of: str) -> Told:
    return Told(
        window, *(istr(f"x-ratelimit-{what}-{of}") for what in ("limit", "remaining", "reset"))
    )


RPM, RPD, TPM, TPD = Window

IN_HEADERS: Final[Mapping[str, tuple[Told, ...]]] = {
    "groq": (_usual(RPD, "requests"), _usual(TPM, "tokens")),
    "openai": (_usual(RPM, "requests"), _usual(TPM, "tokens")),
    "cerebras": (
        _usual(RPM, "requests-minute"),
        _usual(RPD, "requests-day"),
        _usual(TPM, "tokens-minute"),
        _usual(TPD, "tokens-day"),
    ),
    "mistral": (_usual(RPM, "req-minute"), _usual(TPM, "tokens-minute")),
    # The names of its manual, as others read it; not tried.
    "sambanova": (_usual(RPM, "requests"), _usual(RPD, "requests-day")),
}
"""By the catalogue's name of a provider: the same header means a minute's limit with one and a
day's with another. Their limits are of a model each."""

IN_REFUSALS: Final[Mapping[str, Named]] = {
    "gemini": Named(
        re.compile(
            rb'"quotaId":\s*"[A-Za-z]*?(RequestsPerDay|RequestsPerMinute|TokensPerModelPerMinute)'
            rb'[^"]*"[^\]]*?"quotaValue":\s*"(\d+)"'
        ),
        {b"RequestsPerDay": RPD, b"RequestsPerMinute": RPM, b"TokensPerModelPerMinute": TPM},
    ),
    "groq": Named(
        re.compile(rb"\((RPM|RPD|TPM|TPD)\): Limit (\d+)"),
        {b"RPM": RPM, b"RPD": RPD, b"TPM": TPM, b"TPD": TPD},
    ),
    "openrouter": Named(
        re.compile(rb'free-models-per-(day|min).*?"X-RateLimit-Limit":\s*"(\d+)"', re.DOTALL),
        {b"day": RPD, b"min": RPM},
        Extent.ACCOUNT,
    ),
}


def told_by_headers(
    told: Sequence[Told], headers: Mapping[str, str], now_ms: int
) -> Iterator[Finding]:
    """The limits that headers tell, and what is left of them."""
    for window, limit_name, left_name, reset_name in told:
        limit, left = _amount(headers.get(limit_name)), _amount(headers.get(left_name))
        if limit == 0 or (limit is not None and left is not None and left > limit):
            continue
        if limit is not None:
            yield Finding(Extent.MODEL, Act.LIMIT, 0, window, limit)
        if left is not None:
            until_ms = _until_ms(window, headers.get(reset_name, ""), now_ms)
            yield Finding(Extent.MODEL, Act.LEFT, until_ms, window, left)


def told_by_refusal(named: Named | None, body: bytes) -> Iterator[Finding]:
    """The limits that the body of a refusal names."""
    if named is None:
        return
    for name, value in named.pattern.findall(body):
        if limit := _amount(value.decode()):
            yield Finding(named.extent, Act.LIMIT, 0, named.windows[name], limit)


def allows_nothing(told: Sequence[Told], headers: Mapping[str, str]) -> bool:
    """Whether a limit of none is told: what is refused so is not on the plan."""
    return any(headers.get(one.limit) == "0" for one in told)


def _amount(text: str | None) -> int | None:
    """A whole number that a limit can be; some write it with a fraction of none."""
    if text is None:
        return None
    digits = text.strip().removesuffix(".0")
    if not digits.isascii() or not digits.isdigit() or len(digits) > len(str(MOST)):
        return None
    return amount if (amount := int(digits)) <= MOST else None


def _until_ms(window: Window, reset: str, now_ms: int) -> int:
    """Until when what is left holds: a minute's for a minute at most; 0: nobody says."""
    wait = wait_ms(reset, now_ms)
    if window.is_day:
        return 0 if wait is None else now_ms + wait
    return now_ms + min(wait or MINUTE_MS, MINUTE_MS)
