"""Who had a bad experience with a model is answered by another, also after a restart."""

from pathlib import Path

import httpx
import pytest

from tests.api.caller import Caller
from tests.api.test_feedback import rate
from tests.service import WIDE_OPEN, provider, running_service
from tests.world import Behaviour, RunningWorld

MODELS = [
    {"id": "world/first", "model": "taste-1", "priority": 1},
    {"id": "world/second", "model": "taste-2", "priority": 2},
]
OVERRIDES = {**WIDE_OPEN, "server.trusted_proxies": ["127.0.0.0/8"]}


def answered_by(caller: Caller) -> str:
    return caller.ask().headers["x-scalix-model"]


@pytest.mark.parametrize("workers", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_bad_rating_steers_its_caller_away(
    tmp_path: Path, world: RunningWorld, client: httpx.Client, workers: int
) -> None:
    toml = provider(world.base_url, MODELS)
    with running_service(tmp_path, toml, OVERRIDES) as service:
        ann, bob = (Caller(service.url, client, f"10.99.0.{n}") for n in (1, 2))
        rated = ann.ask()
        assert rated.headers["x-scalix-model"] == "world/first"
        assert rate(ann, rated.headers["x-request-id"], -1).status_code == 200
        assert answered_by(ann) == "world/second"
        assert answered_by(bob) == "world/first"
        assert ann.ask(model="world/first").headers["x-scalix-model"] == "world/first"

    with running_service(tmp_path, toml, OVERRIDES, workers=workers) as service:
        ann, bob = (Caller(service.url, client, f"10.99.0.{n}") for n in (1, 2))
        with httpx.Client() as fresh:  # of several workers it may be any that accepts
            assert answered_by(Caller(service.url, fresh, ann.address)) == "world/second"
        assert answered_by(bob) == "world/first"
        metrics = client.get(f"{service.url}/metrics").text
        assert "free_api_user_satisfaction 0.0" in metrics


def test_an_answer_that_breaks_off_does_so_too(
    tmp_path: Path, world: RunningWorld, client: httpx.Client
) -> None:
    world.behave("taste-1", "cut", Behaviour(text="Well."))
    with running_service(tmp_path, provider(world.base_url, MODELS), OVERRIDES) as service:
        ann, bob = (Caller(service.url, client, f"10.98.0.{n}") for n in (1, 2))
        broken = ann.stream()
        assert not broken.done
        assert answered_by(ann) == "world/second"
        assert answered_by(bob) == "world/first"

        rating = rate(ann, broken.frames[0]["id"], -1)  # it may be rated all the same
        assert rating.status_code == 200
        assert 'cache="user_preferences",result="hit"' in client.get(service.url + "/metrics").text
