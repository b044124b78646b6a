"""A model that its provider does not know any more: its successor answers, on every replica."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.api.caller import COMPLETIONS, question
from tests.service import WIDE_OPEN, HeldClock, served
from tests.world import World

OLD: Final = "gemini/gemini-2.5-flash-lite"
HEIR: Final = "gemini/gemini-3.1-flash-lite"  # as the shipped catalogue has it
LAST: Final = "gemini/gemini-3.8-flash"
DAY_S: Final = 86_400


def toml(base_url: str) -> str:
    models = [
        f"[[providers.models]]\nid = {json.dumps(model)}\nmodel = {json.dumps(model[7:])}"
        for model in (OLD, LAST, HEIR)
    ]
    account = f'[[providers]]\nname = "gemini"\nbase_url = {json.dumps(base_url)}\napi_key = "k"'
    return "\n".join([account, *models])


async def models_of(client: httpx.AsyncClient) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (await client.get("/v1/models")).json()
    return found


@pytest.mark.parametrize("fault", ["gemini-gone", "410"])
async def test_a_model_that_is_gone_gives_its_place_to_its_successor_for_a_day(
    tmp_path: Path, fault: str
) -> None:
    clock = HeldClock()
    async with (
        World(now=lambda: clock() / 1000) as world,
        served(tmp_path, toml(world.base_url), WIDE_OPEN, clock=clock) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        world.behave("gemini-2.5-flash-lite", fault)

        async def answers(model: str | None = None) -> str:
            response = await client.post(COMPLETIONS, json=question(model=model))
            assert response.status_code == 200, response.text
            return response.headers["x-scalix-model"]

        before = {model["id"] for model in (await models_of(client))["data"]}
        first = await client.post(COMPLETIONS, json=question(model=OLD))
        assert (first.status_code, OLD in before) == (502, True)
        assert await answers(OLD) == HEIR
        now = await models_of(client)
        assert before - {model["id"] for model in now["data"]} == {OLD}
        (gone,) = [model for model in now["gone"] if model["id"] == OLD]
        assert (gone["status"], gone["successor"]) == ("gone", HEIR)
        assert gone["since"] is not None
        one = await client.get(f"/v1/models/{OLD}")
        assert (one.status_code, HEIR in one.json()["error"]["message"]) == (404, True)
        assert world.calls("gemini-2.5-flash-lite") == 1

        clock.advance(DAY_S)
        world.behave("gemini-2.5-flash-lite", "normal")
        assert {model["id"] for model in (await models_of(client))["data"]} == before
        assert await answers(OLD) == OLD


async def test_a_model_without_a_successor_stays_in_the_list_and_is_not_asked(
    tmp_path: Path,
) -> None:
    async with (
        World() as world,
        served(tmp_path, toml(world.base_url), WIDE_OPEN) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        world.behave("gemini-3.8-flash", "gemini-gone")
        statuses = [
            (await client.post(COMPLETIONS, json=question(model=LAST))).status_code
            for _ in range(2)
        ]
        assert statuses == [502, 503]
        assert LAST in {model["id"] for model in (await models_of(client))["data"]}
        assert world.calls("gemini-3.8-flash") == 1
