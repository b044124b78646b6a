"""Answers in frames: to the letter, as they come, and what becomes of one that breaks."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.api.caller import COMPLETIONS, QUESTION, Caller, Told, question
from tests.api.envelope import read_envelope
from tests.api.models import GOOD, Fresh, alone
from tests.service import WIDE_OPEN, provider, served
from tests.wire.openai_shapes import collect, finish_of, read_stream
from tests.world import Behaviour, World

ECHO = f"You said: {QUESTION}"
USAGE = {"include_usage": True}


def frames_of(told: Told) -> list[dict[str, object]]:
    """The frames, read strictly; it has to be a whole answer."""
    return read_stream("".join(f"data: {data}\n\n" for data in told.data))


# ── Whole streams ────────────────────────────────────────────────────────────────────────────


def test_a_stream_to_the_letter(caller: Caller) -> None:
    told = caller.stream(session_id="s")
    frames = frames_of(told)
    assert {frame["object"] for frame in frames} == {"chat.completion.chunk"}
    assert {frame["model"] for frame in frames} == {"scalix-free"}
    assert {frame["id"] for frame in frames} == {
        "free_cmp_" + told.headers["x-request-id"].removeprefix("req_")
    }
    assert collect(frames)["role"] == "assistant"
    assert collect(frames)["content"] == ECHO
    assert len(told.content) > len(json.loads(told.data[0])["choices"][0]["delta"]["content"])
    *others, last = frames
    assert not any("free_tier" in frame for frame in others)
    assert not any("usage" in frame for frame in frames)
    assert finish_of(last) == "stop"
    left = dict(told.free_tier)
    assert left.pop("reset_time") == caller.limits()["reset_time"]
    assert left == {
        "remaining_requests": 4,
        "upgrade_prompt": False,
        "tier": "anonymous",
        "remaining_tokens": 5000 - 14,
        "window": "requests_hour",
        "session_id": "s",
        "trigger": "FIRST_REQUEST",
    }


def test_usage_comes_in_a_frame_of_its_own_when_asked_for(caller: Caller) -> None:
    *frames, last = frames_of(caller.stream(stream_options=USAGE))
    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 6, "completion_tokens": 8, "total_tokens": 14}
    assert all(frame["choices"] for frame in frames)
    assert last["free_tier"] == frames[-1]["free_tier"]


def test_providers_are_always_asked_for_usage(fresh: Fresh, caller: Caller) -> None:
    caller.stream(model=fresh.id)
    assert fresh.seen[0].body["stream_options"] == USAGE


SAYING_THE_SAME = [
    "normal",
    "comments",
    "split",
    "joined",
    "crlf",
    "tight",
    "no-done",
    "usage-missing",
    "usage-always",
    "usage-in-finish",
    "usage-negative",
    "usage-float",
    "usage-huge",
    "role-first",
    "no-choices-first",
]


@pytest.mark.parametrize("fault", SAYING_THE_SAME)
def test_however_a_provider_says_it_callers_hear_the_same(caller: Caller, fault: str) -> None:
    told = caller.stream(model=alone(fault), stream_options=USAGE)
    frames = frames_of(told)
    assert collect(frames)["content"] == ECHO
    assert [bool(frame["choices"]) for frame in frames] == [True] * (len(frames) - 1) + [False]
    assert caller.answer(model=alone(fault))["choices"][0]["message"]["content"] == ECHO


@pytest.mark.parametrize(
    ("fault", "finish"), [("length", "length"), ("content-filter", "content_filter")]
)
def test_how_it_finished_is_told(caller: Caller, fault: str, finish: str) -> None:
    assert finish_of(caller.stream(model=alone(fault)).frames[-1]) == finish
    assert caller.answer(model=alone(fault))["choices"][0]["finish_reason"] == finish


@pytest.mark.parametrize("fault", ["reasoning", "reasoning-openrouter"])
def test_thoughts_are_one_field_in_both_forms(caller: Caller, fault: str) -> None:
    message = collect(frames_of(caller.stream(model=alone(fault))))
    assert (message["content"], message["reasoning_content"]) == (ECHO, "Let me think. ")
    whole = caller.answer(model=alone(fault))["choices"][0]["message"]
    assert (whole["content"], whole["reasoning_content"]) == (ECHO, "Let me think. ")


def test_tool_calls_are_the_same_in_both_forms(caller: Caller) -> None:
    frames = frames_of(caller.stream(model=alone("tools")))
    whole = caller.answer(model=alone("tools"))["choices"][0]
    assert finish_of(frames[-1]) == whole["finish_reason"] == "tool_calls"
    assert collect(frames)["tool_calls"] == whole["message"]["tool_calls"]
    assert [call["function"] for call in whole["message"]["tool_calls"]] == [
        {"name": "get_weather", "arguments": '{"city": "Paris"}'},
        {"name": "get_time", "arguments": '{"zone": "UTC"}'},
    ]


def test_a_frame_is_sent_on_as_soon_as_it_comes(fresh: Fresh, caller: Caller) -> None:
    fresh.behave(Behaviour("slow", text="one two three"))
    fresh.world.step_gate(fresh.name)  # the first word, and no more
    with caller.listen(model=fresh.id) as response:
        lines = response.iter_lines()
        assert response.headers["x-scalix-model"] == fresh.id
        assert '"one "' in next(lines)
        fresh.world.at_gate(fresh.name, arrivals=2)
        fresh.world.open_gate(fresh.name)
        assert [line for line in lines if line][-1] == "data: [DONE]"


# ── Breaking ─────────────────────────────────────────────────────────────────────────────────

BREAKS = [
    "cut",
    "cut-reset",
    "cut-clean",
    "error-openai",
    "error-openrouter",
    "error-groq",
    "error-gemini",
    "finish-error",
    "malformed",
]
WORD = "x" * 20_000
LONG = (WORD,) * 60
"""More than is read at once: what comes after it is a break after the first content for sure."""


def breaking(fault: str) -> Behaviour:
    return Behaviour(fault, frames=LONG, k=len(LONG))


@pytest.mark.parametrize("fault", BREAKS)
def test_a_break_after_the_first_content_is_an_error_frame(
    fresh: Fresh, caller: Caller, fault: str
) -> None:
    """Never dressed up as a finished answer: no finish reason, no end marker, no second model."""
    fresh.behave(breaking(fault))
    told = caller.stream(model=fresh.then_good)
    *frames, broken = told.frames
    assert told.headers["x-scalix-model"] == fresh.then_good
    assert told.headers["x-scalix-attempts"] == "1"
    assert set(told.content) == {"x"}
    assert not told.done
    assert all(frame["choices"] for frame in frames)
    assert not any(map(finish_of, frames))
    assert "choices" not in broken
    error = read_envelope(json.dumps(broken))
    assert error.code == "upstream_error"
    assert error.request_id == told.headers["x-request-id"]


def test_a_break_says_what_is_left_afterwards(fresh: Fresh, caller: Caller) -> None:
    """The request was given back, and the frame already knows."""
    fresh.behave(breaking("cut"))
    told = caller.stream(model=fresh.id)
    limits = caller.limits()
    assert limits["remaining_requests"] == 5
    left = told.frames[-1]["free_tier"]
    assert left["remaining_requests"] == 5
    assert left["remaining_tokens"] == limits["windows"][2]["remaining"]


# ── Waiting ──────────────────────────────────────────────────────────────────────────────────


class Patiently:
    """A service whose headers do not wait for long, and a world of its own."""

    def __init__(self, world: World, client: httpx.AsyncClient) -> None:
        self.world = world
        self.client = client

    @asynccontextmanager
    async def stream(self, **fields: object) -> AsyncIterator[httpx.Response]:
        body = question(stream=True, **fields)
        async with self.client.stream("POST", COMPLETIONS, json=body) as response:
            yield response


@pytest.fixture
async def patiently(tmp_path: Path) -> AsyncIterator[Patiently]:
    models = [
        {"id": "w/first", "model": "first", "priority": 1},
        {"id": "w/second", "model": "second", "priority": 2},
    ]
    async with World() as world:
        patience = {
            "routing.hold_headers_s": 0.3,
            "routing.first_token_timeout_s": 0.7,
            "routing.idle_timeout_s": 0.3,
        }
        toml = provider(world.base_url, models)
        async with (
            served(tmp_path, toml, patience) as running,
            httpx.AsyncClient(base_url=running.url, timeout=10) as client,
        ):
            yield Patiently(world, client)


async def lines_of(response: httpx.Response) -> list[str]:
    return [line async for line in response.aiter_lines() if line]


async def test_who_waits_gets_headers_and_a_comment(patiently: Patiently) -> None:
    patiently.world.behave("first", "500")
    patiently.world.behave("second", "slow")
    async with patiently.stream(session_id="s") as response:
        assert response.status_code == 200
        assert {"x-scalix-model", "x-scalix-attempts"}.isdisjoint(response.headers)
        assert response.headers["x-ratelimit-remaining-requests"] == "4"
        lines = response.aiter_lines()
        assert await anext(lines) == ": waiting"
        patiently.world.gate("second").open()
        rest = [line async for line in lines if line]
    assert rest[-1] == "data: [DONE]"
    left = json.loads(rest[-2].removeprefix("data: "))["free_tier"]
    assert (left["model"], left["attempts"]) == ("w/second", 2)
    assert (left["session_id"], left["remaining_requests"]) == ("s", 4)


async def test_who_need_not_wait_gets_no_comment(patiently: Patiently) -> None:
    async with patiently.stream() as response:
        assert not [line for line in await lines_of(response) if line.startswith(":")]
        assert response.headers["x-scalix-model"] == "w/first"


async def test_a_failure_before_the_headers_has_its_status(patiently: Patiently) -> None:
    for model in ("first", "second"):
        patiently.world.behave(model, "500")
    async with patiently.stream() as response:
        await response.aread()
    assert response.status_code == 502
    assert read_envelope(response.content).code == "upstream_error"


@pytest.mark.parametrize(
    ("second", "code"), [("hang", "upstream_timeout"), ("500", "upstream_error")]
)
async def test_a_failure_after_early_headers_is_an_error_frame(
    patiently: Patiently, second: str, code: str
) -> None:
    patiently.world.behave("first", "hang")
    patiently.world.behave("second", second)
    async with patiently.stream() as response:
        lines = await lines_of(response)
    assert response.status_code == 200
    assert all(line.startswith(":") for line in lines[:-1])
    error = read_envelope(lines[-1].removeprefix("data: "))
    assert error.code == code
    limits = (await patiently.client.get("/api/v1/free/limits")).json()
    told = json.loads(lines[-1].removeprefix("data: "))["free_tier"]
    assert limits["remaining_requests"] == told["remaining_requests"] == 5


async def test_silence_in_the_middle_is_a_break(patiently: Patiently) -> None:
    patiently.world.behave("first", Behaviour("stall", k=1))
    async with patiently.stream() as response:
        *frames, broken = [
            json.loads(line[6:]) for line in await lines_of(response) if line.startswith("data")
        ]
    assert [frame["choices"][0]["delta"].get("content") for frame in frames] == ["You "]
    assert read_envelope(json.dumps(broken)).code == "upstream_timeout"
    assert await asyncio.wait_for(patiently.world.aborted(0), 1)


async def test_a_silent_stream_is_kept_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ten seconds of the contract made short, and those of the headers left as they are."""
    monkeypatch.setattr("scalix_free.api.completion.COMMENT_S", 0.05)
    async with asyncio.timeout(3), World() as world:
        world.behave("m", Behaviour("slow", text="one two"))
        world.gate("m").step()
        async with (
            served(tmp_path, provider(world.base_url, [{"id": "w/m", "model": "m"}])) as running,
            httpx.AsyncClient(base_url=running.url) as client,
            client.stream("POST", COMPLETIONS, json=question(stream=True)) as response,
        ):
            lines = response.aiter_lines()
            assert '"one "' in await anext(lines)
            comments = 0
            while comments < 3:
                comments += (await anext(lines)).startswith(":")
            world.gate("m").open()
            assert [line async for line in lines if line][-1] == "data: [DONE]"


