"""The whole map of addresses, on one page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from litestar import Litestar, Request
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from scalix_free.api.completion import Completions
from scalix_free.api.errors import BY_STATUS, ErrorWriter, framework_refusal
from scalix_free.api.exchange import headers_of, request_id_of, send_response, take_responder
from scalix_free.api.free import Answer, as_response
from scalix_free.api.operations import NOT_FOUND
from scalix_free.core.errors import Code, Refusal

log = logging.getLogger(__name__)

COMPLETIONS: Final = (
    "/v1/chat/completions",
    "/api/v1/free/completion",
    "/v1/free/chat/completions",
    "/chat/completions",
    "/v1/v1/chat/completions",
)
"""The completion endpoint under all its names; the first is the one to tell people.

They do not pass the framework: its own layers cost a tenth of the whole answer
(docs/decisions/0004)."""

TWICE: Final = "/v1/v1/"
"""Some clients add a second ``/v1`` to their base URL: all of ``/v1`` is there, too."""

ELSEWHERE: Final = ("/v1/responses", "/v1/completions", "/v1/embeddings")
"""What OpenAI has and we do not; their refusal names what we have."""

_ELSEWHERE: Final = Refusal(
    code=Code.NOT_FOUND, message="This is not offered here. Use POST /v1/chat/completions."
)
_BROKEN: Final = Refusal(code=Code.INTERNAL_ERROR, message="Failed to generate response.")


Lost = Callable[[Request[Any, Any, Any], Refusal], Answer]
"""The page for somebody who went to an address with a browser."""


def build_http(
    *,
    completions: Completions,
    routes: Sequence[HTTPRouteHandler],
    errors: ErrorWriter,
    lost: Lost,
    version: str,
) -> ASGIApp:
    """All routes, with one shape for whatever goes wrong in them; people get a page."""

    def refuse(request: Request[Any, Any, Any], error: Exception) -> Answer:
        refusal = _refusal(request, error)
        if headers_of(request.scope).get(b"sec-fetch-mode") == b"navigate":
            return lost(request, refusal)
        response = errors.response(refusal, request_id_of(request.scope))
        return as_response(replace(response, head=response.head + _allow(error)))

    def _refusal(request: Request[Any, Any, Any], error: Exception) -> Refusal:
        if isinstance(error, HTTPException) and error.status_code in BY_STATUS:
            if error.status_code == 404:
                return _ELSEWHERE if request.scope["path"] in ELSEWHERE else NOT_FOUND
            if error.status_code != 500:
                return framework_refusal(error.status_code, error.detail)
        log.error("a handler failed", exc_info=error)
        return _BROKEN

    framework = Litestar(
        route_handlers=list(routes),
        exception_handlers={Exception: refuse, HTTPException: refuse},
        openapi_config=OpenAPIConfig(title="Scalix Free", version=version, render_plugins=[]),
        logging_config=None,
        debug=False,
    )

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        http = cast("HTTPScope", scope)
        responder = take_responder(http)
        if http["path"].startswith(TWICE):
            http = _once(http)
        if http["path"] not in COMPLETIONS:
            if http["method"] == "HEAD":  # the server below leaves the body out
                http = cast("HTTPScope", {**http, "method": "GET"})
            await framework(http, receive, send)
            return
        try:
            await completions.handle(http, receive, responder)
        except Exception:
            log.exception("a completion failed")
            if responder.started:
                responder.break_off()
            else:
                await send_response(send, errors.response(_BROKEN, request_id_of(http)))

    return route


def _once(scope: HTTPScope) -> HTTPScope:
    """The same request, to the address that was meant."""
    path, raw = scope["path"].removeprefix("/v1"), scope["raw_path"].removeprefix(b"/v1")
    return cast("HTTPScope", {**scope, "path": path, "raw_path": raw})


def _allow(error: Exception) -> bytes:
    """The methods that there are, for who used another."""
    headers = (error.headers or {}) if isinstance(error, HTTPException) else {}
    if "allow" not in headers:
        return b""
    methods = {*headers["allow"].split(", "), "HEAD"}
    return f"allow: {', '.join(sorted(methods))}\r\n".encode()
