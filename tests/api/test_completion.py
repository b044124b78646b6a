"""Answers in one piece: their shape, their numbers, and what a provider gets to see."""

import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from scalix_free.api.routes import COMPLETIONS as NAMES
from tests.api.caller import COMPLETIONS, QUESTION, Body, Caller, question
from tests.api.envelope import FreeTier, refused
from tests.api.models import GOOD, Fresh
from tests.service import HeldClock, provider, served
from tests.wire.openai_shapes import read_completion
from tests.world import Behaviour, RunningWorld

ECHO = f"You said: {QUESTION}"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


def seconds_of(utc: str) -> int:
    return int(datetime.strptime(utc, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())


# ── What a caller gets ───────────────────────────────────────────────────────────────────────


def test_an_answer_to_the_letter(caller: Caller) -> None:
    before = time.time()
    response = caller.ask(session_id="my session", user="me", user_id="me too")
    body = read_completion(response.content)
    assert response.headers["content-type"] == "application/json"
    assert before - 1 <= body.pop("created") <= time.time()
    reset = seconds_of(body["free_tier"].pop("reset_time"))
    assert before + 3600 <= reset <= time.time() + 3601
    assert body == {
        "id": "free_cmp_" + response.headers["x-request-id"].removeprefix("req_"),
        "object": "chat.completion",
        "model": "scalix-free",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": ECHO,
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 6, "completion_tokens": 8, "total_tokens": 14},
        "free_tier": {
            "remaining_requests": 4,
            "upgrade_prompt": False,
            "tier": "anonymous",
            "remaining_tokens": 5000 - 14,
            "window": "requests_hour",
            "session_id": "my session",
            "trigger": "FIRST_REQUEST",
        },
    }


@pytest.mark.parametrize("path", NAMES)
def test_every_name_of_the_endpoint_answers(caller: Caller, path: str) -> None:
    assert read_completion(caller.ask(QUESTION, path).content)["choices"][0]["message"]["content"]


def test_the_names_are_those_of_the_contract() -> None:
    wanted = {"/api/v1/free/completion", "/v1/chat/completions", "/v1/free/chat/completions"}
    assert wanted | {"/chat/completions"} <= set(NAMES)


def test_what_is_left_shrinks_and_the_last_quarter_prompts(caller: Caller) -> None:
    left = [caller.answer()["free_tier"] for _ in range(5)]
    assert [one["remaining_requests"] for one in left] == [4, 3, 2, 1, 0]
    assert [one["upgrade_prompt"] for one in left] == [False, False, False, True, True]
    assert [one["remaining_tokens"] for one in left] == [5000 - 14 * n for n in range(1, 6)]
    for one in left:
        FreeTier.model_validate(one)


async def test_a_reset_is_exact_and_true(world: RunningWorld, tmp_path: Path) -> None:
    """In UTC to the second, rounded up; at that moment a request is there again, not before."""
    clock = HeldClock(1_800_000_000_001)
    toml = provider(world.base_url, [{"id": "a/b", "model": "good"}])
    async with (
        served(tmp_path, toml, clock=clock) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):

        async def ask() -> httpx.Response:
            return await client.post(COMPLETIONS, json=question())

        resets = []
        for _ in range(5):
            resets.append((await ask()).json()["free_tier"]["reset_time"])
            clock.advance(10)
        assert resets == ["2027-01-15T09:00:01Z"] * 5
        clock.now_ms = 1_800_003_600_000
        error = refused(await ask(), 429, "free_tier_hourly_limit")
        assert (error.retry_after_seconds, error.reset_at) == (1, "2027-01-15T09:00:01Z")
        clock.now_ms = 1_800_003_600_001
        answered = await ask()
        assert answered.json()["free_tier"]["remaining_requests"] == 0
        assert answered.json()["free_tier"]["reset_time"] == "2027-01-15T09:00:11Z"


