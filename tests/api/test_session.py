"""Sessions over HTTP: the token and the cookie, what a proof of work looks like, what is told."""

import re
from collections.abc import Callable
from typing import Any

import altcha
import httpx
import pytest

from scalix_free.identity.minted import LIFETIME_S
from tests.api.caller import COMPLETIONS, Caller
from tests.api.envelope import our_headers, refused
from tests.service import RunningService

SESSION = "/api/v1/free/session"
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}

Somebody = Callable[[], Caller]


def begin(caller: Caller, **more: Any) -> httpx.Response:
    caller.client.cookies.clear()
    response = caller.request("POST", SESSION, **more)
    caller.client.cookies.clear()  # the client is everybody's
    return response


def token_of(caller: Caller) -> str:
    response = begin(caller)
    assert response.status_code == 200, response.text
    token: str = response.json()["token"]
    return token


def as_bearer(caller: Caller, token: str) -> Caller:
    return Caller(caller.url, caller.client, caller.address, {"authorization": f"Bearer {token}"})


def solved(response: httpx.Response) -> dict[str, str]:
    challenge = altcha.Challenge.from_dict(response.json()["error"]["challenge"])
    solution = altcha.solve_challenge(challenge)
    assert solution is not None
    return {"altcha": altcha.Payload(challenge, solution).to_base64()}


# ── Beginning ────────────────────────────────────────────────────────────────────────────────


def test_a_session_is_begun_with_nothing(caller: Caller) -> None:
    response = begin(caller)
    told = response.json()

    assert response.status_code == 200
    assert list(told) == ["token", "user_id", "session_id", "tier", "expires_at"]
    assert told["token"].startswith("scalix_free_")
    assert told["tier"] == "anonymous"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["access-control-allow-origin"] == "*"
    assert our_headers(response) == {"x-request-id"}


@pytest.mark.parametrize("body", [{"json": {}}, {"json": {"altcha": None}}, {"json": {"x": 1}}])
def test_an_empty_body_is_nothing(caller: Caller, body: dict[str, Any]) -> None:
    assert begin(caller, **body).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"content": "altcha=x"}, 415, "unsupported_media_type"),
        ({"data": {"altcha": "x"}}, 415, "unsupported_media_type"),
        ({"content": "{", "headers": {"content-type": "application/json"}}, 400, "invalid_request"),
        ({"json": []}, 400, "invalid_request"),
        ({"json": {"altcha": 7}}, 400, "invalid_request"),
        ({"json": {"altcha": "x" * 5_000}}, 400, "invalid_request"),
        ({"json": {"altcha": "x" * 20_000}}, 413, "body_too_large"),
    ],
)
def test_a_body_that_is_none_is_refused_and_not_counted(
    caller: Caller, body: dict[str, Any], status: int, code: str
) -> None:
    for _ in range(3):
        refused(begin(caller, **body), status, code)
    assert begin(caller).status_code == 200


def test_the_third_is_asked_for_a_proof_of_work(caller: Caller) -> None:
    assert [begin(caller).status_code for _ in range(2)] == [200, 200]
    response = begin(caller)

    error = refused(response, 403, "challenge_required")
    assert not error.retryable
    challenge = response.json()["error"]["challenge"]
    assert set(challenge) == {"parameters", "signature"}
    assert "set-cookie" not in response.headers

    proof = solved(response)
    assert begin(caller, json=proof).status_code == 200
    again = begin(caller, json=proof)
    refused(again, 403, "challenge_required")
    assert again.json()["error"]["challenge"] != challenge


def test_a_solution_is_no_one_else_s(somebody: Somebody) -> None:
    asked, other = somebody(), somebody()
    for caller in (asked, asked, other, other):
        begin(caller)
    proof = solved(begin(asked))

    refused(begin(other, json=proof), 403, "challenge_required")
    assert begin(asked, json=proof).status_code == 200


def test_no_other_refusal_has_a_challenge(caller: Caller) -> None:
    response = caller.request("GET", "/api/v1/free/keys")

    refused(response, 401, "invalid_api_key")
    assert "challenge" not in response.json()["error"]


def test_a_widget_fetches_a_challenge(caller: Caller) -> None:
    response = caller.request("GET", "/api/v1/free/challenge")
    challenge = altcha.Challenge.from_dict(response.json())
    solution = altcha.solve_challenge(challenge)
    assert solution is not None
    assert response.headers["cache-control"] == "no-store"

    begin(caller)
    begin(caller)
    payload = altcha.Payload(challenge, solution).to_base64()
    assert begin(caller, json={"altcha": payload}).status_code == 200


# ── Being it ─────────────────────────────────────────────────────────────────────────────────


def test_a_session_has_limits_of_its_own_beside_its_address(caller: Caller) -> None:
    mine = as_bearer(caller, token_of(caller))
    mine.answer()

    assert mine.used()["requests_hour"] == 1
    assert caller.used()["requests_hour"] == 0
    assert as_bearer(caller, token_of(caller)).used()["requests_hour"] == 0


