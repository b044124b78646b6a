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
from scalix_free.serve import Callers, OwnData, OwnUsage, Used
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
        request: AnyRequest,
        *,
        key: str | None = None,
        erased: bool = False,
        refusal: Refusal | None = None,
    ) -> Page:
        visitor = visits.visitor(request)
        if key is not None:
            visitor = visitor._replace(credential=key)
        found = await own_usage.of(visitor, DAYS)
        used = None if isinstance(found, Refusal) else found
        if isinstance(found, Refusal):
            refusal = refusal or found
        overlooked = key is None and visits.is_known(request) and not visits.is_own(request)
        shown = told(
            used, refusal=refusal, erased=erased, overlooked=overlooked, is_of_key=key is not None
        )
        return frame.page(request, "usage.html", shown, status=200 if refusal is None else 400)

    @get("/usage", include_in_schema=False)
    async def usage(request: AnyRequest) -> Page:
        return await page(request)

    @post("/usage", include_in_schema=False, status_code=200, request_max_body_size=MOST_FORM_BYTES)
    async def of_key(request: AnyRequest) -> Page:
        form = await visits.form(request)
        if isinstance(form, Refusal):
            return await page(request, refusal=form)
        return await page(request, key=form.get("key") or None)

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

    return [usage, of_key, delete]


def told(
    used: Used | None,
    *,
    refusal: Refusal | None = None,
    erased: bool = False,
    overlooked: bool = False,
    is_of_key: bool = False,
) -> dict[str, object]:
    """What the template shows.

    ``overlooked`` says that there was a cookie which does not count on this way, ``is_of_key`` that
    a key was typed in: it is kept nowhere, so that this page is all that it opens.
    """
    shown: dict[str, object] = {
        "used": used,
        "refusal": refusal,
        "erased": erased,
        "overlooked": overlooked,
        "is_of_key": is_of_key,
    }
    if used is None:
        return shown
    standing = used.standing
    return shown | {
        "standing": standing,
        "meters": meters(standing),
        "left": binding(standing),
        "runs_out_ms": standing.runs_out_ms,
        "bars": _bars(used.days),
    }


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
