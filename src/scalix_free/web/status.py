"""Whether the service does well: what became of real requests."""

from __future__ import annotations

from typing import Final

from litestar.handlers import HTTPRouteHandler

from scalix_free.core.clock import utc
from scalix_free.serve import Condition, Conditions
from scalix_free.serve.condition import Share
from scalix_free.web.frame import AnyRequest, Frame, Page, page_at

FAIR: Final = 0.9
"""Below this share of answers an hour is drawn as a bad one."""


def status_pages(frame: Frame, conditions: Conditions) -> list[HTTPRouteHandler]:
    """One page, the same for everybody."""

    @page_at("/status")
    async def status(request: AnyRequest) -> Page:
        shown = told(await conditions.now())
        return frame.page(request, "status.html", shown, personal=False)

    return [status]


def told(condition: Condition | None) -> dict[str, object]:
    """What the template shows; None while nothing can be known."""
    hours = () if condition is None else condition.hours
    return {
        "condition": condition,
        "hours": [(utc(at_ms), share, tone(share)) for at_ms, share in hours],
        "percent": percent,
    }


def percent(share: Share) -> str:
    """The part that was answered, never rounded up to all; ``no data`` where nobody asked."""
    if share.ratio is None:
        return "no data"
    return f"{int(share.ratio * 10_000) / 100:g} %"


def tone(share: Share) -> str:
    """How an hour is drawn."""
    if share.ratio is None:
        return "empty"
    if share.ratio == 1:
        return "good"
    return "fair" if share.ratio >= FAIR else "bad"
