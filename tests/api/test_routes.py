"""The map of addresses: what is there, what is not, and how each of them says so."""

import pytest

from scalix_free.api.routes import COMPLETIONS as NAMES
from tests.api.caller import Caller, question
from tests.api.envelope import our_headers, refused

READERS = [
    "/v1/models",
    "/models",
    "/v1/models/scalix-free",
    "/api/v1/free/limits",
    "/v1/free/quota",
    "/api/v1/free/usage",
    "/api/v1/free/offer",
    "/v1/usage",
    "/v1/user/info",
    "/v1/language-model-catalog",
    "/llms.txt",
    "/health",
    "/health/live",
    "/health/ready",
    "/openapi.json",
    "/docs",
]


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/completions", "/v1/embeddings"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_offered_names_what_is(caller: Caller, path: str, method: str) -> None:
    response = caller.request(method, path, json=question() if method == "POST" else None)
    assert "/v1/chat/completions" in refused(response, 404, "not_found").message
    assert our_headers(response) == {"x-request-id"}


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/v1",
        "/v1/chat",
        "/v1/chat/completions/",
        "/V1/CHAT/COMPLETIONS",
        "/v1//chat/completions",
        "/api/v1/free/nothing",
        "/%00",
        "/%ff%fe",
        "/%F0%9F%98%80",
        "/%0d%0ax-evil:1",
        "/" + "a" * 4000,
        "/nothing?x=%ff&y[]=1&&&",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_there_is_not_found(caller: Caller, path: str, method: str) -> None:
    response = caller.request(method, path)
    refused(response, 404, "not_found")
    assert our_headers(response) == {"x-request-id"}


@pytest.mark.parametrize("path", ["/static/../settings.py", "/static/%2e%2e/reference.html"])
def test_nothing_is_read_from_beside_the_files_of_pages(caller: Caller, path: str) -> None:
    refused(caller.request("GET", path), 404, "not_found")
    assert caller.request("POST", path).status_code in (404, 405)


@pytest.mark.parametrize("path", READERS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_what_reads_is_not_written_to(caller: Caller, path: str, method: str) -> None:
    response = caller.request(method, path, json={})
    refused(response, 405, "method_not_allowed")
    assert our_headers(response) == {"x-request-id"}
    assert "GET" in response.headers["allow"]


@pytest.mark.parametrize("path", NAMES)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_completion_is_asked_for_with_post(caller: Caller, path: str, method: str) -> None:
    response = caller.request(method, path)
    refused(response, 405, "method_not_allowed")
    assert our_headers(response) == {"x-request-id"}
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("path", READERS)
def test_what_can_be_read_has_a_head(caller: Caller, path: str) -> None:
    """Watchdogs ask with HEAD, and HTTP wants it wherever there is GET."""
    got, head = caller.request("GET", path), caller.request("HEAD", path)
    assert head.status_code == got.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == got.headers["content-type"]
