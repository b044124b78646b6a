"""Prices: which discounts count, in which order, how they are rounded, and who is told."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.growth.pricing import (
    Facts,
    Kind,
    Rates,
    annual,
    is_busy,
    is_moved,
    monthly,
    personal,
)

RATES = Rates(
    currency="USD",
    base=Decimal("29.99"),
    near_limit=10,
    high_usage=15,
    referral=20,
    first_month=50,
    annual=20,
)
NOBODY = Facts()
NEAR = Facts(near_limit="2 of your 20 free requests a day are left", near_until_ms=7)
BUSY = Facts(busy_until_ms=8)
REFERRED = Facts(is_referred=True)
SUBSCRIBER = Facts(is_subscriber=True)
ALL = replace(NEAR, busy_until_ms=8, is_referred=True)


@pytest.mark.parametrize(
    ("facts", "first_month", "year"),
    [
        (NOBODY, "15.00", "287.90"),  # 14.995 and 287.904
        (NEAR, "13.50", "259.11"),  # 13.4955 and 259.1136
        (BUSY, "12.75", "244.72"),  # 12.74575 and 244.7184
        (REFERRED, "12.00", "230.32"),  # 11.996 and 230.3232
        (ALL, "12.00", "230.32"),
        (replace(NEAR, busy_until_ms=8), "12.75", "244.72"),
    ],
)
def test_one_personal_discount_and_the_promotion_apply_one_after_the_other(
    facts: Facts, first_month: str, year: str
) -> None:
    month, whole = monthly(RATES, facts), annual(RATES, facts)
    assert (month.base, month.price, month.renewal) == (
        Decimal("29.99"),
        Decimal(first_month),
        Decimal("29.99"),
    )
    assert (whole.base, whole.price, whole.renewal) == (
        Decimal("359.88"),
        Decimal(year),
        Decimal("287.90"),
    )


def test_the_best_personal_discount_counts_and_says_why_and_until_when() -> None:
    assert personal(RATES, NOBODY) is None
    near, busy, best = (personal(RATES, facts) for facts in (NEAR, BUSY, ALL))
    assert near is not None
    assert near.reason == "10 % off, as 2 of your 20 free requests a day are left."
    assert (near.code, near.kind, near.percent, near.expires_ms) == (
        "near_limit",
        Kind.PERSONAL,
        10,
        7,
    )
    assert busy is not None
    assert (busy.code, busy.expires_ms) == ("high_usage", 8)
    assert best is not None
    assert (best.code, best.expires_ms) == ("referral", None)


def test_each_discount_that_applies_is_told_and_no_other() -> None:
    def told(facts: Facts) -> list[list[tuple[str, str]]]:
        prices = (monthly(RATES, facts), annual(RATES, facts))
        return [[(one.code, one.kind.value) for one in price.discounts] for price in prices]

    assert told(NOBODY) == [[("first_month", "promotion")], [("annual", "promotion")]]
    assert told(BUSY) == [
        [("high_usage", "personal"), ("first_month", "promotion")],
        [("high_usage", "personal"), ("annual", "promotion")],
    ]
    assert told(SUBSCRIBER) == [[], [("annual", "promotion")]]


def test_a_second_subscription_has_no_first_month() -> None:
    assert monthly(RATES, SUBSCRIBER).price == Decimal("29.99")


def test_the_plain_price_has_nothing_personal() -> None:
    assert monthly(RATES, ALL, plain=True) == monthly(RATES, NOBODY)
    assert annual(RATES, ALL, plain=True) == annual(RATES, NOBODY)


def test_people_are_told_when_something_personal_moved_the_price() -> None:
    for facts in (NEAR, BUSY, REFERRED, ALL):
        assert is_moved(monthly(RATES, facts), annual(RATES, facts))
    for facts in (NOBODY, SUBSCRIBER):
        assert not is_moved(monthly(RATES, facts), annual(RATES, facts))
    none = replace(RATES, near_limit=0)
    assert not is_moved(monthly(none, NEAR), annual(none, NEAR))


@pytest.mark.parametrize(
    ("requests", "most", "busy"),
    [
        ([16] * 5, 20, True),
        ([16] * 4 + [15], 20, False),
        ([0, 0, *[20] * 5], 20, True),
        ([40] * 7, 50, True),
        ([39] * 7, 50, False),
        ([1_000] * 7, None, False),
        ([], 20, False),
    ],
)
def test_high_usage_is_four_fifths_on_five_days(
    requests: list[int], most: int | None, *, busy: bool
) -> None:
    assert is_busy(requests, most) is busy


PERCENT = st.integers(0, 100)


@given(
    st.integers(0, 10**7), PERCENT, PERCENT, PERCENT, st.booleans(), st.booleans(), st.booleans()
)
def test_prices_are_exact_to_the_half_cent_and_never_above_base(
    cents: int, near: int, first: int, year: int, is_near: bool, is_new: bool, plain: bool
) -> None:
    rates = replace(
        RATES, base=Decimal(cents) / 100, near_limit=near, first_month=first, annual=year
    )
    facts = replace(NEAR if is_near else NOBODY, is_subscriber=not is_new)
    own = near if is_near and not plain else 0
    for price, off in (
        (monthly(rates, facts, plain=plain), first if is_new else 0),
        (annual(rates, facts, plain=plain), year),
    ):
        exact = Fraction(price.base) * (100 - own) * (100 - off) / 10_000
        assert -Fraction(1, 200) < Fraction(price.price) - exact <= Fraction(1, 200)
        assert 0 <= price.price <= price.base
        assert price.renewal <= price.base
