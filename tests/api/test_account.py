"""Accounts over HTTP: what is sent and told; the stories are in ``tests/journeys``."""

from typing import Any

import pytest

from tests.api.caller import Caller
from tests.api.envelope import our_headers, refused
from tests.service import RunningService

REGISTER, SIGN_IN, VERIFY = (f"/api/v1/free/{name}" for name in ("register", "sign-in", "verify"))


@pytest.mark.parametrize("path", [REGISTER, SIGN_IN])
def test_everybody_is_told_the_same(caller: Caller, path: str) -> None:
    response = caller.request("POST", path, json={"email": f"{caller.address}@example.org"})

    assert response.status_code == 202, response.text
    assert response.json() == {"status": "accepted", "expires_in_seconds": 900}
    assert response.headers["cache-control"] == "no-store"
    assert our_headers(response) == {"x-request-id"}


def test_without_a_mail_server_the_operator_reads_the_mail(
    caller: Caller, service: RunningService
) -> None:
    caller.request("POST", REGISTER, json={"email": "on-screen@example.org"})

    mail = service.said_after("Mail to on-screen@example.org", "nobody gets in")
    assert f"{service.url}/verify?token=" in mail


@pytest.mark.parametrize("path", [REGISTER, SIGN_IN, VERIFY])
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"content": "email=a@b.org"}, 415, "unsupported_media_type"),
        (
            {"content": "{}", "headers": {"content-type": "text/plain"}},
            415,
            "unsupported_media_type",
        ),
        ({"content": "{", "headers": {"content-type": "application/json"}}, 400, "invalid_request"),
        ({"json": {}}, 400, "invalid_request"),
        ({"json": {"email": 7}}, 400, "invalid_request"),
        ({"json": {"email": "nobody", "code": "1"}}, 400, "invalid_request"),
        ({"json": {"email": "a" * 321, "code": "1"}}, 400, "invalid_request"),
        ({"json": {"email": "a" * 20_000}}, 413, "body_too_large"),
    ],
)
def test_what_is_no_request_is_refused(
    caller: Caller, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    refused(caller.request("POST", path, **body), status, code)


@pytest.mark.parametrize(
    "body",
    [
        {"token": "x"},
        {"token": "x", "email": "ann@example.org", "code": "123456"},
        {"email": "ann@example.org", "code": "123456"},
        {"email": "ann@example.org"},
        {"code": "123456"},
    ],
)
def test_what_nobody_was_sent_lets_nobody_in(caller: Caller, body: dict[str, str]) -> None:
    refused(caller.request("POST", VERIFY, json=body), 400, "invalid_request")


def test_nothing_is_verified_by_looking(caller: Caller) -> None:
    refused(caller.request("GET", f"{VERIFY}?token=x"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "/api/v1/free/keys"), ("POST", "/api/v1/free/keys")),
        *(("DELETE", "/api/v1/free/keys/key_1"), ("GET", "/api/v1/free/me")),
        ("DELETE", "/api/v1/free/me"),
    ],
)
@pytest.mark.parametrize("credential", [None, "Bearer free", "Bearer scalix_key_", "scalix_free_x"])
def test_what_is_one_s_own_needs_to_know_whose(
    caller: Caller, method: str, path: str, credential: str | None
) -> None:
    headers = {} if credential is None else {"authorization": credential}
    refused(caller.request(method, path, headers=headers), 401, "invalid_api_key")
