"""Signing up by a form: an address is typed once, and what becomes of it is said."""

import re
from html import unescape

from tests.api.caller import Caller
from tests.web.page import Page

OWN = {"sec-fetch-site": "same-origin"}


def test_a_mail_that_did_not_come_is_sent_again_without_typing(caller: Caller) -> None:
    sent = caller.request("POST", "/sign-up", data={"email": "a+b@example.org"}, headers=OWN)
    Page(sent.text)
    (form,) = re.findall(r'<form[^>]*action="/sign-up".*?</form>', sent.text, re.DOTALL)
    (email,) = re.findall(r'name="email" value="([^"]*)"', form)
    assert unescape(email) == "a+b@example.org"

    again = caller.request("POST", "/sign-up", data={"email": unescape(email)}, headers=OWN)
    assert again.status_code == 200
    assert "Look into your mail" in again.text


def test_the_page_of_privacy_knows_all_that_is_kept_of_people(caller: Caller) -> None:
    text = caller.request("GET", "/privacy").text
    for kept in (
        "Of each request",  # usage
        "your cookie or token stands for",  # sessions
        "what your browser calls itself",
        "Ratings of answers",
        "Which prompts to upgrade you were shown",  # reactions
        "if you sign up, to sign you in",  # accounts, api_keys, sign_ins
        "if you leave it on the page of prices",  # leads
    ):
        assert kept in text
