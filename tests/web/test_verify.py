"""The page behind a mailed link: it works without script, and changes nothing when it is opened."""

import re

import pytest

from tests.api.caller import Caller
from tests.service import RunningService


def mail_to(caller: Caller, service: RunningService, email: str) -> str:
    """What somebody is sent who registers; the operator reads it on the screen."""
    sent = caller.request("POST", "/api/v1/free/register", json={"email": email})
    assert sent.status_code == 202
    return service.said_after(f"Mail to {email}", "nobody gets in")


def test_opening_it_changes_nothing_and_its_button_gives_a_key(
    caller: Caller, service: RunningService
) -> None:
    mail = mail_to(caller, service, "page@example.org")
    path = re.findall(rf"{re.escape(service.url)}(/verify\?token=[\w-]+)", mail)[0]
    for _ in range(3):
        page = caller.request("GET", path)
        assert page.status_code == 200
        assert "scalix_key_" not in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    (token,) = re.findall(r'name="token" value="([\w-]+)"', page.text)
    assert 'method="post" action="/verify"' in page.text

    entered = caller.request("POST", "/verify", data={"token": token})
    (key,) = set(re.findall(r"scalix_key_\w+", entered.text))
    assert entered.status_code == 200
    assert entered.headers["cache-control"] == "no-store"
    told = caller.request("GET", "/api/v1/free/limits", headers={"authorization": f"Bearer {key}"})
    assert told.json()["tier"] == "registered"

    own = {"sec-fetch-site": "same-origin"}
    chat = caller.request("POST", "/chat", data={"look": "1", "key": key}, headers=own)
    assert "50 requests remaining today" in chat.text, "the key is good for the chat as well"

    again = caller.request("POST", "/verify", data={"token": token})
    assert again.status_code == 400
    assert 'href="/sign-up"' in again.text
    assert "scalix_key_" not in again.text
    assert 'role="alert"' in again.text


def test_the_digits_can_be_typed(caller: Caller, service: RunningService) -> None:
    mail = mail_to(caller, service, "digits@example.org")
    (code, *_) = re.findall(r"\|  +(\d{6})$", mail, re.MULTILINE)

    page = caller.request("GET", "/verify")
    assert 'name="email"' in page.text
    assert 'name="code"' in page.text
    entered = caller.request("POST", "/verify", data={"email": "digits@example.org", "code": code})
    assert "scalix_key_" in entered.text


@pytest.mark.parametrize(
    "form", [{}, {"token": "x"}, {"email": "x", "code": "y"}, {"token": "<b>"}, {"token": "ü"}]
)
def test_what_nobody_was_sent_is_refused_in_words(caller: Caller, form: dict[str, str]) -> None:
    page = caller.request("POST", "/verify", data=form)

    assert page.status_code == 400
    assert 'role="alert"' in page.text
    assert "<b>" not in page.text


def test_a_token_cannot_write_into_the_page(caller: Caller) -> None:
    page = caller.request("GET", "/verify", params={"token": '"><script>alert(1)</script>'})

    assert "<script>" not in page.text
    assert "alert(1)" in page.text


def test_a_large_form_is_refused(caller: Caller) -> None:
    assert caller.request("POST", "/verify", data={"token": "x" * 10_000}).status_code == 413