async def test_who_is_queued_is_told_the_place_and_the_wait(tmp_path: Path) -> None:
    async with asyncio.timeout(10), World() as world:
        world.behave("m", "hang")
        toml = provider(world.base_url, [{"id": "w/m", "model": "m", "limits.concurrent": 1}])
        patience = {
            **WIDE_OPEN,
            "routing.hold_headers_s": 0.1,
            "routing.queue_wait_s": 30,
            "caches.answers.ttl_s": 0,
        }
        async with (
            served(tmp_path, toml, patience) as running,
            httpx.AsyncClient(base_url=running.url, timeout=10) as client,
        ):
            patiently = Patiently(world, client)
            running_one = asyncio.create_task(heard(patiently))
            await world.arrived()
            async with patiently.stream() as second, patiently.stream() as third:
                lines = [response.aiter_lines() for response in (second, third)]
                told = [await anext(one) for one in lines]
                world.gate("m").open()
                rest = [[line async for line in one if line] for one in lines]
            assert (await running_one)[-1] == "data: [DONE]"
    assert told == [": queued 1, about 1 s", ": queued 2, about 1 s"]
    assert [lines[-1] for lines in rest] == ["data: [DONE]"] * 2


async def heard(patiently: Patiently) -> list[str]:
    async with patiently.stream() as response:
        return await lines_of(response)


async def test_limits_are_refused_with_their_status_also_when_streaming(
    patiently: Patiently,
) -> None:
    for _ in range(5):
        async with patiently.stream() as response:
            await response.aread()
    async with patiently.stream() as response:
        await response.aread()
    assert response.status_code == 429
    assert response.headers["content-type"] == "application/json"
    assert read_envelope(response.content).code == "free_tier_hourly_limit"


def test_the_good_model_streams(caller: Caller) -> None:
    assert caller.stream(model=GOOD).done
