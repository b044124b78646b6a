"""One request as our handlers see it: who sent it, its body, and how to answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Final

from litestar.types import HTTPScope, Receive, Send

from scalix_free.api.connection import EXTENSION
from scalix_free.api.cookie import Cookies
from scalix_free.api.errors import ErrorResponse
from scalix_free.api.headers import as_pairs
from scalix_free.api.responder import Responder
from scalix_free.core.caller import Visitor
from scalix_free.core.errors import Code, Refusal
from scalix_free.identity.identify import own_credential
from scalix_free.serve import Answering

FORWARDING: Final = frozenset({b"x-forwarded-for", b"forwarded", b"x-real-ip"})
"""Headers by which a proxy gives itself away."""

TURNS: Final = (b"idempotency-key", b"x-scalix-request-id", b"x-dyad-free-quota-key")
"""Headers that stay the same while a client tries one turn of its conversation again."""

MOST_TURN_CHARS: Final = 256

HonestAddress = Callable[[str, str], str]
"""``(peer, X-Forwarded-For) → address`` under this server's trusted proxies."""


def note_headers(scope: HTTPScope) -> dict[bytes, bytes]:
    """The headers by lower-case name, kept with the request; of one name all in one line."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        found[name] = value if name not in found else found[name] + b"," + value
    scope["state"]["headers"] = found
    return found


def headers_of(scope: HTTPScope) -> dict[bytes, bytes]:
    """The headers as ``note_headers`` kept them."""
    headers: dict[bytes, bytes] = scope["state"]["headers"]
    return headers


def peer_of(scope: HTTPScope) -> str:
    """The address at the other end of the socket."""
    client = scope["client"]
    return client[0] if client else "local"


@dataclass(frozen=True, slots=True)
class Visitors:
    """Reads from a request what it shows of its sender."""

    honest: HonestAddress
    cookies: Cookies

    def of(self, scope: HTTPScope, headers: dict[bytes, bytes]) -> Visitor:
        """The address, and the credential: of the header if that is one of ours, else a cookie."""
        forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1")
        address = self.honest(peer_of(scope), forwarded)
        line = headers.get(b"authorization")
        credential = None if line is None else line.decode("latin-1")
        if b"cookie" in headers and (credential is None or own_credential(credential) is None):
            credential = self.cookies.read(scope, headers, address) or credential
        return Visitor(address, credential)


def rid_of(scope: HTTPScope) -> bytes:
    """The 16 bytes that are this request's id."""
    rid = scope["state"]["rid"]
    assert isinstance(rid, bytes)
    return rid


def request_id_of(scope: HTTPScope) -> str:
    """The same id as the caller sees it."""
    return f"req_{rid_of(scope).hex()}"


def turn_of(headers: dict[bytes, bytes]) -> str | None:
    """What the request says of the turn that it belongs to, in one of the ways in use."""
    for name in TURNS:
        if name in headers:
            turn = headers[name].decode("latin-1").strip().partition(":attempt-")[0]
            return turn if 0 < len(turn) <= MOST_TURN_CHARS else None
    return None


def wants_fresh(headers: dict[bytes, bytes]) -> bool:
    """Whether the caller asks for an answer of their own, none that was given before."""
    control = headers.get(b"cache-control")
    return control is not None and (b"no-cache" in control or b"no-store" in control)


PRO_BODY_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How large a body may be, and how long it may take."""

    most_bytes: int
    timeout_s: float

    def may_be_exceeded(self, headers: dict[bytes, bytes]) -> bool:
        """Whether a body says that it is larger, or does not say how large it is."""
        length = headers.get(b"content-length")
        if length is None:
            return b"transfer-encoding" in headers
        return length.isdigit() and int(length) > self.most_bytes

    @property
    def of_pro(self) -> BodyLimits:
        """Those of a pro caller, whose credential was verified before the body is read."""
        return replace(self, most_bytes=max(self.most_bytes, PRO_BODY_BYTES))


async def read_body(
    headers: dict[bytes, bytes], receive: Receive, limits: BodyLimits, *, is_here: bool
) -> bytes | Refusal | None:
    """The whole body, counted as it arrives; None where the caller left before its end.

    ``is_here`` says that it has arrived as a whole, and need not be timed.
    """
    kind, _, _ = headers.get(b"content-type", b"").partition(b";")
    if kind.strip().lower() != b"application/json":
        return Refusal(
            code=Code.UNSUPPORTED_MEDIA_TYPE,
            message="Send the body as JSON, with the header Content-Type: application/json.",
        )
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        return Refusal(
            code=Code.UNSUPPORTED_MEDIA_TYPE, message="Send the body without Content-Encoding."
        )
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > limits.most_bytes:
        return _too_large(limits)
    if is_here:
        return await _collect(receive, limits)
    try:
        async with asyncio.timeout(limits.timeout_s):
            return await _collect(receive, limits)
    except TimeoutError:
        return Refusal(
            code=Code.INVALID_REQUEST,
            message=f"The body did not arrive within {limits.timeout_s:g} seconds.",
        )


async def _collect(receive: Receive, limits: BodyLimits) -> bytes | Refusal | None:
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message["body"]
        if len(body) > limits.most_bytes:
            return _too_large(limits)
        if not message["more_body"]:
            return body


def _too_large(limits: BodyLimits) -> Refusal:
    return Refusal(
        code=Code.BODY_TOO_LARGE,
        message=f"The body is larger than the {limits.most_bytes} bytes that are accepted.",
    )


async def send_response(send: Send, response: ErrorResponse) -> None:
    """Send a whole response by ASGI's messages."""
    headers = [*as_pairs(response.head), (b"content-length", b"%d" % len(response.body))]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": False})


def take_responder(scope: HTTPScope) -> Responder:
    """The way back of a request, out of its scope: it knows the scope too, and cycles cost."""
    extensions: Any = scope["extensions"]
    responder: Responder = extensions.pop(EXTENSION)["responder"]
    return responder


async def until_hang_up(
    responder: Responder, answer: Coroutine[None, None, None], answering: Answering
) -> None:
    """Run to the end, or until the caller hangs up; the cancellation by that ends here."""
    task = asyncio.current_task()
    assert task is not None

    def hang_up() -> None:
        answering.abandoned = True
        task.cancel()

    responder.line.hang_up = hang_up
    try:
        await answer
    except asyncio.CancelledError:
        if not responder.lost:
            raise
        task.uncancel()
        responder.abandon()
    finally:
        responder.line.hang_up = None
