"""What Pro costs somebody: one arithmetic, in decimal.

    price = base x (1 - personal) x (1 - promotion), rounded half up to the cent, once

Of the personal discounts the best one counts. No price is ever above its base.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

CENT: Final = Decimal("0.01")
MONTHS: Final = 12
BUSY_DAYS: Final = 5
LOOKED_AT_DAYS: Final = 7
BUSY_PERCENT: Final = 80
"""Much use is so much of the day's requests, on so many of the last days."""
BUSY: Final = (
    f"you used at least {BUSY_PERCENT} % of a day's requests on {BUSY_DAYS} of the last "
    f"{LOOKED_AT_DAYS} days"
)
REFERRED: Final = "somebody referred you"


class Kind(enum.StrEnum):
    """Whom a discount is for: this person, by what is known of them, or everybody."""

    PERSONAL = "personal"
    PROMOTION = "promotion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """So many percent off, and why, in a sentence. ``expires_ms`` is None where nobody knows."""

    code: str
    kind: Kind
    percent: int
    reason: str
    expires_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The base price of a month, and percentages; 0: there is no such discount."""

    currency: str
    base: Decimal
    near_limit: int
    high_usage: int
    referral: int
    first_month: int
    annual: int


@dataclass(frozen=True, slots=True)
class Price:
    """What is paid now and what at each renewal, instead of the base; and what made it so."""

    base: Decimal
    price: Decimal
    renewal: Decimal
    discounts: Sequence[Discount]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of somebody that moves their price.

    ``near_limit`` tells of the window that is nearly used up, in words, and ``near_until_ms`` when
    it gives something back. ``busy_until_ms`` is when high usage will be looked at anew, None where
    there is none. A ``subscriber`` has had a first month.
    """

    near_limit: str | None = None
    near_until_ms: int | None = None
    busy_until_ms: int | None = None
    is_referred: bool = False
    is_subscriber: bool = False


def is_busy(requests: Iterable[int], most: int | None) -> bool:
    """Whether these days' requests are high usage of a day's limit; None: there is no limit."""
    if most is None:
        return False
    return sum(count * 100 >= most * BUSY_PERCENT for count in requests) >= BUSY_DAYS


def personal(rates: Rates, facts: Facts) -> Discount | None:
    """The best discount that is this person's own; of equals the first."""
    rows = (
        ("near_limit", rates.near_limit, facts.near_limit, facts.near_until_ms),
        (
            "high_usage",
            rates.high_usage,
            BUSY if facts.busy_until_ms else None,
            facts.busy_until_ms,
        ),
        ("referral", rates.referral, REFERRED if facts.is_referred else None, None),
    )
    offered = [
        Discount(
            code=code,
            kind=Kind.PERSONAL,
            percent=percent,
            reason=f"{percent} % off, as {why}.",
            expires_ms=until_ms,
        )
        for code, percent, why, until_ms in rows
        if why is not None and percent
    ]
    return max(offered, key=lambda discount: discount.percent, default=None)


def monthly(rates: Rates, facts: Facts, *, plain: bool = False) -> Price:
    """The first month, and those after it; ``plain`` leaves out what is personal."""
    percent = 0 if facts.is_subscriber else rates.first_month
    first = _promotion("first_month", percent, "the first month")
    return _offered(rates.base, None if plain else personal(rates, facts), first, stays=False)


def annual(rates: Rates, facts: Facts, *, plain: bool = False) -> Price:
    """A year; the discount for a year holds at renewals, a personal one does not."""
    whole = _promotion("annual", rates.annual, "for a year at once")
    own = None if plain else personal(rates, facts)
    return _offered(rates.base * MONTHS, own, whole, stays=True)


def is_moved(*prices: Price) -> bool:
    """Whether something personal moved one of these, so that people have to be told."""
    return any(discount.kind is Kind.PERSONAL for price in prices for discount in price.discounts)


def _promotion(code: str, percent: int, what: str) -> Discount:
    reason = f"{percent} % off {what}."
    return Discount(code=code, kind=Kind.PROMOTION, percent=percent, reason=reason)


def _offered(base: Decimal, own: Discount | None, promotion: Discount, *, stays: bool) -> Price:
    """What the discounts make of a base; a promotion that ``stays`` holds at renewals, too."""
    discounts = [one for one in (own, promotion) if one is not None and one.percent]
    renewal = _price(base, [promotion]) if stays else base
    return Price(base, _price(base, discounts), renewal, discounts)


def _price(base: Decimal, discounts: Sequence[Discount]) -> Decimal:
    price = base
    for discount in discounts:
        price = price * (100 - discount.percent) / 100
    return min(base, price.quantize(CENT, ROUND_HALF_UP))
