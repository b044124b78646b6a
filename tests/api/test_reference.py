"""The API's description: valid, complete, and about what is really there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from scalix_free.api.routes import COMPLETIONS as NAMES
from scalix_free.api.routes import build_http
from tests.api.caller import Caller
from tests.service import served
from tests.web.test_pages import PAGES

Json = dict[str, Any]
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}

NO_PART_OF_THE_API = {
    *PAGES,
    "/usage/delete",
    "/usage/export",
    "/metrics",
    "/api/v1/admin/models",
    "/openapi.json",
}
"""Pages for people, what only operators see, and the description itself."""


@pytest.fixture(scope="module")
def description(service: Any, client: httpx.Client) -> Json:
    response = client.get(f"{service.url}/openapi.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    found: Json = response.json()
    return found


def operations(description: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def everything(value: object) -> Iterator[Json]:
    """Every object inside, at any depth."""
    if isinstance(value, dict):
        yield value
        for below in value.values():
            yield from everything(below)
    elif isinstance(value, list):
        for below in value:
            yield from everything(below)


def test_it_is_openapi(description: Json) -> None:
    assert re.fullmatch(r"3\.1\.\d+", description["openapi"])
    assert description["info"]["title"] == "Scalix Free"
    assert description["info"]["version"]
    assert set(description) <= {
        *("openapi", "info", "paths", "components", "servers", "tags", "security"),
        *("jsonSchemaDialect", "webhooks", "externalDocs"),
    }


def test_every_operation_is_whole(description: Json) -> None:
    ids = []
    for path, method, operation in operations(description):
        assert path.startswith("/")
        assert method in METHODS
        assert operation["responses"]
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d|default", status)
            assert response["description"]
        ids.append(operation["operationId"])
        declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert declared == set(re.findall(r"\{(\w+)\}", path))
    assert len(set(ids)) == len(ids)


def test_every_reference_leads_somewhere(description: Json) -> None:
    refs = [found["$ref"] for found in everything(description) if "$ref" in found]
    assert refs
    for ref in refs:
        assert ref.startswith("#/")
        found: Any = description
        for step in ref.removeprefix("#/").split("/"):
            found = found[step]


def test_it_names_nothing_elsewhere(description: Json) -> None:
    for found in everything(description):
        for value in found.values():
            if isinstance(value, str) and "://" in value:
                assert re.match(r"http://(127\.0\.0\.1|localhost)", value), value


async def test_every_mounted_route_is_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers: list[HTTPRouteHandler] = []

    def noting(**parts: Any) -> ASGIApp:
        handlers.extend(parts["routes"])
        return build_http(**parts)

    monkeypatch.setattr("scalix_free.app.build_http", noting)
    async with (
        served(tmp_path, 'local = { use = "never" }') as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        description = (await client.get("/openapi.json")).json()
    mounted = {
        (re.sub(r":\w+\}", "}", path), method.lower())
        for handler in handlers
        for path in handler.paths
        for method in handler.http_methods
    }
    mounted |= {(path, "post") for path in NAMES}
    assert handlers
    assert {(path, method) for path, method, _ in operations(description)} == {
        (path, method)
        for path, method in mounted
        if path not in NO_PART_OF_THE_API and not path.startswith("/static/")
    }


def test_what_is_sent_to_sessions_and_accounts_is_described(description: Json) -> None:
    fields = {
        "session": {"altcha"},
        "register": {"email"},
        "sign-in": {"email"},
        "verify": {"token", "email", "code"},
    }
    for name, expected in fields.items():
        operation = description["paths"][f"/api/v1/free/{name}"]["post"]
        body = operation["requestBody"]
        schema = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert set(description["components"]["schemas"][schema]["properties"]) == expected
        assert body["required"] == (name != "session")
        assert "default" in operation["responses"]


def test_a_completion_is_described_by_what_is_read_and_written(description: Json) -> None:
    for path in NAMES:
        operation = description["paths"][path]["post"]
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        schema = description["components"]["schemas"][body["$ref"].rpartition("/")[2]]
        assert schema["required"] == ["messages"]
        assert {"model", "stream", "max_tokens", "tools", "session_id"} <= set(schema["properties"])
        assert {"200", "400", "401", "413", "415", "429", "502", "503", "504"} <= set(
            operation["responses"]
        )


def test_the_example_of_the_description_is_answered(description: Json, caller: Caller) -> None:
    body = description["paths"][NAMES[0]]["post"]["requestBody"]["content"]["application/json"]
    assert caller.request("POST", NAMES[0], json=body["example"]).status_code == 200


@pytest.mark.parametrize(
    ("path", "described"),
    [
        ("/v1/models", "/v1/models"),
        ("/api/v1/free/limits", "/api/v1/free/limits"),
        ("/v1/free/quota", "/v1/free/quota"),
        ("/health", "/health"),
        ("/health/ready", "/health/ready"),
        ("/v1/models/scalix-free", "/v1/models/{model_id}"),
    ],
)
def test_what_is_answered_has_the_fields_that_are_described(
    description: Json, caller: Caller, path: str, described: str
) -> None:
    schema = description["paths"][described]["get"]["responses"]["200"]["content"][
        "application/json"
    ]["schema"]
    if "$ref" in schema:
        schema = description["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    answer = caller.request("GET", path).json()
    assert set(answer) == set(schema["properties"])
    assert set(schema.get("required", [])) <= set(answer)
