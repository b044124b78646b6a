"""The service in front of two real LiteLLM proxies, in front of the world."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.caller import question
from tests.litellm_proxy import MASTER_KEY, RunningProxy, running, start
from tests.service import WIDE_OPEN, RunningService, running_service
from tests.wire.openai_shapes import read_completion, read_stream
from tests.world import Behaviour, RunningWorld, World, running_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DRAIN_TOKEN = "of-the-drain"
KEYS = ("sk-of-the-first", "sk-of-the-second")
"""What each proxy shows to the world, which tells by it whose question it was."""
PLAIN, HELD, CAUGHT, UNEVEN = "plain", "held", "caught", "uneven"
FAULTS = ("tools", "429", "401", "cut", "error-openai", "cut-clean")
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
PATIENCE_S = 120.0


def config(number: int, world: RunningWorld, clocked: RunningWorld) -> dict[str, object]:
    """Of the first proxy one model is slow."""
    behind = {name: (name, world) for name in (PLAIN, HELD, CAUGHT)}
    behind |= {f"fault:{name}": (f"fault:{name}", world) for name in FAULTS}
    behind[UNEVEN] = ("slow" if number == 0 else "fast", clocked)
    return {
        "model_list": [
            {
                "model_name": name,
                "litellm_params": {
                    "model": f"openai/{model}",
                    "api_base": where.base_url,
                    "api_key": KEYS[number],
                    "max_retries": 0,
                },
            }
            for name, (model, where) in behind.items()
        ],
        "litellm_settings": {"num_retries": 0, "telemetry": False},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "general_settings": {"enable_drain_endpoint": True},
    }


@dataclass
class Stage:
    """Two proxies, the service in front of them, and the world behind."""

    world: RunningWorld
    clocked: RunningWorld
    proxies: list[RunningProxy]
    service: RunningService
    folder: Path

    def asked(self, since: int = 0) -> Mapping[str, int]:
        """How many questions came to the world by way of each proxy."""
        return Counter(
            request.headers["authorization"].removeprefix("Bearer ")
            for request in self.world.requests[since:]
        )

    def serves(self, number: int) -> bool:
        """Whether a proxy gets new calls, as the service sees it."""
        text = httpx.get(f"{self.service.url}/metrics", trust_env=False).text
        line = f'free_proxy_serving{{instance="{self.proxies[number].url}",provider="litellm"}}'
        return f"{line} 1.0" in text

    def begin(self, number: int) -> RunningProxy:
        """Start a proxy, again where it was."""
        port = self.proxies[number].port if number < len(self.proxies) else None
        proxy = start(
            config(number, self.world, self.clocked),
            {"DRAIN_ENDPOINT_TOKEN": DRAIN_TOKEN},
            folder=self.folder / f"proxy-{number}",
            port=port,
        )
        self.proxies[number:] = [proxy, *self.proxies[number + 1 :]]
        return proxy


def table(proxies: Sequence[RunningProxy], key: str = MASTER_KEY, rest: str = "") -> str:
    roots = json.dumps([proxy.url for proxy in proxies])
    return (
        f'[[providers]]\nname = "litellm"\nkind = "litellm-proxy"\nbase_urls = {roots}\n'
        f'api_key = "{key}"\nhealth_interval_s = 0.5\n{rest}'
    )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("pool")
    with (
        running_world() as world,
        running_world(World(sleep=asyncio.sleep)) as clocked,
    ):
        clocked.behave("slow", Behaviour("slow", first_s=0.8, between_s=0.01))
        clocked.behave("fast", Behaviour("slow", first_s=0.05, between_s=0.01))
        for name in (HELD, CAUGHT):
            world.behave(name, "slow")
        stage = Stage(world, clocked, [], None, folder)  # type: ignore[arg-type]
        for number in range(2):
            stage.begin(number)
        with running(stage.proxies):
            overrides = WIDE_OPEN | {"caches.answers.ttl_s": 0}
            with running_service(folder / "service", table(stage.proxies), overrides) as service:
                stage.service = service
                yield stage


Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(stage: Stage) -> Iterator[Ask]:
    with httpx.Client(base_url=stage.service.url, timeout=60, trust_env=False) as client:

        def one(model: str, **fields: Any) -> httpx.Response:
            body = question("hi there", model=f"litellm/{model}", **fields)
            return client.post("/v1/chat/completions", json=body)

        yield one


@asynccontextmanager
async def asking(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(
        base_url=stage.service.url, timeout=60, trust_env=False, limits=limits
    ) as client:
        yield client


def body(model: str, **fields: Any) -> dict[str, Any]:
    return question("hi there", model=f"litellm/{model}", **fields)


async def until(true: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(true):
            await asyncio.sleep(0.1)


# ── What an answer is ────────────────────────────────────────────────────────────────────────


def test_models_are_those_of_the_proxies(stage: Stage) -> None:
    listed = httpx.get(f"{stage.service.url}/v1/models", trust_env=False).json()["data"]
    assert {one["id"] for one in listed} == {
        "scalix-free",
        *(f"litellm/{name}" for name in (PLAIN, HELD, CAUGHT, UNEVEN)),
        *(f"litellm/fault:{name}" for name in FAULTS),
    }


def test_a_whole_answer_comes_with_the_providers_usage(ask: Ask) -> None:
    response = ask(PLAIN)
    assert response.status_code == 200, response.text
    answer = read_completion(response.content)
    assert answer["choices"][0]["message"]["content"] == "You said: hi there"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["total_tokens"] == 6
    assert response.headers["x-scalix-model"] == f"litellm/{PLAIN}"
    assert response.headers["x-scalix-attempts"] == "1"


def test_a_streamed_answer_comes_with_the_providers_usage(ask: Ask) -> None:
    response = ask(PLAIN, stream=True, stream_options={"include_usage": True})
    assert response.status_code == 200, response.text
    stream = read_stream(response.text)
    frames = [frame for frame in stream if frame.get("choices")]
    said = "".join(frame["choices"][0]["delta"].get("content") or "" for frame in frames)
    assert said == "You said: hi there"
    assert [frame["usage"]["total_tokens"] for frame in stream if frame.get("usage")] == [6]
    assert response.text.endswith("data: [DONE]\n\n")


@BOTH
def test_tools_are_called(ask: Ask, stream: bool) -> None:
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
        for name in ("get_weather", "get_time")
    ]
    response = ask("fault:tools", stream=stream, tools=tools)
    assert response.status_code == 200, response.text
    if stream:
        calls: dict[int, dict[str, str]] = {}
        for frame in read_stream(response.text):
            for choice in frame["choices"]:
                for piece in choice["delta"].get("tool_calls") or ():
                    call = calls.setdefault(piece["index"], {"name": "", "arguments": ""})
                    call["name"] += piece["function"].get("name") or ""
                    call["arguments"] += piece["function"].get("arguments") or ""
        found = [(call["name"], call["arguments"]) for call in calls.values()]
        assert '"finish_reason":"tool_calls"' in response.text
    else:
        choice = read_completion(response.content)["choices"][0]
        assert choice["finish_reason"] == "tool_calls"
        found = [
            (call["function"]["name"], call["function"]["arguments"])
            for call in choice["message"]["tool_calls"]
        ]
    assert found == [("get_weather", '{"city": "Paris"}'), ("get_time", '{"zone": "UTC"}')]


# ── What is no answer ────────────────────────────────────────────────────────────────────────


@BOTH
def test_a_providers_limit_is_told_as_ours_to_wait_for(ask: Ask, stream: bool) -> None:
    response = ask("fault:429", stream=stream)
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "no_free_model_available"


@BOTH
def test_a_key_that_a_provider_refuses_is_a_matter_of_that_model(ask: Ask, stream: bool) -> None:
    response = ask("fault:401", stream=stream)
    assert response.status_code == 502
    assert response.json()["error"]["code"] == "upstream_error"
    assert KEYS[0] not in response.text
    assert ask(PLAIN).status_code == 200


@BOTH
def test_a_master_key_that_is_refused_is_found_at_the_start(
    stage: Stage, tmp_path: Path, stream: bool
) -> None:
    toml = table(stage.proxies, "sk-another-one")
    with running_service(tmp_path / "bare", toml, WIDE_OPEN) as service:
        service.said_after("the models of litellm cannot be read: ", end="status 40")
        assert httpx.get(f"{service.url}/health/ready", trust_env=False).status_code == 503
    rest = f'[[providers.models]]\nid = "litellm/{PLAIN}"\nmodel = "{PLAIN}"\n'
    before = stage.world.calls(PLAIN)
    with running_service(tmp_path / "listed", toml + rest, WIDE_OPEN) as service:
        response = httpx.post(
            f"{service.url}/v1/chat/completions",
            json=body(PLAIN, stream=stream),
            timeout=60,
            trust_env=False,
        )
        assert response.status_code == 502
        assert response.json()["error"]["code"] == "upstream_error"
    assert stage.world.calls(PLAIN) == before


@pytest.mark.parametrize("fault", ["cut", "error-openai"])
@BOTH
def test_an_answer_that_was_cut_is_no_whole_one(ask: Ask, fault: str, stream: bool) -> None:
    response = ask(f"fault:{fault}", stream=stream)
    if response.status_code == 200:
        assert stream
        assert "[DONE]" not in response.text
        assert '"finish_reason":"stop"' not in response.text
        last = response.text.strip().splitlines()[-1].removeprefix("data: ")
        assert json.loads(last)["error"]["code"] == "upstream_error"
    else:
        assert response.status_code == 502
        assert response.json()["error"]["code"] == "upstream_error"


def test_an_end_without_an_error_cannot_be_told_through_a_proxy(ask: Ask) -> None:
    """LiteLLM itself says that it is whole; docs/litellm.md says so. A change would be welcome."""
    response = ask("fault:cut-clean", stream=True)
    assert '"finish_reason":"stop"' in response.text
    assert response.text.endswith("data: [DONE]\n\n")


# ── Several instances ────────────────────────────────────────────────────────────────────────


async def test_the_slower_of_two_gets_fewer_calls(stage: Stage) -> None:
    async with asking(stage) as client:

        async def caller() -> list[int]:
            return [
                (await client.post("/v1/chat/completions", json=body(UNEVEN))).status_code
                for _ in range(8)
            ]

        found = await asyncio.gather(*(caller() for _ in range(4)))
    assert {status for posts in found for status in posts} == {200}
    slow, fast = stage.clocked.calls("slow"), stage.clocked.calls("fast")
    assert slow + fast == 32
    assert 0 < slow < fast


async def test_nobody_misses_an_instance_that_is_killed_under_load(stage: Stage) -> None:
    """Not even those whom it was answering: they are asked again, at one more call each."""
    over = asyncio.Event()
    found: list[httpx.Response] = []
    async with asking(stage) as client:

        async def post(model: str) -> httpx.Response:
            return await client.post("/v1/chat/completions", json=body(model))

        async def caller() -> None:
            while not over.is_set():
                found.append(await post(PLAIN))

        before = len(stage.world.requests)
        caught = [asyncio.create_task(post(CAUGHT)) for _ in range(4)]
        await until(lambda: stage.asked(before) == {KEYS[0]: 2, KEYS[1]: 2})
        load = [asyncio.create_task(caller()) for _ in range(6)]
        await until(lambda: len(found) >= 12)
        await asyncio.to_thread(stage.proxies[0].kill)
        killed = len(found)
        await until(lambda: len(found) >= killed + 40)
        assert not await asyncio.to_thread(stage.serves, 0)
        over.set()
        await asyncio.gather(*load)
        await until(lambda: stage.world.calls(CAUGHT) == 6)
        stage.world.open_gate(CAUGHT)
        held = await asyncio.gather(*caught)
    assert {response.status_code for response in (*found, *held)} == {200}
    assert sorted(response.headers["x-scalix-attempts"] for response in held) == [*"1122"]
    attempts = [response.headers["x-scalix-attempts"] for response in found]
    assert attempts.count("2") <= 6, "only what it had under way was asked again"
    assert attempts[-20:] == ["1"] * 20
    assert "is left out, as it" in stage.service.errors


async def test_when_it_returns_it_is_used_again(stage: Stage) -> None:
    assert not stage.serves(0)
    proxy = stage.begin(0)
    await asyncio.to_thread(proxy.wait)
    await until(lambda: stage.serves(0))
    before = len(stage.world.requests)
    async with asking(stage) as client:
        posts = [client.post("/v1/chat/completions", json=body(PLAIN)) for _ in range(8)]
        found = await asyncio.gather(*posts)
    assert {response.status_code for response in found} == {200}
    assert stage.asked(before) == {KEYS[0]: 4, KEYS[1]: 4}


def drain(stage: Stage, token: str) -> httpx.Response:
    url, headers = f"{stage.proxies[0].url}/health/drain", {"x-drain-token": token}
    return httpx.get(url, headers=headers, timeout=60, trust_env=False)


async def test_one_that_is_drained_ends_what_it_has_and_gets_no_more(stage: Stage) -> None:
    before = len(stage.world.requests)
    async with asking(stage) as client:
        running = [
            asyncio.create_task(client.post("/v1/chat/completions", json=body(HELD)))
            for _ in range(2)
        ]
        await until(lambda: len(stage.world.requests) == before + 2)
        assert stage.asked(before) == {KEYS[0]: 1, KEYS[1]: 1}
        assert drain(stage, "guessed").status_code == 401
        draining = asyncio.create_task(asyncio.to_thread(drain, stage, DRAIN_TOKEN))
        await until(lambda: not stage.serves(0))
        posts = [client.post("/v1/chat/completions", json=body(PLAIN)) for _ in range(6)]
        found = await asyncio.gather(*posts)
        assert {response.status_code for response in found} == {200}
        assert stage.asked(before + 2) == {KEYS[1]: 6}
        assert not draining.done()
        stage.world.open_gate(HELD)
        held = await asyncio.gather(*running)
        assert [response.status_code for response in held] == [200, 200]
        assert (await draining).status_code == 200
    assert "gets no new calls, as it says that it is ending" in stage.service.errors