async def test_on_a_tie_the_longer_window_binds(world: RunningWorld, tmp_path: Path) -> None:
    same = {"tiers.anonymous.requests_per_hour": 5, "tiers.anonymous.requests_per_day": 5}
    toml = provider(world.base_url, [{"id": "a/b", "model": "good"}])
    async with (
        served(tmp_path, toml, same) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        left = (await client.post(COMPLETIONS, json=question())).json()["free_tier"]
    assert left["window"] == "requests_day"


# ── Which model answers ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("model", ["scalix-free", None, "", GOOD])
def test_a_known_model_is_not_told_back(caller: Caller, model: str | None) -> None:
    headers = caller.ask(model=model).headers
    assert headers["x-scalix-model"] == GOOD
    assert "x-scalix-model-requested" not in headers


@pytest.mark.parametrize("streamed", [False, True])
def test_an_unknown_model_is_served_and_told(caller: Caller, streamed: bool) -> None:
    if streamed:
        headers = caller.stream(model="gpt-4o").headers
    else:
        response = caller.ask(model="gpt-4o")
        assert response.json()["model"] == "scalix-free"
        headers = response.headers
    assert headers["x-scalix-model"] == GOOD
    assert headers["x-scalix-model-requested"] == "gpt-4o"


def test_an_unknown_models_name_cannot_write_headers(caller: Caller) -> None:
    response = caller.ask(model="a\r\nx-evil: 1\nü😀\0")
    assert response.status_code == 200
    assert "x-evil" not in response.headers
    assert response.headers["x-scalix-model-requested"] == "a??x-evil: 1????"


# ── What the provider gets ───────────────────────────────────────────────────────────────────


def asked(fresh: Fresh, caller: Caller, **fields: object) -> Body:
    """The body that arrived at the provider."""
    caller.answer(model=fresh.id, **fields)
    (seen,) = fresh.seen
    return dict(seen.body)


def test_the_least_that_is_sent(fresh: Fresh, caller: Caller) -> None:
    assert asked(fresh, caller) == {
        "model": fresh.name,
        "messages": [{"role": "user", "content": QUESTION}],
        "stream": False,
        "max_tokens": 1024,
    }


FORWARDED: dict[str, object] = {
    "tools": [TOOL],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "response_format": {"type": "json_object"},
    "stop": ["a", "b"],
    "seed": 7,
    "temperature": 0.5,
    "top_p": 0.25,
    "presence_penalty": 1.5,
    "frequency_penalty": -1.5,
    "reasoning_effort": "high",
}


def test_what_is_forwarded(fresh: Fresh, caller: Caller) -> None:
    body = asked(fresh, caller, **FORWARDED)
    assert {name: body[name] for name in FORWARDED} == FORWARDED


def test_what_is_not_forwarded(fresh: Fresh, caller: Caller) -> None:
    more = {"logit_bias": {}, "logprobs": True, "store": True, "metadata": {"a": "b"}, "x": [1]}
    labels = {"user": "u", "user_id": "v", "session_id": "s", "n": 1}
    body = asked(fresh, caller, **more, **labels, scalix_options={"mode": "deep"})
    assert set(body) == {"model", "messages", "stream", "max_tokens"}


def test_messages_arrive_as_they_were_said(fresh: Fresh, caller: Caller) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "¿Qué?"}]},
        {"role": "user", "content": [{"type": "text", "text": "a\u0000b"}, IMAGE], "name": "Ada"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "thought": "kept"}]},
        {"role": "tool", "tool_call_id": "c", "content": "😀"},
    ]
    assert asked(fresh, caller, messages=messages)["messages"] == messages


def test_nothing_of_the_callers_headers_arrives(fresh: Fresh, caller: Caller) -> None:
    headers = {"authorization": "Bearer sk-secret-of-mine", "cookie": "a=b", "x-mine": "1"}
    caller.request(
        "POST", COMPLETIONS, json=question(model=fresh.id), headers={**headers, "user-agent": "me"}
    )
    (seen,) = fresh.seen
    ours = {"host", "content-type", "content-length", "accept", "accept-encoding", "user-agent"}
    assert set(seen.headers) == ours
    assert seen.headers["user-agent"].startswith("scalix-free/")


@pytest.mark.parametrize(
    ("fields", "cap"),
    [
        ({}, 1024),
        ({"max_tokens": 1}, 1),
        ({"max_tokens": 2048}, 2048),
        ({"max_tokens": 2049}, 2048),
        ({"max_completion_tokens": 10**9}, 2048),
        ({"max_tokens": 10**30}, 2048),
        ({"max_tokens": 100, "max_completion_tokens": 50}, 50),
    ],
)
def test_a_cap_above_the_ceiling_is_clamped(
    fresh: Fresh, caller: Caller, fields: dict[str, object], cap: int
) -> None:
    assert asked(fresh, caller, **fields)["max_tokens"] == cap


def test_the_cap_falls_to_what_the_tokens_of_the_day_leave(fresh: Fresh, caller: Caller) -> None:
    fresh.behave(Behaviour(usage={"prompt_tokens": 0, "completion_tokens": 4500}), "normal")
    assert caller.answer(model=fresh.id)["free_tier"]["remaining_tokens"] == 500
    caller.answer(model=fresh.id)
    cap = fresh.seen[1].body["max_tokens"]
    assert isinstance(cap, int)
    assert 400 < cap < 500  # what is left after our own estimate of the prompt


def test_with_too_little_left_nobody_is_asked(fresh: Fresh, caller: Caller) -> None:
    fresh.behave(Behaviour(usage={"prompt_tokens": 0, "completion_tokens": 4930}))
    caller.answer(model=fresh.id)
    response = caller.ask(model=fresh.id)
    error = refused(response, 429, "free_tier_token_limit")
    assert error.window == "tokens_day"
    assert len(fresh.seen) == 1
    assert response.json()["free_tier"]["remaining_tokens"] == 70


