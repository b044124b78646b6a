"""Being over a limit: the words, the waits, and that the waits are true."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import httpx
import pytest

from scalix_free.api.errors import TABLE, ErrorWriter
from scalix_free.core.clock import utc
from scalix_free.core.errors import Code, Refusal, StoreUnavailable
from scalix_free.storage.sqlite_ledger import SqliteLedger
from tests.api.caller import COMPLETIONS, QUESTION, question
from tests.api.envelope import Error, read_envelope, refused
from tests.service import HeldClock, provider, served
from tests.world import Behaviour, World

OPENING = "Free tier limit exceeded. Please upgrade to Pro."
PHRASE = "Resource has been exhausted"


@dataclass(frozen=True)
class Stage:
    """A service under a clock that is held, and one caller of it."""

    world: World
    clock: HeldClock
    client: httpx.AsyncClient

    async def ask(self, text: str = QUESTION) -> httpx.Response:
        return await self.client.post(COMPLETIONS, json=question(text))

    async def answers(self, count: int, every_s: float = 0) -> None:
        for _ in range(count):
            assert (await self.ask()).status_code == 200
            self.clock.advance(every_s)


@pytest.fixture
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """The defaults, except for what the test's parameter overrides."""
    overrides = getattr(request, "param", {})
    clock = HeldClock()
    async with World() as world:
        toml = provider(world.base_url, [{"id": "w/m", "model": "m"}])
        async with (
            served(tmp_path, toml, overrides, clock=clock) as running,
            httpx.AsyncClient(base_url=running.url) as client,
        ):
            yield Stage(world, clock, client)


def limits(**overrides: object) -> pytest.MarkDecorator:
    """The stage's service with other limits of the anonymous tier."""
    changed = {f"tiers.anonymous.{name}": value for name, value in overrides.items()}
    return pytest.mark.parametrize("stage", [changed], indirect=True)


def short_wait(response: httpx.Response, error: Error, seconds: int) -> None:
    """A wait that a client may sleep through."""
    assert (error.retryable, error.retry_after_seconds) == (True, seconds)
    assert response.headers["retry-after"] == str(seconds)
    assert 0 < int(response.headers["retry-after-ms"]) <= seconds * 1000
    assert not {"x-should-retry", "x-scalix-reset-at"} & set(response.headers)


def long_wait(response: httpx.Response, error: Error, seconds: int) -> None:
    """A wait that only a person can wait for."""
    assert (error.retryable, error.retry_after_seconds) == (False, seconds)
    assert response.headers["x-should-retry"] == "false"
    assert response.headers["x-scalix-reset-at"] == error.reset_at
    assert not {"retry-after", "retry-after-ms"} & set(response.headers)


def speaks_of(error: Error, *words: str) -> None:
    """The message alone tells a person which limit, n of n, when it returns, what to do."""
    assert error.message.startswith(OPENING)
    assert PHRASE in error.message
    for word in words:
        assert word in error.message
    assert re.search(r"wait|again", error.message)


async def test_the_hour(stage: Stage) -> None:
    await stage.answers(5, every_s=60)
    response = await stage.ask()
    error = refused(response, 429, "free_tier_hourly_limit")
    speaks_of(error, "5 of 5 requests per hour", "55 minutes", "2027-01-15T09:00:01Z")
    long_wait(response, error, 3600 - 300)
    assert error.window == "requests_hour"
    left = response.json()["free_tier"]
    assert (left["remaining_requests"], left["window"]) == (0, "requests_hour")
    assert left["reset_time"] == error.reset_at == utc(stage.clock.now_ms + 3_300_000)
    assert left["upgrade_prompt"] is True


@limits(requests_per_hour=50)
async def test_the_day(stage: Stage) -> None:
    await stage.answers(20)
    response = await stage.ask()
    error = refused(response, 429, "free_tier_daily_limit")
    speaks_of(error, "20 of 20 requests per day", "24 hours")
    long_wait(response, error, 86400)
    assert error.window == "requests_day"


async def test_the_tokens(stage: Stage) -> None:
    stage.world.behave("m", Behaviour(usage={"prompt_tokens": 0, "completion_tokens": 4990}))
    await stage.answers(1)
    response = await stage.ask()
    error = refused(response, 429, "free_tier_token_limit")
    speaks_of(error, "4990 of 5000 tokens per day")
    long_wait(response, error, 86400)
    assert error.window == "tokens_day"
    assert response.json()["free_tier"]["remaining_tokens"] == 10


@limits(tokens_per_day=300)
async def test_what_can_never_fit_is_not_a_matter_of_waiting(stage: Stage) -> None:
    response = await stage.ask("x" * 3000)
    error = refused(response, 400, "request_exceeds_quota")
    assert (error.retryable, error.retry_after_seconds, error.reset_at) == (False, None, None)
    assert "300" in error.message
    assert error.param == "messages"


