"""What a request costs, however it ends; and that nobody is asked for somebody who has left."""

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.api.caller import COMPLETIONS, Caller, question
from tests.api.models import Fresh
from tests.api.raw import Raw
from tests.api.test_stream import LONG, breaking
from tests.service import provider, served
from tests.world import Behaviour, RunningWorld

NOTHING = {"requests_hour": 0, "requests_day": 0, "tokens_day": 0, "concurrent": 0}


def settles(caller: Caller, is_so: Callable[[dict[str, int]], bool]) -> dict[str, int]:
    """Wait until the limits say so, for at most a second."""
    end = time.monotonic() + 1
    while not is_so(used := caller.used()):
        assert time.monotonic() < end, used
        time.sleep(0.01)
    return used


# ── Free of charge ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "request_of"),
    [
        (400, {"json": {"messages": []}}),
        (400, {"json": question("x" * 200_000)}),
        (401, {"json": question(), "headers": {"authorization": "Bearer scalix_key_x"}}),
        (413, {"content": b" " * 1_048_577, "headers": {"content-type": "application/json"}}),
        (415, {"content": b"{}", "headers": {"content-type": "text/plain"}}),
    ],
)
def test_a_refusal_costs_nothing(
    caller: Caller, status: int, request_of: dict[str, object]
) -> None:
    assert caller.request("POST", COMPLETIONS, **request_of).status_code == status
    assert caller.used() == NOTHING


def test_a_refusal_by_a_limit_costs_nothing_more(caller: Caller) -> None:
    for _ in range(5):
        caller.answer()
    before = caller.used()
    assert {caller.ask().status_code for _ in range(3)} == {429}
    assert caller.used() == before


def test_reading_ones_limits_costs_nothing(caller: Caller) -> None:
    for path in ("/api/v1/free/limits", "/v1/free/quota", "/v1/models", "/health", "/docs"):
        for _ in range(10):
            assert caller.request("GET", path).status_code == 200
    assert caller.used() == NOTHING


# ── Charged ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_costs_a_request_and_what_the_provider_counted(
    fresh: Fresh, caller: Caller, streamed: bool
) -> None:
    fresh.behave(Behaviour("usage-always", usage={"prompt_tokens": 100, "completion_tokens": 23}))
    if streamed:
        caller.stream(model=fresh.id)
    else:
        caller.answer(model=fresh.id)
    assert caller.used() == {**NOTHING, "requests_hour": 1, "requests_day": 1, "tokens_day": 123}


def test_while_it_runs_it_holds_a_slot_and_what_was_reserved(fresh: Fresh, caller: Caller) -> None:
    fresh.behave(Behaviour("slow", text="one two"))
    fresh.world.step_gate(fresh.name)
    with caller.listen(model=fresh.id, max_tokens=500) as response:
        lines = response.iter_lines()
        assert '"one "' in next(lines)
        used = caller.used()
        assert (used["concurrent"], used["requests_day"]) == (1, 1)
        assert 500 < used["tokens_day"] < 600
        fresh.world.open_gate(fresh.name)
        assert [line for line in lines if line][-1] == "data: [DONE]"
    assert caller.used()["concurrent"] == 0
    assert caller.used()["tokens_day"] < 100


@pytest.mark.parametrize(("counted", "price"), [("total", 200 + 23), ("new", 10 + 23)])
async def test_what_of_a_prompt_is_counted_is_configured(
    world: RunningWorld, fresh: Fresh, tmp_path: Path, counted: str, price: int
) -> None:
    """All of it, or at most the newest message; by the provider's count where it is lower."""
    fresh.behave(
        Behaviour("usage-always", usage={"prompt_tokens": 200, "completion_tokens": 23}),
        Behaviour("usage-always", usage={"prompt_tokens": 2, "completion_tokens": 0}),
    )
    old = [{"role": "user", "content": "x" * 700}, {"role": "assistant", "content": "y"}]
    messages = [*old, {"role": "user", "content": "z" * 18}]  # 4 + 18 / 3.5 tokens, and a margin
    toml = provider(world.base_url, [{"id": "w/m", "model": fresh.name}])
    async with (
        served(tmp_path, toml, {"accounting.tokens_counted": counted}) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        for tokens in (price, price + 2):
            answer = await client.post(COMPLETIONS, json=question(messages=messages))
            assert answer.json()["usage"]["prompt_tokens"] in (200, 2)
            limits = (await client.get("/api/v1/free/limits")).json()
            assert abs(limits["windows"][2]["used"] - tokens) <= 1


# ── Broken ───────────────────────────────────────────────────────────────────────────────────


def test_a_stream_that_broke_gives_the_request_back_and_keeps_the_tokens(
    fresh: Fresh, caller: Caller
) -> None:
    fresh.behave(breaking("cut-clean"))
    told = caller.stream(model=fresh.id)
    used = caller.used()
    assert (used["requests_hour"], used["requests_day"], used["concurrent"]) == (0, 0, 0)
    assert used["tokens_day"] >= len(told.content) / 4


# ── Left ─────────────────────────────────────────────────────────────────────────────────────


def left_alone(fresh: Fresh, caller: Caller) -> dict[str, int]:
    """The upstream is closed within a second, the slot is free, the request is charged."""
    assert fresh.aborted(within_s=1.0)
    used = settles(caller, lambda used: used["concurrent"] == 0)
    assert (used["requests_hour"], used["requests_day"]) == (1, 1)
    return used


def test_who_hangs_up_in_the_middle_pays_for_what_was_relayed(fresh: Fresh, caller: Caller) -> None:
    fresh.behave(Behaviour("stall", text="one two three four", k=2))
    with caller.listen(model=fresh.id) as response:
        lines = response.iter_lines()
        assert '"one "' in next(lines)
    used = left_alone(fresh, caller)
    assert 10 < used["tokens_day"] < 60  # of the 1,024 that were reserved


def test_who_hangs_up_without_reading_is_noticed(fresh: Fresh, caller: Caller) -> None:
    """A stream of megabytes that does not end, to a caller who takes nothing of it and leaves."""
    fresh.behave(Behaviour("stall", frames=LONG * 4, k=200))
    with Raw(caller.url) as raw:
        raw.send(_question_of(raw, caller, model=fresh.id, stream=True))
        fresh.arrived()
    assert fresh.aborted(within_s=1.0)


@pytest.mark.parametrize("streamed", [False, True])
def test_who_hangs_up_before_the_first_content_still_pays(
    fresh: Fresh, caller: Caller, streamed: bool
) -> None:
    fresh.behave("hang")
    with Raw(caller.url) as raw:
        raw.send(_question_of(raw, caller, model=fresh.then_good, stream=streamed))
        fresh.world.at_gate(fresh.name)
    left_alone(fresh, caller)
    assert len(fresh.seen) == 1


def test_who_leaves_before_the_body_is_whole_asks_nothing(fresh: Fresh, caller: Caller) -> None:
    """What has come is JSON already, but it was not all that was announced."""
    with Raw(caller.url) as raw:
        whole = _question_of(raw, caller, model=fresh.id)
        raw.send(whole.replace(b"content-length: ", b"content-length: 9"))
    time.sleep(0.1)
    assert caller.answer()["free_tier"]["remaining_requests"] == 4
    assert fresh.seen == []


def _question_of(raw: Raw, caller: Caller, **fields: object) -> bytes:
    body = caller.client.build_request("POST", caller.url, json=question(**fields)).content
    return raw.request(body, head=f"x-forwarded-for: {caller.address}\r\n")
