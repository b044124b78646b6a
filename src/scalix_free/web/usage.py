"""One's own usage: what is left of every limit, and what was used when."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from scalix_free.core.errors import Refusal
from scalix_free.core.outcome import Day
from scalix_free.serve import Callers, OwnData, OwnUsage
from scalix_free.web.frame import AnyRequest, Frame, Page
from scalix_free.web.meters import binding, meters
from scalix_free.web.visits import Visits

DAYS: Final = 14
MOST_FORM_BYTES: Final = 4_096


class Bar(msgspec.Struct, frozen=True):
    """One day of the chart; ``height`` in hundredths of the busiest day."""

    date: str
    requests: int
    tokens: int
    height: int


def usage_pages(
    frame: Frame, own_usage: OwnUsage, own_data: OwnData, callers: Callers, visits: Visits
) -> list[HTTPRouteHandler]:
    """The page, and the button that deletes what is kept of its reader."""

    async def page(
        request: AnyRequest, *, erased: bool = False, refusal: Refusal | None = None
    ) -> Page:
        used = await own_usage.of(visits.visitor(request), DAYS)
        shown: dict[str, object] = {
            "used": None,
            "refusal": refusal,
            "erased": erased,
            "overlooked": visits.is_known(request) and not visits.is_own(request),
        }
        if isinstance(used, Refusal):
            shown["refusal"] = refusal or used
        else:
            shown |= {
                "used": used,
                "standing": used.standing,
                "meters": meters(used.standing),
                "left": binding(used.standing),
                "bars": _bars(used.days),
            }
        return frame.page(request, "usage.html", shown, status=200 if refusal is None else 400)

    @get("/usage", include_in_schema=False)
    async def usage(request: AnyRequest) -> Page:
        return await page(request)

    @post(
        "/usage/delete",
        include_in_schema=False,
        status_code=200,
        request_max_body_size=MOST_FORM_BYTES,
    )
    async def delete(request: AnyRequest) -> Page:
        form = await visits.form(request)
        if isinstance(form, Refusal):
            return await page(request, refusal=form)
        caller = await callers.caller(visits.visitor(request))
        refusal = caller if isinstance(caller, Refusal) else await own_data.erase(caller)
        return await page(request, erased=refusal is None, refusal=refusal)

    return [usage, delete]


def _bars(days: Sequence[Day]) -> Sequence[Bar]:
    most = max((day.requests for day in days), default=0)
    return [
        Bar(
            date=(datetime.date(1970, 1, 1) + datetime.timedelta(days=day.day)).isoformat(),
            requests=day.requests,
            tokens=day.tokens,
            height=-(-day.requests * 100 // most) if most else 0,
        )
        for day in days
    ]
