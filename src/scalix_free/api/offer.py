"""What Pro costs the caller, and what they do about being told."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal, get_args

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from scalix_free.api.free import Answer
from scalix_free.api.intake import PRIVATE, AnyRequest, Intake
from scalix_free.core.clock import utc
from scalix_free.core.errors import Code, Refusal
from scalix_free.core.funnel import Action, Trigger
from scalix_free.growth.pricing import Price
from scalix_free.serve import Offer, Offers

Interval = Literal["month", "year"]
INTERVALS: Final = get_args(Interval)

LEADS: Final = "/api/v1/free/leads"
EVENTS: Final = "/api/v1/free/events"
CHECKOUT: Final = "/api/v1/free/checkout"
PORTAL: Final = "/api/v1/free/portal"


class DiscountCard(msgspec.Struct, kw_only=True):
    """So many percent off, and why. ``kind`` is ``personal`` or ``promotion``."""

    code: str
    kind: str
    percent: int
    reason: str
    expires_at: str | None


class PriceCard(msgspec.Struct, kw_only=True):
    """Amounts as decimal strings: without discounts, now, and at each renewal."""

    base: str
    price: str
    renewal: str
    discounts: list[DiscountCard]


class OfferCard(msgspec.Struct, kw_only=True):
    """A prompt and a price for this caller.

    ``texts`` are the words of the triggers that answers carry. ``notice`` has to be shown beside
    the price where it is there.
    """

    trigger: str | None
    message: str
    call_to_action: str | None
    message_id: str
    texts: dict[str, str]
    currency: str
    interval: str
    monthly: PriceCard
    annual: PriceCard
    notice: str | None
    payments_available: bool = False


class LeaveAddress(msgspec.Struct, kw_only=True):
    """An address to be written to, with consent, and where it was left."""

    email: Annotated[str, msgspec.Meta(min_length=1, max_length=320)]
    consent: bool
    source: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = (
        None
    )


class React(msgspec.Struct, kw_only=True):
    """What somebody did about a prompt."""

    trigger: Trigger
    action: Action
    message_id: Annotated[str, msgspec.Meta(pattern="^[!-~]{1,64}$")]


class Checkout(msgspec.Struct, kw_only=True):
    """What is to be paid for."""

    plan: Literal["pro"] = "pro"
    interval: Interval = "month"


class Accepted(msgspec.Struct, kw_only=True):
    """The same for everybody."""

    status: str = "accepted"


BODIES: Final = {LEADS: LeaveAddress, EVENTS: React, CHECKOUT: Checkout}
"""What is sent to which address."""


def offer_routes(intake: Intake, offers: Offers) -> list[HTTPRouteHandler]:
    """The offer, and the ways to answer it."""

    @get("/api/v1/free/offer", summary="What Pro costs the caller, and why")
    async def offer(
        request: AnyRequest,
        interval: Annotated[str, Parameter(description="month or year", required=False)] = "month",
        trigger: Annotated[
            str | None, Parameter(description="The prompt whose words are wanted", required=False)
        ] = None,
        plain: Annotated[
            str, Parameter(description="true: without anything personal", required=False)
        ] = "false",
    ) -> Response[OfferCard]:
        if interval not in INTERVALS:
            return intake.refuse(request, NO_INTERVAL)
        if trigger is not None and trigger not in list(Trigger):
            return intake.refuse(request, NO_TRIGGER)
        found = await offers.of(
            intake.visitor(request),
            yearly=interval == "year",
            asked=None if trigger is None else Trigger(trigger),
            plain=plain.lower() in {"true", "1"},
        )
        if isinstance(found, Refusal):
            return intake.refuse(request, found)
        return Response(_card(found, interval), headers=PRIVATE)

    @post(LEADS, status_code=202, summary="Leave an address, with consent")
    async def leave(request: AnyRequest) -> Response[Accepted]:
        told = await intake.body(request, LeaveAddress)
        if isinstance(told, Refusal):
            return intake.refuse(request, told)
        visitor = intake.visitor(request)
        return taken(
            request,
            await offers.leave(visitor, told.email, consent=told.consent, source=told.source),
        )

    @post(EVENTS, status_code=202, summary="Tell what was done about a prompt")
    async def react(request: AnyRequest) -> Response[Accepted]:
        told = await intake.body(request, React)
        if isinstance(told, Refusal):
            return intake.refuse(request, told)
        visitor = intake.visitor(request)
        return taken(
            request, await offers.react(visitor, told.trigger, told.action, told.message_id)
        )

    def taken(request: AnyRequest, refusal: Refusal | None) -> Answer:
        if refusal is not None:
            return intake.refuse(request, refusal)
        return Response(Accepted(), status_code=202, headers=PRIVATE)

    @post(CHECKOUT, status_code=200, summary="Begin to pay")
    async def checkout(request: AnyRequest) -> Response[None]:
        asked = await intake.body(request, Checkout)
        refusal = asked if isinstance(asked, Refusal) else await offers.pay(intake.visitor(request))
        return intake.refuse(request, refusal)

    @post(PORTAL, status_code=200, summary="Look after what one pays")
    async def portal(request: AnyRequest) -> Response[None]:
        return intake.refuse(request, await offers.pay(intake.visitor(request)))

    return [offer, leave, react, checkout, portal]


def _card(offer: Offer, interval: str) -> OfferCard:
    return OfferCard(
        trigger=offer.trigger,
        message=offer.message.text,
        call_to_action=offer.message.call_to_action,
        message_id=offer.message.id,
        texts=offer.texts,
        currency=offer.currency,
        interval=interval,
        monthly=_price(offer.monthly),
        annual=_price(offer.annual),
        notice=offer.notice,
    )


def _price(price: Price) -> PriceCard:
    return PriceCard(
        base=_money(price.base),
        price=_money(price.price),
        renewal=_money(price.renewal),
        discounts=[
            DiscountCard(
                code=discount.code,
                kind=discount.kind.value,
                percent=discount.percent,
                reason=discount.reason,
                expires_at=None if discount.expires_ms is None else utc(discount.expires_ms),
            )
            for discount in price.discounts
        ],
    )


def _money(amount: Decimal) -> str:
    return f"{amount:.2f}"


NO_INTERVAL: Final = Refusal(
    code=Code.INVALID_REQUEST, message="interval is month or year.", param="interval"
)
NO_TRIGGER: Final = Refusal(
    code=Code.INVALID_REQUEST,
    message=f"trigger is one of {', '.join(Trigger)}.",
    param="trigger",
)
