"""A worker with open streams is killed: what it was doing ends with its leases."""

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from scalix_free.core import ledger
from scalix_free.core.ledger import BEAT_MS, LEASE_MS, Book, Limit, Policy, Unit, unpack
from tests.api.caller import COMPLETIONS, question
from tests.service import RunningService, provider, running_service
from tests.storage.servers import Running, running_server
from tests.world import Behaviour, RunningWorld

DAY_MS: Final = 86_400_000
CALLS: Final = Policy(
    "anonymous",
    (Limit("tokens_day", Unit.TOKENS, 10**9, DAY_MS), Limit("concurrent", Unit.CALLS, 10**6)),
)
"""Enough of the limits below to read the caller's book as the ledger does."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")


def configuration(world: RunningWorld, valkey: Running) -> tuple[str, dict[str, object]]:
    world.behave("killed", Behaviour("stall"))
    lifted = ("addresses.requests_per_minute", "addresses.requests_per_hour")
    limits: dict[str, object] = {
        "store.ledger": valkey.url,
        "tiers.anonymous.requests_per_hour": 1_000,
        "tiers.anonymous.requests_per_day": 1_000,
        "tiers.anonymous.tokens_per_day": 10**9,
        "tiers.anonymous.concurrent": 1_000,
        "addresses.requests_per_day": "unlimited",
        "routing.idle_timeout_s": 300,
        **dict.fromkeys(lifted, "unlimited"),
    }
    return provider(world.base_url, [{"id": "w/m", "model": "killed"}]), limits


async def listen_and_kill(service: RunningService, count: int, beats: int) -> None:
    """Open so many streams, hear something of each, let them beat, kill the worker."""
    async with AsyncExitStack() as stack:
        limits = httpx.Limits(max_connections=None)
        client = await stack.enter_async_context(
            httpx.AsyncClient(timeout=60, trust_env=False, verify=False, limits=limits)
        )
        for _ in range(count):
            body = question(stream=True)
            response = await stack.enter_async_context(
                client.stream("POST", service.url + COMPLETIONS, json=body)
            )
            assert response.status_code == 200
        await asyncio.sleep(beats * BEAT_MS / 1000 + bool(beats) * 2.0)
        parent = service.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)


def book(valkey: Running) -> Book:
    """The caller's: the one with leases that has tokens."""
    with valkey.client as client:
        for key in client.keys("scalix:1:{*}"):
            if client.type(key) != b"string":
                continue
            blob: Any = client.get(key)
            found = unpack(blob, CALLS)
            if any(row.spent for row in found.rows):
                return found
    raise AssertionError("the caller has no book")


def used(book: Book, now_ms: int) -> list[int]:
    return [level.used for level in ledger.levels(book, now_ms)]


def test_its_slots_are_free_when_their_leases_have_passed(
    tmp_path: Path, world: RunningWorld
) -> None:
    count = 20
    with running_server() as valkey:
        toml, overrides = configuration(world, valkey)
        with running_service(tmp_path, toml, overrides) as service:
            asyncio.run(listen_and_kill(service, count, beats=0))
            left = book(valkey)
        last_ms = max(row.at_ms for row in left.rows)
        tokens, calls = used(left, last_ms)
        assert calls == count
        spent = sum(row.spent for row in left.rows)
        assert 0 < spent < tokens
        assert used(left, last_ms + LEASE_MS) == [spent, 0]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_hundred_slots_are_free_in_46_seconds_and_cost_what_was_last_told(
    tmp_path: Path, world: RunningWorld
) -> None:
    count = 200
    with running_server() as valkey:
        toml, overrides = configuration(world, valkey)
        with running_service(tmp_path, toml, overrides) as service:
            asyncio.run(listen_and_kill(service, count, beats=1))
            killed = time.monotonic()
            left = book(valkey)
            assert sum(row.lease_ms > row.at_ms + LEASE_MS for row in left.rows) == count
            spent = sum(row.spent for row in left.rows)

            def windows() -> dict[str, int]:
                url = f"{service.url}/api/v1/free/limits"
                told = httpx.get(url, trust_env=False, timeout=20).json()["windows"]
                return {window["name"]: window["used"] for window in told}

            while windows()["concurrent"]:
                assert time.monotonic() - killed < 46
                time.sleep(0.2)
            assert windows()["tokens_day"] == spent
