"""What is left for a caller, and which of the limits binds."""

from collections.abc import Sequence

import pytest

from scalix_free.core.caller import Tier
from scalix_free.core.ledger import Level, Limit, Policy, Unit
from scalix_free.core.standing import Standing
from tests.core.held_clock import NOON

HOUR, DAY = 3_600_000, 86_400_000
TIER = Tier(
    name="anonymous",
    policy=Policy("anonymous", ()),
    max_output_tokens=1,
    default_output_tokens=1,
    context_tokens=1,
)


def hour(used: int, most: int | None = 5) -> Level:
    return Level(Limit("requests_hour", Unit.REQUESTS, most, HOUR), used, NOON)


def day(used: int, most: int | None = 20) -> Level:
    return Level(Limit("requests_day", Unit.REQUESTS, most, DAY), used, NOON)


def tokens(used: int, most: int | None = 5_000, window_ms: int = DAY) -> Level:
    return Level(Limit("tokens", Unit.TOKENS, most, window_ms), used, NOON)


def slots(used: int) -> Level:
    return Level(Limit("concurrent", Unit.CALLS, 2), used, None)


@pytest.mark.parametrize(
    ("levels", "binding"),
    [
        ([hour(1), day(1)], 0),
        ([hour(1), day(19)], 1),
        ([hour(5), day(20)], 1),  # of equals the longer
        ([day(20), hour(5)], 0),
        ([hour(7), day(20)], 1),  # more than all is not less than nothing
        ([hour(0, None), day(3)], 1),
        ([hour(0, None), day(0, None), tokens(5_000), slots(2)], None),
        ([], None),
    ],
)
def test_the_request_window_with_the_least_left_binds(
    levels: Sequence[Level], binding: int | None
) -> None:
    standing = Standing(TIER, levels, NOON)

    assert standing.binding == (None if binding is None else levels[binding])


def test_of_tokens_the_window_with_the_least_left_is_told() -> None:
    short, long = tokens(10, 1_000, HOUR), tokens(4_500)

    assert Standing(TIER, [short, long, hour(0)], NOON).tokens == long
    assert Standing(TIER, [tokens(10, None), hour(0)], NOON).tokens is None


@pytest.mark.parametrize(
    ("levels", "near"),
    [
        *(([hour(3, 5)], False), ([hour(4, 5)], True), ([hour(5, 5)], True)),  # a quarter: 1
        *(([day(14, 20)], False), ([day(15, 20)], True)),  # a quarter: 5
        *(([day(94, 100)], False), ([day(95, 100)], True)),  # never more than 5
        *(([hour(0, None)], False), ([tokens(5_000)], False), ([], False)),
    ],
)
def test_the_limit_is_near_when_few_requests_are_left(levels: Sequence[Level], near: bool) -> None:
    assert Standing(TIER, levels, NOON).near_limit is near


def test_what_is_left_is_never_less_than_nothing() -> None:
    assert [hour(used).remaining for used in (0, 4, 5, 9)] == [5, 1, 0, 0]
    assert hour(9, None).remaining is None


@pytest.mark.parametrize(
    ("used", "minutes", "in_minutes"),
    [
        (3, 30, 20),  # 3 in 30 minutes: 2 more take 20
        (4, 40, 10),
        (3, 37, None),  # the next one comes back before
        (2, 10, None),  # too few to tell
        (4, 4, None),  # too short a time
        (5, 30, None),  # it is used up
    ],
)
def test_the_rate_tells_when_the_requests_run_out(
    used: int, minutes: int, in_minutes: int | None
) -> None:
    level = hour(used)._replace(resets_at_ms=NOON + HOUR - minutes * 60_000)
    standing = Standing(TIER, [level, day(used)], NOON)

    expected = None if in_minutes is None else NOON + in_minutes * 60_000
    assert standing.runs_out_ms == expected
