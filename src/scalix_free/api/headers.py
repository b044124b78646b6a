"""What is left, in headers and in the ``free_tier`` object.

Headers are written as the lines they will be: ``name: value`` and a line end, in bytes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from scalix_free.core.cache import CacheUse
from scalix_free.core.clock import utc
from scalix_free.core.funnel import Trigger
from scalix_free.core.ledger import Level, Policy, Unit
from scalix_free.core.standing import Standing
from scalix_free.wire.answer import FreeTier

EXPOSED: Final = (
    "x-request-id",
    "x-scalix-model",
    "x-scalix-model-requested",
    "x-scalix-attempts",
    "x-scalix-cache",
    "x-scalix-reset-at",
    "x-should-retry",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
    "ratelimit-policy",
    "ratelimit",
    "retry-after",
    "retry-after-ms",
)
"""Everything a script in a browser may read of our answers."""

EVERY_ANSWER: Final = (
    b"access-control-allow-origin: *\r\n"
    b"access-control-expose-headers: " + ", ".join(EXPOSED).encode() + b"\r\n"
    b"x-content-type-options: nosniff\r\n"
)
"""What stands in every answer, whatever it is."""


CACHE_LINES: Final = {use: b"x-scalix-cache: %s\r\n" % use.value.encode() for use in CacheUse}


def as_pairs(head: bytes) -> list[tuple[bytes, bytes]]:
    """Header lines as a framework wants them."""
    pairs = (line.partition(b": ") for line in head.split(b"\r\n") if line)
    return [(name, value) for name, _, value in pairs]


def free_tier(
    standing: Standing, session_id: str | None, trigger: Trigger | None = None
) -> FreeTier:
    """What is left, as every answer says it, and which prompt is due."""
    binding, tokens = standing.binding, standing.tokens
    return FreeTier(
        remaining_requests=binding.remaining if binding else None,
        reset_time=reset_time(binding),
        upgrade_prompt=standing.near_limit,
        tier=standing.tier.name,
        remaining_tokens=tokens.remaining if tokens else None,
        window=binding.limit.name if binding else None,
        session_id=session_id,
        trigger=trigger,
    )


def reset_time(level: Level | None) -> str | None:
    """When a window next gives something back; None when nothing of it is used."""
    return None if level is None or level.resets_at_ms is None else utc(level.resets_at_ms)


def limit_headers(standing: Standing) -> bytes:
    """OpenAI's six, and the two of the IETF's draft.

    The draft (draft-ietf-httpapi-ratelimit-headers-10) registers no unit for tokens, so those
    stand in OpenAI's headers alone.
    """
    head = b""
    for form, level in ((_REQUESTS, standing.binding), (_TOKENS, standing.tokens)):
        if level is not None:
            reset = _duration((level.resets_at_ms or 0) - standing.now_ms)
            head += form % (level.limit.most or 0, level.remaining or 0, reset)
    if standing.levels and (policy := _policy(standing.tier.policy)):
        head += b"ratelimit-policy: %s\r\nratelimit: %s\r\n" % (policy, _limits(standing))
    return head


_FORM: Final = (
    b"x-ratelimit-limit-KIND: %d\r\n"
    b"x-ratelimit-remaining-KIND: %d\r\n"
    b"x-ratelimit-reset-KIND: %s\r\n"
)
_REQUESTS: Final = _FORM.replace(b"KIND", b"requests")
_TOKENS: Final = _FORM.replace(b"KIND", b"tokens")


@lru_cache
def _policy(policy: Policy) -> bytes:
    """``RateLimit-Policy``: the limits themselves, by name."""
    items = []
    for limit in policy.limits:
        if limit.most is None or limit.unit is Unit.TOKENS:
            continue
        window = f";w={limit.window_ms // 1000}" if limit.window_ms else ""
        unit = ';qu="concurrent-requests"' if limit.unit is Unit.CALLS else ""
        items.append(f'"{limit.name}";q={limit.most}{window}{unit}')
    return ", ".join(items).encode()


def _limits(standing: Standing) -> bytes:
    """``RateLimit``: what remains of each, and in how many seconds there is more."""
    items = []
    for level in standing.levels:
        limit = level.limit
        if limit.most is None or limit.unit is Unit.TOKENS:
            continue
        more = ""
        if level.resets_at_ms is not None and level.resets_at_ms > standing.now_ms:
            more = f";t={-(-(level.resets_at_ms - standing.now_ms) // 1000)}"
        items.append(f'"{limit.name}";r={level.remaining}{more}')
    return ", ".join(items).encode()


def _duration(ms: int) -> bytes:
    """A duration as OpenAI writes it: ``1h2m3s``, ``6m0s``, ``12ms``; seconds rounded up."""
    if ms <= 0:
        return b"0s"
    if ms < 1000:
        return b"%dms" % ms
    minutes, seconds = divmod(-(-ms // 1000), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return b"%dh%dm%ds" % (hours, minutes, seconds)
    return b"%dm%ds" % (minutes, seconds) if minutes else b"%ds" % seconds
