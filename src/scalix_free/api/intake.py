"""How the framework's handlers read a request: whose it is, and a body of a known shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request

from scalix_free.api.errors import ErrorWriter
from scalix_free.api.exchange import BodyLimits, Visitors, headers_of, read_body
from scalix_free.api.free import Answer, refuse
from scalix_free.core.caller import Caller, Visitor
from scalix_free.core.errors import Code, Refusal
from scalix_free.serve import Callers
from scalix_free.wire.request import parse

T = TypeVar("T")
AnyRequest = Request[Any, Any, Any]

MOST_BYTES: Final = 16_384
PRIVATE: Final = {"cache-control": "no-store"}


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What these handlers have in common."""

    errors: ErrorWriter
    visitors: Visitors
    callers: Callers
    body_timeout_s: float

    def visitor(self, request: AnyRequest) -> Visitor:
        """Who may have sent it."""
        return self.visitors.of(request.scope, headers_of(request.scope))

    async def caller(self, request: AnyRequest) -> Caller | Refusal:
        """Who did."""
        return await self.callers.caller(self.visitor(request))

    async def body(
        self, request: AnyRequest, shape: type[T] | UnionType, most_bytes: int = MOST_BYTES
    ) -> T | Refusal:
        """Its body, which has to be JSON of this shape."""
        limits = BodyLimits(most_bytes, self.body_timeout_s)
        headers = headers_of(request.scope)
        body = await read_body(headers, request.receive, limits, is_here=False)
        if body is None:
            return _LEFT
        if isinstance(body, Refusal):
            return body
        return parse(body, msgspec.json.Decoder(shape).decode)

    def refuse(self, request: AnyRequest, refusal: Refusal) -> Answer:
        """A refusal as the framework's response."""
        return refuse(self.errors, request, refusal)


def has_body(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request says that a body follows."""
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


_LEFT: Final = Refusal(code=Code.INVALID_REQUEST, message="The body did not arrive.")
