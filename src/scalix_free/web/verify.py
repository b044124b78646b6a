"""The page that a mailed link opens. It changes nothing until its button is pressed."""

from __future__ import annotations

from typing import Final

from litestar.handlers import HTTPRouteHandler

from scalix_free.core.errors import Refusal
from scalix_free.serve import Accounts, Verified
from scalix_free.web.frame import AnyRequest, Frame, Page, page_at, takes
from scalix_free.web.visits import fields_of

HEADERS: Final = {"referrer-policy": "no-referrer"}
"""Until it was entered the address of the page holds a token that nobody else may see."""


def verify_pages(frame: Frame, accounts: Accounts) -> list[HTTPRouteHandler]:
    """Programs that open links to look behind them only ask with GET: that uses nothing up."""

    def page(
        request: AnyRequest,
        *,
        email: str = "",
        token: str = "",
        refusal: Refusal | None = None,
        verified: Verified | None = None,
    ) -> Page:
        shown = {"email": email, "token": token, "verified": verified}
        return frame.page(
            request, "verify.html", shown, refusal=refusal, headers=None if verified else HEADERS
        )

    @page_at("/verify")
    async def ask(request: AnyRequest) -> Page:
        return page(request, token=request.query_params.get("token", ""))

    @takes("/verify")
    async def enter(request: AnyRequest) -> Page:
        form = fields_of(await request.body())
        if form.get("token"):
            found = await accounts.verify_token(form["token"])
        else:
            found = await accounts.verify_code(form.get("email", ""), form.get("code", ""))
        if isinstance(found, Refusal):
            return page(request, email=form.get("email", ""), refusal=found)
        return page(request, verified=found)

    return [ask, enter]
