"""The API reference as a page: no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar.handlers import HTTPRouteHandler

from scalix_free.core.errors import Code
from scalix_free.web.frame import AnyRequest, Frame, Page, page_at

FIRST: Final = "/v1/chat/completions"
"""What readers come for."""
LARGE: Final = 2**31
"""A bound beyond this says nothing to a reader."""

Describe = Callable[[Any], Mapping[str, Any]]
"""From the running application to its OpenAPI description."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a shape, as a row of a table."""

    name: str
    kind: str
    required: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One address and method."""

    path: str
    method: str
    summary: str
    fields: list[Field]
    responses: list[tuple[str, str]]


def reference_pages(
    frame: Frame, describe: Describe, statuses: Mapping[Code, int]
) -> list[HTTPRouteHandler]:
    """One page, made from the description for machines, and from the statuses of errors."""
    errors = [(statuses[code], code.value, words) for code, words in MEANINGS.items()]

    @page_at("/docs")
    async def docs(request: AnyRequest) -> Page:
        operations = sorted(_operations(describe(request.app)), key=lambda one: one.path != FIRST)
        shown = {"operations": operations, "errors": errors}
        return frame.page(request, "reference.html", shown, personal=False)

    return [docs]


def _operations(schema: Mapping[str, Any]) -> Iterator[Operation]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {})
            shape = body.get("application/json", {}).get("schema", {})
            yield Operation(
                path=path,
                method=method.upper(),
                summary=operation.get("summary") or "",
                fields=list(_fields(schema, shape)),
                responses=[
                    (status, answer.get("description", ""))
                    for status, answer in operation.get("responses", {}).items()
                ],
            )


def _fields(schema: Mapping[str, Any], shape: Mapping[str, Any]) -> Iterator[Field]:
    shape = _resolve(schema, shape)
    required = shape.get("required", ())
    for name, field in shape.get("properties", {}).items():
        yield Field(name, _kind(schema, field), name in required)


def _kind(schema: Mapping[str, Any], field: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        kinds = [_kind(schema, option) for option in field["anyOf"]]
        return " or ".join(kind for kind in kinds if kind != "null")
    if "$ref" in field:
        return str(field["$ref"].rpartition("/")[2])
    kind = str(field.get("type", "anything"))
    if kind == "array":
        return f"list of {_kind(schema, field.get('items', {}))}"
    low, high = field.get("minimum"), field.get("maximum")
    if low is None or abs(low) > LARGE:
        return kind
    if low == high:
        return f"{kind}, always {low}"
    return f"{kind}, at least {low}" if high is None else f"{kind}, {low} to {high}"


def _resolve(schema: Mapping[str, Any], shape: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        found: Mapping[str, Any] = schema["components"]["schemas"][name]
        return found
    return shape


MEANINGS: Final = {
    Code.INVALID_REQUEST: "The body is no valid request; param names the field.",
    Code.PROMPT_TOO_LONG: "The newest message is too long. Shorten it.",
    Code.CONTEXT_LENGTH_EXCEEDED: "The whole conversation is too long. Shorten it.",
    Code.CONTENT_BLOCKED: "It has a word that is not answered, or a provider's filter refused it.",
    Code.REQUEST_EXCEEDS_QUOTA: "It needs more tokens than a whole day has. Shorten it.",
    Code.INVALID_API_KEY: "A key or token of ours that is not valid. Send none, or another.",
    Code.CHALLENGE_REQUIRED: "A session costs a proof of work now: error.challenge has it.",
    Code.ACCESS_DENIED: "The host, or the page that sent a form, is none of ours.",
    Code.NOT_FOUND: "There is nothing at this address.",
    Code.METHOD_NOT_ALLOWED: "The address is there, for another method.",
    Code.ALREADY_RATED: "The answer was rated otherwise before, and the first rating counts.",
    Code.PAYMENTS_UNAVAILABLE: "Nothing can be paid for here yet.",
    Code.BODY_TOO_LARGE: "The body has more bytes than are accepted.",
    Code.UNSUPPORTED_MEDIA_TYPE: "Send JSON, without Content-Encoding.",
    Code.HOURLY_LIMIT: "The requests of the hour are used. reset_at says when one returns.",
    Code.DAILY_LIMIT: "The requests of the day are used. reset_at says when one returns.",
    Code.TOKEN_LIMIT: "The tokens of the day are used. reset_at says when some return.",
    Code.CONCURRENCY: "Too many run at once. Wait for one to end.",
    Code.SESSION_LIMIT: "The requests of this session_id are used. Begin another.",
    Code.IP_RATE_LIMIT: "The address or its network has asked too often. Wait until reset_at.",
    Code.UPSTREAM_ERROR: "Every model that was asked failed. Nothing was charged; try again.",
    Code.UPSTREAM_TIMEOUT: "No model answered in time. Nothing was charged; try again.",
    Code.NO_FREE_MODEL: "All models are busy or spent. Nothing was charged; wait until reset_at.",
    Code.STORE_UNAVAILABLE: "Limits cannot be counted at the moment. Try again in a moment.",
    Code.DRAINING: "The service is shutting down. Try again in a moment.",
    Code.INTERNAL_ERROR: "We made a mistake. Nothing was charged.",
}
"""What each code tells a client to do, in short; docs/api.md has the rest."""