def test_one_s_own_session(caller: Caller) -> None:
    begun = begin(caller, headers={"user-agent": "my browser"}).json()
    mine = as_bearer(caller, begun["token"])

    told = mine.request("GET", SESSION)
    shown = told.json()
    assert {name: shown[name] for name in ("user_id", "session_id", "expires_at")} == {
        name: begun[name] for name in ("user_id", "session_id", "expires_at")
    }
    assert shown["user_agent"] == "my browser"
    assert (shown["requests_today"], shown["last_request_at"]) == (0, None)
    assert re.fullmatch("[0-9a-f]{32}", shown["address_hash"])
    assert caller.address not in told.text
    assert told.headers["cache-control"] == "no-store"


def test_who_has_none_has_none(caller: Caller) -> None:
    refused(caller.request("GET", SESSION), 404, "not_found")


@pytest.mark.parametrize("path", [COMPLETIONS, "/api/v1/free/limits", SESSION, "/api/v1/free/me"])
def test_an_altered_token_is_refused_everywhere(caller: Caller, path: str) -> None:
    token = token_of(caller)
    altered = as_bearer(caller, token[:-2] + ("AA" if token[-2:] != "AA" else "BB"))
    method = "POST" if path == COMPLETIONS else "GET"

    refused(altered.request(method, path, json={"messages": []}), 401, "invalid_api_key")


# ── The cookie ───────────────────────────────────────────────────────────────────────────────


def cookie_of(response: httpx.Response) -> str:
    return response.headers["set-cookie"].partition(";")[0]


def with_cookie(caller: Caller, cookie: str, **headers: str) -> Caller:
    return Caller(caller.url, caller.client, caller.address, {"cookie": cookie, **headers})


def test_a_browser_gets_a_cookie_that_no_script_and_no_other_site_can_use(caller: Caller) -> None:
    response = begin(caller)
    name, _, rest = response.headers["set-cookie"].partition("=")

    assert name == "scalix_free"  # over TLS it is __Host-…
    value, *attributes = rest.split("; ")
    assert value == response.json()["token"]
    assert attributes == [f"Max-Age={LIFETIME_S}", "Path=/", "HttpOnly", "SameSite=Lax"]


@pytest.mark.parametrize(
    ("headers", "counts"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"origin": "OURS"}, True),
        ({"origin": "OURS", "sec-fetch-site": "same-origin"}, True),
        ({}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "OURS.evil.example"}, False),
        ({"referer": "OURS/"}, False),
    ],
)
def test_it_counts_on_our_own_pages_alone(
    caller: Caller, service: RunningService, headers: dict[str, str], counts: bool
) -> None:
    begun = begin(caller)
    said = {name: value.replace("OURS", service.url) for name, value in headers.items()}
    browser = with_cookie(caller, cookie_of(begun), **said)

    response = browser.request("GET", SESSION)
    assert response.status_code == (200 if counts else 404)
    assert "set-cookie" not in response.headers
    browser.answer()
    assert caller.used()["requests_hour"] == (0 if counts else 1)


def test_other_cookies_beside_it_do_not_matter(caller: Caller) -> None:
    cookie = cookie_of(begin(caller))
    browser = with_cookie(caller, f"a=b; {cookie}; not_scalix_free=x", **SAME_ORIGIN)

    assert browser.request("GET", SESSION).status_code == 200


@pytest.mark.parametrize("value", ["", "x", "scalix_free_", "scalix_free_" + "A" * 104])
def test_one_that_is_not_valid_counts_as_absent_and_is_cleared(caller: Caller, value: str) -> None:
    browser = with_cookie(caller, f"scalix_free={value}", **SAME_ORIGIN)
    cleared = "scalix_free=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"

    for response in (
        browser.request("GET", "/api/v1/free/limits"),
        browser.ask(),
        browser.ask(stream=True),
    ):
        assert response.status_code == 200
        assert response.headers.get_list("set-cookie") == [cleared]
    assert caller.used()["requests_hour"] == 2

    replaced = begin(browser)
    assert replaced.headers.get_list("set-cookie")[-1].startswith("scalix_free=scalix_free_")


def test_a_foreign_page_s_request_clears_nothing(caller: Caller) -> None:
    browser = with_cookie(caller, "scalix_free=x", **{"sec-fetch-site": "cross-site"})

    assert "set-cookie" not in browser.request("GET", "/api/v1/free/limits").headers


def test_a_header_goes_before_a_cookie_and_a_dummy_behind_it(caller: Caller) -> None:
    cookie, token = cookie_of(begin(caller)), token_of(caller)
    browser = with_cookie(caller, cookie, **SAME_ORIGIN)

    def who(authorization: str) -> str:
        headers = {"authorization": authorization}
        told: dict[str, str] = browser.request("GET", SESSION, headers=headers).json()
        return told["user_id"]

    by_cookie = browser.request("GET", SESSION).json()["user_id"]
    assert who("Bearer free") == by_cookie
    assert who(f"Bearer {token}") != by_cookie
    wrong = browser.request("GET", SESSION, headers={"authorization": "Bearer scalix_free_x"})
    refused(wrong, 401, "invalid_api_key")


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}]
)
def test_a_foreign_page_gets_a_token_but_no_cookie(caller: Caller, headers: dict[str, str]) -> None:
    response = begin(caller, headers=headers)

    assert response.status_code == 200
    assert "set-cookie" not in response.headers


def test_the_answer_says_nothing_of_cookies_to_who_has_none(caller: Caller) -> None:
    for response in (caller.ask(), caller.request("GET", "/api/v1/free/limits")):
        assert "set-cookie" not in response.headers
