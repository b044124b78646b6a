"""What desktop apps ask, in the shapes that they know: usage, credits, a catalogue of models.

The app that this service was planned for shows credits as dollars times ``CREDITS``; its ancestor
wants flat numbers. Both get requests of the day.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from scalix_free.api.free import Answer, comes_back
from scalix_free.api.headers import reset_time
from scalix_free.api.intake import PRIVATE, AnyRequest, Intake
from scalix_free.core.caller import Caller
from scalix_free.core.chat import OWN_MODEL
from scalix_free.core.clock import utc
from scalix_free.core.errors import Code, Refusal
from scalix_free.core.ledger import Level
from scalix_free.core.standing import Standing
from scalix_free.routing.catalogue import Model
from scalix_free.serve import Refused, Service

CREDITS: Final = 15
"""The app shows ``spend`` and ``max_budget`` times this."""
MOST_LABEL: Final = 256
CATALOGUE_MS: Final = 3_600_000
PROVIDER: Final = "scalix-free"
NOBODY: Final = "anonymous"


class AppUsage(msgspec.Struct, kw_only=True):
    """How far the day is used. ``usage_percentage`` is that of the binding window."""

    user_id: str
    tier: str
    requests_today: int
    tokens_used: int
    remaining_requests: int | None
    usage_percentage: float
    reset_time: str | None
    near_limit: bool


class Budget(msgspec.Struct, kw_only=True):
    """LiteLLM's shape: a fifteenth of a dollar stands for a request."""

    user_id: str
    spend: float
    max_budget: float | None
    budget_reset_at: str | None


class UserInfo(msgspec.Struct, kw_only=True):
    """Both shapes in one: nested as LiteLLM has it, flat for the ancestor."""

    user_id: str
    user_info: Budget
    keys: list[str] = []
    teams: list[str] = []
    usedCredits: int  # noqa: N815
    totalCredits: int | None  # noqa: N815
    budgetResetDate: str | None  # noqa: N815
    userId: str  # noqa: N815
    isTrial: bool = False  # noqa: N815


class CatalogueProvider(msgspec.Struct, kw_only=True):
    """Who is asked: this service."""

    id: str = PROVIDER
    displayName: str = "Scalix Free"  # noqa: N815
    type: str = "cloud"
    hasFreeTier: bool = True  # noqa: N815
    websiteUrl: str  # noqa: N815


