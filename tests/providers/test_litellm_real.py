"""The backend by LiteLLM's SDK, with the real LiteLLM, against the world: as if asked directly."""

import asyncio
import json
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import httpx
import pytest

from scalix_free.core.budget import Act, Finding
from scalix_free.core.chat import Usage
from scalix_free.core.errors import Kind
from scalix_free.core.ports import Backend
from scalix_free.providers.http_session import Session
from scalix_free.providers.labels import pseudonym
from scalix_free.providers.litellm_sdk import (
    Deployment,
    Library,
    LiteLLMSdk,
    Sdk,
    load,
)
from scalix_free.providers.openai_http import Endpoint, OpenAIHttp, open_session
from tests.providers.canned import CLOSE, HEAD, LAST_CHUNK, canned, chunk
from tests.providers.hearing import BOTH, Heard, call, closed, hear, quiet
from tests.service import provider, running_service
from tests.world import FAULTS, Behaviour, RunningWorld, World
from tests.world import running_world as run_world

pytestmark = [
    pytest.mark.litellm,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        find_spec("litellm") is None,
        reason="no litellm here: make .venv/.sdk, and .venv/sdk/bin/python -m pytest -m litellm",
    ),
]

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


@pytest.fixture
def running_world() -> Iterator[RunningWorld]:
    with run_world() as running:
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
    tools = tuple((one.id, one.name, one.arguments) for one in collected.tools.values())
    return Came(
        None,
        collected.text,
        collected.finish,
        collected.usage,
        "".join(chunk.reasoning for chunk in heard.chunks),
        tools,
        None,
        tuple(heard.findings),
    )


# ── The table ────────────────────────────────────────────────────────────────────────────────

OTHERWISE: Mapping[tuple[str, bool], set[str]] = {
    # Thoughts under a name that OpenRouter does not give them.
    ("openrouter", True): {"reasoning"},
}
"""By provider and whether streamed: faults of which LiteLLM makes something else."""


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
        asked_directly = came(await hear(directly(model, provider), streamed))
        calls = world.calls(model)
        heard = came(await hear(through(model, provider), streamed))
        assert world.calls(model) - calls == 1, f"{fault}: nothing is asked twice"
        if heard != asked_directly:
            otherwise[fault] = heard
        await quiet(world)
    assert otherwise.keys() == OTHERWISE.get((provider, streamed), set()), otherwise


@pytest.mark.parametrize("fault", ["normal", "tools", "reasoning", "length", "content-filter"])
async def test_a_collected_stream_equals_the_unstreamed_reply(through: Ask, fault: str) -> None:
    whole, streamed = [came(await hear(through(f"fault:{fault}"), one)) for one in (False, True)]
    assert whole == streamed


async def test_nobody_there_is_unreachable(sdk: Sdk) -> None:
    place = Deployment(model="openai/m", api_base="http://127.0.0.1:9/v1", api_key="k")
    for streamed in (False, True):
        heard = await hear(LiteLLMSdk(sdk, place, lambda: NOW), streamed)
        assert heard.failure is not None
        assert heard.failure.kind is Kind.UNREACHABLE


@BOTH
@pytest.mark.parametrize("model", ["nobody/m", "openai/m"], ids=["no provider", "no key"])
async def test_what_litellm_does_not_take_is_a_failure(
    sdk: Sdk, model: str, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    backend = LiteLLMSdk(sdk, Deployment(model=model), lambda: NOW)
    heard = await hear(backend, streamed)
    assert heard.failure is not None
    assert heard.failure.kind in {Kind.GONE, Kind.REFUSED_KEY, Kind.BROKEN}


# ── Leaving ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_who_leaves_in_the_middle_closes_within_a_second(
    through: Ask, world: World, provider: str
) -> None:
    async with through("fault:stall", provider).open(call(streamed=True)) as reply:
        assert (await reply.read())[0].text
    assert await asyncio.wait_for(world.aborted(0), 1)
    await closed(world)


@BOTH
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("fault", WAITING)
async def test_who_is_cancelled_while_waiting_closes_within_a_second(
    through: Ask, world: World, provider: str, fault: str, streamed: bool
) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await hear(through(f"fault:{fault}", provider), streamed)
    assert await asyncio.wait_for(world.aborted(0), 1)
    await closed(world)


async def test_a_read_that_is_cancelled_loses_nothing(through: Ask, world: World) -> None:
    world.behave("m", Behaviour("stall", frames=("a", "b", "c", "d"), k=2))
    text = ""
    async with through("m").open(call(streamed=True)) as reply:
        while len(text) < 2:
            text += "".join(chunk.text for chunk in await reply.read())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reply.read()
        world.gate("m").open()
        while chunks := await reply.read():
            text += "".join(chunk.text for chunk in chunks)
    assert text == "abcd"


# ── What is sent, and what is said about it ──────────────────────────────────────────────────


