"""Anonymous sessions: begun, perhaps for a proof of work, and looked at."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from scalix_free.api.exchange import headers_of
from scalix_free.api.intake import PRIVATE, AnyRequest, Intake, has_body
from scalix_free.core.account import Session
from scalix_free.core.clock import DAY_MS, utc
from scalix_free.core.errors import Refusal
from scalix_free.core.ports import Clock
from scalix_free.serve import Sessions

PATH: Final = "/api/v1/free/session"


class BeginSession(msgspec.Struct, kw_only=True):
    """Nothing, or the payload of a solved challenge."""

    altcha: Annotated[str, msgspec.Meta(max_length=4_096)] | None = None


class NewSession(msgspec.Struct, kw_only=True):
    """An anonymous identity. The token is told this once; browsers get it as a cookie as well."""

    token: str
    user_id: str
    session_id: str
    tier: str
    expires_at: str


class OwnSession(msgspec.Struct, kw_only=True):
    """What is remembered of a session. ``address_hash`` is keyed; the address is not kept."""

    session_id: str
    user_id: str
    requests_today: int
    last_request_at: str | None
    user_agent: str
    address_hash: str
    created_at: str
    expires_at: str


BODIES: Final = {PATH: BeginSession}
"""What is sent to which address."""


def session_routes(intake: Intake, sessions: Sessions, clock: Clock) -> list[HTTPRouteHandler]:
    """Begin one, look at it, get a puzzle."""

    @post(PATH, status_code=200, summary="Begin an anonymous session")
    async def begin(request: AnyRequest) -> Response[NewSession]:
        asked: BeginSession | Refusal = BeginSession()
        if has_body(headers_of(request.scope)):
            asked = await intake.body(request, BeginSession)
        if isinstance(asked, Refusal):
            return intake.refuse(request, asked)
        agent = headers_of(request.scope).get(b"user-agent", b"").decode("latin-1")
        begun = await sessions.begin(intake.visitor(request), agent, asked.altcha)
        if isinstance(begun, Refusal):
            return intake.refuse(request, begun)
        intake.visitors.cookies.give(request.scope, headers_of(request.scope), begun.token)
        identity = begun.identity
        return Response(
            NewSession(
                token=begun.token,
                user_id=identity.user_id,
                session_id=identity.session_id,
                tier=identity.tier,
                expires_at=utc(identity.expires_ms),
            ),
            headers=PRIVATE,
        )

    @get(PATH, summary="One's own session")
    async def own(request: AnyRequest) -> Response[OwnSession]:
        caller = await intake.caller(request)
        found = caller if isinstance(caller, Refusal) else await sessions.own(caller)
        if isinstance(found, Refusal):
            return intake.refuse(request, found)
        return Response(_shown(found, clock()), headers=PRIVATE)

    @get("/api/v1/free/challenge", summary="An ALTCHA v2 challenge")
    async def challenge(request: AnyRequest) -> Response[dict[str, object]]:
        found = await sessions.challenge(intake.visitor(request))
        if isinstance(found, Refusal):
            return intake.refuse(request, found)
        return Response(dict(found), headers=PRIVATE)

    return [begin, own, challenge]


def _shown(session: Session, now_ms: int) -> OwnSession:
    return OwnSession(
        session_id=session.session_id,
        user_id=session.user_id,
        requests_today=session.requests_today if session.day == now_ms // DAY_MS else 0,
        last_request_at=None if session.seen_ms is None else utc(session.seen_ms),
        user_agent=session.user_agent,
        address_hash=session.address_hash.hex(),
        created_at=utc(session.created_ms),
        expires_at=utc(session.expires_ms),
    )
