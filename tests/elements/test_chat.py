"""`<scalix-chat>` against the real service: what people do, and what becomes of it."""

import json
from collections.abc import Callable

from playwright.sync_api import expect

from tests.elements.conftest import MODEL
from tests.elements.lone import Lone
from tests.world import Behaviour, RunningWorld

Open = Callable[..., Lone]
CHAT = '<scalix-chat base-url=""></scalix-chat>'
COMPLETIONS = "/v1/chat/completions"


def say(page: Lone, text: str) -> None:
    page.find("#draft").fill(text)
    page.page.keyboard.press("Enter")


def answered(page: Lone, times: int = 1) -> None:
    """Wait until so many answers are complete."""
    expect(page.find(".answer[aria-busy=false]")).to_have_count(times)


def test_a_question_is_answered_with_its_price_before_and_after(
    lone: Open, world: RunningWorld
) -> None:
    page = lone(CHAT)
    page.find("#draft").fill("What is the capital of France?")
    expect(page.find("[part=preview]")).to_have_text("about 1 of 5 requests, 309 of 5 k tokens")
    assert page.barriers() == []
    page.page.keyboard.press("Enter")

    expect(page.find(".text")).to_have_text("You said: What is the capital of France?")
    expect(page.find(".receipt")).to_contain_text(f"world/{MODEL}")
    expect(page.find(".receipt")).to_contain_text("1 request")
    expect(page.find("[part=quota]")).to_contain_text("19 requests remaining today")
    assert page.barriers() == []
    (asked,) = page.asked("POST", COMPLETIONS)
    assert json.loads(asked.post_data or "")["stream"] is True
    assert "cache-control" not in asked.headers


def test_the_first_answer_is_greeted_once_ever(lone: Open) -> None:
    page = lone(CHAT)
    say(page, "Hello")

    expect(page.find("[part=prompt]")).to_contain_text("Welcome! Try Scalix Free")
    expect(page.find("[part=prompt]")).to_contain_text("20 free requests a day")
    expect(page.find("[part=prompt]")).not_to_contain_text("Pro")
    page.page.get_by_role("button", name="Got it").click()
    page.load()
    say(page, "Hello again")
    answered(page)
    expect(page.find("[part=prompt]")).to_have_count(0)
    assert [(one["trigger"], one["action"]) for one in page.told()] == [
        ("FIRST_REQUEST", "impression"),
        ("FIRST_REQUEST", "dismiss"),
    ]


def test_another_answer_is_asked_for_anew_and_twice_is_once_too_often(lone: Open) -> None:
    page = lone(CHAT)
    say(page, "Why?")
    answered(page)
    for _ in range(2):
        page.page.get_by_role("button", name="Another answer").click()
        answered(page)

    expect(page.find("[part=prompt]")).to_contain_text("Get better responses with Pro")
    expect(page.find("[part=prompt]")).to_contain_text("did not get this right twice")
    asked = page.asked("POST", COMPLETIONS)
    assert [one.headers.get("cache-control") for one in asked] == [None, "no-cache", "no-cache"]
    assert len({one.headers["idempotency-key"] for one in asked}) == 3
    assert [one["trigger"] for one in page.told()] == ["FIRST_REQUEST", "QUALITY_ISSUE"]


def test_thumbs_are_counted_by_the_service(lone: Open) -> None:
    page = lone(CHAT)
    say(page, "Hello")
    answered(page)
    with page.page.expect_response("**/api/v1/free/feedback") as response:
        page.page.get_by_role("button", name="Bad answer").click()

    assert response.value.status == 200
    expect(page.page.get_by_role("button", name="Bad answer")).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(page.find("[part=prompt]")).to_contain_text("Thank you for telling us")
    first, *_ = page.page.get_by_role("button", name="Try another free model").all()
    expect(first).to_be_visible()


def test_esc_stops_an_answer_and_leaves_what_is_there(lone: Open, world: RunningWorld) -> None:
    page = lone(CHAT)
    world.behave(MODEL, Behaviour("stall", k=1))
    say(page, "Tell me")
    expect(page.find(".text")).to_have_text("You")
    page.page.keyboard.press("Escape")

    expect(page.find("[part=state]")).to_have_text("Stopped.")
    expect(page.find(".text")).to_have_text("You")
    expect(page.find(".receipt")).to_contain_text("stopped, charged as 1 request")
    expect(page.find("[part=send]")).to_be_visible()


