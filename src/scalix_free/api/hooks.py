"""What LiteLLM's proxy asks and tells: may this request be answered, and how did it end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from litestar import Response, post
from litestar.handlers import HTTPRouteHandler

from scalix_free.api.errors import ErrorEnvelope
from scalix_free.api.exchange import MOST_TURN_CHARS, HonestAddress, headers_of
from scalix_free.api.headers import as_pairs, free_tier
from scalix_free.api.intake import PRIVATE, AnyRequest, Intake
from scalix_free.api.operations import has_operator_token
from scalix_free.core.caller import Visitor
from scalix_free.core.chat import Usage
from scalix_free.core.errors import Code, Refusal, StoreUnavailable
from scalix_free.core.outcome import Result
from scalix_free.serve import STORE_UNAVAILABLE, Arrival, End, Proxied, Refused, failure
from scalix_free.wire.answer import FreeTier

log = logging.getLogger(__name__)

PATH: Final = "/api/v1/hooks/litellm"
MOST_BYTES: Final = 1_048_576
MOST_EVENTS: Final = 500

Id = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z", max_length=32)]
Tokens = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
Moment = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Name = Annotated[str, msgspec.Meta(max_length=256)]
Word = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_]\w*\Z", max_length=64)]
Line = Annotated[str, msgspec.Meta(max_length=8_192)]


class Sender(msgspec.Struct, kw_only=True):
    """Who sent a request, as the proxy sees it: the peer, and headers that say more.

    ``forwarded`` is ``X-Forwarded-For``. It is believed of peers in ``server.trusted_proxies``.
    """

    address: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    forwarded: Line = ""
    credential: Line | None = None


class Admit(msgspec.Struct, kw_only=True, tag="admit"):
    """May this be answered? Asked again with the same id it is still one request.

    ``request_id`` is 32 random hexadecimal digits of the proxy's choice. Tokens are the proxy's
    estimates; ``output_tokens`` is what the request asks for, null where it does not say.
    """

    request_id: Id
    sender: Sender
    prompt_tokens: Tokens
    newest_tokens: Tokens
    output_tokens: Annotated[int, msgspec.Meta(ge=1, le=2**31)] | None = None
    session_id: Name | None = None
    turn: Annotated[str, msgspec.Meta(max_length=MOST_TURN_CHARS)] | None = None


class Event(msgspec.Struct, kw_only=True):
    """How an admitted request goes, or how it ended. Told twice it counts once.

    ``grant`` is what the admission gave. Of a request that was let in while nobody could be asked,
    ``sender`` and ``at_ms`` say who came and when (ms since the epoch). ``let_down`` are the models
    that failed on the way, ``attempts`` all that were asked. Nothing of what was said is told.
    """

    request_id: Id
    status: Literal["running", "answered", "failed", "abandoned"]
    grant: Annotated[str, msgspec.Meta(max_length=4_096)] | None = None
    sender: Sender | None = None
    at_ms: Moment = 0
    model: Name | None = None
    prompt_tokens: Tokens = 0
    completion_tokens: Tokens = 0
    error_status: Annotated[int, msgspec.Meta(ge=0, le=999)] = 0
    error_type: Word | None = None
    attempts: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 1
    let_down: Annotated[list[Name], msgspec.Meta(max_length=16)] = []
    first_token_ms: Annotated[float, msgspec.Meta(ge=0)] | None = None
    total_ms: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class Report(msgspec.Struct, kw_only=True, tag="report"):
    """Many of them at once."""

    events: Annotated[list[Event], msgspec.Meta(max_length=MOST_EVENTS)]


Message: TypeAlias = Admit | Report


class Admitted(msgspec.Struct, kw_only=True, tag="admitted"):
    """Yes. ``grant`` goes into the events of this request.

    ``output_tokens`` is what the answer may have, ``user_id`` a name that tells nothing of the
    person.
    """

    request_id: str
    grant: str
    tier: str
    user_id: str
    session_id: str | None
    output_tokens: int
    free_tier: FreeTier


class Denied(msgspec.Struct, kw_only=True, tag="refused"):
    """No: what the caller is to be answered with, word for word."""

    status: int
    headers: dict[str, str]
    envelope: ErrorEnvelope


class Reported(msgspec.Struct, kw_only=True, tag="reported"):
    """All of it was taken. ``counted`` ends were new; ``unknown`` are not of our admission."""

    counted: int
    unknown: list[str]


BODIES: Final = {PATH: Message}
"""What is sent to which address."""


def hook_routes(
    intake: Intake, proxied: Proxied, honest: HonestAddress, operator_token: str
) -> list[HTTPRouteHandler]:
    """The plugin's one address."""

    def visitor(sender: Sender) -> Visitor:
        return Visitor(honest(sender.address, sender.forwarded), sender.credential)

    async def admit(asked: Admit) -> Response[Admitted | Denied | Reported]:
        found = await proxied.admit(
            Arrival(
                rid=bytes.fromhex(asked.request_id),
                visitor=visitor(asked.sender),
                prompt_tokens=asked.prompt_tokens,
                newest_tokens=asked.newest_tokens,
                output_tokens=asked.output_tokens,
                session_id=asked.session_id,
                turn=asked.turn,
            )
        )
        if isinstance(found, Refused):
            return Response(_denied(intake, asked.request_id, found), headers=PRIVATE)
        admitted = Admitted(
            request_id=f"req_{asked.request_id}",
            grant=found.grant,
            tier=found.standing.tier.name,
            user_id=found.user_id,
            session_id=found.session_id,
            output_tokens=found.output_tokens,
            free_tier=free_tier(found.standing, found.session_id),
        )
        return Response(admitted, headers=PRIVATE)

    async def report(
        request: AnyRequest, told: Sequence[Event]
    ) -> Response[Admitted | Denied | Reported]:
        try:
            heard = await proxied.hear([_end(event, visitor) for event in told])
        except StoreUnavailable:
            return intake.refuse(request, STORE_UNAVAILABLE)
        for event in told:
            if event.status == "failed":
                log.info(
                    "req_%s failed in LiteLLM's proxy: %s, status %d",
                    event.request_id,
                    event.error_type,
                    event.error_status,
                )
        shown = Reported(counted=heard.new, unknown=list(heard.unknown))
        return Response(shown, headers=PRIVATE)

    @post(PATH, status_code=200, summary="For LiteLLM's proxy: admit a request, report ends")
    async def litellm(request: AnyRequest) -> Response[Admitted | Denied | Reported]:
        if not has_operator_token(headers_of(request.scope), operator_token):
            return intake.refuse(request, NO_OPERATOR if operator_token else NOBODY_IS_OPERATOR)
        told: Message | Refusal = await intake.body(request, Message, MOST_BYTES)
        if isinstance(told, Refusal):
            return intake.refuse(request, told)
        if isinstance(told, Admit):
            return await admit(told)
        return await report(request, told.events)

    return [litellm]


