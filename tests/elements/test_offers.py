"""`<scalix-upgrade>` and `<scalix-pricing>`: what more would cost, and why that much."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.elements.lone import MATRIX, Lone
from tests.elements.told import limits, offer

Open = Callable[..., Lone]
PROMPT = '<scalix-upgrade trigger="NEAR_LIMIT"></scalix-upgrade>'
PRICES = "<scalix-pricing></scalix-pricing>"


def test_a_prompt_says_the_price_and_what_it_becomes(lone: Open) -> None:
    page = lone(PROMPT)
    page.give("scalix-upgrade", {"offer": offer()})

    expect(page.find("h3")).to_have_text("Almost out of free requests")
    expect(page.find("[part=prompt]")).to_contain_text("Upgrade to continue your coding session")
    expect(page.find("[part=price]")).to_have_text(
        "$13.50 for the first month, then $29.99 a month"
    )
    expect(page.find("[part=notice]")).to_contain_text("your personal data")
    page.find(".upgrade-button").click()
    assert page.heard("upgrade") == [{"trigger": "NEAR_LIMIT", "message_id": "upgrade-near_limit"}]
    assert [one["action"] for one in page.heard("prompt")] == ["impression", "click"]
    assert page.requests == []
    assert page.barriers() == []


def test_a_prompt_can_be_sent_away(lone: Open) -> None:
    page = lone(PROMPT)
    page.give("scalix-upgrade", {"offer": offer()})
    page.find("[part=dismiss]").click()

    expect(page.find("[part=prompt]")).to_have_count(0)
    assert [one["action"] for one in page.heard("prompt")] == ["impression", "dismiss"]
    page.run("document.querySelector('scalix-upgrade').trigger = 'AT_LIMIT'")
    expect(page.find("h3")).to_have_text("Upgrade to continue using Scalix")


def test_a_welcome_sells_nothing(lone: Open) -> None:
    page = lone('<scalix-upgrade trigger="FIRST_REQUEST"></scalix-upgrade>')
    page.give("scalix-upgrade", {"offer": offer()})

    expect(page.find("h3")).to_have_text("Welcome! Try Scalix Free")
    expect(page.find("[part=price]")).to_have_count(0)
    expect(page.find(".upgrade-button")).to_have_count(0)


def test_prices_name_each_step(lone: Open) -> None:
    page = lone(PRICES)
    page.give("scalix-pricing", {"offer": offer(), "limits": limits()})

    expect(page.find(".now")).to_have_text("$13.50")
    expect(page.find("[part=why] li")).to_have_text(
        [
            "List price $29.99.",
            "10 % off: You are near your free limit.",
            "50 % off: Your first month. Until 31 December 2026.",
        ]
    )
    expect(page.find("[part=notice]")).to_be_visible()
    expect(page.find("[part=matrix] tbody tr").first).to_contain_text("Requests/Day")
    expect(page.find("[part=matrix] tbody tr").first).to_contain_text("20")
    page.page.get_by_text("Annual").click()
    expect(page.find(".now")).to_have_text("$287.90")
    expect(page.find("[part=price]")).to_contain_text("$287.90 a year")
    page.find(".upgrade-button").click()
    assert page.heard("upgrade") == [{"trigger": None, "message_id": "pricing", "interval": "year"}]
    assert page.requests == []


def serving(page: Lone, path: str, status: int, body: object) -> None:
    def answer(route: Route) -> None:
        route.fulfill(status=status, body=json.dumps(body), content_type="application/json")

    page.page.route(f"**/api/v1/free/{path}*", answer)


def test_where_nothing_can_be_bought_an_address_can_be_left(lone: Open) -> None:
    page = lone("")
    serving(page, "offer", 200, offer())
    error = {"error": {"message": "Payments are off.", "code": "payments_unavailable"}}
    serving(page, "checkout", 409, error)
    serving(page, "leads", 202, {})
    page.run(
        "document.querySelector('main').innerHTML = '<scalix-pricing base-url></scalix-pricing>'"
    )
    page.find(".upgrade-button").click()
    page.find("input[type=email]").fill("ada@example.org")
    page.page.get_by_role("button", name="Tell me").click()
    assert page.asked("POST", "/leads") == []  # without consent nothing is sent
    page.find("input[type=checkbox]").check()
    assert page.barriers() == []
    page.page.get_by_role("button", name="Tell me").click()

    expect(page.find("[part=buy]")).to_contain_text("Thank you")
    (lead,) = page.asked("POST", "/leads")
    sent = {"email": "ada@example.org", "consent": True, "source": "pricing"}
    assert json.loads(lead.post_data or "") == sent


@pytest.mark.parametrize(("scheme", "width"), MATRIX)
def test_nobody_is_kept_out(lone: Open, scheme: str, width: int) -> None:
    page = lone(PRICES + PROMPT, color_scheme=scheme, viewport={"width": width, "height": 700})
    for element in ("scalix-pricing", "scalix-upgrade"):
        page.give(element, {"offer": offer(), "limits": limits()})
    expect(page.find("[part=matrix]")).to_be_visible()

    assert page.barriers() == []
    assert page.run("document.documentElement.scrollWidth") == width


def test_the_service_s_own_offer_and_what_it_is_told(lone: Open) -> None:
    page = lone(
        '<scalix-upgrade base-url="" trigger="AT_LIMIT"></scalix-upgrade>'
        '<scalix-pricing base-url=""></scalix-pricing>'
    )
    expect(page.find("scalix-upgrade h3")).to_have_text("Upgrade to continue using Scalix")
    expect(page.find("scalix-upgrade")).to_contain_text("Upgrade to continue your coding session")
    expect(page.find("scalix-upgrade .upgrade-button")).to_contain_text("Upgrade Now")
    expect(page.find("scalix-pricing .now")).to_have_text("$15.00")
    expect(page.find("[part=why] li").first).to_have_text("List price $29.99.")
    # Nothing can be bought without payments: an address can be left.
    page.find("input[type=email]").fill("ada@example.org")
    page.find("input[type=checkbox]").check()
    with page.page.expect_response("**/api/v1/free/leads") as left:
        page.page.get_by_role("button", name="Tell me").click()
    assert left.value.status == 202
    expect(page.find("[part=buy]")).to_contain_text("Thank you")
    with page.page.expect_response("**/api/v1/free/events") as told:
        page.find("scalix-upgrade [part=dismiss]").click()
    assert told.value.status == 202
    told_of = [(one["trigger"], one["action"]) for one in page.told()]
    assert sorted(told_of[:2]) == [("AT_LIMIT", "impression"), ("PRICE_PAGE", "impression")]
    assert told_of[2:] == [("AT_LIMIT", "dismiss")]
    assert page.barriers() == []
