"""The page that a mailed link opens. It changes nothing until its button is pressed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

import jinja2
from litestar import MediaType, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from scalix_free.core.errors import Refusal
from scalix_free.serve import Accounts
from scalix_free.web.reference import PAGE_HEADERS

MOST_FORM_BYTES: Final = 4_096
HEADERS: Final = {**PAGE_HEADERS, "cache-control": "no-store"}

Page = Response[str]
AnyRequest = Request[Any, Any, Any]


def verify_pages(accounts: Accounts) -> list[HTTPRouteHandler]:
    """Programs that open links to look behind them only ask with GET: that uses nothing up."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("scalix_free.web"), autoescape=True, trim_blocks=True
    )

    def page(status: int = 200, **shown: object) -> Page:
        text = templates.get_template("verify.html").render(shown)
        return Response(text, status_code=status, headers=HEADERS, media_type=MediaType.HTML)

    @get("/verify", include_in_schema=False)
    async def ask(request: AnyRequest) -> Page:
        return page(token=request.query_params.get("token", ""))

    @post(
        "/verify",
        include_in_schema=False,
        status_code=200,
        request_max_body_size=MOST_FORM_BYTES,
    )
    async def enter(request: AnyRequest) -> Page:
        form = _form(await request.body())
        if form.get("token"):
            found = await accounts.verify_token(form["token"])
        else:
            found = await accounts.verify_code(form.get("email", ""), form.get("code", ""))
        if isinstance(found, Refusal):
            return page(400, refusal=found.message)
        return page(verified=found)

    return [ask, enter]


def _form(body: bytes) -> Mapping[str, str]:
    fields = parse_qs(body.decode("latin-1"), max_num_fields=10)
    return {name: values[0].strip() for name, values in fields.items()}