def test_an_answer_that_breaks_off_can_be_gone_on_with(lone: Open, world: RunningWorld) -> None:
    page = lone(CHAT)
    world.behave(MODEL, Behaviour("cut", k=2), "normal")
    say(page, "Tell me")

    expect(page.find("[part=state]")).to_contain_text("The answer broke off.")
    expect(page.find(".receipt")).to_contain_text("given back")
    assert page.barriers() == []
    page.page.get_by_role("button", name="Continue from here").click()
    answered(page, 2)
    messages = json.loads(page.asked("POST", COMPLETIONS)[-1].post_data or "")["messages"]
    assert [one["role"] for one in messages] == ["user", "assistant", "user"]


def test_who_fails_is_charged_nothing_and_tries_the_same_turn_again(
    lone: Open, world: RunningWorld
) -> None:
    page = lone(CHAT)
    world.behave(MODEL, "reset", "reset", "reset", "normal")
    say(page, "Tell me")

    expect(page.find("[part=state]")).to_contain_text("All free models currently unavailable")
    expect(page.find(".receipt")).to_have_text("not charged")
    assert page.barriers() == []
    world.behave(MODEL, "normal")
    page.page.get_by_role("button", name="Try again").click()
    expect(page.find(".text")).to_have_text("You said: Tell me")
    first, second = page.asked("POST", COMPLETIONS)
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_at_the_limit_the_message_is_kept_and_three_ways_lead_on(lone: Open) -> None:
    page = lone(CHAT)
    for n in range(5):
        say(page, f"Question {n}")
        answered(page, n + 1)
    # Nothing is left; the chat knows, and its composer has given way.
    card = page.find("[part=limit]")
    expect(card).to_contain_text("Upgrade to continue using Scalix")
    expect(card).to_contain_text("Free requests return at")
    expect(page.find(".answer")).to_have_count(5)
    assert page.barriers() == []
    page.find("#later").fill("And then?")
    page.find("[part=hold]").click()
    expect(card).to_contain_text("This will be sent at")
    page.load()
    expect(card).to_contain_text("And then?")
    page.page.get_by_role("button", name="Do not send it").click()
    expect(page.find("#later")).to_have_value("And then?")
    assert "AT_LIMIT" in [one["trigger"] for one in page.told()]


def test_an_address_of_mail_raises_the_limit(lone: Open) -> None:
    page = lone('<scalix-chat base-url="" uplift="50"></scalix-chat>')
    for n in range(5):
        say(page, f"Question {n}")
        answered(page, n + 1)
    expect(page.find("[part=uplift]")).to_contain_text("50 requests a day")
    page.find("#email").fill("ada@example.org")
    page.page.get_by_role("button", name="Send me a link").click()

    expect(page.find("[part=limit]")).to_contain_text("Look into your mailbox")


def test_whole_answers_can_be_wished_for(lone: Open) -> None:
    page = lone(CHAT)
    page.page.get_by_text("Settings").click()
    page.page.get_by_label("Show answers while they are written").uncheck()
    assert page.barriers() == []
    page.page.keyboard.press("Escape")
    say(page, "Hello")
    answered(page)

    (asked,) = page.asked("POST", COMPLETIONS)
    assert "stream" not in json.loads(asked.post_data or "")
    expect(page.find(".text")).to_have_text("You said: Hello")


def test_who_asks_has_an_identity_of_their_own(lone: Open) -> None:
    page = lone(CHAT)
    say(page, "Hello")
    answered(page)
    say(page, "Again")
    answered(page, 2)

    assert len(page.asked("POST", "/api/v1/free/session")) == 1
    assert page.run("fetch('/api/v1/free/session').then((answer) => answer.status)") == 200
    page.page.context.clear_cookies()
    for n, text in enumerate(("By address", "As somebody anew"), start=3):
        say(page, text)
        answered(page, n)
    assert len(page.asked("POST", "/api/v1/free/session")) == 2
