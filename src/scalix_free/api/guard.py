"""What holds for every request: an id, an honest host, headers that every answer carries."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from scalix_free.api.cookie import set_cookie_of
from scalix_free.api.errors import ErrorWriter
from scalix_free.api.exchange import note_headers, request_id_of, send_response
from scalix_free.api.headers import EVERY_ANSWER, as_pairs
from scalix_free.core.errors import Code, Refusal
from scalix_free.identity.address import is_loopback

_EVERY_ANSWER: Final = as_pairs(EVERY_ANSWER)

PREFLIGHT_S: Final = b"600"
METHODS: Final = b"GET, POST, DELETE, OPTIONS"
USUAL_HEADERS: Final = b"authorization, content-type, idempotency-key"


class Guard:
    """An ASGI wrapper around everything.

    ``own_hosts`` are the host names that are ours beside loopback; None where any host is taken,
    as on a server that is reachable from elsewhere anyway. The check keeps a web page somebody
    visits from reaching a service on their own machine under a name of its own.
    """

    def __init__(
        self, app: ASGIApp, *, errors: ErrorWriter, own_hosts: Sequence[str] | None
    ) -> None:
        self._app = app
        self._errors = errors
        self._own_hosts = None if own_hosts is None else frozenset(own_hosts)
        self._last_host = b""  # found to be ours; the next one is mostly the same

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or not."""
        if str(scope["type"]) != "http":
            await self._app(scope, receive, send)
            return
        await self._guard(cast("HTTPScope", scope), receive, send)

    async def _guard(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        scope["state"]["rid"] = os.urandom(16)
        headers = note_headers(scope)

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                request_id = (b"x-request-id", request_id_of(scope).encode())
                message["headers"] = [*message.get("headers", ()), request_id, *_EVERY_ANSWER]
                if (cookie := set_cookie_of(scope)) is not None:
                    message["headers"].append((b"set-cookie", cookie))
            await send(message)

        if self._own_hosts is not None and not self._is_ours(headers):
            response = self._errors.response(_FOREIGN_HOST, request_id_of(scope))
            await send_response(send_with_headers, response)
        elif scope["method"] == "OPTIONS":
            await _answer_preflight(headers, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _is_ours(self, headers: Mapping[bytes, bytes]) -> bool:
        host = headers.get(b"host")
        if host is None or host == self._last_host:
            return True
        name = _without_port(host.decode("latin-1").lower())
        assert self._own_hosts is not None
        if name not in self._own_hosts and not is_loopback(name):
            return False
        self._last_host = host
        return True


_FOREIGN_HOST: Final = Refusal(
    code=Code.ACCESS_DENIED,
    message=(
        "This server listens on this machine alone and does not know the host you named. "
        "Use its own address, or set server.public_url."
    ),
)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


async def _answer_preflight(asked: Mapping[bytes, bytes], send: Send) -> None:
    """Tell a browser what pages of other origins may send: all but credentials."""
    wanted = asked.get(b"access-control-request-headers", USUAL_HEADERS)
    headers = [
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", wanted),
        (b"access-control-max-age", PREFLIGHT_S),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
