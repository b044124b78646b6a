"""What is left, and which models there are: routes that read and never count."""

from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.caller import COMPLETIONS, Caller, question
from tests.api.envelope import refused
from tests.api.models import ALL, GOOD
from tests.service import WIDE_OPEN, HeldClock, provider, served
from tests.world import RunningWorld

NOVEMBER_MS = 1_795_651_200_000  # 2026-11-26
NAMES = ["requests_hour", "requests_day", "tokens_day", "concurrent"]


def test_the_limits_of_somebody_new(caller: Caller) -> None:
    assert caller.limits() == {
        "tier": "anonymous",
        "windows": [
            {
                "name": name,
                "unit": unit,
                "used": 0,
                "limit": limit,
                "remaining": limit,
                "resets_at": None,
            }
            for name, unit, limit in [
                ("requests_hour", "requests", 5),
                ("requests_day", "requests", 20),
                ("tokens_day", "tokens", 5000),
                ("concurrent", "calls", 2),
            ]
        ],
        "remaining_requests": 5,
        "reset_time": None,
        "near_limit": False,
        "upgrade_prompt": False,
        "binding": "requests_hour",
    }


def test_the_limits_say_what_an_answer_said(caller: Caller) -> None:
    for _ in range(4):
        told = caller.answer()["free_tier"]
    limits = caller.limits()
    for name in ("remaining_requests", "reset_time", "upgrade_prompt", "tier"):
        assert limits[name] == told[name]
    assert limits["binding"] == told["window"] == "requests_hour"
    assert limits["near_limit"] is True
    hour, day, tokens, concurrent = limits["windows"]
    assert (hour["used"], hour["remaining"]) == (4, 1)
    assert (day["used"], day["remaining"]) == (4, 16)
    assert tokens["remaining"] == told["remaining_tokens"]
    assert concurrent["used"] == 0
    resets = [datetime.fromisoformat(window["resets_at"]) for window in (hour, day)]
    assert 22.9 < (resets[1] - resets[0]).total_seconds() / 3600 < 23.1


def test_the_quota_is_the_binding_window(caller: Caller) -> None:
    caller.answer()
    response = caller.request("GET", "/v1/free/quota")
    quota, limits = response.json(), caller.limits()
    assert quota == {
        "used": 1,
        "limit": 5,
        "remaining": 4,
        "resetAt": limits["reset_time"],
        "tier": "anonymous",
        "binding": "requests_hour",
        "uplift": {
            "tier": "registered",
            "requests_per_hour": 10,
            "requests_per_day": 50,
            "tokens_per_day": 10000,
            "url": f"{caller.url}/sign-up",
        },
        "windows": limits["windows"],
    }
    assert response.headers["cache-control"] == "no-store"


