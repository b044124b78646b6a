"""What is left, and which models there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from scalix_free.api.errors import ErrorResponse, ErrorWriter
from scalix_free.api.exchange import Visitors, headers_of, request_id_of
from scalix_free.api.headers import as_pairs, reset_time
from scalix_free.core.chat import OWN_MODEL
from scalix_free.core.clock import utc
from scalix_free.core.errors import Code, Refusal
from scalix_free.core.ledger import Level, Unit
from scalix_free.core.standing import Standing
from scalix_free.identity.identify import ANONYMOUS
from scalix_free.routing.catalogue import Catalogue, Gone, Model, Terms
from scalix_free.serve import Refused, Service

UNITS: Final = {Unit.REQUESTS: "requests", Unit.TOKENS: "tokens", Unit.CALLS: "calls"}


class Window(msgspec.Struct, kw_only=True):
    """One limit: ``limit`` and ``remaining`` are null where it is lifted."""

    name: str
    unit: str
    used: int
    limit: int | None
    remaining: int | None
    resets_at: str | None


class Limits(msgspec.Struct, kw_only=True):
    """All limits of the caller. Reading them costs nothing."""

    tier: str
    windows: list[Window]
    remaining_requests: int | None
    reset_time: str | None
    near_limit: bool
    upgrade_prompt: bool
    binding: str | None


class Uplift(msgspec.Struct, kw_only=True):
    """What an account would give, and where to get one; null: no limit."""

    tier: str
    requests_per_hour: int | None
    requests_per_day: int | None
    tokens_per_day: int | None
    url: str


class Quota(msgspec.Struct, kw_only=True):
    """The binding request window, as desktop apps read it.

    ``resetAt`` is when it next gives a request back; where nothing is used, when one that is sent
    now comes back: the apps want a time. ``uplift`` is null for who has an account.
    """

    used: int
    limit: int | None
    remaining: int | None
    resetAt: str | None  # noqa: N815  (the apps' spelling)
    tier: str
    binding: str | None
    uplift: Uplift | None
    windows: list[Window]


class ModelCard(msgspec.Struct, kw_only=True):
    """A model that may be named. A demonstration model is no assistant.

    ``quality`` is what is expected of it, in thousandths; ``class`` is ``high``, ``medium`` or
    ``low``. ``retires_at`` is when it ends, and ``successor`` who has its place then.
    """

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str
    demonstration: bool
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    abilities: list[str] | None = None
    quality: int | None = None
    grade: str | None = msgspec.field(name="class", default=None)
    fit: list[str] = []
    status: str = "live"
    retires_at: str | None = None
    successor: str | None = None
    terms: Terms | None = None
    description: str


class GoneModel(msgspec.Struct, kw_only=True):
    """A model that cannot be called: ``gone``, ``paid`` for, or an ``alias`` of its successor."""

    id: str
    owned_by: str
    status: str
    since: str | None
    successor: str | None


class ModelList(msgspec.Struct, kw_only=True):
    """The models, ``scalix-free`` first; those that ended stand apart."""

    object: str = "list"
    data: list[ModelCard]
    gone: list[GoneModel]


Answer = Response[Any]


def free_routes(
    service: Service, errors: ErrorWriter, visitors: Visitors, uplift: Uplift
) -> list[HTTPRouteHandler]:
    """The routes that read. ``uplift`` is told to who has no account."""

    async def standing_of(
        request: Request[Any, Any, Any], shape: Callable[[Standing], object]
    ) -> Answer:
        visitor = visitors.of(request.scope, headers_of(request.scope))
        found = await service.limits(visitor)
        if isinstance(found, Refused):
            return refuse(errors, request, found.refusal)
        return Response(shape(found), headers={"cache-control": "no-store"})

    @get("/api/v1/free/limits", summary="All limits of the caller")
    async def limits(request: Request[Any, Any, Any]) -> Response[Limits]:
        return await standing_of(request, limits_of)

    @get("/v1/free/quota", summary="What is left of the binding window")
    async def quota(request: Request[Any, Any, Any]) -> Response[Quota]:
        return await standing_of(request, lambda standing: _quota(standing, uplift))

    @get(["/v1/models", "/models"], summary="The models that may be named")
    async def models() -> Response[ModelList]:
        catalogue = service.catalogue
        return Response(
            ModelList(
                data=[_OWN_CARD, *(_card(model, catalogue) for model in service.models())],
                gone=[_gone(model, catalogue) for model in catalogue.gone()],
            )
        )

    @get(["/v1/models/{model_id:path}", "/models/{model_id:path}"], summary="One model")
    async def model(
        request: Request[Any, Any, Any],
        model_id: Annotated[str, Parameter(description="Its id")],
    ) -> Response[ModelCard]:
        wanted = model_id.removeprefix("/")
        found = service.catalogue.get(wanted)
        if wanted != OWN_MODEL and found is None:
            missing = Refusal(
                code=Code.NOT_FOUND, message=_missing(wanted, service.catalogue), param="model"
            )
            return refuse(errors, request, missing)
        return Response(_OWN_CARD if found is None else _card(found, service.catalogue))

    return [limits, quota, models, model]


def refuse(errors: ErrorWriter, request: Request[Any, Any, Any], refusal: Refusal) -> Answer:
    """A refusal as the framework's response."""
    return as_response(errors.response(refusal, request_id_of(request.scope)))


