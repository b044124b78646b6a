"""The backend by LiteLLM's SDK, with the real LiteLLM, against the world: as if asked directly."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import pytest

from scalix_free.core.budget import Finding
from scalix_free.core.chat import Usage
from scalix_free.core.errors import Kind
from scalix_free.core.ports import Backend
from scalix_free.providers.http_session import Session
from scalix_free.providers.litellm_sdk import Deployment, Library, LiteLLMSdk, Sdk, load
from scalix_free.providers.openai_http import Endpoint, OpenAIHttp, open_session
from tests.providers.hearing import BOTH, Heard, hear, quiet
from tests.world import FAULTS, World

pytestmark = [pytest.mark.litellm, pytest.mark.filterwarnings("ignore")]

NOW = 1_800_000_000_000
PROVIDERS = ("openai", "openrouter", "groq")
"""By the OpenAI SDK, by LiteLLM's own client, and by a third way of reading streams."""
WAITING = ("hang", "hang-head", "stall")


@pytest.fixture(scope="session")
def library() -> Library:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load()


@pytest.fixture
async def sdk(library: Library) -> AsyncIterator[Sdk]:
    sdk = Sdk(lambda: library)
    yield sdk
    await sdk.close()


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with open_session() as session:
        yield session


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with asyncio.timeout(30), World(now=lambda: NOW / 1000) as running:
        running.gate("fault:slow").open()
        yield running


Ask = Callable[..., Backend]


@pytest.fixture
def through(sdk: Sdk, world: World) -> Ask:
    def backend(model: str, provider: str = "openai", **more: str) -> Backend:
        deployment = Deployment(
            model=f"{provider}/{model}",
            api_base=world.base_url,
            api_key="sk-world",
            **({"provider": provider} | more),
        )
        return LiteLLMSdk(sdk, deployment, lambda: NOW)

    return backend


@pytest.fixture
def directly(session: Session, world: World) -> Ask:
    def backend(model: str, provider: str = "openai") -> Backend:
        endpoint = Endpoint(base_url=world.base_url, model=model, provider=provider)
        return OpenAIHttp(session, endpoint, lambda: NOW)

    return backend


@dataclass(frozen=True)
class Came:
    """What came of a call, for the caller and for the budgets."""

    kind: Kind | None
    text: str | None
    finish: str | None
    usage: Usage | None
    reasoning: str | None
    tools: tuple[tuple[str | None, str | None, str], ...]
    wait_ms: int | None
    findings: tuple[Finding, ...]


def came(heard: Heard) -> Came:
    failure, collected = heard.failure, heard.collected
    if failure is not None:
        findings = tuple(failure.findings)
        return Came(failure.kind, None, None, None, None, (), failure.retry_after_ms, findings)
    message = collected.message()
    tools = tuple((one.id, one.name, one.arguments) for one in collected.tools.values())
    return Came(
        None,
        message.content,
        collected.finish,
        collected.usage,
        message.reasoning_content,
        tools,
        None,
        heard.findings,
    )


OTHERWISE: Mapping[tuple[str, str, bool], Kind] = {}


@BOTH
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_fault_means_the_same_as_if_asked_directly(
    through: Ask, directly: Ask, world: World, provider: str, streamed: bool
) -> None:
    otherwise = {}
    for fault in FAULTS:
        if fault in WAITING:
            continue
        model = f"fault:{fault}"
        plain = came(await hear(directly(model, provider), streamed))
        before = world.calls(model)
        heard = came(await hear(through(model, provider), streamed))
        assert world.calls(model) - before == 1, fault
        if heard != plain:
            otherwise[fault] = (heard, plain)
        await quiet(world)
    for f, (h, p) in otherwise.items():
        print("DIFF", provider, streamed, f, [(x, y) for x, y in zip(vars(h).values(), vars(p).values()) if x != y])
    assert not otherwise
