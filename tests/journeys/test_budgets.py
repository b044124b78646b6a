"""Providers' limits through HTTP: who has nothing left is not asked, and it is told until when."""

import json
from datetime import datetime
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.api.caller import COMPLETIONS, question
from tests.service import WIDE_OPEN, running_service
from tests.storage.servers import Running
from tests.world import Behaviour, RunningWorld

ACCOUNTS: Final = 2


def limited(base_url: str, **limits: int) -> str:
    """The TOML of two accounts with one model each, under the same limits."""
    words = ", ".join(f"{name} = {most}" for name, most in limits.items())
    return "\n".join(
        f"[[providers]]\nname = 'p{n}'\nbase_url = {json.dumps(base_url)}\nlimits = {{ {words} }}\n"
        f"[[providers.models]]\nid = 'p{n}/m'\nmodel = 'budget-{n}'\npriority = {n}"
        for n in range(1, ACCOUNTS + 1)
    )


def ask(url: str) -> httpx.Response:
    return httpx.post(url + COMPLETIONS, json=question(), timeout=30)


@pytest.mark.parametrize("store", ["file", "server"])
def test_what_is_spent_is_not_asked_and_a_503_tells_when_it_returns(
    world: RunningWorld, tmp_path: Path, valkey: Running, store: str
) -> None:
    valkey.empty()
    overrides = {**WIDE_OPEN, "routing.queue_wait_s": 0, "caches.answers.ttl_s": 0}
    if store == "server":
        overrides["store.ledger"] = valkey.url
    for n in (1, 2):
        world.behave(f"budget-{n}", Behaviour(text="Yes."))
    before = [world.calls(f"budget-{n}") for n in (1, 2)]
    toml = limited(world.base_url, rpm=2)
    with running_service(tmp_path, toml, overrides, workers=2) as service:
        answered = [ask(service.url) for _ in range(4)]
        refused = ask(service.url)

    assert [one.status_code for one in answered] == [200] * 4
    assert [one.headers["x-scalix-model"] for one in answered] == ["p1/m"] * 2 + ["p2/m"] * 2
    assert {one.headers["x-scalix-attempts"] for one in answered} == {"1"}
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (503, "no_free_model_available")
    assert 50 < error["retry_after_seconds"] <= 62
    until = datetime.fromisoformat(error["reset_at"])
    if "retry-after" in refused.headers:  # at most a minute
        assert int(refused.headers["retry-after"]) <= 60
    else:
        assert datetime.fromisoformat(refused.headers["x-scalix-reset-at"]) == until
    assert [world.calls(f"budget-{n}") - before[n - 1] for n in (1, 2)] == [2, 2]


def test_a_refusal_of_the_provider_s_is_not_asked_for_again(
    world: RunningWorld, tmp_path: Path
) -> None:
    for n in (1, 2):
        world.behave(f"budget-{n}", Behaviour("429", retry_after_s=40.0) if n == 1 else Behaviour())
    before = world.calls("budget-1")
    with running_service(tmp_path, limited(world.base_url, rpm=50), WIDE_OPEN) as service:
        answered = [ask(service.url) for _ in range(5)]

    assert [one.headers["x-scalix-model"] for one in answered] == ["p2/m"] * 5
    assert world.calls("budget-1") - before == 1
