"""A denied limit, in words: which one, n of n, when it returns, what to do."""

from __future__ import annotations

from typing import Final

from scalix_free.core.clock import utc
from scalix_free.core.errors import Code, Refusal
from scalix_free.core.ledger import CONCURRENCY_RETRY_MS, Denied, Unit

OPENING: Final = "Free tier limit exceeded. Please upgrade to Pro."
PHRASE: Final = "Resource has been exhausted."
"""Installed apps look for this phrase to show their upgrade button."""

CODES: Final = {
    "requests_hour": Code.HOURLY_LIMIT,
    "requests_day": Code.DAILY_LIMIT,
    "tokens_day": Code.TOKEN_LIMIT,
    "concurrent": Code.CONCURRENCY,
    "session": Code.SESSION_LIMIT,
}
"""A limit's name → the code of its refusal; all others belong to addresses and networks."""

WHAT: Final = {
    "requests_hour": "requests per hour",
    "requests_day": "requests per day",
    "tokens_day": "tokens per day",
    "concurrent": "requests at the same time",
    "session": "requests in this session",
    "address_minute": "requests per minute from your address",
    "address_hour": "requests per hour from your address",
    "address_day": "requests per day from your address",
    "address_users": "different callers per hour from your address",
    "network_hour": "requests per hour from your network",
    "network_day": "requests per day from your network",
    "address_identities": "identities per day from your address",
    "network_identities": "identities per day from your network",
    "mailbox_mails": "mails per hour to this mailbox",
    "address_mails": "mails per hour from your address",
    "network_mails": "mails per hour from your network",
    "address_leads": "mail addresses per hour left from your address",
    "network_leads": "mail addresses per hour left from your network",
    "address_events": "events per hour from your address",
    "network_events": "events per hour from your network",
}


def refusal(denied: Denied) -> Refusal:
    """What the caller is told."""
    limit = denied.limit
    reset_at_ms = None if denied.retry_ms is None else denied.now_ms + denied.retry_ms
    if limit.unit is Unit.TOKENS and denied.retry_ms is None:
        return Refusal(
            code=Code.REQUEST_EXCEEDS_QUOTA,
            message=(
                f"This request can never fit the limit of {limit.most} {WHAT[limit.name]}. "
                "Send a shorter conversation."
            ),
            param="messages",
            window=limit.name,
        )
    return Refusal(
        code=CODES.get(limit.name, Code.IP_RATE_LIMIT),
        message=f"{OPENING} {_used(denied)} {_when(denied, reset_at_ms)} {PHRASE}",
        window=limit.name,
        retry_ms=denied.retry_ms,
        reset_at_ms=None if limit.unit is Unit.CALLS else reset_at_ms,
    )


def _used(denied: Denied) -> str:
    limit = denied.limit
    used = f"{denied.used} of {limit.most} {WHAT[limit.name]} are used"
    if limit.unit is Unit.TOKENS:
        return f"{used}, and this request needs more than is left."
    if limit.unit is Unit.CALLS:
        return f"{denied.used} of {limit.most} {WHAT[limit.name]} are running."
    return f"{used}."


def _when(denied: Denied, reset_at_ms: int | None) -> str:
    if denied.limit.name == "session":
        return "Start a new one, with another session_id."
    if denied.limit.unit is Unit.CALLS:
        seconds = CONCURRENCY_RETRY_MS // 1000
        return f"Try again in {seconds} seconds, or when one of them has ended."
    if reset_at_ms is None or denied.retry_ms is None:
        return "This limit leaves no room at all."
    what = "Enough tokens return" if denied.limit.unit is Unit.TOKENS else "The next one returns"
    return f"{what} in {_span(denied.retry_ms)}, at {utc(reset_at_ms)}; wait until then or upgrade."


def _span(ms: int) -> str:
    """A wait as a person says it, rounded up."""
    seconds = -(-ms // 1000)
    if seconds < 120:
        return _count(seconds, "second")
    minutes = -(-seconds // 60)
    if minutes < 120:
        return _count(minutes, "minute")
    return f"{_count(minutes // 60, 'hour')} {_count(minutes % 60, 'minute')}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