class CatalogueModel(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A model that may be named."""

    apiName: str  # noqa: N815
    displayName: str  # noqa: N815
    description: str
    tag: str = ""
    dollarSigns: int = -1  # noqa: N815
    maxOutputTokens: int | None = None  # noqa: N815
    contextWindow: int | None = None  # noqa: N815


class Resolved(msgspec.Struct, kw_only=True):
    """A model by its provider."""

    providerId: str = PROVIDER  # noqa: N815
    apiName: str = OWN_MODEL  # noqa: N815


class Alias(msgspec.Struct, kw_only=True):
    """What the app calls a model by."""

    id: str
    resolvedModel: Resolved  # noqa: N815
    displayName: str = "Scalix Free"  # noqa: N815


class RemoteCatalogue(msgspec.Struct, kw_only=True):
    """Our models as the app fetches them from ``DYAD_LANGUAGE_MODEL_CATALOG_URL``."""

    version: str
    expiresAt: str  # noqa: N815
    providers: list[CatalogueProvider]
    modelsByProvider: dict[str, list[CatalogueModel]]  # noqa: N815
    aliases: list[Alias]


ALIASES: Final = tuple(
    f"dyad/{name}"
    for name in (
        "auto/openai",
        "auto/anthropic",
        "auto/google",
        "auto/openrouter",
        "theme-generator/google",
        "theme-generator/anthropic",
        "theme-generator/openai",
        "help-bot/default",
    )
)
"""What the app asks for by itself: all of it is answered by whoever answers best."""


def desktop_routes(
    intake: Intake, service: Service, public_url: str, version: str
) -> list[HTTPRouteHandler]:
    """The routes of the apps."""

    async def known(request: AnyRequest) -> tuple[Caller, Standing] | Refusal:
        visitor = intake.visitor(request)
        caller = await intake.caller(request)
        if isinstance(caller, Refusal):
            return caller
        found = await service.limits(visitor)
        return found.refusal if isinstance(found, Refused) else (caller, found)

    @get("/v1/usage", summary="How far the day is used, as desktop apps read it")
    async def usage(
        request: AnyRequest,
        user_id: Annotated[
            str | None, Parameter(description="A label; it comes back", required=False)
        ] = None,
    ) -> Response[AppUsage]:
        found = await known(request)
        if isinstance(found, Refusal):
            return intake.refuse(request, found)
        if user_id is not None and len(user_id) > MOST_LABEL:
            return intake.refuse(request, NO_LABEL)
        return _answer(_usage(*found, user_id))

    @get("/v1/user/info", summary="Requests of the day as credits, as desktop apps read them")
    async def user_info(request: AnyRequest) -> Response[UserInfo]:
        found = await known(request)
        if isinstance(found, Refusal):
            return intake.refuse(request, found)
        return _answer(_user_info(*found))

    @get("/v1/language-model-catalog", summary="The models, as a desktop app fetches them")
    async def catalogue() -> Response[RemoteCatalogue]:
        now_ms = service.clock()
        shown = RemoteCatalogue(
            version=version,
            expiresAt=utc(now_ms + CATALOGUE_MS),
            providers=[CatalogueProvider(websiteUrl=public_url)],
            modelsByProvider={PROVIDER: [_OWN, *map(_model, service.models())]},
            aliases=[Alias(id=name, resolvedModel=Resolved()) for name in ALIASES],
        )
        return Response(shown, headers={"cache-control": "public, max-age=300"})

    return [usage, user_info, catalogue]


def _answer(shape: object) -> Answer:
    return Response(shape, headers=PRIVATE)


def _usage(caller: Caller, standing: Standing, user_id: str | None) -> AppUsage:
    binding = standing.binding
    return AppUsage(
        user_id=user_id or caller.owner or NOBODY,
        tier=standing.tier.name,
        requests_today=_used(standing, "requests_day"),
        tokens_used=_used(standing, "tokens_day"),
        remaining_requests=binding.remaining if binding else None,
        usage_percentage=_percent(binding),
        reset_time=reset_time(binding),
        near_limit=standing.near_limit,
    )


def _user_info(caller: Caller, standing: Standing) -> UserInfo:
    level = standing.level("requests_day")
    used, most = (0, None) if level is None else (level.used, level.limit.most)
    user_id, reset = caller.owner or NOBODY, comes_back(standing, level)
    return UserInfo(
        user_id=user_id,
        user_info=Budget(
            user_id=user_id,
            spend=used / CREDITS,
            max_budget=None if most is None else most / CREDITS,
            budget_reset_at=reset,
        ),
        usedCredits=used,
        totalCredits=most,
        budgetResetDate=reset,
        userId=user_id,
    )


def _used(standing: Standing, name: str) -> int:
    level = standing.level(name)
    return 0 if level is None else level.used


def _percent(level: Level | None) -> float:
    if level is None or not level.limit.most:
        return 0.0
    return round(100 * min(level.used / level.limit.most, 1), 1)


_OWN: Final = CatalogueModel(
    apiName=OWN_MODEL,
    displayName="Scalix Free",
    description="The best free model that can answer right now.",
    tag="Free",
    dollarSigns=0,
)


def _model(model: Model) -> CatalogueModel:
    return CatalogueModel(
        apiName=model.id,
        displayName=model.id,
        description=f"A model of {model.provider}.",
        tag="Demonstration" if model.demonstration else "Free",
        dollarSigns=0,
        maxOutputTokens=model.max_output_tokens,
        contextWindow=model.context_tokens,
    )


NO_LABEL: Final = Refusal(
    code=Code.INVALID_REQUEST,
    message=f"user_id has at most {MOST_LABEL} characters.",
    param="user_id",
)
