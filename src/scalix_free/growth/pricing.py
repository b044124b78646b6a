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
    offered = []
    if facts.near_limit is not None:
        offered.append(
            Discount(
                code="near_limit",
                kind=Kind.PERSONAL,
                percent=rates.near_limit,
                reason=f"{rates.near_limit} % off, as {facts.near_limit}.",
                expires_ms=facts.near_until_ms,
            )
        )
    if facts.busy_until_ms is not None:
        offered.append(
            Discount(
                code="high_usage",
                kind=Kind.PERSONAL,
                percent=rates.high_usage,
                reason=(
                    f"{rates.high_usage} % off, as you used at least {BUSY_PERCENT} % of a day's "
                    f"requests on {BUSY_DAYS} of the last {LOOKED_AT_DAYS} days."
                ),
                expires_ms=facts.busy_until_ms,
            )
        )
    if facts.is_referred:
        offered.append(
            Discount(
                code="referral",
                kind=Kind.PERSONAL,
                percent=rates.referral,
                reason=f"{rates.referral} % off, as somebody referred you.",
            )
        )
    offered = [discount for discount in offered if discount.percent]
    return max(offered, key=lambda discount: discount.percent, default=None)


def monthly(rates: Rates, facts: Facts, *, plain: bool = False) -> Price:
    """The first month, and those after it; ``plain`` leaves out what is personal."""
    promotion = Discount(
        code="first_month",
        kind=Kind.PROMOTION,
        percent=0 if facts.is_subscriber else rates.first_month,
        reason=f"{rates.first_month} % off the first month.",
    )
    discounts = _applied(None if plain else personal(rates, facts), promotion)
    return Price(rates.base, _price(rates.base, discounts), rates.base, discounts)


def annual(rates: Rates, facts: Facts, *, plain: bool = False) -> Price:
    """A year; the discount for a year holds at renewals, a personal one does not."""
    base = rates.base * MONTHS
    promotion = Discount(
        code="annual",
        kind=Kind.PROMOTION,
        percent=rates.annual,
        reason=f"{rates.annual} % off for a year at once.",
    )
    discounts = _applied(None if plain else personal(rates, facts), promotion)
    renewal = _price(base, _applied(None, promotion))
    return Price(base, _price(base, discounts), renewal, discounts)


def is_moved(*prices: Price) -> bool:
    """Whether something personal moved one of these, so that people have to be told."""
    return any(discount.kind is Kind.PERSONAL for price in prices for discount in price.discounts)


def _applied(own: Discount | None, promotion: Discount) -> Sequence[Discount]:
    return [one for one in (own, promotion) if one is not None and one.percent]


def _price(base: Decimal, discounts: Sequence[Discount]) -> Decimal:
    price = base
    for discount in discounts:
        price = price * (100 - discount.percent) / 100
    return min(base, price.quantize(CENT, ROUND_HALF_UP))