async def test_lifted_limits_are_null(world: RunningWorld, tmp_path: Path) -> None:
    toml = provider(world.base_url, [{"id": "a/b", "model": "good"}])
    async with (
        served(tmp_path, toml, WIDE_OPEN) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        await client.post(COMPLETIONS, json=question())
        limits = (await client.get("/api/v1/free/limits")).json()
        quota = (await client.get("/v1/free/quota")).json()
    assert [window["name"] for window in limits["windows"]] == NAMES
    for window in limits["windows"]:
        assert (window["limit"], window["remaining"], window["resets_at"]) == (None, None, None)
    assert (limits["remaining_requests"], limits["reset_time"], limits["binding"]) == (None,) * 3
    assert limits["near_limit"] is False
    assert (quota["limit"], quota["remaining"], quota["resetAt"]) == (None, None, None)


async def test_what_was_used_returns(world: RunningWorld, tmp_path: Path) -> None:
    clock = HeldClock()
    toml = provider(world.base_url, [{"id": "a/b", "model": "good"}])
    async with (
        served(tmp_path, toml, clock=clock) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):

        async def used() -> list[int]:
            windows = (await client.get("/api/v1/free/limits")).json()["windows"]
            return [window["used"] for window in windows]

        await client.post(COMPLETIONS, json=question())
        assert await used() == [1, 1, 14, 0]
        clock.advance(3600)
        assert await used() == [0, 1, 14, 0]
        clock.advance(23 * 3600 - 0.001)
        assert await used() == [0, 1, 14, 0]
        clock.advance(0.001)
        assert await used() == [0, 0, 0, 0]


# ── Models ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/v1/models", "/models"])
def test_the_models_are_listed_ours_first(caller: Caller, path: str) -> None:
    found = caller.request("GET", path).json()
    assert found["object"] == "list"
    ids = [card["id"] for card in found["data"]]
    assert ids[:2] == ["scalix-free", GOOD]
    assert sorted(ids[1:]) == sorted(str(model["id"]) for model in ALL)
    for card in found["data"]:
        assert card["object"] == "model"
        assert isinstance(card["created"], int)
        assert card["owned_by"]
        assert card["demonstration"] is False


@pytest.mark.parametrize("model", ["scalix-free", GOOD, GOOD.replace("/", "%2F")])
def test_a_model_is_shown(caller: Caller, model: str) -> None:
    card = caller.request("GET", f"/v1/models/{model}").json()
    assert card["id"] == model.replace("%2F", "/")


def test_a_model_that_is_not_there_is_not_found(caller: Caller) -> None:
    error = refused(caller.request("GET", "/v1/models/gpt-4o"), 404, "not_found")
    assert error.param == "model"


SHIPPED = """
[[providers]]
name = "gemini"
base_url = "{}"
"""
"""A provider of the catalogue, asked elsewhere."""


async def test_what_is_known_of_a_model_is_shown(tmp_path: Path, world: RunningWorld) -> None:
    async with (
        served(tmp_path, SHIPPED.format(world.base_url), clock=HeldClock(NOVEMBER_MS)) as service,
        httpx.AsyncClient(base_url=service.url, trust_env=False) as client,
    ):
        card = (await client.get("/v1/models/gemini/gemini-2.5-flash")).json()

    assert card | {"description": ""} == {
        "id": "gemini/gemini-2.5-flash",
        "object": "model",
        "created": 0,
        "owned_by": "gemini",
        "demonstration": False,
        "context_tokens": 1_048_576,
        "max_output_tokens": 65_536,
        "abilities": ["images", "json", "tools"],
        "quality": 1000,
        "class": "high",
        "fit": ["general", "coding"],
        "status": "live",
        "retires_at": "2026-12-01T00:00:00Z",
        "successor": "gemini/gemini-3.5-flash-lite",
        "terms": {
            "trains_on_prompts": True,
            "human_review": True,
            "evaluation_only": None,
            "no_resale": None,
            "blocked_regions": ["EEA", "CH", "GB"],
            "min_age": 18,
            "public_service": "conditional",
            "says": card["terms"]["says"],
        },
        "description": "",
    }


async def test_models_that_ended_stand_apart_and_name_who_has_their_place(
    tmp_path: Path, world: RunningWorld
) -> None:
    clock = HeldClock(NOVEMBER_MS)
    async with (
        served(tmp_path, SHIPPED.format(world.base_url), clock=clock) as service,
        httpx.AsyncClient(base_url=service.url, trust_env=False) as client,
    ):

        async def there() -> tuple[set[str], dict[str, Any]]:
            found = (await client.get("/v1/models")).json()
            return {card["id"] for card in found["data"]}, {m["id"]: m for m in found["gone"]}

        models, ended = await there()
        assert not models & set(ended)
        assert "gemini/gemini-2.5-flash" in models
        assert ended["gemini/gemini-pro"] == {
            "id": "gemini/gemini-pro",
            "owned_by": "gemini",
            "status": "gone",
            "since": "2025-02-15T00:00:00Z",
            "successor": "gemini/gemini-3.8-flash",
        }
        missing = await client.get("/v1/models/gemini/gemini-pro")
        paid = await client.get("/v1/models/gemini/gemini-4-argon")

        clock.advance(7 * 86_400)  # into December
        models, ended = await there()
        assert "gemini/gemini-2.5-flash" not in models
        assert ended["gemini/gemini-2.5-flash"]["since"] == "2026-12-01T00:00:00Z"

        asked = question(model="gemini/gemini-2.5-flash")
        answer = await client.post(COMPLETIONS, json=asked)

    assert missing.status_code == paid.status_code == 404
    message = missing.json()["error"]["message"]
    assert message == "This model is gone. In its place: gemini/gemini-3.8-flash."
    assert paid.json()["error"]["message"].startswith("This model is not free. GET /v1/models")
    assert answer.headers["x-scalix-model"] == "gemini/gemini-3.5-flash-lite"
    assert answer.headers["x-scalix-model-requested"] == "gemini/gemini-2.5-flash"
