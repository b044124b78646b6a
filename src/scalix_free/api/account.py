"""Accounts: registered and entered by mail, their keys, and one's own data."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from scalix_free.api.free import Answer
from scalix_free.api.intake import PRIVATE, AnyRequest, Intake
from scalix_free.core.account import ApiKey
from scalix_free.core.caller import Caller
from scalix_free.core.clock import utc
from scalix_free.core.errors import Code, Refusal
from scalix_free.serve import Accounts, OwnData, Verified
from scalix_free.serve.accounts import SIGN_IN_MS

Line = Annotated[str, msgspec.Meta(min_length=1, max_length=320)]


class SignIn(msgspec.Struct, kw_only=True):
    """Where the link and the digits go."""

    email: Line


class Accepted(msgspec.Struct, kw_only=True):
    """The same for everybody, whether there is an account or not."""

    status: str = "accepted"
    expires_in_seconds: int = SIGN_IN_MS // 1000


class Verify(msgspec.Struct, kw_only=True):
    """The token of the link; or the address, and the six digits that it was sent."""

    token: Line | None = None
    email: Line | None = None
    code: Line | None = None


class Entered(msgspec.Struct, kw_only=True):
    """A key, told this once. ``replaced`` is the beginning of one that had to go for it."""

    api_key: str
    tier: str
    user_id: str
    key_id: str
    replaced: str | None


class KeyCard(msgspec.Struct, kw_only=True):
    """A key as it may be shown again. Of its last use the day is kept."""

    id: str
    shown: str
    created_at: str
    last_used_on: str | None


class KeyList(msgspec.Struct, kw_only=True):
    """The keys of an account, oldest first."""

    keys: list[KeyCard]


class NewKey(msgspec.Struct, kw_only=True):
    """A key, told this once."""

    id: str
    api_key: str
    created_at: str


class OwnRows(msgspec.Struct, kw_only=True):
    """All rows about the caller, by the table that they stand in."""

    user_id: str
    tier: str
    data: dict[str, list[dict[str, object]]]


BODIES: Final = {
    "/api/v1/free/register": SignIn,
    "/api/v1/free/sign-in": SignIn,
    "/api/v1/free/verify": Verify,
}
"""What is sent to which address."""


def account_routes(intake: Intake, accounts: Accounts, own_data: OwnData) -> list[HTTPRouteHandler]:
    """Register, enter, keep keys, look at what is kept and delete it."""

    @post("/api/v1/free/register", status_code=202, summary="Get an account by mail")
    async def register(request: AnyRequest) -> Response[Accepted]:
        return await send(request)

    @post("/api/v1/free/sign-in", status_code=202, summary="Get a new link and code by mail")
    async def sign_in(request: AnyRequest) -> Response[Accepted]:
        return await send(request)

    async def send(request: AnyRequest) -> Answer:
        asked = await intake.body(request, SignIn)
        if isinstance(asked, Refusal):
            return intake.refuse(request, asked)
        refusal = await accounts.sign_in(intake.visitor(request), asked.email)
        if refusal is not None:
            return intake.refuse(request, refusal)
        return Response(Accepted(), status_code=202, headers=PRIVATE)

    @post("/api/v1/free/verify", status_code=200, summary="Enter with a link's token or a code")
    async def verify(request: AnyRequest) -> Response[Entered]:
        asked = await intake.body(request, Verify)
        found = asked if isinstance(asked, Refusal) else await _verified(accounts, asked)
        if isinstance(found, Refusal):
            return intake.refuse(request, found)
        made = found.new_key
        entered = Entered(
            api_key=made.key,
            tier=found.account.tier,
            user_id=found.account.id,
            key_id=made.entry.id,
            replaced=made.replaced,
        )
        return Response(entered, headers=PRIVATE)

    @get("/api/v1/free/keys", summary="The keys of one's account")
    async def keys(request: AnyRequest) -> Response[KeyList]:
        caller = await intake.caller(request)
        found = caller if isinstance(caller, Refusal) else await accounts.keys(caller)
        if isinstance(found, Refusal):
            return intake.refuse(request, found)
        return Response(KeyList(keys=[_card(key) for key in found]), headers=PRIVATE)

    @post("/api/v1/free/keys", status_code=201, summary="Make another key")
    async def add_key(request: AnyRequest) -> Response[NewKey]:
        caller = await intake.caller(request)
        made = caller if isinstance(caller, Refusal) else await accounts.add_key(caller)
        if isinstance(made, Refusal):
            return intake.refuse(request, made)
        shown = NewKey(id=made.entry.id, api_key=made.key, created_at=utc(made.entry.created_ms))
        return Response(shown, headers=PRIVATE)

    @delete("/api/v1/free/keys/{key_id:str}", status_code=204, summary="Remove a key")
    async def remove_key(
        request: AnyRequest, key_id: Annotated[str, Parameter(description="Its id")]
    ) -> Response[None]:
        caller = await intake.caller(request)
        refusal = (
            caller if isinstance(caller, Refusal) else await accounts.remove_key(caller, key_id)
        )
        return done(request, refusal)

    @get("/api/v1/free/me", summary="All that is kept about oneself")
    async def export(request: AnyRequest) -> Response[OwnRows]:
        caller = await intake.caller(request)
        found = caller if isinstance(caller, Refusal) else await own_data.export(caller)
        if isinstance(found, Refusal):
            return intake.refuse(request, found)
        assert isinstance(caller, Caller)
        rows = {table: [dict(row) for row in kept] for table, kept in found.items()}
        shown = OwnRows(user_id=caller.owner or "", tier=caller.tier.name, data=rows)
        return Response(shown, headers=PRIVATE)

    @delete("/api/v1/free/me", status_code=204, summary="Delete all of it")
    async def erase(request: AnyRequest) -> Response[None]:
        caller = await intake.caller(request)
        refusal = caller if isinstance(caller, Refusal) else await own_data.erase(caller)
        if refusal is None:
            intake.visitors.cookies.clear(request.scope)
        return done(request, refusal)

    def done(request: AnyRequest, refusal: Refusal | None) -> Answer:
        if refusal is not None:
            return intake.refuse(request, refusal)
        return Response(None, status_code=204, headers=PRIVATE)

    return [register, sign_in, verify, keys, add_key, remove_key, export, erase]


async def _verified(accounts: Accounts, asked: Verify) -> Verified | Refusal:
    if asked.token is not None:
        return await accounts.verify_token(asked.token)
    if asked.email is not None and asked.code is not None:
        return await accounts.verify_code(asked.email, asked.code)
    return Refusal(
        code=Code.INVALID_REQUEST,
        message="Send the token of the link, or the email and the code that it was sent.",
        param="token",
    )


def _card(key: ApiKey) -> KeyCard:
    return KeyCard(
        id=key.id,
        shown=key.shown,
        created_at=utc(key.created_ms),
        last_used_on=None if key.used_ms is None else utc(key.used_ms)[:10],
    )
