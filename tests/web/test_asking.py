"""Asking without script: a form, the same limits as through the API, and a page with the answer."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape

import httpx
import pytest

from scalix_free.web.asking import MOST_SAID_BYTES, Asked, Turn, turns_of
from tests.api.caller import Caller
from tests.api.test_session import token_of
from tests.service import RunningService
from tests.web.page import Page

OWN = {"sec-fetch-site": "same-origin"}


@pytest.fixture
def caller(service: RunningService, addresses: Iterator[str]) -> Iterator[Caller]:
    """Somebody with a browser: it keeps the cookie that it is given."""
    with httpx.Client(timeout=20, trust_env=False) as browser:
        yield Caller(service.url, browser, next(addresses))


def ask(caller: Caller, path: str = "/chat", **fields: str) -> httpx.Response:
    return caller.request("POST", path, data=fields, headers=OWN)


def field(text: str, name: str) -> str:
    """The value of the first hidden field of that name."""
    return unescape(re.findall(rf'name="{name}" value="([^"]*)"', text)[0])


@pytest.mark.parametrize("path", ["/", "/chat"])
def test_a_question_is_answered_on_a_page(caller: Caller, path: str) -> None:
    answered = ask(caller, path, prompt="What is 2 + 2?")

    assert answered.status_code == 200
    assert answered.headers["cache-control"] == "no-store"
    assert "What is 2 + 2?" in answered.text
    assert "You said: What is 2 + 2?" in answered.text
    assert "world/good" in answered.text
    Page(answered.text)


def test_who_asks_gets_an_identity_and_is_charged_by_it(caller: Caller) -> None:
    assert "set-cookie" in ask(caller, prompt="Who am I?").headers

    usage = caller.request("GET", "/usage", headers=OWN)
    (hour,) = re.findall(r'data-meter="requests_hour".*?class="figure">(\d+)<', usage.text, re.S)
    assert hour == "1"
    until = time.monotonic() + 5  # it is written down within a second
    while "world/good" not in usage.text:
        assert time.monotonic() < until
        usage = caller.request("GET", "/usage", headers=OWN)

    again = ask(caller, prompt="And now?")
    assert "set-cookie" not in again.headers
    assert "3 of 5 left this hour" in re.sub(r"<[^>]+>", "", again.text)


def test_what_was_said_goes_along(caller: Caller) -> None:
    first = ask(caller, prompt="First <b>one</b>")
    second = ask(caller, prompt="Second", said=field(first.text, "said"))

    page = Page(second.text)
    assert "<b>" not in second.text
    assert len(page.all("article")) == 4
    assert second.text.count("First &lt;b&gt;one&lt;/b&gt;") >= 2
    assert "You said: Second" in second.text


@pytest.mark.parametrize("said", ["", "{", "[1]", '[["a"]]', '[["a", "b", "c"]]', '[{"x": 1}]'])
def test_a_history_that_is_none_is_left_out(caller: Caller, said: str) -> None:
    assert "You said: Hi" in ask(caller, prompt="Hi", said=said).text


def test_nothing_is_asked_for_a_page_of_somebody_else(caller: Caller) -> None:
    for headers in ({}, {"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        refused = caller.request("POST", "/chat", data={"prompt": "Hi"}, headers=headers)
        assert refused.status_code == 403
        assert "You said" not in refused.text
        assert "set-cookie" not in refused.headers
    ours = {"origin": caller.url}
    assert caller.request("POST", "/chat", data={"prompt": "Hi"}, headers=ours).status_code == 200


def test_an_empty_question_is_none(caller: Caller) -> None:
    empty = ask(caller, prompt="  ")
    assert "There was no question to ask." in empty.text
    assert "set-cookie" not in empty.headers


def test_a_question_that_is_too_long_is_kept_and_can_be_trimmed(caller: Caller) -> None:
    long = "long " * 3_000
    refused = ask(caller, prompt=long)
    assert "Trim to fit" in refused.text
    assert long.strip() in refused.text

    trimmed = ask(caller, prompt=long, look="1")
    (kept,) = re.findall(r"<textarea[^>]*>(.*?)</textarea>", trimmed.text, re.S)
    assert kept == long.strip()[:10_000]
    assert "You said" not in trimmed.text, "it is looked at first"


def test_at_the_limit_the_page_says_when_and_what_else(caller: Caller) -> None:
    for n in range(5):
        assert f"You said: {n}" in ask(caller, prompt=f"{n}").text

    refused = ask(caller, prompt="Kept")

    assert "Upgrade to continue using Scalix" in refused.text
    assert "Your question is kept" in refused.text
    assert ">Kept</textarea>" in refused.text
    assert 'href="/sign-up"' in refused.text
    usage = caller.request("GET", "/usage", headers=OWN)
    assert "Upgrade to continue using Scalix" in usage.text
    assert "Requests This Hour: 5 of 5 used." in usage.text


def test_asked_again_the_newest_answer_is_none_of_the_conversation(caller: Caller) -> None:
    first = ask(caller, prompt="Say it")
    again = ask(caller, prompt="Say it", said=field(first.text, "said"), again="1")

    assert "You said: Say it" in again.text
    assert "given before" not in again.text


def test_a_refusal_has_its_status(caller: Caller) -> None:
    assert ask(caller, prompt="long " * 3_000).status_code == 400
    assert ask(caller, prompt="Hi", key="free").status_code == 401
    for n in range(5):
        ask(caller, prompt=f"{n}")
    assert ask(caller, prompt="Too many").status_code == 429


def test_who_has_a_key_asks_and_rates_with_it(caller: Caller) -> None:
    key = token_of(caller)
    caller.client.cookies.clear()

    looked = ask(caller, look="1", key=key)
    assert "You ask with your key." in looked.text
    assert field(looked.text, "key") == key
    answered = ask(caller, prompt="With a key", key=key)
    assert "set-cookie" not in answered.headers
    assert field(answered.text, "key") == key
    rated = {"answer": field(answered.text, "answer"), "rating": "1", "key": key}
    until = time.monotonic() + 5
    while ask(caller, "/feedback", **rated).status_code != 200:
        assert time.monotonic() < until
    del rated["key"]
    assert ask(caller, "/feedback", **rated).status_code == 404, "it is nobody else's answer"

    told = caller.request(
        "GET", "/api/v1/free/limits", headers={"authorization": f"Bearer {key}"}
    ).json()
    assert told["windows"][0]["used"] == 1


@pytest.mark.parametrize("key", ["free", "scalix_key_none", "scalix_free_not.valid"])
def test_a_key_that_is_none_loses_no_question(caller: Caller, key: str) -> None:
    for more in ({}, {"look": "1"}):
        refused = ask(caller, prompt="Kept", key=key, **more)
        assert refused.status_code == 401
        assert ">Kept</textarea>" in refused.text
        assert key not in refused.text


def test_the_first_answer_is_welcomed_once_and_that_is_told(caller: Caller) -> None:
    assert "You have 20 requests a day; 19 are left." in ask(caller, prompt="First").text
    assert "Welcome!" not in ask(caller, prompt="Second").text

    kept = caller.request("POST", "/usage/export", data={"as": "json"}, headers=OWN).json()
    told = [(one["trigger"], one["action"], one["message_id"]) for one in kept["reactions"]]
    assert told == [("FIRST_REQUEST", "impression", "chat-page")]


def test_a_form_carries_the_newest_of_what_was_said() -> None:
    turns = [Turn(f"{n}", "ä" * 10_000) for n in range(20)]
    said = json.loads(Asked(turns=turns).said)

    assert [question for question, _ in said] == ["18", "19"]
    assert len(json.dumps(said, ensure_ascii=False).encode()) <= MOST_SAID_BYTES
    assert Asked(turns=[Turn("long", "x" * MOST_SAID_BYTES)]).said == "[]"
    assert len(json.loads(Asked(turns=[Turn("a", "b")] * 30).said)) == 20


def test_no_more_is_rendered_than_a_form_of_ours_carries() -> None:
    """Whoever writes the form themselves would have the server work for it."""
    long = [["a", "a|b\n" * 50_000], ["c", "d"]]
    assert turns_of({"said": json.dumps(long)}) == (Turn("c", "d"),)


def test_others_are_served_while_a_long_conversation_is_rendered(
    caller: Caller, service: RunningService
) -> None:
    said = json.dumps([["a", "a|b\n-|-\n" + "x|y\n" * 10_000]])
    with ThreadPoolExecutor(1) as pool:
        page = pool.submit(ask, caller, look="1", said=said)
        others = 0
        while not page.done():
            assert httpx.get(f"{service.url}/health/live", trust_env=False).status_code == 200
            others += 1
    assert page.result().text.count("<td>x</td>") == 10_000
    assert others > 2