@BOTH
async def test_a_provider_is_told_a_name_of_ours_and_no_session(
    through: Ask, world: World, streamed: bool
) -> None:
    asking = call(streamed)._replace(
        caller=b"k" * 16, session_id="their-session", output_tokens=7, parameters={"seed": 1}
    )
    for model in ("m", "gpt-4o"):
        async with through(model).open(asking) as reply:
            while await reply.read():
                pass
    seen, known = world.requests
    assert known.body["user"] == pseudonym(b"k" * 16)  # LiteLLM knows that this one may have it
    streaming = {"stream": True, "stream_options": {"include_usage": True}} if streamed else {}
    body = {key: value for key, value in seen.body.items() if value is not False}
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 7,
        "seed": 1,
        **streaming,
    }
    assert seen.headers["authorization"] == "Bearer sk-world"


async def test_a_proxy_of_litellms_is_told_the_session_too(through: Ask, world: World) -> None:
    asking = call(False)._replace(caller=b"k" * 16, session_id="s")
    async with through("m", "litellm_proxy").open(asking):
        pass
    (seen,) = world.requests
    assert seen.body["user"] == pseudonym(b"k" * 16)
    assert seen.body["metadata"] == {"free_tier": True, "session_id": "s"}


async def test_litellms_own_hooks_are_told_who_asks(through: Ask) -> None:
    import litellm  # noqa: PLC0415  (only where it is installed)
    from litellm.integrations.custom_logger import CustomLogger  # noqa: PLC0415

    told: list[Mapping[str, object]] = []

    class Logger(CustomLogger):  # type: ignore[misc]
        async def async_log_success_event(self, **about: object) -> None:
            told.append(cast(Mapping[str, object], about["kwargs"]))

    litellm.callbacks.append(Logger())
    try:
        asking = call(True)._replace(caller=b"k" * 16, session_id="s")
        async with through("m").open(asking) as reply:
            while await reply.read():
                pass
        async with asyncio.timeout(5):
            while not told:
                await asyncio.sleep(0.01)
    finally:
        litellm.callbacks.pop()
    (about,) = told
    assert about["user"] == pseudonym(b"k" * 16)
    assert about["litellm_params"]["metadata"]["session_id"] == "s"  # type: ignore[index]


async def test_what_a_provider_does_not_take_is_left_out(through: Ask, world: World) -> None:
    asking = call(False)._replace(parameters={"seed": 1, "parallel_tool_calls": True})
    async with through("m", "mistral").open(asking):
        pass
    assert "seed" not in world.requests[0].body or world.requests[0].body["seed"] == 1


QUIET = """
import asyncio, logging, os, socket, sys
logging.basicConfig(level=logging.DEBUG, format="%(name)s %(message)s")
os.environ["LITELLM_LOG"] = os.environ["OPENAI_LOG"] = "DEBUG"
os.chdir(sys.argv[1])

def network(*arguments):
    raise SystemExit(f"asked the network: {arguments}")

connect, resolve = socket.socket.connect, socket.getaddrinfo
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = network
from scalix_free.core.chat import Call
from scalix_free.core.errors import Failure
from scalix_free.providers.litellm_sdk import Deployment, LiteLLMSdk, Sdk, load

library = load()
assert "FROM_A_FILE" not in os.environ
socket.socket.connect, socket.getaddrinfo = connect, resolve

async def main():
    sdk = Sdk(lambda: library)
    for model in ("good", "fault:500", "fault:error-openai", "fault:cut"):
        for provider in ("openai", "openrouter"):
            place = Deployment(model=f"{provider}/{model}", api_base=sys.argv[2], api_key="sk-key")
            for streamed in (False, True):
                call = Call(bytes(16), [{"role": "user", "content": "a secret"}], stream=streamed)
                try:
                    async with LiteLLMSdk(sdk, place, lambda: 0).open(call) as reply:
                        while await reply.read():
                            pass
                except Failure:
                    pass
    await sdk.close()

asyncio.run(main())
"""


def test_it_asks_no_network_when_it_is_loaded_and_writes_no_prompt(
    running_world: RunningWorld, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("FROM_A_FILE=1\n")
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", QUIET, str(tmp_path), running_world.base_url],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stderr
    written = ran.stdout + ran.stderr
    for word in ("a secret", "sk-key", "sk-world", "You said", "LiteLLM", "Traceback"):
        assert word not in written, written


# ── Formats that are not OpenAI's ────────────────────────────────────────────────────────────


def event(data: object, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return chunk(f"{head}data: {json.dumps(data)}\n\n")


def gemini(text: str, finish: str | None = None) -> bytes:
    candidate: dict[str, object] = {"content": {"role": "model", "parts": [{"text": text}]}}
    if finish is not None:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 6, "totalTokenCount": 11}
    return event({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "g"})


def anthropic(kind: str, **more: object) -> bytes:
    return event({"type": kind, **more}, kind)


BEGIN = anthropic(
    "message_start",
    message={
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "c",
        "usage": {"input_tokens": 5, "output_tokens": 1},
    },
) + anthropic("content_block_start", index=0, content_block={"type": "text", "text": ""})
WORD = anthropic("content_block_delta", index=0, delta={"type": "text_delta", "text": "hi"})
END = anthropic("content_block_stop", index=0) + anthropic(
    "message_delta",
    delta={"stop_reason": "end_turn", "stop_sequence": None},
    usage={"output_tokens": 6},
)
STOP = anthropic("message_stop")
OVERLOADED = anthropic("error", error={"type": "overloaded_error", "message": "Overloaded"})
CUT = (LAST_CHUNK, CLOSE)
GEMINI_ERROR = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}

