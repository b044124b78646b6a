"""From settings' numbers to the limits of people, addresses and networks."""

from __future__ import annotations

from typing import Final

from scalix_free.core.ledger import Limit, Policy, Unit

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS


def tier_policy(
    tier: str,
    *,
    requests_per_hour: int | None,
    requests_per_day: int | None,
    tokens_per_day: int | None,
    concurrent: int | None,
) -> Policy:
    """The limits of one caller. None lifts a limit."""
    return Policy(
        tier,
        (
            Limit("requests_hour", Unit.REQUESTS, requests_per_hour, HOUR_MS),
            Limit("requests_day", Unit.REQUESTS, requests_per_day, DAY_MS),
            Limit("tokens_day", Unit.TOKENS, tokens_per_day, DAY_MS),
            Limit("concurrent", Unit.CALLS, concurrent),
        ),
    )


def address_policy(
    *,
    per_minute: int | None,
    per_hour: int | None,
    per_day: int | None,
    users_per_hour: int | None = None,
) -> Policy:
    """The limits of one address, whoever calls from it, and of how many different ones do."""
    return Policy(
        "address",
        (
            Limit("address_minute", Unit.REQUESTS, per_minute, MINUTE_MS),
            Limit("address_hour", Unit.REQUESTS, per_hour, HOUR_MS),
            Limit("address_day", Unit.REQUESTS, per_day, DAY_MS),
            Limit("address_users", Unit.USERS, users_per_hour, HOUR_MS),
        ),
        leased=False,
    )


def network_policy(*, per_hour: int | None, per_day: int | None) -> Policy:
    """The limits of one network, whoever calls from it."""
    return Policy(
        "network",
        (
            Limit("network_hour", Unit.REQUESTS, per_hour, HOUR_MS),
            Limit("network_day", Unit.REQUESTS, per_day, DAY_MS),
        ),
        leased=False,
    )
