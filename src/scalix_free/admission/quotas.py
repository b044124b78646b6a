"""From settings' numbers to the limits of people, addresses and networks."""

from __future__ import annotations

from typing import Final

from scalix_free.core.clock import DAY_MS, HOUR_MS, MINUTE_MS
from scalix_free.core.ledger import MOST_ROWS, Limit, Policy, Unit

SESSION_MS: Final = 30 * DAY_MS
"""A session lasts as long as a minted identity; its requests are counted over as much."""

MOST_MAILS: Final = {"mailbox": 3, "address": 5, "network": 20}
"""Mails in an hour: to one mailbox, and asked for from one address or network."""


MOST_POSTS: Final = {
    "leads": {"address": 5, "network": 20},
    "events": {"address": 120, "network": 480},
}
"""In an hour, of what anybody may leave with us without asking anything."""


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


def session_policy(most: int | None) -> Policy:
    """How many requests one session may have."""
    limit = Limit("session", Unit.REQUESTS, most, SESSION_MS)
    return Policy("session", (limit,), leased=False)


def mint_policy(place: str, most: int | None) -> Policy:
    """How many identities a place may take in a day, and the book in which they are counted.

    ``most`` is the figure past which the price doubles, not a limit; nobody pays for as many as
    are let through here, except where nothing is paid.
    """
    return Policy(
        f"mint_{place}",
        (Limit(f"{place}_identities", Unit.REQUESTS, max(MOST_ROWS, 2 * (most or 0)), DAY_MS),),
        leased=False,
    )


def mail_policy(cause: str) -> Policy:
    """How many mails may be caused by one mailbox, address or network."""
    return Policy(
        f"mail_{cause}",
        (Limit(f"{cause}_mails", Unit.REQUESTS, MOST_MAILS[cause], HOUR_MS),),
        leased=False,
    )


def post_policy(what: str, place: str) -> Policy:
    """How many leads or events may come from one address or network."""
    most = MOST_POSTS[what][place]
    limit = Limit(f"{place}_{what}", Unit.REQUESTS, most, HOUR_MS)
    return Policy(f"{what}_{place}", (limit,), leased=False)
