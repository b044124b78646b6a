"""The headers of an answer: OpenAI's six, the two of the IETF's draft, and our own."""

import re
from pathlib import Path

import httpx
import pytest

from scalix_free.api.headers import EXPOSED
from tests.api.caller import COMPLETIONS, Caller, question
from tests.api.envelope import our_headers
from tests.api.models import GOOD, alone
from tests.service import WIDE_OPEN, HeldClock, provider, served
from tests.world import RunningWorld

LIMITS = {
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
    "ratelimit-policy",
    "ratelimit",
}
ALWAYS = LIMITS | {"x-request-id", "x-scalix-attempts", "x-scalix-cache"}

ITEM = re.compile(r'"(?P<name>[a-z_]+)"(?P<parameters>(;[a-z]+=("[a-z-]+"|\d+))*)')


def structured(field: str) -> dict[str, dict[str, int | str]]:
    """A structured field that is a list of strings with parameters."""
    found = {}
    for item in field.split(", "):
        match = ITEM.fullmatch(item)
        assert match, item
        pairs = [pair.split("=") for pair in match["parameters"].split(";")[1:]]
        found[match["name"]] = {
            name: value.strip('"') if value.startswith('"') else int(value) for name, value in pairs
        }
    return found


def test_an_answer_carries_them_all(caller: Caller) -> None:
    response = caller.ask()
    assert our_headers(response) == ALWAYS | {"x-scalix-model"}
    assert response.headers["x-scalix-model"] == GOOD
    assert response.headers["x-scalix-attempts"] == "1"
    assert response.headers["x-scalix-cache"] == "miss"
    assert re.fullmatch(r"req_[0-9a-f]{32}", response.headers["x-request-id"])
    assert response.json()["id"] == "free_cmp_" + response.headers["x-request-id"][4:]


def test_a_stream_carries_them_all(caller: Caller) -> None:
    headers = caller.stream().headers
    assert ALWAYS | {"x-scalix-model"} <= set(headers)
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"temperature": 9}, 400),
        ({"model": alone("500")}, 502),
        ({"model": alone("429")}, 503),
    ],
)
def test_a_refusal_carries_them_too_but_no_model(
    caller: Caller, fields: dict[str, object], status: int
) -> None:
    response = caller.ask(**fields)
    assert response.status_code == status
    assert our_headers(response) >= ALWAYS
    assert "x-scalix-model" not in response.headers


def test_a_limit_refusal_carries_them_too(caller: Caller) -> None:
    responses = [caller.ask() for _ in range(6)]
    assert [response.status_code for response in responses] == [200] * 5 + [429]
    headers = responses[-1].headers
    assert our_headers(responses[-1]) == ALWAYS | {"x-should-retry", "x-scalix-reset-at"}
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert structured(headers["ratelimit"])["requests_hour"]["r"] == 0


def test_every_header_of_ours_may_be_read_by_scripts(caller: Caller) -> None:
    caller.stream()
    responses = [
        caller.ask(model="no such model"),
        caller.ask(temperature=9),
        caller.ask(model=alone("429")),
        *[caller.ask() for _ in range(5)],
    ]
    told = set().union(*map(our_headers, responses))
    assert told <= set(EXPOSED)
    for response in responses:
        exposed = response.headers["access-control-expose-headers"].split(", ")
        assert set(exposed) == set(EXPOSED)


def test_the_draft_names_each_window_and_what_is_left(caller: Caller) -> None:
    caller.ask()
    headers = caller.ask().headers
    assert structured(headers["ratelimit-policy"]) == {
        "requests_hour": {"q": 5, "w": 3600},
        "requests_day": {"q": 20, "w": 86400},
        "concurrent": {"q": 2, "qu": "concurrent-requests"},
    }
    left = structured(headers["ratelimit"])
    assert {name: item["r"] for name, item in left.items()} == {
        "requests_hour": 3,
        "requests_day": 18,
        "concurrent": 2,
    }
    assert 3590 < int(left["requests_hour"]["t"]) <= 3600
    assert "t" not in left["concurrent"]


def test_openais_six_say_the_same(caller: Caller) -> None:
    response = caller.ask()
    headers, body = response.headers, response.json()
    assert headers["x-ratelimit-limit-requests"] == "5"
    assert headers["x-ratelimit-remaining-requests"] == "4"
    assert headers["x-ratelimit-limit-tokens"] == "5000"
    assert int(headers["x-ratelimit-remaining-tokens"]) == body["free_tier"]["remaining_tokens"]
    assert re.fullmatch(r"1h0m0s|59m\d+s", headers["x-ratelimit-reset-requests"])
    assert re.fullmatch(r"24h0m0s|23h59m\d+s", headers["x-ratelimit-reset-tokens"])


@pytest.mark.parametrize(
    ("later_s", "reset", "seconds"),
    [
        (0, "1h0m0s", 3600),
        (0.5, "1h0m0s", 3600),
        (1, "59m59s", 3599),
        (60, "59m0s", 3540),
        (3540, "1m0s", 60),
        (3541, "59s", 59),
        (3598.5, "2s", 2),
        (3599, "1s", 1),
        (3599.25, "750ms", 1),
    ],
)
async def test_a_reset_is_a_duration_of_openais(
    world: RunningWorld, tmp_path: Path, later_s: float, reset: str, seconds: int
) -> None:
    clock = HeldClock()
    toml = provider(world.base_url, [{"id": "a/b", "model": "good"}])
    async with (
        served(tmp_path, toml, clock=clock) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        await client.post(COMPLETIONS, json=question())
        clock.advance(later_s)
        headers = (await client.post(COMPLETIONS, json=question())).headers
    assert headers["x-ratelimit-reset-requests"] == reset
    assert structured(headers["ratelimit"])["requests_hour"]["t"] == seconds


async def test_without_limits_the_headers_of_limits_are_left_out(
    world: RunningWorld, tmp_path: Path
) -> None:
    toml = provider(world.base_url, [{"id": "a/b", "model": "good"}])
    async with (
        served(tmp_path, toml, WIDE_OPEN) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        response = await client.post(COMPLETIONS, json=question())
    assert not our_headers(response) & LIMITS
    left = response.json()["free_tier"]
    assert (left["remaining_requests"], left["reset_time"], left["window"]) == (None, None, None)
    assert left["remaining_tokens"] is None
    assert left["upgrade_prompt"] is False


def test_ids_differ(caller: Caller) -> None:
    ids = {caller.ask().headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
