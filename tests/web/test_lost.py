"""Who goes to an address that gives none gets a page with a browser, and else the usual error."""

import pytest

from tests.api.caller import Caller
from tests.web.page import Page

BROWSER = {"sec-fetch-mode": "navigate", "sec-fetch-site": "same-origin"}


@pytest.mark.parametrize("path", ["/nowhere", "/static/nothing.css", "/v1/models/none/at/all/"])
def test_a_browser_is_shown_a_page(caller: Caller, path: str) -> None:
    response = caller.request("GET", path, headers=BROWSER)

    assert response.status_code == 404
    if path.startswith("/v1"):  # a handler of the API has answered
        assert response.json()["error"]["code"] == "not_found"
        return
    assert response.headers["content-type"].startswith("text/html")
    assert "content-security-policy" in response.headers
    assert Page(response.text).all("h1")
    assert "There is nothing here" in response.text


def test_a_program_is_told_as_ever(caller: Caller) -> None:
    response = caller.request("GET", "/nowhere", headers={"accept": "text/html"})

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


def test_what_went_wrong_otherwise_is_said(caller: Caller) -> None:
    large = caller.request("POST", "/sign-up", data={"email": "x" * 9_000}, headers=BROWSER)

    assert large.status_code == 413
    assert "This did not work" in large.text
