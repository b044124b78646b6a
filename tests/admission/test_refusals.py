"""What somebody reads whose limit is used up: which one, n of n, when it returns, what to do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.admission.quotas import (
    address_policy,
    mail_policy,
    mint_policy,
    network_policy,
    tier_policy,
)
from scalix_free.admission.refusals import refusal
from scalix_free.core.errors import Code
from scalix_free.core.ledger import Denied, Limit, Unit
from tests.core.held_clock import NOON

MINUTE, HOUR = 60_000, 3_600_000

LIMITS = {
    limit.name: limit
    for policy in (
        tier_policy(
            "t", requests_per_hour=5, requests_per_day=20, tokens_per_day=5_000, concurrent=2
        ),
        address_policy(users_per_hour=50, per_minute=30, per_hour=100, per_day=200),
        network_policy(per_hour=300, per_day=1_000),
        *(mint_policy(place, 6) for place in ("address", "network")),
        *(mail_policy(cause) for cause in ("mailbox", "address", "network")),
    )
    for limit in policy.limits
}
WINDOWS = [limit for limit in LIMITS.values() if limit.unit is not Unit.CALLS]


def denied(name: str, used: int, retry_ms: int | None) -> Denied:
    own = not name.startswith(("address", "network"))
    return Denied(LIMITS[name], own, used, retry_ms, (), NOON)


@pytest.mark.parametrize(
    ("name", "used", "retry_ms", "code", "says"),
    [
        (
            *("requests_hour", 5, 12 * MINUTE + 1, Code.HOURLY_LIMIT),
            "5 of 5 requests per hour are used. The next one returns in 13 minutes, "
            "at 2027-01-15T08:12:01Z; wait until then or upgrade.",
        ),
        (
            *("requests_day", 20, 5 * HOUR + 61_000, Code.DAILY_LIMIT),
            "20 of 20 requests per day are used. The next one returns in 5 hours 2 minutes, "
            "at 2027-01-15T13:01:01Z; wait until then or upgrade.",
        ),
        (
            *("tokens_day", 4_990, 90_000, Code.TOKEN_LIMIT),
            "4990 of 5000 tokens per day are used, and this request needs more than is left. "
            "Enough tokens return in 90 seconds, at 2027-01-15T08:01:30Z; "
            "wait until then or upgrade.",
        ),
        (
            *("concurrent", 2, 2_000, Code.CONCURRENCY),
            "2 of 2 requests at the same time are running. "
            "Try again in 2 seconds, or when one of them has ended.",
        ),
        (
            *("address_minute", 30, 1, Code.IP_RATE_LIMIT),
            "30 of 30 requests per minute from your address are used. "
            "The next one returns in 1 second, at 2027-01-15T08:00:01Z; "
            "wait until then or upgrade.",
        ),
        (
            *("address_users", 50, 90_000, Code.IP_RATE_LIMIT),
            "50 of 50 different callers per hour from your address are used. "
            "The next one returns in 90 seconds, at 2027-01-15T08:01:30Z; "
            "wait until then or upgrade.",
        ),
        (
            *("network_day", 1_000, HOUR, Code.IP_RATE_LIMIT),
            "1000 of 1000 requests per day from your network are used. "
            "The next one returns in 60 minutes, at 2027-01-15T09:00:00Z; "
            "wait until then or upgrade.",
        ),
    ],
)
def test_the_words_by_example(name: str, used: int, retry_ms: int, code: Code, says: str) -> None:
    told = refusal(denied(name, used, retry_ms))

    assert told.message == (
        "Free tier limit exceeded. Please upgrade to Pro. " + says + " Resource has been exhausted."
    )
    assert (told.code, told.window, told.retry_ms) == (code, name, retry_ms)
    assert told.param is None


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
@given(retry_ms=st.integers(1, 90_000_000), more=st.integers(0, 100))
def test_every_limit_is_told_as_the_contract_says(limit: Limit, retry_ms: int, more: int) -> None:
    assert limit.most is not None
    used = limit.most + more
    told = refusal(denied(limit.name, used, retry_ms))

    assert told.message.startswith("Free tier limit exceeded. Please upgrade to Pro.")
    assert "Resource has been exhausted" in told.message
    assert f"{used} of {limit.most} " in told.message
    assert told.window == limit.name


@pytest.mark.parametrize("limit", WINDOWS, ids=lambda limit: limit.name)
@given(retry_ms=st.integers(1, 90_000_000))
def test_of_a_window_the_exact_time_is_told(limit: Limit, retry_ms: int) -> None:
    assert refusal(denied(limit.name, 1, retry_ms)).reset_at_ms == NOON + retry_ms


def test_when_a_slot_falls_free_is_not_promised() -> None:
    told = refusal(denied("concurrent", 2, 2_000))

    assert (told.retry_ms, told.reset_at_ms) == (2_000, None)


def test_a_request_that_could_never_fit_is_a_bad_request() -> None:
    told = refusal(denied("tokens_day", 0, None))

    assert told.code is Code.REQUEST_EXCEEDS_QUOTA
    assert (told.param, told.retry_ms, told.reset_at_ms) == ("messages", None, None)
    assert "5000 tokens per day" in told.message
    assert "shorter" in told.message


@pytest.mark.parametrize("name", ["requests_hour", "address_day"])
def test_a_limit_of_nothing_at_all_promises_nothing(name: str) -> None:
    told = refusal(denied(name, 0, None))

    assert (told.retry_ms, told.reset_at_ms) == (None, None)
    assert "no room at all" in told.message


@pytest.mark.parametrize(
    ("retry_ms", "says"),
    [
        *((1, "1 second,"), (1_000, "1 second,"), (1_001, "2 seconds,"), (119_000, "119 seconds,")),
        *((119_001, "2 minutes,"), (7_140_000, "119 minutes,"), (7_140_001, "2 hours 0 minutes,")),
        *((7_200_001, "2 hours 1 minute,"), (86_400_000, "24 hours 0 minutes,")),
    ],
)
def test_a_wait_is_told_as_a_person_says_it_and_never_too_short(retry_ms: int, says: str) -> None:
    assert f"in {says}" in refusal(denied("requests_day", 20, retry_ms)).message