NATIVE: Mapping[str, tuple[str, Sequence[object], Kind | None]] = {
    "gemini": ("gemini/g", (gemini("h"), gemini("i", "STOP"), *CUT), None),
    "gemini, cut": ("gemini/g", (gemini("h"), *CUT), Kind.BROKEN),
    "gemini, closed": ("gemini/g", (gemini("h"), CLOSE), Kind.BROKEN),
    "gemini, error": (
        "gemini/g",
        (gemini("h"), event(GEMINI_ERROR), LAST_CHUNK, CLOSE),
        Kind.BROKEN,
    ),
    "gemini, list": (
        "gemini/g",
        (gemini("h"), event([GEMINI_ERROR]), LAST_CHUNK, CLOSE),
        Kind.BROKEN,
    ),
    "anthropic": ("anthropic/c", (BEGIN, WORD, END, STOP, *CUT), None),
    "anthropic, cut": ("anthropic/c", (BEGIN, WORD, *CUT), Kind.BROKEN),
    "anthropic, closed": ("anthropic/c", (BEGIN, WORD, CLOSE), Kind.BROKEN),
    "anthropic, error": ("anthropic/c", (BEGIN, WORD, OVERLOADED, *CUT), Kind.BROKEN),
}


@pytest.mark.parametrize("of", NATIVE)
async def test_a_stream_in_another_format_has_an_end_too(sdk: Sdk, of: str) -> None:
    model, pieces, kind = NATIVE[of]
    async with canned([HEAD, *pieces]) as server:
        place = Deployment(model=model, api_base=server.base_url, api_key="k")
        heard = await hear(LiteLLMSdk(sdk, place, lambda: NOW), streamed=True)
        assert len(server.heard) == 1
    if kind is None:
        assert heard.failure is None
        assert (heard.collected.text, heard.collected.finish) == ("hi", "stop")
        assert heard.collected.usage == Usage(5, 6)
    else:
        assert heard.failure is not None
        assert heard.failure.kind is kind


GEMINI_DAY = """{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED",
"details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier",
"quotaValue":"20"}]},{"retryDelay":"12s"}]}}"""


@BOTH
async def test_a_refusal_in_another_format_means_what_it_says(sdk: Sdk, streamed: bool) -> None:
    head = "HTTP/1.1 429 No\r\ncontent-type: application/json\r\ncontent-length: "
    refusal = f"{head}{len(GEMINI_DAY)}\r\n\r\n{GEMINI_DAY}".encode()
    async with canned([refusal]) as server:
        place = Deployment(model="gemini/g", api_base=server.base_url, provider="gemini")
        heard = await hear(LiteLLMSdk(sdk, replace(place, api_key="k"), lambda: NOW), streamed)
    assert heard.failure is not None
    assert heard.failure.kind is Kind.RATE_LIMITED
    rest, limit = heard.failure.findings
    assert (rest.act, rest.until_ms) == (Act.REST, 0)  # until its day ends
    assert (limit.act, limit.amount) == (Act.LIMIT, 20)


# ── The service ──────────────────────────────────────────────────────────────────────────────


def test_a_service_answers_through_litellm(running_world: RunningWorld, tmp_path: Path) -> None:
    running_world.behave("cut", "cut-clean")
    models = [
        {"id": "lite/cut", "model": "openai/cut", "priority": 1},
        {"id": "lite/good", "model": "openai/good", "priority": 2},
    ]
    place = provider(running_world.base_url, models, name="lite")
    toml = place.replace('name = "lite"', 'name = "lite"\nkind = "litellm"\napi_key = "k"')
    with running_service(tmp_path, toml) as service, httpx.Client(timeout=60) as client:
        assert "lite/good  ready" in service.banner
        for streamed in (False, True):
            asked = f"hi, streamed: {streamed}"
            body: dict[str, object] = {"messages": [{"role": "user", "content": asked}]}
            body["stream"] = streamed
            if streamed:
                body["model"] = "lite/cut"
            answer = client.post(f"{service.url}/v1/chat/completions", json=body)
            if streamed:  # something was shown before it was cut
                assert '"error"' in answer.text
                assert "[DONE]" not in answer.text
            else:
                assert answer.headers["x-scalix-model"] == "lite/good"
                assert answer.json()["usage"]["total_tokens"] > 4
