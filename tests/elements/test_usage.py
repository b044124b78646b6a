"""`<scalix-usage>`: "Your Free Usage", with the caller's own limits."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.elements.conftest import MODEL
from tests.elements.lone import MATRIX, Lone
from tests.elements.told import limits, receipt, usage
from tests.world import RunningWorld

Open = Callable[..., Lone]
FED = "<scalix-usage></scalix-usage>"
FETCHING = '<scalix-usage base-url=""></scalix-usage>'


def value(page: Lone, label: str) -> Locator:
    return (
        page.find(
            ".stat",
        )
        .filter(has_text=label)
        .locator(".value")
    )


def test_nothing_is_used_yet(lone: Open) -> None:
    page = lone(FETCHING)

    expect(page.find("h3")).to_have_text("Your Free Usage")
    expect(value(page, "Requests Today")).to_have_text("0/20")
    expect(value(page, "Tokens Used")).to_have_text("0/5,000")
    expect(value(page, "Requests This Hour")).to_have_text("0/5")
    expect(value(page, "Reset Time")).to_have_text("N/A")
    expect(page.find(".upgrade-button")).to_have_text("Upgrade to Unlimited Usage")
    assert page.barriers() == []


def test_what_was_asked_stands_there_with_its_receipt(lone: Open, world: RunningWorld) -> None:
    page = lone(FETCHING + '<scalix-chat base-url=""></scalix-chat>')
    page.find("#draft").fill("Hello")
    page.page.keyboard.press("Enter")

    expect(value(page, "Requests Today")).to_have_text("1/20")
    rows = page.find("scalix-usage tbody tr").filter(has_text=f"world/{MODEL}")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("answered")
    expect(rows).to_contain_text("1 request")


def test_a_host_hands_over_everything(lone: Open) -> None:
    page = lone(FED)
    page.give("scalix-usage", usage(hour=2, day=18, tokens=4_000))

    expect(value(page, "Requests Today")).to_have_text("18/20")
    expect(page.find(".stat.red")).to_contain_text("Requests Today")
    expect(page.find(".stat.amber")).to_contain_text("4,000/5,000")
    expect(value(page, "Reset Time")).to_contain_text("16:00")  # in Berlin
    expect(page.find("svg rect")).to_have_count(14)
    expect(page.find(".receipts tbody tr")).to_have_count(3)
    expect(
        page.page.get_by_role("progressbar", name="Requests Today: 18 of 20 used")
    ).to_be_visible()
    page.find(".upgrade-button").click()
    assert page.heard("upgrade") == [{"trigger": "NEAR_LIMIT", "message_id": "usage-dashboard"}]
    assert page.requests == []


def test_the_plans_shape_of_a_host_is_enough(lone: Open) -> None:
    page = lone(FED)
    told = {"requestsToday": 12, "tokensUsed": 2_345, "resetTime": "2099-01-01T15:00:00Z"}
    page.give("scalix-usage", told)

    expect(value(page, "Requests Today")).to_have_text("12")
    expect(value(page, "Tokens Used")).to_have_text("2,345")
    expect(value(page, "Reset Time")).to_contain_text("16:00")
    page.give("scalix-usage", {**told, "requestsLimit": 50, "tokensLimit": 10_000})
    expect(value(page, "Requests Today")).to_have_text("12/50")
    expect(value(page, "Tokens Used")).to_have_text("2,345/10,000")


def test_pro_has_no_limit_and_is_sold_nothing(lone: Open) -> None:
    page = lone(FED)
    page.give("scalix-usage", limits(tier="pro", free=False))

    expect(value(page, "Requests Today")).to_have_text("0")
    expect(page.find(".upgrade-button")).to_have_count(0)


def test_sums_of_an_address_say_that_they_are(lone: Open) -> None:
    page = lone(FED)
    page.give("scalix-usage", usage(0, shared=True, day=3))

    expect(page.find("[part=shared]")).to_contain_text("neighbours")
    expect(page.find(".receipts")).to_have_count(0)


def test_receipts_say_what_was_refused_and_what_came_from_memory(lone: Open) -> None:
    page = lone(FED)
    rows = [
        receipt(
            1,
            outcome="refused",
            code="free_tier_hourly_limit",
            charged_requests=0,
            charged_tokens=0,
        ),
        receipt(2, cache="hit"),
        receipt(3, attempts=2),
    ]
    page.give("scalix-usage", {**usage(day=2), "receipts": rows})

    shown = page.find(".receipts tbody tr")
    expect(shown.nth(0)).to_contain_text("refused: free tier hourly limit")
    expect(shown.nth(0)).to_contain_text("not charged")
    expect(shown.nth(1)).to_contain_text("from memory")
    expect(shown.nth(2)).to_contain_text("attempt 2")


def test_bars_are_a_table_too(lone: Open) -> None:
    page = lone(FED)
    page.give("scalix-usage", usage(day=1))
    page.find("summary").click()

    expect(page.find("details tbody tr")).to_have_count(14)
    expect(page.find("details tbody tr").first).to_contain_text("2026-11-13")


@pytest.mark.parametrize(("scheme", "width"), MATRIX)
def test_nobody_is_kept_out(lone: Open, scheme: str, width: int) -> None:
    page = lone(FED, color_scheme=scheme, viewport={"width": width, "height": 700})
    page.give("scalix-usage", usage(hour=4, day=16, tokens=4_700))
    page.find("summary").click()

    assert page.barriers() == []
    assert page.run("document.documentElement.scrollWidth") == width