def _end(event: Event, visitor: Callable[[Sender], Visitor]) -> End:
    result, code = None, None
    if event.status == "failed":
        result, code = failure(event.error_status)
    elif event.status != "running":
        result = Result(event.status)
    return End(
        rid=bytes.fromhex(event.request_id),
        result=result,
        grant=event.grant,
        visitor=None if event.sender is None else visitor(event.sender),
        at_ms=event.at_ms,
        model=event.model,
        usage=Usage(event.prompt_tokens, event.completion_tokens),
        code=code,
        attempts=event.attempts,
        let_down=tuple(event.let_down),
        first_token_ms=event.first_token_ms,
        total_ms=event.total_ms,
    )


def _denied(intake: Intake, rid: str, found: Refused) -> Denied:
    response = intake.errors.response(
        found.refusal, f"req_{rid}", found.standing, found.session_id, found.cache
    )
    headers = {name.decode(): value.decode() for name, value in as_pairs(response.head)}
    headers.pop("content-type", None)
    return Denied(
        status=response.status,
        headers=headers | {"x-request-id": f"req_{rid}"},
        envelope=msgspec.json.decode(response.body, type=ErrorEnvelope),
    )


NO_OPERATOR: Final = Refusal(
    code=Code.INVALID_API_KEY,
    message="This address is for LiteLLM's proxy, which shows the operator token as its bearer.",
)
NOBODY_IS_OPERATOR: Final = Refusal(
    code=Code.INVALID_API_KEY,
    message=(
        "This address is for LiteLLM's proxy, which shows the operator token as its bearer; there "
        "is no such token here. Set server.operator_token."
    ),
)
