"""Signing up by e-mail."""

from __future__ import annotations

from collections.abc import Mapping

from litestar.handlers import HTTPRouteHandler

from scalix_free.core.caller import Tier
from scalix_free.core.errors import Refusal
from scalix_free.identity.identify import ANONYMOUS, REGISTERED
from scalix_free.serve import Accounts
from scalix_free.web.frame import AnyRequest, Frame, Page, page_at, takes
from scalix_free.web.visits import Visits


def sign_up_pages(
    frame: Frame, accounts: Accounts, visits: Visits, tiers: Mapping[str, Tier]
) -> list[HTTPRouteHandler]:
    """The form, and where to go on when the mail is under way."""
    about = {"before": tiers[ANONYMOUS].policy.limits, "after": tiers[REGISTERED].policy.limits}

    def page(
        request: AnyRequest,
        *,
        email: str = "",
        refusal: Refusal | None = None,
        sent: bool = False,
    ) -> Page:
        shown = about | {"email": email, "sent": sent}
        return frame.page(request, "sign-up.html", shown, refusal=refusal)

    @page_at("/sign-up")
    async def ask(request: AnyRequest) -> Page:
        return page(request)

    @takes("/sign-up")
    async def send(request: AnyRequest) -> Page:
        form = await visits.form(request)
        if isinstance(form, Refusal):
            return page(request, refusal=form)
        email = form.get("email", "")
        refusal = await accounts.sign_in(visits.visitor(request), email)
        return page(request, email=email, refusal=refusal, sent=refusal is None)

    return [ask, send]
