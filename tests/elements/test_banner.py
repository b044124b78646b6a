"""`<scalix-banner>`: what is left, in one line."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.elements.lone import MATRIX, Lone
from tests.elements.told import limits

Open = Callable[..., Lone]
FED = "<scalix-banner></scalix-banner>"
FETCHING = '<scalix-banner base-url=""></scalix-banner>'


def test_it_asks_the_service(lone: Open) -> None:
    page = lone(FETCHING)

    expect(page.find(".banner.info")).to_contain_text("🚀 Free Tier")
    expect(page.find(".remaining")).to_have_text("20 requests remaining today")
    expect(page.find(".upgrade-button")).to_have_count(0)
    assert len(page.asked("GET", "/api/v1/free/limits")) == 1
    assert page.barriers() == []


def test_fed_by_a_host_it_needs_no_network(lone: Open) -> None:
    page = lone(FED)
    page.give("scalix-banner", limits(hour=1, day=17))

    expect(page.find(".banner.warning .remaining")).to_have_text("3 requests remaining today")
    expect(page.find(".upgrade-button")).to_have_text("Upgrade to Pro")
    page.find(".upgrade-button").click()

    assert page.requests == []
    assert page.page.url.endswith("/elements-of-a-test")
    assert page.heard("upgrade") == [{"trigger": "NEAR_LIMIT", "message_id": "banner"}]
    assert page.barriers() == []


def test_the_plans_shape_of_a_host_is_enough(lone: Open) -> None:
    page = lone(FED)
    page.give("scalix-banner", {"remainingRequests": 45, "nearLimit": False})

    expect(page.find(".banner.info .remaining")).to_have_text("45 requests remaining today")


def test_another_window_that_binds_is_named_with_its_reset(lone: Open) -> None:
    page = lone(FED)
    page.give("scalix-banner", limits(hour=3, day=3))

    expect(page.find("[part=window]")).to_contain_text("2 of 5 left this hour, next at")
    expect(page.find("[part=window] time")).to_contain_text("16:00")  # in Berlin
    expect(page.find(".remaining")).to_have_text("17 requests remaining today")


@pytest.mark.parametrize(
    ("tokens", "level"), [(3_700, "ok"), (3_750, "amber"), (4_499, "amber"), (4_500, "red")]
)
def test_three_quarters_and_nine_tenths_are_colours_alone(
    lone: Open, tokens: int, level: str
) -> None:
    page = lone(FED)
    page.give("scalix-banner", limits(hour=1, day=1, tokens=tokens))

    expect(page.find(f".banner.info.{level}")).to_have_count(1)
    expect(page.find(".upgrade-button")).to_have_count(0)


def test_without_limits_nothing_is_sold(lone: Open) -> None:
    page = lone(FED)
    page.give("scalix-banner", limits(tier="pro", free=False))

    expect(page.find(".banner.info")).to_contain_text("Requests: Included")
    expect(page.find(".upgrade-button")).to_have_count(0)


def test_a_sale_sent_away_leaves_the_count_and_stays_away(lone: Open) -> None:
    page = lone(FETCHING)
    page.give("scalix-banner", limits(hour=1, day=17))
    page.find("[part=dismiss]").click()

    expect(page.find(".upgrade-button")).to_have_count(0)
    expect(page.find(".banner.warning .remaining")).to_have_text("3 requests remaining today")
    assert [(one["trigger"], one["action"]) for one in page.told()] == [
        ("NEAR_LIMIT", "impression"),
        ("NEAR_LIMIT", "dismiss"),
    ]
    assert page.heard("dismiss") == [{"trigger": "NEAR_LIMIT", "message_id": "banner"}]
    page.load()
    page.give("scalix-banner", limits(hour=1, day=18))
    expect(page.find(".banner.warning .remaining")).to_have_text("2 requests remaining today")
    expect(page.find(".upgrade-button")).to_have_count(0)


def test_at_the_limit_the_way_out_stands_there_all_the_same(lone: Open) -> None:
    page = lone(FED)
    page.give("scalix-banner", limits(hour=1, day=17))
    page.find("[part=dismiss]").click()
    page.give("scalix-banner", limits(hour=1, day=20))

    expect(page.find(".upgrade-button.primary")).to_be_visible()
    expect(page.find("[part=dismiss]")).to_have_count(0)


def test_screen_readers_hear_of_thresholds_alone(lone: Open) -> None:
    page = lone(FED)
    status = page.find("scalix-banner [role=status]")
    page.give("scalix-banner", limits(hour=1, day=10))
    expect(page.find(".remaining")).to_have_text("10 requests remaining today")
    expect(status).to_have_text("")
    page.give("scalix-banner", limits(hour=1, day=11))
    expect(page.find(".remaining")).to_have_text("9 requests remaining today")
    expect(status).to_have_text("")
    page.give("scalix-banner", limits(hour=1, day=16))
    expect(status).to_have_text("Almost out of free requests: 4 of 20 left today.")
    page.give("scalix-banner", limits(hour=1, day=20))
    expect(status).to_have_text("Free limit reached: 0 of 20 left today.")

    told = [one["threshold"] for one in page.heard("threshold")]
    assert told == ["near_limit", "at_limit"]


def test_what_was_asked_for_somebody_else_is_shown_to_nobody(lone: Open) -> None:
    page = lone(FED)
    asked: list[Route] = []

    def hold(route: Route) -> None:
        asked.append(route)

    page.page.route("**/api/v1/free/limits", hold)
    become = """(token) => {
      const banner = document.querySelector("scalix-banner");
      Object.assign(banner, { baseUrl: "", token });
    }"""
    for token in ("one", "two"):
        with page.page.expect_request("**/api/v1/free/limits"):
            page.run(become, token)
    page.run("0")
    first, second = asked
    second.fulfill(json=limits(hour=1, day=17))
    expect(page.find(".remaining")).to_have_text("3 requests remaining today")
    with page.page.expect_response("**/api/v1/free/limits"):
        first.fulfill(json=limits(hour=1, day=2))
    page.run("new Promise((resolve) => setTimeout(resolve))")
    expect(page.find(".remaining")).to_have_text("3 requests remaining today")
    page.run(become, "three")
    expect(page.find(".remaining")).to_have_count(0)


def test_until_it_knows_the_page_s_own_words_stand(lone: Open) -> None:
    page = lone("<scalix-banner><p>19 left, says the server</p></scalix-banner>")
    expect(page.page.get_by_text("19 left, says the server")).to_be_visible()
    page.give("scalix-banner", limits())
    expect(page.page.get_by_text("19 left, says the server")).to_be_hidden()


@pytest.mark.parametrize(("scheme", "width"), MATRIX)
def test_nobody_is_kept_out(lone: Open, scheme: str, width: int) -> None:
    page = lone(FED * 3, color_scheme=scheme, viewport={"width": width, "height": 600})
    for number, day in enumerate([0, 17, 20]):
        banner = limits(hour=1, day=day, tokens=day * 200)
        page.run(
            "([n, data]) => { document.querySelectorAll('scalix-banner')[n].data = data; }",
            [number, banner],
        )

    expect(page.find(".banner")).to_have_count(3)
    assert page.barriers() == []
    assert page.run("document.documentElement.scrollWidth") == width
