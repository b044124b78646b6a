"""One's own usage: what is left of every limit, and what was used when."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Mapping, Sequence
from typing import Final, cast

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from scalix_free.core.caller import Caller, Visitor
from scalix_free.core.clock import utc
from scalix_free.core.errors import Refusal
from scalix_free.core.outcome import Day
from scalix_free.serve import Callers, OwnData, OwnUsage, Used
from scalix_free.serve.own_data import Tables
from scalix_free.web.frame import AnyRequest, Frame, Page, page_at, takes
from scalix_free.web.meters import binding, meters, spent
from scalix_free.web.visits import Visits

DAYS: Final = 14
KINDS: Final = {"json": "application/json", "csv": "text/csv"}
COLUMNS: Final = (
    "request_id",
    "at",
    "model",
    "attempts",
    "cache",
    "result",
    "code",
    "prompt_tokens",
    "completion_tokens",
    "counts",
    "charged_tokens",
    "first_token_ms",
    "total_ms",
)
"""Of a request in a table."""


class Bar(msgspec.Struct, frozen=True):
    """One day of the chart; ``height`` in hundredths of the busiest day."""

    date: str
    requests: int
    tokens: int
    height: int


def usage_pages(
    frame: Frame,
    own_usage: OwnUsage,
    own_data: OwnData,
    callers: Callers,
    visits: Visits,
    *,
    uplift: int | None,
) -> list[HTTPRouteHandler]:
    """The page; and what is kept of its reader, to have or to delete.

    ``uplift`` is how many requests a day an account has; None: as many as it likes.
    """

    async def page(
        request: AnyRequest,
        sender: Visitor | Refusal | None = None,
        *,
        key: str = "",
        erased: bool = False,
        refusal: Refusal | None = None,
    ) -> Page:
        visitor = visits.visitor(request) if sender is None else sender
        found = visitor if isinstance(visitor, Refusal) else await own_usage.of(visitor, DAYS)
        used = None if isinstance(found, Refusal) else found
        if isinstance(found, Refusal):
            refusal = refusal or found
        came = request.headers.get("sec-fetch-site") is not None
        overlooked = not key and came and visits.is_known(request) and not visits.is_own(request)
        shown = told(used, erased=erased, overlooked=overlooked, key=key, uplift=uplift)
        return frame.page(request, "usage.html", shown, refusal=refusal)

    async def of_form(request: AnyRequest) -> tuple[Mapping[str, str], Caller | Refusal]:
        form = await visits.form(request)
        if isinstance(form, Refusal):
            return {}, form
        visitor = visits.sender(request, form)
        return form, visitor if isinstance(visitor, Refusal) else await callers.caller(visitor)

    @page_at("/usage")
    async def usage(request: AnyRequest) -> Page:
        return await page(request)

    @takes("/usage")
    async def of_key(request: AnyRequest) -> Page:
        form = await visits.form(request)
        if isinstance(form, Refusal):
            return await page(request, refusal=form)
        return await page(request, visits.sender(request, form), key=form.get("key", ""))

    @takes("/usage/export")
    async def export(request: AnyRequest) -> Page:
        form, caller = await of_form(request)
        found = caller if isinstance(caller, Refusal) else await own_data.export(caller)
        if isinstance(found, Refusal):
            return await page(request, refusal=found)
        return as_file(found, "csv" if form.get("as") == "csv" else "json")

    @takes("/usage/delete")
    async def delete(request: AnyRequest) -> Page:
        _, caller = await of_form(request)
        refusal = caller if isinstance(caller, Refusal) else await own_data.erase(caller)
        return await page(request, erased=refusal is None, refusal=refusal)

    return [usage, of_key, export, delete]


def as_file(kept: Tables, kind: str) -> Page:
    """All that is kept as JSON, or the requests as CSV, for the reader's disk."""
    if kind == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for row in kept.get("usage", ()):
            writer.writerow({**row, "at": utc(cast("int", row["at_ms"]))})
        body = text.getvalue()
    else:
        body = msgspec.json.format(msgspec.json.encode(kept), indent=2).decode()
    return Response(
        body,
        media_type=KINDS[kind],
        headers={
            "cache-control": "no-store",
            "content-disposition": f'attachment; filename="scalix-free.{kind}"',
        },
    )


def told(
    used: Used | None,
    *,
    erased: bool = False,
    overlooked: bool = False,
    key: str = "",
    uplift: int | None = None,
) -> dict[str, object]:
    """What the template shows.

    ``overlooked`` says that there was a cookie which does not count on this way, but on another.
    ``key`` was typed in: it is kept nowhere but in the forms of this page.
    """
    shown: dict[str, object] = {
        "used": used,
        "erased": erased,
        "overlooked": overlooked,
        "key": key,
        "uplift": uplift,
    }
    if used is None:
        return shown
    standing = used.standing
    return shown | {
        "standing": standing,
        "meters": meters(standing),
        "spent": spent(standing),
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
