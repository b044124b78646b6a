"""Desktop apps over HTTP: their routes and shapes, under the addresses that they really call."""

import re
import time
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from scalix_free.api.desktop import ALIASES, CREDITS
from tests.api.caller import Caller, question
from tests.api.envelope import refused
from tests.api.models import GOOD
from tests.api.test_session import as_bearer, token_of
from tests.service import HeldClock, provider, served
from tests.world import RunningWorld

QUOTA = "/v1/free/quota"


def read(caller: Caller, path: str) -> Any:
    response = caller.request("GET", path)
    assert response.status_code == 200, response.text
    return response.json()


def seconds_until(utc: str) -> float:
    return datetime.fromisoformat(utc).timestamp() - time.time()


# ── Quota and usage ──────────────────────────────────────────────────────────────────────────


def test_the_quota_has_a_time_also_for_who_used_nothing(caller: Caller) -> None:
    """The app's schema takes no null, and a new person is the first who asks."""
    told = read(caller, QUOTA)
    assert (told["used"], told["limit"], told["remaining"]) == (0, 5, 5)
    assert 3500 < seconds_until(told["resetAt"]) <= 3601
    assert told["windows"][0]["resets_at"] is None


async def test_who_has_an_account_is_offered_no_other(world: RunningWorld, tmp_path: Path) -> None:
    toml = provider(world.base_url, [{"id": "a/b", "model": "good"}])
    limits = {"tiers.anonymous.requests_per_hour": "unlimited"}
    async with served(tmp_path, toml, limits) as here, httpx.AsyncClient() as client:
        told = (await client.get(here.url + QUOTA)).json()
        assert (told["binding"], told["limit"]) == ("requests_day", 20)
        assert told["uplift"]["requests_per_day"] == 50


def test_usage_is_that_of_the_day(caller: Caller) -> None:
    mine = as_bearer(caller, token_of(caller))
    tokens = sum(mine.answer(model=GOOD)["usage"]["total_tokens"] for _ in range(4))
    told, limits = read(mine, "/v1/usage?user_id=me"), mine.limits()
    assert told == {
        "user_id": "me",
        "tier": "anonymous",
        "requests_today": 4,
        "tokens_used": tokens,
        "remaining_requests": 1,
        "usage_percentage": 80.0,
        "reset_time": limits["reset_time"],
        "near_limit": True,
    }
    assert read(mine, "/v1/usage")["user_id"].startswith("anon_")
    assert read(caller, "/v1/usage?user_id=me")["requests_today"] == 0
    error = refused(caller.request("GET", f"/v1/usage?user_id={'x' * 257}"), 400, "invalid_request")
    assert error.param == "user_id"


def test_credits_are_requests_of_the_day_in_both_shapes(caller: Caller) -> None:
    mine = as_bearer(caller, token_of(caller))
    for _ in range(3):
        mine.answer(model=GOOD)
    told = read(mine, "/v1/user/info")
    nested = told["user_info"]
    assert nested["spend"] * CREDITS == pytest.approx(3)
    assert nested["max_budget"] * CREDITS == pytest.approx(20)
    assert (told["usedCredits"], told["totalCredits"], told["isTrial"]) == (3, 20, False)
    assert told["userId"] == told["user_id"] == nested["user_id"]
    assert told["userId"].startswith("anon_")
    assert told["budgetResetDate"] == nested["budget_reset_at"]
    assert 86_000 < seconds_until(told["budgetResetDate"]) <= 86_401
    new = read(caller, "/v1/user/info")
    assert (new["usedCredits"], new["userId"]) == (0, "anonymous")
    assert 86_000 < seconds_until(new["budgetResetDate"]) <= 86_401


@pytest.mark.parametrize("path", ["/v1/usage", "/v1/user/info"])
def test_they_are_nobody_else_s(caller: Caller, path: str) -> None:
    assert caller.request("GET", path).headers["cache-control"] == "no-store"
    wrong = as_bearer(caller, "scalix_key_" + "x" * 30)
    error = refused(wrong.request("GET", path), 401, "invalid_api_key")
    assert "LiteLLM Virtual Key expected" in error.message


# ── The catalogue ────────────────────────────────────────────────────────────────────────────


def test_the_catalogue_is_one_that_the_app_takes(caller: Caller) -> None:
    told = read(caller, "/v1/language-model-catalog")
    assert isinstance(told["version"], str)
    assert 0 < seconds_until(told["expiresAt"]) <= 3601
    (ours,) = told["providers"]
    assert ours == {
        "id": "scalix-free",
        "displayName": "Scalix Free",
        "type": "cloud",
        "hasFreeTier": True,
        "websiteUrl": caller.url,
    }
    models = told["modelsByProvider"]["scalix-free"]
    assert models[0] == {
        "apiName": "scalix-free",
        "displayName": "Scalix Free",
        "description": "The best free model that can answer right now.",
        "tag": "Free",
        "dollarSigns": 0,
    }
    assert {model["apiName"] for model in models} == {
        model["id"] for model in read(caller, "/v1/models")["data"]
    }
    for model in models:  # what is not known is left out: the schema takes no null
        assert None not in model.values()
    assert [alias["id"] for alias in told["aliases"]] == list(ALIASES)
    target = {"providerId": "scalix-free", "apiName": "scalix-free"}
    assert all(alias["resolvedModel"] == target for alias in told["aliases"])


