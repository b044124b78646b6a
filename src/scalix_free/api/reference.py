"""The API's description, made from the types that the handlers use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.handlers import HTTPRouteHandler

from scalix_free.api import account, feedback, hooks, offer, session
from scalix_free.api.errors import TABLE, ErrorEnvelope
from scalix_free.api.routes import COMPLETIONS
from scalix_free.wire.answer import CompletionResponse
from scalix_free.wire.request import CompletionRequest

Description = Mapping[str, Any]

COMPLETION_STATUSES: Final = (400, 401, 403, 413, 415, 429, 502, 503, 504)

EXAMPLE: Final = {
    "model": "scalix-free",
    "messages": [{"role": "user", "content": "Create a React component"}],
    "stream": False,
}


def reference_routes() -> list[HTTPRouteHandler]:
    """The description as JSON."""

    @get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        body = msgspec.json.encode(description(request.app)())
        return Response(body, media_type="application/json")

    return [openapi]


@cache
def description(app: Litestar) -> Callable[[], Description]:
    """A function that describes the application; the work is done once, when first asked."""

    @cache
    def describe() -> Description:
        schema: dict[str, Any] = app.openapi_schema.to_schema()
        bodies: dict[str, Any] = {}
        for room in (session, account, feedback, offer, hooks):
            bodies |= room.BODIES
        shapes, components = msgspec.json.schema_components(
            [CompletionRequest, CompletionResponse, ErrorEnvelope, *bodies.values()],
            ref_template="#/components/schemas/{name}",
            schema_hook=lambda kind: {"description": "Anything; passed on as it came."},
        )
        schema.setdefault("components", {}).setdefault("schemas", {}).update(components)
        request, response, error, *sent = shapes
        for path, shape in zip(bodies, sent, strict=True):
            schema["paths"][path]["post"]["requestBody"] = _body(
                shape, required=path != session.PATH
            )
            schema["paths"][path]["post"]["responses"]["default"] = _refusal(error)
        for path in COMPLETIONS:
            operation = _completion(request, response, error)
            operation["operationId"] = "completion" + path.replace("/", "_").replace(".", "_")
            schema["paths"][path] = {"post": operation}
        schema["paths"] = dict(sorted(schema["paths"].items()))
        return schema

    return describe


def _body(shape: object, *, required: bool) -> dict[str, Any]:
    return {"required": required, "content": {"application/json": {"schema": shape}}}


def _refusal(error: object) -> dict[str, Any]:
    return {"description": "A refusal", "content": {"application/json": {"schema": error}}}


def _completion(request: object, response: object, error: object) -> dict[str, Any]:
    answers: dict[str, Any] = {
        "200": {
            "description": "The answer; with stream: true, server-sent events that end in [DONE]",
            "content": {
                "application/json": {"schema": response},
                "text/event-stream": {"schema": {"type": "string"}},
            },
        }
    }
    for status in COMPLETION_STATUSES:
        answers[str(status)] = {
            "description": ", ".join(code for code, row in TABLE.items() if row[0] == status),
            "content": {"application/json": {"schema": error}},
        }
    return {
        "summary": "Ask a model",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": request, "example": EXAMPLE}},
        },
        "responses": answers,
    }
