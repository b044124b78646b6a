"""The server that keeps the limits goes away while the service runs, and comes back."""

import asyncio
import contextlib
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.api.caller import COMPLETIONS, question
from tests.service import RunningService, provider, running_service
from tests.storage.servers import running_server
from tests.world import RunningWorld

LIMITS = "/api/v1/free/limits"
SESSION = "/api/v1/free/session"
PATIENCE_S = 15.0
HOURLY = 30
WORKERS = 3
AWAY = "admits its share"
BACK = "server is back"


def until(true: Callable[[], bool]) -> None:
    """Wait for something that other processes do."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def written(service: RunningService) -> int:
    """How many requests the usage log holds."""
    with contextlib.closing(sqlite3.connect(service.data / "database.sqlite")) as connection:
        count: int = connection.execute("SELECT count(*) FROM usage WHERE counts").fetchone()[0]
        return count


def test_under_deny_nobody_is_served_meanwhile_and_afterwards_what_was_lost_is_restored(
    tmp_path: Path, world: RunningWorld
) -> None:
    toml = provider(world.base_url, [{"id": "w/m", "model": "outage"}])
    with (
        running_server() as valkey,
        running_service(
            tmp_path, toml, {"store.ledger": valkey.url, "store.on_ledger_outage": "deny"}
        ) as service,
        httpx.Client(base_url=service.url, timeout=20, trust_env=False) as client,
    ):

        def ask() -> httpx.Response:
            return client.post(COMPLETIONS, json=question())

        def store() -> tuple[int, str]:
            ready = client.get("/health/ready")
            return ready.status_code, ready.json()["store"]

        first = ask()
        assert first.status_code == 200
        assert first.headers["x-ratelimit-remaining-requests"] == "4"
        assert store() == (200, "ok")
        assert "free_api_active_users{" not in client.get("/metrics").text
        until(lambda: written(service) == 1)

        valkey.stop()
        refused = ask()
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_unavailable")
        assert valkey.url not in refused.text
        assert store() == (503, "unavailable")
        assert client.get("/health/live").status_code == 200

        valkey.start()
        until(lambda: ask().status_code != 503)
        assert client.get("/api/v1/free/limits").json()["windows"][0]["used"] == 2
        until(lambda: store() == (200, "ok"))
        assert not (service.data / "ledger.sqlite").exists()


@pytest.mark.slow
def test_under_load_it_goes_and_comes_back_and_nobody_gets_more_than_there_is(
    tmp_path: Path, world: RunningWorld
) -> None:
    """Three workers, one address: what all of them admit, before, meanwhile and afterwards."""
    world.behave("load")
    toml = provider(world.base_url, [{"id": "w/m", "model": "load"}])
    limits = {
        "store.ledger": "",
        "tiers.anonymous.requests_per_hour": HOURLY,
        "tiers.anonymous.requests_per_day": "unlimited",
        "tiers.anonymous.tokens_per_day": "unlimited",
        "tiers.anonymous.concurrent": "unlimited",
        "addresses.requests_per_minute": "unlimited",
    }
    with running_server() as valkey:
        limits["store.ledger"] = valkey.url
        with running_service(tmp_path, toml, limits, workers=WORKERS) as service:
            asyncio.run(_go_and_come_back(service, valkey.stop, valkey.start))
            said = service.errors
    assert said.count(AWAY) == said.count(BACK) == WORKERS
    assert " 0 are lost" in said


async def _go_and_come_back(
    service: RunningService, stop: Callable[[], None], start: Callable[[], None]
) -> None:
    statuses: Counter[int] = Counter()

    async def ask(count: int) -> int:
        """So many requests, each on a connection of its own, so that all workers get some."""

        async def one() -> int:
            async with httpx.AsyncClient(timeout=20, trust_env=False, verify=False) as client:
                answer = await client.post(service.url + COMPLETIONS, json=question())
                return answer.status_code

        said = Counter(await asyncio.gather(*[one() for _ in range(count)]))
        statuses.update(said)
        return said[200]

    assert await ask(6) == 6
    await _eventually(lambda: written(service) == 6)
    stop()
    end = time.monotonic() + PATIENCE_S
    while service.errors.count(AWAY) < WORKERS and time.monotonic() < end:
        await ask(20)
    # Every worker has admitted its share of what is left, unless the kernel gave it too few.
    start()
    while service.errors.count(BACK) < WORKERS and time.monotonic() < end:
        await ask(5)
    entered = sum(map(int, re.findall(r"back; (\d+) requests", service.errors)))
    for _ in range(3):
        await ask(20)
    assert statuses.keys() <= {200, 429}, statuses
    assert statuses[200] <= HOURLY + WORKERS
    async with httpx.AsyncClient(base_url=service.url, timeout=20, trust_env=False) as client:
        (window, *_) = (await client.get("/api/v1/free/limits")).json()["windows"]
    assert window["used"] == statuses[200], "each is counted, and once"
    assert entered <= statuses[200] - 6


async def _eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


def test_who_is_at_the_limit_stays_there_when_everything_is_lost(
    tmp_path: Path, world: RunningWorld
) -> None:
    world.behave("flush")
    toml = provider(world.base_url, [{"id": "w/m", "model": "flush"}])
    with (
        running_server() as valkey,
        running_service(tmp_path, toml, {"store.ledger": valkey.url}, workers=2) as service,
    ):

        def ask() -> httpx.Response:
            return httpx.post(service.url + COMPLETIONS, json=question(), trust_env=False)

        def used() -> list[int]:
            told = httpx.get(service.url + LIMITS, headers=minted, trust_env=False).json()
            return [window["used"] for window in told["windows"]]

        session = httpx.post(service.url + SESSION, trust_env=False).json()
        minted = {"authorization": f"Bearer {session['token']}", "idempotency-key": "one turn"}
        for _ in range(2):
            httpx.post(service.url + COMPLETIONS, json=question(), headers=minted, trust_env=False)
        assert [ask().status_code for _ in range(6)] == [200] * 5 + [429]
        until(lambda: written(service) == 7)
        before = used()
        assert before[0] == 1, "one turn in two calls"
        valkey.empty()
        assert used() == before
        assert [ask().status_code for _ in range(8)] == [429] * 8
        with valkey.client as client:  # a worker that knows of the denial asks nobody
            until(lambda: ask().status_code == 429 and bool(client.keys("scalix:1:epoch:*")))


def test_without_the_server_the_service_starts_and_says_so_once(
    tmp_path: Path, world: RunningWorld
) -> None:
    toml = provider(world.base_url, [{"id": "w/m", "model": "start"}])
    with running_service(tmp_path, toml, {"store.ledger": "redis://127.0.0.1:1"}) as service:
        (line,) = service.errors.splitlines()
        assert 'cannot be reached; starting without it (store.on_ledger_outage = "degrade")' in line
        answer = httpx.post(service.url + COMPLETIONS, json=question(), trust_env=False)
        assert answer.status_code == 200
        assert answer.headers["x-ratelimit-remaining-requests"] == "4"
        ready = httpx.get(service.url + "/health/ready", trust_env=False)
        assert (ready.status_code, ready.json()["store"]) == (200, "degraded")
        minted = httpx.post(service.url + "/api/v1/free/session", json={}, trust_env=False)
        assert minted.status_code == 503
    assert service.errors.count("\n") == 2
    assert "1 requests are not counted" in service.errors