# ── Addresses ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "path",
    [
        "/models",
        f"/models/{GOOD}",
        "/free/quota",
        "/usage",
        "/user/info",
        "/language-model-catalog",
        "/health",
    ],
)
def test_a_base_url_with_v1_twice_reaches_the_same(caller: Caller, path: str) -> None:
    once, twice = (caller.request("GET", prefix + path) for prefix in ("/v1", "/v1/v1"))
    assert once.status_code == twice.status_code == 200
    assert once.json().keys() == twice.json().keys()


@pytest.mark.parametrize(
    "path",
    ["/v1/v1/chat/completions", "/v1/v1/free/chat/completions", "/chat/completions"],
)
def test_so_do_completions(caller: Caller, path: str) -> None:
    assert caller.ask("Hi", path).status_code == 200
    assert caller.used()["requests_hour"] == 1


def test_models_are_there_without_a_prefix(caller: Caller) -> None:
    assert read(caller, "/models") == read(caller, "/v1/models")
    assert read(caller, f"/models/{GOOD}") == read(caller, f"/v1/models/{GOOD}")


def test_twice_is_enough(caller: Caller) -> None:
    refused(caller.request("GET", "/v1/v1/v1/models"), 404, "not_found")
    refused(caller.request("GET", "/v1/v1/nothing"), 404, "not_found")
    refused(caller.request("POST", "/v1/v1/models"), 405, "method_not_allowed")
    elsewhere = refused(caller.request("POST", "/v1/v1/responses"), 404, "not_found")
    assert "/v1/chat/completions" in elsewhere.message


def test_health_has_a_clock_to_trust(caller: Caller) -> None:
    """The app takes its time from it, whatever the person's own clock says."""
    response = caller.request("GET", "/health")
    date = parsedate_to_datetime(response.headers["date"])
    assert abs(date.timestamp() - time.time()) < 5
    assert set(response.json()) == {"status", "uptime_seconds"}


def test_how_the_app_calls(caller: Caller) -> None:
    """Its headers, its body, the model names that its gateway knows."""
    mine = as_bearer(caller, token_of(caller))
    headers = {
        "x-scalix-client": "desktop-app",
        "x-scalix-version": "0.21.0",
        "x-scalix-request-id": "2f1e7c9a-turn:attempt-1",
    }
    body = question(
        "Build me an app",
        model="gemini/gemini-2.5-pro",
        max_tokens=32_000,
        temperature=0,
        reasoning_effort="medium",
        thinking={"type": "enabled", "include_thoughts": True, "budget_tokens": 4_000},
        scalix_options={"files": [], "enable_lazy_edits": False},
    )
    for attempt in (1, 2):
        headers["x-scalix-request-id"] = f"2f1e7c9a-turn:attempt-{attempt}"
        path = "/v1/v1/chat/completions"
        response = mine.request("POST", path, json=body, headers=headers)
        assert response.status_code == 200, response.text
        assert response.headers["x-scalix-model-requested"] == "gemini/gemini-2.5-pro"
    assert mine.used()["requests_hour"] == 1


# ── What the app looks for in errors ─────────────────────────────────────────────────────────


def test_the_phrases_that_the_app_looks_for(caller: Caller) -> None:
    for _ in range(5):
        caller.answer(model=GOOD)
    message = refused(caller.ask(), 429, "free_tier_hourly_limit").message
    assert "Resource has been exhausted" in message
    assert re.search(r"5 of 5 requests per hour .* in \d+ minutes, at 20\d\d-", message)
    assert message.endswith(f"Upgrade: {caller.url}/upgrade")
    wrong = as_bearer(caller, "scalix_free_not.valid")
    assert "LiteLLM Virtual Key expected" in refused(wrong.ask(), 401, "invalid_api_key").message


def test_no_phrase_of_ours_cuts_a_message_short() -> None:
    """The app drops what follows ``Fallbacks=``, and takes ``ExceededBudget:`` for its own."""
    source = Path(__file__).resolve().parents[2] / "src"
    for file in source.rglob("*.py"):
        text = file.read_text()
        assert "Fallbacks=" not in text, file
        assert "ExceededBudget" not in text, file


# ── Long waits, for fleets of one client ─────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("settings", "status", "headers"),
    [
        ({}, 429, {"x-should-retry", "x-scalix-reset-at"}),
        (
            {"refusals.always_retry_after": True},
            429,
            {"x-should-retry", "x-scalix-reset-at", "retry-after", "retry-after-ms"},
        ),
        ({"refusals.payment_required": True}, 402, {"x-should-retry", "x-scalix-reset-at"}),
    ],
)
async def test_how_a_long_wait_is_told_is_configured(
    world: RunningWorld,
    tmp_path: Path,
    settings: dict[str, object],
    status: int,
    headers: set[str],
) -> None:
    toml = provider(world.base_url, [{"id": "a/b", "model": "good"}])
    settings = {**settings, "tiers.anonymous.requests_per_hour": 1}
    clock = HeldClock()
    async with served(tmp_path, toml, settings, clock=clock) as here, httpx.AsyncClient() as client:
        url = f"{here.url}/v1/chat/completions"
        assert (await client.post(url, json=question())).status_code == 200
        refusal = await client.post(url, json=question())
        assert refusal.status_code == status
        told = {"x-should-retry", "x-scalix-reset-at", "retry-after", "retry-after-ms"}
        assert told & refusal.headers.keys() == headers
        assert refusal.json()["error"]["code"] == "free_tier_hourly_limit"
        clock.advance(3_590)  # a wait that a client may sleep through
        soon = await client.post(url, json=question())
        assert (soon.status_code, soon.headers["retry-after"]) == (429, "10")
