"""Offers over HTTP: what is offered to whom at what price, and what people do about it."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from scalix_free.core.funnel import Action, Trigger
from tests.api.caller import Caller
from tests.api.envelope import our_headers, refused
from tests.api.models import GOOD
from tests.api.test_session import as_bearer, token_of
from tests.service import HeldClock, Served, provider, served
from tests.world import RunningWorld

OFFER = "/api/v1/free/offer"
LEADS = "/api/v1/free/leads"
EVENTS = "/api/v1/free/events"

Somebody = Callable[[], Caller]


def offer(caller: Caller, query: str = "") -> Any:
    response = caller.request("GET", OFFER + query)
    assert response.status_code == 200, response.text
    return response.json()


def asks(caller: Caller, times: int) -> list[str | None]:
    """The triggers of so many answers."""
    answers = [caller.answer(model=GOOD) for _ in range(times)]
    return [answer["free_tier"]["trigger"] for answer in answers]


# ── Triggers ─────────────────────────────────────────────────────────────────────────────────


def test_answers_carry_the_prompt_that_is_due(caller: Caller) -> None:
    mine = as_bearer(caller, token_of(caller))
    assert asks(mine, 5) == ["FIRST_REQUEST", None, None, "NEAR_LIMIT", "NEAR_LIMIT"]
    for _ in range(2):
        response = mine.ask(model=GOOD)
        refused(response, 429, "free_tier_hourly_limit")
        assert response.json()["free_tier"]["trigger"] == "AT_LIMIT"


def test_a_stream_carries_it_in_its_last_frame_alone(caller: Caller) -> None:
    told = caller.stream(model=GOOD)
    carriers = [frame for frame in told.frames if "free_tier" in frame]
    assert [frame["free_tier"]["trigger"] for frame in carriers] == ["FIRST_REQUEST"]
    assert carriers[0]["choices"][0]["finish_reason"] == "stop"


def test_a_refusal_for_another_reason_carries_none(caller: Caller) -> None:
    response = caller.ask("illegal things")
    refused(response, 400, "content_blocked")
    assert response.json()["free_tier"]["trigger"] is None


def test_a_bad_rating_is_answered_with_a_prompt_once_a_day(caller: Caller) -> None:
    mine = as_bearer(caller, token_of(caller))
    told = []
    for _ in range(2):
        request_id = mine.ask(model=GOOD, temperature=0.5).headers["x-request-id"]
        body = {"request_id": request_id, "rating": -1}
        told.append(mine.request("POST", "/api/v1/free/feedback", json=body).json())
    assert [one["trigger"] for one in told] == ["QUALITY_ISSUE", None]
    assert offer(mine)["trigger"] == "QUALITY_UPGRADE"


def test_who_tries_what_only_pro_has_is_offered_it(caller: Caller) -> None:
    mine = as_bearer(caller, token_of(caller))
    mine.ask(model=GOOD, scalix_options={})
    assert offer(mine)["trigger"] is None
    mine.ask(model=GOOD, scalix_options={"enable_lazy_edits": True})
    told = offer(mine)
    assert (told["trigger"], told["call_to_action"]) == ("FEATURE_UPGRADE", "Upgrade to Pro")


# ── Offers ───────────────────────────────────────────────────────────────────────────────────


def test_somebody_new_is_offered_the_promotions(caller: Caller) -> None:
    mine = as_bearer(caller, token_of(caller))
    told = offer(mine)
    assert told == {
        "trigger": None,
        "message": "Unlock advanced features like file operations and smart context",
        "call_to_action": "Upgrade to Pro",
        "message_id": told["message_id"],
        "texts": {
            "FIRST_REQUEST": "Welcome! Try Scalix Free",
            "NEAR_LIMIT": "Almost out of free requests",
            "AT_LIMIT": "Upgrade to continue using Scalix",
            "QUALITY_ISSUE": "Get better responses with Pro",
        },
        "currency": "USD",
        "interval": "month",
        "monthly": {
            "base": "29.99",
            "price": "15.00",
            "renewal": "29.99",
            "discounts": [
                {
                    "code": "first_month",
                    "kind": "promotion",
                    "percent": 50,
                    "reason": "50 % off the first month.",
                    "expires_at": None,
                }
            ],
        },
        "annual": {
            "base": "359.88",
            "price": "287.90",
            "renewal": "287.90",
            "discounts": [
                {
                    "code": "annual",
                    "kind": "promotion",
                    "percent": 20,
                    "reason": "20 % off for a year at once.",
                    "expires_at": None,
                }
            ],
        },
        "notice": None,
        "payments_available": False,
    }
    response = caller.request("GET", OFFER)
    assert response.headers["cache-control"] == "no-store"
    assert our_headers(response) == {"x-request-id"}


def test_near_the_limit_a_person_pays_less_and_is_told_why(caller: Caller) -> None:
    mine = as_bearer(caller, token_of(caller))
    asks(mine, 4)
    told, limits = offer(mine), mine.limits()

    assert (told["trigger"], told["message"]) == ("NEAR_LIMIT", "Almost out of free requests")
    assert told["monthly"]["price"] == "13.50"
    assert told["monthly"]["renewal"] == "29.99"
    own = told["monthly"]["discounts"][0]
    assert own == {
        "code": "near_limit",
        "kind": "personal",
        "percent": 10,
        "reason": "10 % off, as 1 of your 5 free requests an hour are left.",
        "expires_at": limits["reset_time"],
    }
    assert "algorithm using your personal data" in told["notice"]
    plain = offer(mine, "?plain=true")
    assert (plain["monthly"]["price"], plain["notice"]) == ("15.00", None)


def test_at_the_limit_the_session_goes_on_with_pro(caller: Caller) -> None:
    mine = as_bearer(caller, token_of(caller))
    asks(mine, 5)
    told, year = offer(mine), offer(mine, "?interval=year")
    assert told["trigger"] == year["trigger"] == "LIMIT_EXCEEDED"
    assert told["message"] == "Upgrade to continue your coding session"
    assert told["call_to_action"] == "Upgrade Now - 50% Off First Month"
    assert year["call_to_action"] == "Upgrade Now"
    assert year["interval"] == "year"


def test_of_an_address_nothing_is_personal(caller: Caller) -> None:
    asks(caller, 5)
    told = offer(caller)
    assert told["trigger"] == "LIMIT_EXCEEDED"
    assert (told["monthly"]["price"], told["notice"]) == ("15.00", None)


def test_the_words_of_any_prompt_can_be_asked_for(caller: Caller) -> None:
    for trigger in Trigger:
        told = offer(caller, f"?trigger={trigger}")
        assert told["trigger"] == trigger
        assert told["texts"].get(trigger, told["message"]) == told["message"]
    better = offer(caller, "?trigger=QUALITY_UPGRADE")
    assert re.fullmatch(r"Get access to \S+, \S+, and \S+", better["message"])
    for query, param in (
        ("?interval=week", "interval"),
        ("?trigger=NONE", "trigger"),
        ("?trigger=", "trigger"),
    ):
        error = refused(caller.request("GET", OFFER + query), 400, "invalid_request")
        assert error.param == param
    wrong = as_bearer(caller, "scalix_free_not.valid")
    refused(wrong.request("GET", OFFER), 401, "invalid_api_key")


async def test_much_use_on_five_days_lowers_the_price(world: RunningWorld, tmp_path: Path) -> None:
    clock = HeldClock()
    toml = provider(world.base_url, [{"id": "a/b", "model": "good"}])
    limits = {
        "tiers.anonymous.requests_per_day": 5,
        "tiers.anonymous.requests_per_hour": "unlimited",
        "offer.base_price": "10.00",
        "offer.currency": "EUR",
        "texts.notice": "Computed for you.",
    }
    async with served(tmp_path, toml, limits, clock=clock) as here, httpx.AsyncClient() as client:
        token = (await client.post(f"{here.url}/api/v1/free/session")).json()["token"]
        client.headers["authorization"] = f"Bearer {token}"
        prices: list[Any] = []
        for _ in range(5):
            for n in range(4):  # of 5: four fifths
                body = {"messages": [{"role": "user", "content": f"Question {n}"}]}
                answer = await client.post(f"{here.url}/v1/chat/completions", json=body)
                assert answer.status_code == 200, answer.text
            clock.advance(86_400)
            await _written(here, client, 4 * (len(prices) + 1))
            prices.append((await client.get(here.url + OFFER)).json())
    assert [told["notice"] for told in prices] == [None] * 4 + ["Computed for you."]
    assert [told["monthly"]["price"] for told in prices] == ["5.00"] * 4 + ["4.25"]
    own = prices[-1]["annual"]["discounts"][0]
    assert (own["code"], own["percent"]) == ("high_usage", 15)
    assert own["expires_at"].endswith("T00:00:00Z")
    assert prices[-1]["currency"] == "EUR"


async def _written(here: Served, client: httpx.AsyncClient, requests: int) -> None:
    """Wait until the usage log knows so many requests."""
    end = time.monotonic() + 10
    while True:
        told = (await client.get(f"{here.url}/api/v1/free/usage")).json()
        if sum(day["requests"] for day in told["days"]) == requests:
            return
        assert time.monotonic() < end, told


# ── What people do ───────────────────────────────────────────────────────────────────────────


def metric(caller: Caller, name: str, **labels: str) -> float:
    headers = {"authorization": "Bearer the operator of the tests"}
    text = caller.client.get(f"{caller.url}/metrics", headers=headers).text
    wanted = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    found = re.findall(rf"^{name}{{{wanted}}} (\S+)$", text, re.MULTILINE)
    return float(found[0]) if found else 0.0


def leave(caller: Caller, email: str = "ann@example.org", **fields: object) -> httpx.Response:
    body = {"email": email, "consent": True, **fields}
    return caller.request("POST", LEADS, json=body)


def react(caller: Caller, **fields: object) -> httpx.Response:
    body = {"trigger": "NEAR_LIMIT", "action": "impression", "message_id": "near-1", **fields}
    return caller.request("POST", EVENTS, json=body)


def test_an_address_is_left_and_nobody_learns_whether_it_was_known(caller: Caller) -> None:
    first, second = as_bearer(caller, token_of(caller)), as_bearer(caller, token_of(caller))
    answers = [leave(one, source="upgrade page") for one in (first, first, second, caller)]
    assert {one.status_code for one in answers} == {202}
    assert {one.text for one in answers} == {'{"status":"accepted"}'}
    exports = [
        one.request("GET", "/api/v1/free/me").json()["data"]["leads"] for one in (first, second)
    ]
    assert [[row["email"] for row in rows] for rows in exports] == [["ann@example.org"]] * 2
    assert exports[0][0]["source"] == "upgrade page"
    assert abs(exports[0][0]["consent_ms"] / 1000 - time.time()) < 60

    assert first.request("DELETE", "/api/v1/free/me").status_code == 204


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"consent": False}, "consent"),
        ({"consent": None}, "consent"),
        ({"consent": "yes"}, "consent"),
        ({"email": "nobody"}, "email"),
        ({"email": ""}, "email"),
        ({"source": "x" * 65}, "source"),
        ({"source": "a\nb"}, "source"),
    ],
)
def test_no_address_is_kept_without_consent(
    caller: Caller, change: dict[str, Any], param: str
) -> None:
    mine = as_bearer(caller, token_of(caller))
    assert refused(leave(mine, **change), 400, "invalid_request").param == param
    assert "leads" not in mine.request("GET", "/api/v1/free/me").json()["data"]


def test_one_address_leaves_five_an_hour(caller: Caller) -> None:
    for n in range(5):
        assert leave(caller, f"ann{n}@example.org").status_code == 202
    error = refused(leave(caller), 429, "ip_rate_limit")
    assert error.window == "address_leads"
    assert caller.used()["requests_hour"] == 0


def test_what_is_done_about_a_prompt_is_kept_and_counted(caller: Caller) -> None:
    mine = as_bearer(caller, token_of(caller))
    counts = {
        action: metric(
            caller, "free_api_upgrade_prompts_total", action=action, trigger="NEAR_LIMIT"
        )
        for action in Action
    }
    interested = metric(caller, "free_api_conversions_total", step="interested")
    for action in ("impression", "dismiss", "click", "click"):
        response = react(mine, action=action)
        assert (response.status_code, response.text) == (202, '{"status":"accepted"}')
    leave(mine)  # interested already

    rows = mine.request("GET", "/api/v1/free/me").json()["data"]["reactions"]
    assert sorted(row["action"] for row in rows) == ["click", "click", "dismiss", "impression"]
    assert {row["message_id"] for row in rows} == {"near-1"}
    time.sleep(0.5)  # counts are written a few times a second
    for action, before in counts.items():
        after = metric(
            caller, "free_api_upgrade_prompts_total", action=action, trigger="NEAR_LIMIT"
        )
        assert after - before == (2 if action == "click" else 1), action
    assert metric(caller, "free_api_conversions_total", step="interested") == interested + 1


def test_who_looks_at_the_price_or_leaves_an_address_is_interested(somebody: Somebody) -> None:
    one, other = somebody(), somebody()
    before = metric(one, "free_api_conversions_total", step="interested")
    react(one, trigger="PRICE_PAGE")
    react(one, trigger="PRICE_PAGE")
    leave(other)
    react(somebody())
    time.sleep(0.5)
    assert metric(one, "free_api_conversions_total", step="interested") == before + 2


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"trigger": "MADE_UP"}, "trigger"),
        ({"trigger": None}, "trigger"),
        ({"action": "hover"}, "action"),
        ({"message_id": ""}, "message_id"),
        ({"message_id": "x" * 65}, "message_id"),
        ({"message_id": "a b"}, "message_id"),
    ],
)
def test_what_is_no_event_is_refused(caller: Caller, change: dict[str, object], param: str) -> None:
    assert refused(react(caller, **change), 400, "invalid_request").param == param


def test_events_of_one_address_have_a_limit(caller: Caller) -> None:
    statuses = [react(caller).status_code for _ in range(121)]
    assert statuses == [202] * 120 + [429]


@pytest.mark.parametrize("path", ["checkout", "portal"])
def test_what_cannot_be_paid_yet_leads_to_leads(caller: Caller, path: str) -> None:
    body = {"plan": "pro", "interval": "year"}
    response = caller.request("POST", f"/api/v1/free/{path}", json=body)
    error = refused(response, 409, "payments_unavailable")
    assert "/api/v1/free/leads" in error.message
    wrong = as_bearer(caller, "scalix_free_not.valid")
    refused(wrong.request("POST", f"/api/v1/free/{path}", json=body), 401, "invalid_api_key")
    if path == "checkout":
        bad = caller.request("POST", "/api/v1/free/checkout", json={"interval": "week"})
        assert refused(bad, 400, "invalid_request").param == "interval"