def as_response(response: ErrorResponse) -> Answer:
    """A written refusal as the framework's response."""
    headers = {name.decode(): value.decode() for name, value in as_pairs(response.head)}
    kind = headers.pop("content-type")
    return Response(response.body, status_code=response.status, headers=headers, media_type=kind)


def limits_of(standing: Standing) -> Limits:
    """All limits of a caller, in the words of the API."""
    binding = standing.binding
    return Limits(
        tier=standing.tier.name,
        windows=_windows(standing),
        remaining_requests=binding.remaining if binding else None,
        reset_time=reset_time(binding),
        near_limit=standing.near_limit,
        upgrade_prompt=standing.near_limit,
        binding=binding.limit.name if binding else None,
    )


def _quota(standing: Standing, uplift: Uplift) -> Quota:
    binding = standing.binding
    return Quota(
        used=binding.used if binding else 0,
        limit=binding.limit.most if binding else None,
        remaining=binding.remaining if binding else None,
        resetAt=comes_back(standing, binding),
        tier=standing.tier.name,
        binding=binding.limit.name if binding else None,
        uplift=uplift if standing.tier.name == ANONYMOUS else None,
        windows=_windows(standing),
    )


def comes_back(standing: Standing, level: Level | None) -> str | None:
    """When a window gives something back; where nothing is used, what would be used now."""
    if level is None or level.limit.most is None:
        return None
    return reset_time(level) or utc(standing.now_ms + level.limit.window_ms)


def _windows(standing: Standing) -> list[Window]:
    return [
        Window(
            name=level.limit.name,
            unit=UNITS[level.limit.unit],
            used=level.used,
            limit=level.limit.most,
            remaining=level.remaining,
            resets_at=reset_time(level),
        )
        for level in standing.levels
    ]


_OWN_CARD: Final = ModelCard(
    id=OWN_MODEL,
    owned_by="scalix-free",
    demonstration=False,
    description="The best free model that can answer right now.",
)


def _card(model: Model, catalogue: Catalogue) -> ModelCard:
    return ModelCard(
        id=model.id,
        owned_by=model.provider,
        demonstration=model.demonstration,
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
        abilities=None if model.abilities is None else sorted(model.abilities),
        quality=model.quality,
        grade=model.grade,
        fit=list(model.fit),
        status=model.status,
        retires_at=None if model.retires_ms is None else utc(model.retires_ms),
        successor=catalogue.successor(model.id),
        terms=model.terms,
        description=(
            "A demonstration model: it shows that the service works and is no assistant."
            if model.demonstration
            else f"A model of {model.provider}."
        ),
    )


def _gone(model: Gone, catalogue: Catalogue) -> GoneModel:
    return GoneModel(
        id=model.id,
        owned_by=model.provider,
        status=model.why,
        since=None if model.since_ms is None else utc(model.since_ms),
        successor=catalogue.successor(model.id) or model.successor,
    )


def _missing(model_id: str, catalogue: Catalogue) -> str:
    listed = "GET /v1/models lists those that there are."
    for model in catalogue.gone():
        if model.id == model_id:
            heir = catalogue.successor(model_id)
            return f"{ENDED[model.why]} {f'In its place: {heir}.' if heir else listed}"
    return f"There is no such model. {listed}"


ENDED: Final = {
    "gone": "This model is gone.",
    "paid": "This model is not free.",
    "alias": "This is another name of a model.",
}
