"""One's own usage, by day and by request."""

from __future__ import annotations

import datetime
from typing import Annotated, Final

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from scalix_free.api.free import Limits, limits_of
from scalix_free.api.intake import PRIVATE, AnyRequest, Intake
from scalix_free.core.clock import utc
from scalix_free.core.errors import Code, Refusal
from scalix_free.core.outcome import Day, Receipt
from scalix_free.serve import OwnUsage

MOST_DAYS: Final = 30
"""As long as requests are kept."""
DAYS: Final = frozenset(map(str, range(1, MOST_DAYS + 1)))
"""How many may be asked for, as it is written."""


class UsedDay(msgspec.Struct, kw_only=True):
    """What one UTC day cost."""

    date: str
    requests: int
    tokens: int


class ReceiptCard(msgspec.Struct, kw_only=True):
    """One request: who answered, how it ended, what it cost. Durations in milliseconds.

    ``outcome`` is ``answered``, ``refused``, ``failed`` or ``abandoned``, and ``code`` why it was
    not answered.
    """

    request_id: str
    at: str
    model: str | None
    attempts: int
    cache: str | None
    outcome: str
    code: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    charged_requests: int
    charged_tokens: int
    first_token_ms: float | None
    total_ms: float


class UsageReport(Limits, kw_only=True):
    """The days, oldest first; the last requests, newest first; and all limits.

    ``shared`` is true where the sums are those of an address: then there are no receipts.
    """

    days: list[UsedDay]
    receipts: list[ReceiptCard]
    shared: bool


def usage_routes(intake: Intake, own_usage: OwnUsage) -> list[HTTPRouteHandler]:
    """The route that tells it."""

    @get("/api/v1/free/usage", summary="What one used, by day, and the last requests")
    async def usage(
        request: AnyRequest,
        days: Annotated[str, Parameter(description="How many, 1 to 30", required=False)] = "14",
    ) -> Response[UsageReport]:
        if days not in DAYS:
            return intake.refuse(request, NO_DAYS)
        used = await own_usage.of(intake.visitor(request), int(days))
        if isinstance(used, Refusal):
            return intake.refuse(request, used)
        report = UsageReport(
            **msgspec.structs.asdict(limits_of(used.standing)),
            days=[_day(day) for day in used.days],
            receipts=[_receipt(receipt) for receipt in used.receipts],
            shared=used.shared,
        )
        return Response(report, headers=PRIVATE)

    return [usage]


def _day(day: Day) -> UsedDay:
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day.day)
    return UsedDay(date=date.isoformat(), requests=day.requests, tokens=day.tokens)


def _receipt(receipt: Receipt) -> ReceiptCard:
    first_token_ms = receipt.first_token_ms
    return ReceiptCard(
        request_id=f"req_{receipt.rid.hex()}",
        at=utc(receipt.at_ms),
        model=receipt.model,
        attempts=receipt.attempts,
        cache=receipt.cache,
        outcome=receipt.result,
        code=receipt.code,
        prompt_tokens=receipt.prompt_tokens,
        completion_tokens=receipt.completion_tokens,
        charged_requests=int(receipt.counts),
        charged_tokens=receipt.charged_tokens,
        first_token_ms=None if first_token_ms is None else round(first_token_ms, 1),
        total_ms=round(receipt.total_ms, 1),
    )


NO_DAYS: Final = Refusal(
    code=Code.INVALID_REQUEST,
    message=f"days is a whole number from 1 to {MOST_DAYS}.",
    param="days",
)
