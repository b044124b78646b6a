"""The service in front of a pool of proxies, which are plain servers here."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.caller import question
from tests.providers.instances import TEXT, Instance, instances, until
from tests.service import WIDE_OPEN, Served, served

NO_MEMORY = {"caches.answers.ttl_s": 0}
FLASH = "gemini-2.5-flash"


def table(those: Sequence[Instance], rest: str = "health_interval_s = 0.05\n") -> str:
    roots = ", ".join(f'"{one.root}"' for one in those)
    return (
        f'[[providers]]\nname = "pool"\nkind = "litellm-proxy"\nbase_urls = [{roots}]\n'
        f'api_key = "sk-master"\n{rest}'
    )


class Front:
    """The service, and those who ask it."""

    def __init__(self, service: Served, client: httpx.AsyncClient) -> None:
        self.service = service
        self._client = client

    async def ask(self, **fields: Any) -> httpx.Response:
        return await self._client.post(
            f"{self.service.url}/v1/chat/completions", json=question(**fields)
        )

    async def get(self, path: str) -> httpx.Response:
        return await self._client.get(self.service.url + path)

    async def ready(self) -> int:
        return (await self.get("/health/ready")).status_code


@asynccontextmanager
async def front(
    folder: Path, those: Sequence[Instance], rest: str = "health_interval_s = 0.05\n"
) -> AsyncIterator[Front]:
    async with (
        served(folder, table(those, rest), WIDE_OPEN | NO_MEMORY) as service,
        httpx.AsyncClient(timeout=20, trust_env=False) as client,
    ):
        yield Front(service, client)


async def test_models_are_those_that_the_proxies_name(tmp_path: Path) -> None:
    async with instances() as those:
        for one in those:
            one.models = ("anything", FLASH)
        async with front(tmp_path, those) as there:
            listed = (await there.get("/v1/models")).json()["data"]
            assert [one["id"] for one in listed][1:] == [f"pool/{FLASH}", "pool/anything"], (
                "what stands for a row of the catalogue has its place"
            )
            answer = await there.ask()
            assert answer.status_code == 200, answer.text
            assert answer.json()["choices"][0]["message"]["content"] == TEXT
            assert answer.json()["usage"]["total_tokens"] == 7
            streamed = await there.ask(stream=True, model=f"pool/{FLASH}")
            assert streamed.headers["x-scalix-model"] == f"pool/{FLASH}"
            assert TEXT in streamed.text
            assert streamed.text.endswith("data: [DONE]\n\n")
            assert {key for one in those for key in one.keys} == {"Bearer sk-master"}
            assert sum(len(one.asked) for one in those) == 2


async def test_a_proxy_is_told_who_asks_and_nothing_that_names_them(tmp_path: Path) -> None:
    async with instances(1) as (one,), front(tmp_path, [one]) as there:
        await there.ask(user="alice@example.org", session_id="s-1")
        await there.ask(user="bob@example.org", session_id="s-2")
        first, second = one.asked
        assert first["metadata"] == {"free_tier": True, "session_id": "s-1"}
        assert second["metadata"] == {"free_tier": True, "session_id": "s-2"}
        assert first["user"] == second["user"], "the same address, whatever they call themselves"
        assert first["user"].startswith("scalix_")
        assert "127.0.0.1" not in str(one.asked)
        assert "example.org" not in str(one.asked)


@pytest.mark.slow
async def test_proxies_that_start_later_than_we_do_are_found(tmp_path: Path) -> None:
    async with instances() as those:
        for one in those:
            await one.close()
        async with front(tmp_path, those) as there:
            assert await there.ready() == 503
            assert (await there.ask()).status_code == 503
            await those[1].begin()
            await until(lambda: list(there.service.app.service.models()), 10)
            assert (await there.ask()).status_code == 200
            assert await there.ready() == 200


async def test_one_instance_gone_under_load_is_one_that_nobody_misses(tmp_path: Path) -> None:
    """Those who wait on it when it goes are answered by the other; each is one call more."""
    async with instances() as those, front(tmp_path, those) as there:
        gone, left = those
        gone.gate.clear()
        waiting = [asyncio.create_task(there.ask(stream=n % 2 == 0)) for n in range(16)]
        await until(lambda: gone.running + len(left.asked) == 16)
        under_way = gone.running
        await gone.close()
        found = await asyncio.gather(*waiting)
        assert {one.status_code for one in found} == {200}
        attempts = [one.headers["x-scalix-attempts"] for one in found]
        assert attempts.count("2") == under_way
        after = await asyncio.gather(*(there.ask() for _ in range(8)))
        assert {(one.status_code, one.headers["x-scalix-attempts"]) for one in after} == {
            (200, "1")
        }
        metrics = (await there.get("/metrics")).text
        assert f'free_proxy_serving{{instance="{gone.root}",provider="pool"}} 0.0' in metrics
        assert f'free_proxy_serving{{instance="{left.root}",provider="pool"}} 1.0' in metrics
        assert "free_proxy_removals_total" in metrics
        assert await there.ready() == 200
        await left.close()
        await until(lambda: _is_down(there))
        assert await there.ready() == 503


def _is_down(there: Front) -> bool:
    return all(
        getattr(model.backend, "is_down", False) for model in there.service.app.service.models()
    )


async def test_budgets_are_one_whatever_instance_is_asked(tmp_path: Path) -> None:
    rest = "limits = { rpm = 3 }\n"
    async with instances(3) as those, front(tmp_path, those, rest) as there:
        found = [(await there.ask()).status_code for _ in range(4)]
        assert found == [200, 200, 200, 503]
        assert [len(one.asked) for one in those] == [1, 1, 1]


@pytest.mark.parametrize("status", ["500", "429"])
async def test_what_the_provider_behind_them_does_is_no_fault_of_theirs(
    tmp_path: Path, status: str
) -> None:
    async with instances() as those, front(tmp_path, those) as there:
        for one in those:
            one.how = status
        for _ in range(3):
            assert (await there.ask()).status_code in {502, 503}
        assert await there.ready() == 200
        metrics = (await there.get("/metrics")).text
        serving = [line for line in metrics.splitlines() if line.startswith("free_proxy_serving{")]
        assert [line[-3:] for line in serving] == ["1.0", "1.0"]