async def test_at_the_same_time(stage: Stage) -> None:
    stage.world.behave("m", "hang")
    async with httpx.AsyncClient(base_url=stage.client.base_url) as other:
        sends = [
            other.send(other.build_request("POST", COMPLETIONS, json=question(text)), stream=True)
            for text in ("One question.", "Another one.")
        ]
        running = [asyncio.ensure_future(send) for send in sends]
        await stage.world.gate("m").arrived(2)
        response = await stage.ask()
        stage.world.gate("m").open()
        for answer in await asyncio.gather(*running):
            await answer.aread()
    error = refused(response, 429, "free_tier_concurrency")
    speaks_of(error, "2 of 2 requests at the same time")
    short_wait(response, error, 2)
    assert response.headers["retry-after-ms"] == "2000"
    assert (error.window, error.reset_at) == ("concurrent", None)
    assert (await stage.ask()).status_code == 200


@limits(requests_per_hour=100, requests_per_day=200, tokens_per_day=1_000_000)
async def test_the_address(stage: Stage) -> None:
    await stage.answers(30, every_s=1)
    response = await stage.ask()
    error = refused(response, 429, "ip_rate_limit")
    speaks_of(error, "30 of 30 requests per minute")
    short_wait(response, error, 30)
    assert error.window == "address_minute"
    assert error.reset_at == utc(stage.clock.now_ms + 30_000)


@limits(requests_per_hour=100, requests_per_day=200, tokens_per_day=1_000_000)
async def test_a_wait_is_true_to_the_millisecond(stage: Stage) -> None:
    await stage.answers(30, every_s=1.001)
    wait_ms = int((await stage.ask()).headers["retry-after-ms"])
    stage.clock.now_ms += wait_ms - 1
    assert (await stage.ask()).headers["retry-after-ms"] == "1"
    stage.clock.now_ms += 1
    assert (await stage.ask()).status_code == 200


async def test_the_longest_wait_is_told(stage: Stage) -> None:
    """Four an hour make twenty a day: where both are used up, the hour's wait would be a lie."""
    for _ in range(4):
        await stage.answers(5)
        stage.clock.advance(3600)
    await stage.ask()
    assert (await stage.ask()).json()["error"]["code"] == "free_tier_daily_limit"


# ── Not the caller's fault ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("streamed", [False, True])
async def test_who_is_shutting_down_takes_no_more(tmp_path: Path, streamed: bool) -> None:
    async with World() as world:
        toml = provider(world.base_url, [{"id": "w/m", "model": "m"}])
        async with (
            served(tmp_path, toml, draining=lambda: True) as running,
            httpx.AsyncClient(base_url=running.url) as client,
        ):
            response = await client.post(COMPLETIONS, json=question(stream=streamed))
            ready = await client.get("/health/ready")
            alive = await client.get("/health/live")
        assert world.requests == []
    error = refused(response, 503, "draining")
    short_wait(response, error, 2)
    assert response.json()["free_tier"]["remaining_requests"] == 5
    assert (ready.status_code, ready.json()["draining"], alive.status_code) == (503, True, 200)


def no_store(*_: object, **__: object) -> NoReturn:
    raise StoreUnavailable


async def test_without_the_store_nobody_is_asked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqliteLedger, "admit", no_store)
    monkeypatch.setattr(SqliteLedger, "peek", no_store)
    response = await stage.ask()
    short_wait(response, refused(response, 503, "store_unavailable"), 2)
    limits = await stage.client.get("/api/v1/free/limits")
    short_wait(limits, refused(limits, 503, "store_unavailable"), 2)
    assert (await stage.client.get("/health/ready")).status_code == 503
    assert stage.world.requests == []


async def test_an_answer_is_given_though_it_cannot_be_settled(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was reserved stays charged until the store is back: the safe side."""
    monkeypatch.setattr(SqliteLedger, "settle", no_store)
    response = await stage.ask()
    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"]


# ── The table ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", Code)
@pytest.mark.parametrize("retry_ms", [None, 1, 60_000, 60_001])
def test_every_code_has_its_envelope(code: Code, retry_ms: int | None) -> None:
    refusal = Refusal(code=code, message="Something is wrong.", retry_ms=retry_ms, reset_at_ms=7)
    response = ErrorWriter("http://127.0.0.1:1").response(refusal, f"req_{bytes(16).hex()}")
    error = read_envelope(response.body)
    assert (error.code, response.status) == (code, TABLE[code][0])
    assert error.reset_at == "1970-01-01T00:00:01Z"
    told = b"retry-after" in response.head
    assert told == (response.status in {429, 502, 503, 504} and error.retryable)


def test_the_codes_are_those_of_the_contract() -> None:
    by_status: dict[int, set[str]] = {}
    for code, (status, _, _) in TABLE.items():
        by_status.setdefault(status, set()).add(code.value)
    assert by_status == {
        400: {
            "invalid_request",
            "prompt_too_long",
            "context_length_exceeded",
            "content_blocked",
            "request_exceeds_quota",
        },
        401: {"invalid_api_key"},
        403: {"challenge_required", "access_denied"},
        404: {"not_found"},
        405: {"method_not_allowed"},
        409: {"already_rated", "payments_unavailable"},
        413: {"body_too_large"},
        415: {"unsupported_media_type"},
        429: {
            "free_tier_hourly_limit",
            "free_tier_daily_limit",
            "free_tier_token_limit",
            "free_tier_concurrency",
            "session_limit",
            "ip_rate_limit",
        },
        500: {"internal_error"},
        502: {"upstream_error"},
        503: {"no_free_model_available", "store_unavailable", "draining"},
        504: {"upstream_timeout"},
    }
