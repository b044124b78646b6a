"""One candidate after the other until the first content: every fault that a provider can have."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from scalix_free.routing.health import LEAST_SAMPLES
from tests.api.caller import COMPLETIONS, QUESTION, Caller, question
from tests.api.envelope import our_headers, refused
from tests.api.models import GOOD, Fresh, alone, then_good
from tests.api.test_stream import BREAKS
from tests.service import WIDE_OPEN, provider, served
from tests.world import FAULTS, Behaviour, RunningWorld, World
from tests.world.captured import CAPTURED

ECHO = f"You said: {QUESTION}"
BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])

ANSWERING = {
    "normal": ECHO,
    "slow": ECHO,
    "no-done": ECHO,
    "comments": ECHO,
    "split": ECHO,
    "joined": ECHO,
    "crlf": ECHO,
    "tight": ECHO,
    "usage-missing": ECHO,
    "usage-always": ECHO,
    "usage-in-finish": ECHO,
    "usage-negative": ECHO,
    "usage-float": ECHO,
    "usage-huge": ECHO,
    "role-first": ECHO,
    "no-choices-first": ECHO,
    "reasoning": ECHO,
    "reasoning-openrouter": ECHO,
    "length": ECHO,
    "content-filter": ECHO,
    "tools": "",
    "limits-true": ECHO,
    "limits-wrong": ECHO,
    "limits-absurd": ECHO,
}
"""Faults that are none, and what is said under them."""

UPSTREAM_ERROR = 502, "upstream_error"
NO_BUDGET = 503, "no_free_model_available"

FAILING: dict[str, tuple[int, str]] = {
    "reset": UPSTREAM_ERROR,
    "400-context": (400, "context_length_exceeded"),
    "401": UPSTREAM_ERROR,
    "402": UPSTREAM_ERROR,
    "403": UPSTREAM_ERROR,
    "404-model": UPSTREAM_ERROR,
    "410": UPSTREAM_ERROR,
    "413": (400, "context_length_exceeded"),
    "429": NO_BUDGET,
    "429-bare": NO_BUDGET,
    "500": UPSTREAM_ERROR,
    "503": UPSTREAM_ERROR,
    "504": (504, "upstream_timeout"),
    "html-error": UPSTREAM_ERROR,
    "status": UPSTREAM_ERROR,
    "error-openai-first": UPSTREAM_ERROR,
    "error-openrouter-first": UPSTREAM_ERROR,
    "error-groq-first": UPSTREAM_ERROR,
    "error-gemini-first": UPSTREAM_ERROR,
    "malformed-first": UPSTREAM_ERROR,
    "html": UPSTREAM_ERROR,
    "nothing": UPSTREAM_ERROR,
    "empty": UPSTREAM_ERROR,
}
"""Faults before the first content: how a request ends that has no other candidate."""

SILENT = {"hang": 0, "hang-head": 0, "stall": 0}
"""Faults that need patience: each with the frames that come before the silence."""


FINAL = {"422"}
"""Faults that lie in the request; see what is told of them below."""


def test_every_fault_that_any_provider_can_have_is_looked_at() -> None:
    """Those of single providers are in `tests/journeys/test_faults.py`."""
    looked_at = {*ANSWERING, *FAILING, *SILENT, *BREAKS, *FINAL, "huge"}
    assert set(FAULTS) - set(CAPTURED) == looked_at


@pytest.fixture(autouse=True, scope="module")
def _nobody_waits(world: RunningWorld) -> None:
    world.open_gate("fault:slow")


def ask(caller: Caller, model: str, streamed: bool) -> tuple[str, httpx.Headers]:
    """What was said, and the headers of the answer."""
    if streamed:
        told = caller.stream(model=model)
        assert told.done
        return told.content, told.headers
    response = caller.ask(model=model)
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]["content"] or "", response.headers


@BOTH
@pytest.mark.parametrize("fault", ANSWERING)
def test_who_answers_is_not_left(caller: Caller, fault: str, streamed: bool) -> None:
    said, headers = ask(caller, then_good(fault), streamed)
    assert said == ANSWERING[fault]
    assert (headers["x-scalix-attempts"], headers["x-scalix-model"]) == ("1", then_good(fault))


@BOTH
@pytest.mark.parametrize("fault", FAILING)
def test_another_takes_over_before_the_first_content(
    caller: Caller, fresh: Fresh, fault: str, streamed: bool
) -> None:
    fresh.behave(fault)
    said, headers = ask(caller, fresh.then_good, streamed)
    assert said == ECHO
    assert (headers["x-scalix-attempts"], headers["x-scalix-model"]) == ("2", GOOD)
    assert caller.used()["requests_day"] == 1


@pytest.mark.parametrize("fault", BREAKS)
def test_of_a_whole_answer_nothing_is_seen_before_its_end(caller: Caller, fault: str) -> None:
    said, headers = ask(caller, then_good(fault), streamed=False)
    assert said == ECHO
    assert (headers["x-scalix-attempts"], headers["x-scalix-model"]) == ("2", GOOD)


def test_an_endless_event_is_no_first_content(caller: Caller) -> None:
    said, headers = ask(caller, then_good("huge"), streamed=True)
    assert (said, headers["x-scalix-model"]) == (ECHO, GOOD)
    said, headers = ask(caller, then_good("huge"), streamed=False)
    assert (len(said), headers["x-scalix-model"]) == (1_000_000, then_good("huge"))


@BOTH
@pytest.mark.parametrize("fault", FAILING)
def test_without_another_the_failure_is_told(
    caller: Caller, fresh: Fresh, fault: str, streamed: bool
) -> None:
    status, code = FAILING[fault]
    fresh.behave(fault)
    response = caller.ask(model=fresh.id, stream=streamed)
    refused(response, status, code)
    assert response.headers["x-scalix-attempts"] == "1"
    assert "x-scalix-model" not in response.headers
    assert response.json()["free_tier"]["remaining_requests"] == 5
    assert caller.used() == dict.fromkeys(caller.used(), 0)


# ── What is told of waiting ──────────────────────────────────────────────────────────────────


def test_a_spent_budget_says_when_it_returns(caller: Caller) -> None:
    response = caller.ask(model=alone("429"))
    error = refused(response, *NO_BUDGET)
    assert error.message.startswith("No free models currently available. Please try again later.")
    assert (error.retryable, error.retry_after_seconds) == (True, 7)
    assert (response.headers["retry-after"], response.headers["retry-after-ms"]) == ("7", "7000")


def test_a_budget_that_returns_late_is_not_waited_for(fresh: Fresh, caller: Caller) -> None:
    fresh.behave(Behaviour("429", retry_after_s=3600))
    response = caller.ask(model=fresh.id)
    error = refused(response, *NO_BUDGET)
    assert (error.retryable, error.retry_after_seconds) == (False, 3600)
    assert response.headers["x-should-retry"] == "false"
    assert "retry-after" not in response.headers


def test_when_all_were_tried_nobody_should_try_again(caller: Caller, fresh: Fresh) -> None:
    fresh.behave("500")
    response = caller.ask(model=fresh.id)
    error = refused(response, *UPSTREAM_ERROR)
    assert error.message.startswith("All free models currently unavailable")
    assert not error.retryable
    assert response.headers["x-should-retry"] == "false"
    assert not our_headers(response) & {"retry-after", "retry-after-ms"}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"error": {"message": "no", "code": "bad"}}, "invalid_request"),
        (422, {"detail": "no"}, "invalid_request"),
        (400, {"error": {"code": "content_filter"}}, "content_blocked"),
        (403, {"error": {"code": 403, "metadata": {"flagged_input": "x"}}}, "content_blocked"),
    ],
)
def test_what_lies_in_the_request_is_told_at_once(
    fresh: Fresh, caller: Caller, status: int, body: Mapping[str, object], code: str
) -> None:
    fresh.behave(Behaviour("status", status=status, body=body))
    response = caller.ask(model=fresh.then_good)
    refused(response, 400, code)
    assert response.headers["x-scalix-attempts"] == "1"
    assert caller.used()["requests_day"] == 0


def test_nothing_that_a_provider_writes_reaches_a_caller(fresh: Fresh, caller: Caller) -> None:
    canary = "sk-canary-0123"
    fresh.behave(
        Behaviour("status", status=500, body={"error": canary}, headers={"x-canary": canary})
    )
    response = caller.ask(model=fresh.id)
    assert canary not in response.text + str(response.headers)
    fresh.behave(Behaviour("normal", headers={"set-cookie": canary, "x-ratelimit-limit": "1"}))
    assert canary not in str(caller.ask(model=fresh.id).headers)


# ── Several candidates, little patience ──────────────────────────────────────────────────────


@dataclass(frozen=True)
class Several:
    """A service with four models, asked in their order, and a world of its own."""

    world: World
    client: httpx.AsyncClient

    async def ask(self, *faults: str | Behaviour, streamed: bool = False) -> httpx.Response:
        for n, fault in enumerate([*faults, *["normal"] * (4 - len(faults))]):
            self.world.behave(f"m{n}", fault)
        body = question(stream=streamed, max_tokens=1)
        return await self.client.post(COMPLETIONS, json=body)


@asynccontextmanager
async def several(folder: Path, count: int, patience_s: float) -> AsyncIterator[Several]:
    models = [{"id": f"w/{n}", "model": f"m{n}", "priority": n + 1} for n in range(count)]
    short = {"routing.first_token_timeout_s": patience_s, "routing.idle_timeout_s": patience_s}
    async with (
        World() as world,
        served(folder, provider(world.base_url, models), short) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        yield Several(world, client)


@pytest.fixture
async def four(tmp_path: Path) -> AsyncIterator[Several]:
    async with several(tmp_path, 4, 20) as found:
        yield found


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Several]:
    """Two models of a service that waits for neither."""
    async with several(tmp_path, 2, 0.3) as found:
        yield found


@BOTH
@pytest.mark.parametrize("fault", SILENT)
async def test_who_is_silent_is_left_and_closed(two: Several, fault: str, streamed: bool) -> None:
    silent = Behaviour(fault, k=SILENT[fault])
    response = await two.ask(silent, "500", streamed=streamed)
    refused(response, *UPSTREAM_ERROR)
    assert response.headers["x-scalix-attempts"] == "2"
    assert await two.world.aborted(0)


async def test_no_more_attempts_than_configured(four: Several) -> None:
    response = await four.ask("500", "429", "reset")
    refused(response, *UPSTREAM_ERROR)
    assert response.headers["x-scalix-attempts"] == "3"
    assert response.headers["retry-after"] == "2"
    assert "x-should-retry" not in response.headers
    assert four.world.calls("m3") == 0


async def test_candidates_are_asked_in_their_order(four: Several) -> None:
    response = await four.ask("500", "empty")
    assert response.headers["x-scalix-model"] == "w/2"
    assert response.headers["x-scalix-attempts"] == "3"
    assert [seen.model for seen in four.world.requests] == ["m0", "m1", "m2"]


@BOTH
async def test_when_all_are_silent_it_is_a_timeout(two: Several, streamed: bool) -> None:
    response = await two.ask("hang", "hang", streamed=streamed)
    error = refused(response, 504, "upstream_timeout")
    assert error.message.startswith("All free models currently unavailable")
    assert response.headers["x-should-retry"] == "false"
    assert response.json()["free_tier"]["remaining_requests"] == 5


async def test_the_earliest_budget_is_told(two: Several) -> None:
    response = await two.ask(Behaviour("429", retry_after_s=50), Behaviour("429", retry_after_s=20))
    refused(response, *NO_BUDGET)
    assert response.headers["retry-after"] == "20"


async def test_beside_one_that_is_late_the_next_is_asked_if_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late is a second at the least; here a tenth of it."""
    monkeypatch.setattr("scalix_free.routing.health.LEAST_LATE_S", 0.1)
    models = [{"id": f"w/{n}", "model": f"m{n}", "priority": n} for n in (1, 2)]
    async with asyncio.timeout(20), World() as world:
        overrides = {**WIDE_OPEN, "routing.hedge": True, "caches.answers.ttl_s": 0}
        async with (
            served(tmp_path, provider(world.base_url, models), overrides) as running,
            httpx.AsyncClient(base_url=running.url) as client,
        ):
            for _ in range(LEAST_SAMPLES):
                await client.post(COMPLETIONS, json=question(stream=True))
            world.behave("m1", "hang")
            response = await client.post(COMPLETIONS, json=question(stream=True))
            assert await asyncio.wait_for(world.aborted(LEAST_SAMPLES), 1)
    headers = response.headers
    assert (headers["x-scalix-model"], headers["x-scalix-attempts"]) == ("w/2", "2")
    assert response.text.endswith("data: [DONE]\n\n")
    assert (world.calls("m1"), world.calls("m2")) == (LEAST_SAMPLES + 1, 1)


async def test_a_server_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    toml = provider("http://127.0.0.1:9/v1", [{"id": "w/m", "model": "m"}])
    async with (
        served(tmp_path, toml) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        refused(await client.post(COMPLETIONS, json=question()), *UPSTREAM_ERROR)
