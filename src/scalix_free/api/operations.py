"""For whoever runs the service: health and metrics."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from scalix_free.api.errors import ErrorWriter
from scalix_free.api.exchange import FORWARDING, headers_of, peer_of
from scalix_free.api.free import Answer, refuse
from scalix_free.core.errors import Code, Refusal
from scalix_free.identity.address import is_loopback


class Health(msgspec.Struct, kw_only=True):
    """How the service is, and for how long it has been up."""

    status: str
    uptime_seconds: int


class Readiness(msgspec.Struct, kw_only=True):
    """Whether requests can be answered, and what of it is missing."""

    status: str
    uptime_seconds: int
    store: str
    models: str
    draining: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """What these routes ask of the service.

    ``store`` and ``model_ready`` are asked for each readiness check; ``store`` says ``ok``,
    ``degraded`` (requests are answered all the same) or ``unavailable``. ``metrics`` gives the
    exposition text and its content type, summed over all workers.
    """

    store: Callable[[], Awaitable[str]]
    model_ready: Callable[[], Awaitable[bool]]
    draining: Callable[[], bool]
    metrics: Callable[[], Awaitable[tuple[bytes, str]]]
    operator_token: str
    started_at: float


def operations_routes(operations: Operations, errors: ErrorWriter) -> list[HTTPRouteHandler]:
    """Health for machines, metrics for operators."""

    def uptime() -> int:
        return int(time.time() - operations.started_at)

    @get(["/health", "/health/live", "/v1/health"], summary="Whether the process runs")
    async def live() -> Response[Health]:
        return Response(Health(status="ok", uptime_seconds=uptime()), headers=_FRESH)

    @get("/health/ready", summary="Whether requests can be answered")
    async def ready() -> Response[Readiness]:
        store, model = await operations.store(), await operations.model_ready()
        draining = operations.draining()
        fine = store != "unavailable" and model and not draining
        return Response(
            Readiness(
                status="ready" if fine else "not_ready",
                uptime_seconds=uptime(),
                store=store,
                models="ok" if model else "none servable",
                draining=draining,
            ),
            status_code=200 if fine else 503,
            headers=_FRESH,
        )

    @get("/metrics", include_in_schema=False)
    async def metrics(request: Request[Any, Any, Any]) -> Answer:
        if not is_operator(request, operations.operator_token):
            return refuse(errors, request, NOT_FOUND)
        body, kind = await operations.metrics()
        return Response(body, media_type=kind, headers=_FRESH)

    return [live, ready, metrics]


_FRESH = {"cache-control": "no-store"}

NOT_FOUND = Refusal(code=Code.NOT_FOUND, message="There is nothing at this address.")


def is_operator(request: Request[Any, Any, Any], token: str) -> bool:
    """Whether this is the operator: from the machine itself, or with the token."""
    headers = headers_of(request.scope)
    if has_operator_token(headers, token):
        return True
    if FORWARDING & headers.keys():
        return False
    return is_loopback(peer_of(request.scope))


def has_operator_token(headers: Mapping[bytes, bytes], token: str) -> bool:
    """Whether a request carries the operator's token; none does where there is no such token."""
    credential = headers.get(b"authorization", b"")
    return bool(token) and hmac.compare_digest(credential, f"Bearer {token}".encode())
