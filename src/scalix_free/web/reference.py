"""The API reference as a page: no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import jinja2
from litestar import MediaType, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)

PAGE_HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}

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


def reference_pages(describe: Describe, public_url: str, version: str) -> list[HTTPRouteHandler]:
    """The reference, its style, and the addresses that lead to it until they have own pages."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("scalix_free.web"), autoescape=True, trim_blocks=True
    )

    @get("/docs", media_type=MediaType.HTML, include_in_schema=False)
    async def docs(request: Request[Any, Any, Any]) -> Response[str]:
        schema = describe(request.app)
        page = templates.get_template("reference.html").render(
            operations=list(_operations(schema)), public_url=public_url, version=version
        )
        return Response(page, headers=PAGE_HEADERS)

    @get("/static/reference.css", media_type=MediaType.CSS, include_in_schema=False)
    async def style() -> Response[str]:
        css = files("scalix_free.web").joinpath("static/reference.css").read_text("utf-8")
        return Response(css, headers={"cache-control": "max-age=3600"})

    @get("/", include_in_schema=False, status_code=307)
    async def home() -> Redirect:
        return Redirect("/docs", status_code=307)

    @get("/upgrade", include_in_schema=False, status_code=307)
    async def upgrade() -> Redirect:
        return Redirect("/docs#pro", status_code=307)

    return [docs, style, home, upgrade]


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
