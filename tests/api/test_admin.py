"""Why models are asked in their order: who may see it, and that it tells the truth."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.api.caller import COMPLETIONS, Caller, question
from tests.api.envelope import refused
from tests.service import WIDE_OPEN, HeldClock, RunningService, served
from tests.world import World

PATH = "/api/v1/admin/models"


def toml(base_url: str) -> str:
    return "\n".join(
        [
            f'[[providers]]\nname = "world"\nbase_url = {json.dumps(base_url)}',
            "limits = { rpm = 2 }",
            '[[providers.models]]\nid = "world/second"\nmodel = "second"\npriority = 2',
            '[[providers.models]]\nid = "world/first"\nmodel = "first"\npriority = 1',
            "limits = { rpm = 1 }",
        ]
    )


async def states(client: httpx.AsyncClient) -> list[Mapping[str, Any]]:
    response = await client.get(PATH)
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    found: list[Mapping[str, Any]] = response.json()["data"]
    return found


async def test_it_tells_the_order_what_it_is_made_of_and_what_is_missing(tmp_path: Path) -> None:
    clock = HeldClock()
    async with (
        World(now=lambda: clock() / 1000) as world,
        served(tmp_path, toml(world.base_url), WIDE_OPEN, clock=clock) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        first, second = await states(client)
        assert (first["id"], second["id"]) == ("world/first", "world/second")
        assert (first["state"], first["lacking"], first["until"]) == ("ready", None, None)
        assert (second["base_priority"], second["priority"], second["level"]) == (2, 2, 1)
        for one in (first, second):
            lost = one["level"] * 60 + one["demotion"] * 300
            assert one["value"] == one["learned"] - lost + one["spare"] * 300 // 1000

        asked = await client.post(COMPLETIONS, json=question())
        assert asked.headers["x-scalix-model"] == "world/first"
        first, second = await states(client)
        assert (first["state"], first["lacking"]) == ("rpm", "world/first")
        assert first["until"] is not None
        assert second["state"] == "ready"

        anew = {"cache-control": "no-cache"}
        asked = await client.post(COMPLETIONS, json=question(model=second["id"]), headers=anew)
        assert asked.headers["x-scalix-model"] == "world/second"
        second = (await states(client))[1]
        assert (second["state"], second["lacking"]) == ("rpm", "world")


def test_only_operators_may_see_it(service: RunningService, client: httpx.Client) -> None:
    assert client.get(f"{service.url}{PATH}").status_code == 200
    stranger = client.get(f"{service.url}{PATH}", headers={"x-forwarded-for": "203.0.113.9"})
    refused(stranger, 404, "not_found")


def test_it_is_not_in_the_public_description(caller: Caller) -> None:
    assert PATH not in caller.request("GET", "/openapi.json").json()["paths"]