def test_a_few_tokens_that_were_all_that_was_wanted_are_given(fresh: Fresh, caller: Caller) -> None:
    fresh.behave(Behaviour(usage={"prompt_tokens": 0, "completion_tokens": 4930}), "normal")
    caller.answer(model=fresh.id)
    assert caller.ask(model=fresh.id, max_tokens=5).status_code == 200


@pytest.mark.parametrize("streamed", [False, True])
def test_where_no_usage_comes_our_own_count_stands(
    fresh: Fresh, caller: Caller, streamed: bool
) -> None:
    fresh.behave(Behaviour("usage-missing", text="x" * 35))
    if streamed:
        told = caller.stream(model=fresh.id, stream_options={"include_usage": True})
        usage = told.frames[-1]["usage"]
    else:
        usage = caller.answer(model=fresh.id)["usage"]
    assert 10 <= usage["completion_tokens"] <= 12
    assert 10 <= usage["prompt_tokens"] <= 40
    assert caller.used()["tokens_day"] == usage["total_tokens"]


# ── What a model has to be able to ───────────────────────────────────────────────────────────

PLAIN = {"id": "w/plain", "model": "plain", "priority": 1, "abilities": []}
GIFTED = {"id": "w/gifted", "model": "gifted", "priority": 2}
SMALL = {"id": "w/small", "model": "small", "priority": 1, "context_tokens": 100}
THINKER = {
    "id": "w/thinker",
    "model": "thinker",
    "reasoning": True,
    "reasoning_allowance_tokens": 300,
    "max_output_tokens": 200,
}
NEEDS: list[tuple[dict[str, object], str, str]] = [
    ({"tools": [TOOL]}, "tools", "tools"),
    ({"response_format": {"type": "json_object"}}, "response_format", "json"),
    ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages", "images"),
]


async def ask_of(
    world: RunningWorld, folder: Path, models: list[dict[str, object]], **fields: object
) -> httpx.Response:
    async with (
        served(folder, provider(world.base_url, models)) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        return await client.post(COMPLETIONS, json=question(**fields))


@pytest.mark.parametrize(("fields", "field", "ability"), NEEDS)
async def test_a_call_goes_to_a_model_that_is_able(
    world: RunningWorld, tmp_path: Path, fields: dict[str, object], field: str, ability: str
) -> None:
    able = {**GIFTED, "abilities": [ability]}
    response = await ask_of(world, tmp_path, [PLAIN, able], **fields)
    assert response.headers["x-scalix-model"] == "w/gifted"
    assert response.headers["x-scalix-attempts"] == "1"


@pytest.mark.parametrize(("fields", "field", "ability"), NEEDS)
async def test_where_nobody_is_able_the_field_is_named(
    world: RunningWorld, tmp_path: Path, fields: dict[str, object], field: str, ability: str
) -> None:
    response = await ask_of(world, tmp_path, [PLAIN], **fields)
    error = refused(response, 400, "invalid_request")
    assert error.param == field
    assert response.json()["free_tier"]["remaining_requests"] == 5


async def test_a_long_conversation_goes_to_a_model_that_holds_it(
    world: RunningWorld, tmp_path: Path
) -> None:
    long = [{"role": "user", "content": "x" * 1000}]
    response = await ask_of(world, tmp_path, [SMALL, GIFTED], messages=long)
    assert response.headers["x-scalix-model"] == "w/gifted"
    response = await ask_of(world, tmp_path, [SMALL], messages=long)
    assert refused(response, 400, "context_length_exceeded").param == "messages"


def test_a_conversation_beyond_the_tier_is_refused(caller: Caller) -> None:
    older = [{"role": "system", "content": "x" * 200_000}]
    body = {"messages": [*older, {"role": "user", "content": "Why?"}]}
    response = caller.request("POST", COMPLETIONS, json=body)
    error = refused(response, 400, "context_length_exceeded")
    assert "32768" in error.message


@pytest.mark.parametrize("effort", [None, "high"])
async def test_a_reasoning_model_gets_its_allowance(
    world: RunningWorld, tmp_path: Path, effort: str | None
) -> None:
    await ask_of(world, tmp_path, [THINKER], reasoning_effort=effort)
    body = [seen.body for seen in world.requests if seen.model == "thinker"][-1]
    assert body["max_tokens"] == 200 + 300
    assert body["reasoning_effort"] == (effort or "low")


def test_only_one_answer_is_given(caller: Caller) -> None:
    assert refused(caller.ask(n=2), 400, "invalid_request").param == "n"
    assert caller.used()["requests_day"] == 0


async def test_without_any_model_there_is_a_503(world: RunningWorld, tmp_path: Path) -> None:
    async with (
        served(tmp_path, 'local = { use = "never" }') as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        response = await client.post(COMPLETIONS, json=question())
    error = refused(response, 503, "no_free_model_available")
    assert error.message.startswith("No free models currently available. Please try again later.")
