"""For whoever runs the service: why models are asked in the order in which they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from scalix_free.api.errors import ErrorWriter
from scalix_free.api.free import Answer, refuse
from scalix_free.api.operations import NOT_FOUND, is_operator
from scalix_free.core.budget import Short
from scalix_free.core.clock import utc
from scalix_free.core.errors import StoreUnavailable
from scalix_free.routing.router import Router, State
from scalix_free.serve.answering import STORE_UNAVAILABLE


class ModelState(msgspec.Struct, kw_only=True):
    """A model, and what its place in the order is made of.

    ``value`` decides: ``learned`` less 60 for each ``level`` and 300 for each ``demotion``, and 0.3
    of ``spare``, how far its day is behind the clock, all in thousandths; fallbacks follow whom
    they stand in for. ``state`` is ``ready`` or what is missing now, by the budget of ``lacking``,
    ``until`` a moment or null where nobody knows.
    """

    id: str
    priority: int
    base_priority: int
    success_ratio: float
    level: int
    demotion: int
    learned: int
    spare: int
    value: int
    state: str
    lacking: str | None
    until: str | None


class ModelStates(msgspec.Struct, kw_only=True):
    """All models that can be asked, the first one first, as one worker has learned it."""

    data: list[ModelState]


def admin_routes(
    router: Router, errors: ErrorWriter, *, operator_token: str
) -> list[HTTPRouteHandler]:
    """What operators alone may see."""

    @get("/api/v1/admin/models", include_in_schema=False)
    async def models(request: Request[Any, Any, Any]) -> Answer:
        if not is_operator(request, operator_token):
            return refuse(errors, request, NOT_FOUND)
        try:
            shortages = await router.shortages()
        except StoreUnavailable:
            return refuse(errors, request, STORE_UNAVAILABLE)
        return Response(
            ModelStates(data=[_shown(state, shortages) for state in router.states()]),
            headers={"cache-control": "no-store"},
        )

    return [models]


def _shown(state: State, shortages: Mapping[str, Short]) -> ModelState:
    short = shortages.get(state.model.id)
    return ModelState(
        id=state.model.id,
        priority=state.priority,
        base_priority=state.model.priority,
        success_ratio=round(state.success, 3),
        level=state.place.level,
        demotion=state.place.demotion,
        learned=state.place.learned,
        spare=state.place.spare,
        value=state.place.value,
        state=short.why.name.lower() if short else "ready",
        lacking=short.key if short else None,
        until=utc(short.until_ms) if short and short.until_ms is not None else None,
    )
