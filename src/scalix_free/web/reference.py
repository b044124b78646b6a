"""The API reference as a page: no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar import get
from litestar.handlers import HTTPRouteHandler

from scalix_free.web.frame import AnyRequest, Frame, Page

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


def reference_pages(frame: Frame, describe: Describe) -> list[HTTPRouteHandler]:
    """One page, made from the description for machines."""

    @get("/docs", include_in_schema=False)
    async def docs(request: AnyRequest) -> Page:
        shown = {"operations": list(_operations(describe(request.app)))}
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
