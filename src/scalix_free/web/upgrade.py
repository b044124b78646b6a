"""Free beside Pro: what each gives, and what Pro costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from litestar import get
from litestar.handlers import HTTPRouteHandler

from scalix_free.core.caller import Tier
from scalix_free.core.ledger import Limit
from scalix_free.identity.identify import PRO, REGISTERED
from scalix_free.serve import Service
from scalix_free.web.frame import AnyRequest, Frame, Page


@dataclass(frozen=True, slots=True)
class Feature:
    """A row of the matrix."""

    name: str
    free: str
    pro: str


def upgrade_pages(
    frame: Frame, service: Service, tiers: Mapping[str, Tier]
) -> list[HTTPRouteHandler]:
    """The matrix."""

    @get("/upgrade", include_in_schema=False)
    async def upgrade(request: AnyRequest) -> Page:
        rows = features(tiers[REGISTERED], tiers[PRO], len(service.models()))
        return frame.page(request, "upgrade.html", {"features": rows})

    return [upgrade]


def features(free: Tier, pro: Tier, models: int) -> Sequence[Feature]:
    """What the two tiers give, by this server's own settings."""
    return (
        Feature("Requests a day", _most(free, "requests_day"), _most(pro, "requests_day")),
        Feature("Tokens a day", _most(free, "tokens_day"), _most(pro, "tokens_day")),
        Feature(
            "AI models",
            f"{models} free {'model' if models == 1 else 'models'}",
            "All models + Scalix Engine",
        ),
        Feature("Context window", _tokens(free.context_tokens), _tokens(pro.context_tokens)),
        Feature("Response speed", "Standard", "Priority"),
        Feature("File operations", "Basic", "Advanced (lazy edits)"),
        Feature("Support", "Community", "Priority"),
        Feature("API access", "Limited", "Full"),
    )


def _most(tier: Tier, name: str) -> str:
    limits: dict[str, Limit] = {limit.name: limit for limit in tier.policy.limits}
    most = limits[name].most
    return "Unlimited" if most is None else f"{most:,}"


def _tokens(count: int) -> str:
    return f"{count // 1_000_000}M+ tokens" if count >= 1_000_000 else f"{count // 1_000}K tokens"
