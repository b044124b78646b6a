"""Feedback over HTTP: by whoever got the answer, once, and what follows for them."""

from collections.abc import Callable

import httpx
import pytest

from tests.api.caller import Body, Caller
from tests.api.envelope import our_headers, refused
from tests.api.models import GOOD
from tests.api.test_session import SAME_ORIGIN, as_bearer, token_of

FEEDBACK = "/api/v1/free/feedback"


def rate(caller: Caller, request_id: str, rating: object = 1, **more: object) -> httpx.Response:
    body = {"request_id": request_id, "rating": rating, **more}
    return caller.request("POST", FEEDBACK, json=body)


def test_an_answer_is_rated_by_its_id_or_that_of_its_request(caller: Caller) -> None:
    whole = caller.ask(model=GOOD)
    request_id = whole.headers["x-request-id"]
    by_request = rate(caller, request_id, 1, comment="Well said.")
    by_answer = rate(caller, whole.json()["id"], 1)

    for response in (by_request, by_answer):
        assert response.status_code == 200, response.text
        assert response.json() == {"request_id": request_id, "rating": 1, "trigger": None}
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["access-control-allow-origin"] == "*"
        assert our_headers(response) == {"x-request-id"}
    streamed = caller.stream(model=GOOD)
    assert rate(caller, streamed.frames[0]["id"], -1).status_code == 200
    assert caller.used()["requests_hour"] == 2  # rating counts nothing


def test_the_opposite_is_refused(caller: Caller) -> None:
    request_id = caller.ask(model=GOOD).headers["x-request-id"]
    assert rate(caller, request_id, 1).status_code == 200
    error = refused(rate(caller, request_id, -1), 409, "already_rated")

    assert error.param == "rating"


def test_only_who_got_it_may(caller: Caller, somebody: Callable[[], Caller]) -> None:
    minted = as_bearer(caller, token_of(caller))
    without, with_it = (one.ask(model=GOOD).headers["x-request-id"] for one in (caller, minted))
    for who, request_id in (
        *((somebody(), without), (minted, without), (caller, with_it)),
        *((as_bearer(caller, token_of(caller)), with_it), (caller, "req_" + "0" * 32)),
    ):
        error = refused(rate(who, request_id), 404, "not_found")
        assert error.param == "request_id"
    assert rate(minted, with_it).status_code == 200
    assert rate(caller, without).status_code == 200
    wrong = as_bearer(caller, "scalix_free_not.valid")
    refused(rate(wrong, with_it), 401, "invalid_api_key")


def test_a_cookie_counts_on_our_own_pages_alone(caller: Caller) -> None:
    token = token_of(caller)
    request_id = as_bearer(caller, token).ask(model=GOOD).headers["x-request-id"]
    cookie = {"cookie": f"scalix_free={token}"}
    of_others = Caller(caller.url, caller.client, caller.address, cookie)
    ours = Caller(caller.url, caller.client, caller.address, cookie | SAME_ORIGIN)

    refused(rate(of_others, request_id), 404, "not_found")
    assert rate(ours, request_id).status_code == 200


@pytest.mark.parametrize(
    ("change", "param"),
    [
        *(({"rating": wrong}, "rating") for wrong in (0, 2, -2, 0.5, "1", True, None, [1])),
        ({"request_id": 1}, "request_id"),
        ({"request_id": "x" * 65}, "request_id"),
        ({"comment": "x" * 2_001}, "comment"),
        ({"comment": 1}, "comment"),
    ],
)
def test_a_body_that_is_none_names_the_field(caller: Caller, change: Body, param: str) -> None:
    body = {"request_id": "req_" + "0" * 32, "rating": 1} | change
    response = caller.request("POST", FEEDBACK, json=body)

    assert refused(response, 400, "invalid_request").param == param
    del body[param]
    if param != "comment":
        response = caller.request("POST", FEEDBACK, json=body)
        assert refused(response, 400, "invalid_request").param == param


def test_it_has_to_be_json(caller: Caller) -> None:
    text = {"content-type": "text/plain"}
    response = caller.request("POST", FEEDBACK, content="{}", headers=text)
    refused(response, 415, "unsupported_media_type")
    refused(caller.request("GET", FEEDBACK), 405, "method_not_allowed")
