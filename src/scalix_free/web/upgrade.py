"""Free beside Pro: what each gives, what Pro costs this reader, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from litestar.handlers import HTTPRouteHandler

from scalix_free.core.caller import Tier
from scalix_free.core.errors import Refusal
from scalix_free.core.funnel import Action, Trigger
from scalix_free.identity.identify import ANONYMOUS, PRO, REGISTERED
from scalix_free.serve import Offers
from scalix_free.web.frame import AnyRequest, Frame, Page, page_at, takes
from scalix_free.web.visits import Visits

SOURCE: Final = "upgrade page"
MESSAGE: Final = "upgrade-page"


@dataclass(frozen=True, slots=True)
class Feature:
    """A row of the matrix."""

    name: str
    free: str
    pro: str


def upgrade_pages(
    frame: Frame, offers: Offers, visits: Visits, tiers: Mapping[str, Tier]
) -> list[HTTPRouteHandler]:
    """The matrix and the price; and until there are payments, the form for an address."""
    service = offers.service

    async def page(
        request: AnyRequest,
        *,
        email: str = "",
        left: bool = False,
        refusal: Refusal | None = None,
    ) -> Page:
        asked = request.query_params
        yearly, plain = asked.get("interval") == "year", "plain" in asked
        found = await offers.of(visits.visitor(request), yearly=yearly, asked=None, plain=plain)
        offer = None if isinstance(found, Refusal) else found
        if isinstance(found, Refusal):
            refusal = refusal or found
        shown = {
            "features": features(tiers, len(service.models())),
            "offer": offer,
            "yearly": yearly,
            "plain": plain,
            "email": email,
            "left": left,
        }
        return frame.page(request, "upgrade.html", shown, refusal=refusal)

    @page_at("/upgrade")
    async def upgrade(request: AnyRequest) -> Page:
        await offers.react(visits.visitor(request), Trigger.PRICE_PAGE, Action.IMPRESSION, MESSAGE)
        return await page(request)

    @takes("/upgrade")
    async def leave(request: AnyRequest) -> Page:
        form = await visits.form(request)
        if isinstance(form, Refusal):
            return await page(request, refusal=form)
        email = form.get("email", "")
        refusal = await offers.leave(
            visits.visitor(request), email, consent="consent" in form, source=SOURCE
        )
        return await page(request, email=email, left=refusal is None, refusal=refusal)

    return [upgrade, leave]


def features(tiers: Mapping[str, Tier], models: int) -> Sequence[Feature]:
    """What free and Pro give, by this server's own settings."""
    free, pro = tiers[REGISTERED], tiers[PRO]
    return (
        _limit("Requests/Day", "requests_day", tiers),
        _limit("Tokens/Day", "tokens_day", tiers),
        Feature(
            "AI Models",
            f"{models} free {'model' if models == 1 else 'models'}",
            "All models + Scalix Engine",
        ),
        Feature("Context Window", _tokens(free.context_tokens), _tokens(pro.context_tokens)),
        Feature("Response Speed", "Standard", "Priority"),
        Feature("File Operations", "Basic", "Advanced (lazy edits)"),
        Feature("Support", "Community", "Priority"),
        Feature("API Access", "Limited", "Full"),
    )


def _limit(what: str, name: str, tiers: Mapping[str, Tier]) -> Feature:
    """Free is one thing at once, and more for an e-mail address."""
    nobody, somebody, pro = (
        next(limit.most for limit in tiers[tier].policy.limits if limit.name == name)
        for tier in (ANONYMOUS, REGISTERED, PRO)
    )
    free = _most(nobody)
    if nobody is not None and (somebody is None or somebody > nobody):
        free += f", signed up {_most(somebody)}"
    return Feature(what, free, _most(pro))


def _most(most: int | None) -> str:
    return "Unlimited" if most is None else f"{most:,}"


def _tokens(count: int) -> str:
    return f"{count // 1_000_000}M+ tokens" if count >= 1_000_000 else f"{count // 1_000}K tokens"
