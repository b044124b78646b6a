"""The metrics: their names, what each outcome counts as, and what may stand in a label."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.parser import text_string_to_metric_families

from scalix_free.core.errors import Code
from scalix_free.core.outcome import Outcome, Result
from scalix_free.telemetry import WRITE_S, Metrics
from tests.service import WIDE_OPEN, provider, running_service
from tests.world import Behaviour, RunningWorld

QUESTION = {"messages": [{"role": "user", "content": "Hi"}]}

NAMES = {
    "free_api_requests_total": {"tier", "model", "outcome"},
    "free_api_errors_total": {"code"},
    "free_api_refusals_total": {"code"},
    "free_api_response_seconds": {"kind"},
    "free_api_cache_total": {"cache", "result"},
    "free_api_active_users": {"tier"},
    "free_tier_remaining_requests": {"provider"},
    "free_model_success_ratio": {"model"},
    "free_model_priority": {"model"},
    "free_api_user_satisfaction": set(),
    "free_api_upgrade_prompts_total": {"trigger", "action"},
    "free_api_conversions_total": {"step"},
}
"""What this version exposes: names and labels of the contract."""

OF_POOLS = {
    "free_proxy_serving": {"provider", "instance"},
    "free_proxy_calls": {"provider", "instance"},
    "free_proxy_removals_total": {"provider", "instance", "reason"},
}
"""What comes on top where LiteLLM proxies are asked."""

COUNTS = ("free_api_requests_total", "free_api_refusals_total", "free_api_errors_total")


class Sample(NamedTuple):
    name: str
    labels: frozenset[tuple[str, str]]


def samples(text: str) -> dict[Sample, float]:
    return {
        Sample(sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def told(metrics: Metrics) -> dict[Sample, float]:
    body, kind = metrics.exposition({"anonymous": 2}, {"world": 7})
    assert kind.startswith("text/plain; version=")
    return samples(body.decode())


def labels_by_name(text: str) -> dict[str, set[str]]:
    """Metrics by the name that their first line tells, each with its labels."""
    labels: dict[str, set[str]] = {}
    for found in samples(text):
        name = found.name
        for ending in ("_bucket", "_count", "_sum"):
            name = name.removesuffix(ending)
        labels.setdefault(name, set()).update(label for label, _ in found.labels if label != "le")
    return labels


def sample(name: str, **labels: str) -> Sample:
    return Sample(name, frozenset(labels.items()))


def outcome(result: Result, code: Code | None = None, model: str | None = None) -> Outcome:
    times = (20.0, 300.0) if result is Result.ANSWERED else (None, 5.0)
    return Outcome(
        "req_1",
        result,
        "anonymous",
        model=model,
        code=code,
        first_token_ms=times[0],
        total_ms=times[1],
    )


def counted(metrics: Metrics) -> dict[Sample, float]:
    """Counts of requests, refusals and errors."""
    return {key: value for key, value in told(metrics).items() if key.name in COUNTS}


async def test_each_outcome_counts_once_and_where_it_belongs() -> None:
    metrics = Metrics()
    for result, code, model in (
        (Result.ANSWERED, None, "world/one"),
        (Result.ANSWERED, None, "world/one"),
        (Result.REFUSED, Code.HOURLY_LIMIT, None),
        (Result.FAILED, Code.UPSTREAM_ERROR, None),
        (Result.FAILED, Code.UPSTREAM_TIMEOUT, "world/one"),  # a stream that broke
        (Result.ABANDONED, None, "world/one"),
    ):
        metrics.hear(outcome(result, code, model))

    def requests(result: str, model: str) -> Sample:
        return sample("free_api_requests_total", tier="anonymous", model=model, outcome=result)

    assert counted(metrics) == {
        requests("answered", "world/one"): 2,
        requests("refused", "none"): 1,
        requests("failed", "none"): 1,
        requests("failed", "world/one"): 1,
        requests("abandoned", "world/one"): 1,
        sample("free_api_refusals_total", code="free_tier_hourly_limit"): 1,
        sample("free_api_errors_total", code="upstream_error"): 1,
        sample("free_api_errors_total", code="upstream_timeout"): 1,
    }


async def test_only_answers_are_timed() -> None:
    metrics = Metrics()
    metrics.hear(outcome(Result.ANSWERED, model="world/one"))
    metrics.hear(outcome(Result.REFUSED, Code.HOURLY_LIMIT))
    found = told(metrics)

    assert found[sample("free_api_response_seconds_count", kind="total")] == 1
    assert found[sample("free_api_response_seconds_sum", kind="total")] == pytest.approx(0.3)
    assert found[sample("free_api_response_seconds_sum", kind="first_token")] == pytest.approx(0.02)
    assert found[sample("free_api_response_seconds_bucket", kind="total", le="0.25")] == 0
    assert found[sample("free_api_response_seconds_bucket", kind="total", le="0.5")] == 1


async def test_looks_into_the_ledgers_cache_are_counted() -> None:
    metrics = Metrics()
    metrics.count_books(2, 1)
    found = told(metrics)

    assert found[sample("free_api_cache_total", cache="user_quota", result="hit")] == 2
    assert found[sample("free_api_cache_total", cache="user_quota", result="miss")] == 1


async def test_what_all_workers_share_is_told_as_it_is() -> None:
    found = told(Metrics())
    assert found[sample("free_api_active_users", tier="anonymous")] == 2
    assert found[sample("free_tier_remaining_requests", provider="world")] == 7


async def test_how_models_stand_is_told_as_it_was_noted_last() -> None:
    metrics = Metrics()
    metrics.note_models([("world/one", 0.95, 1), ("world/two", 0.95, 2)])
    metrics.note_models([("world/one", 0.6, 4)])
    found = told(metrics)
    assert found[sample("free_model_success_ratio", model="world/one")] == 0.6
    assert found[sample("free_model_priority", model="world/one")] == 4
    assert found[sample("free_model_priority", model="world/two")] == 2


async def test_how_proxies_stand_is_told_as_it_was_noted_last() -> None:
    metrics = Metrics()
    metrics.note_instances([("pool", "http://a:1", True, 3), ("pool", "http://b:1", True, 0)])
    metrics.note_instances([("pool", "http://b:1", False, 1)])
    metrics.count_removal("pool", "http://b:1", "refused")
    found = told(metrics)
    one, two = ({"provider": "pool", "instance": f"http://{name}:1"} for name in "ab")
    assert found[sample("free_proxy_serving", **one)] == 1
    assert found[sample("free_proxy_calls", **one)] == 3
    assert found[sample("free_proxy_serving", **two)] == 0
    assert found[sample("free_proxy_calls", **two)] == 1
    assert found[sample("free_proxy_removals_total", reason="refused", **two)] == 1
    text = metrics.exposition({}, {})[0].decode()
    assert OF_POOLS.items() <= labels_by_name(text).items()


async def test_looks_at_whom_callers_avoid_are_counted() -> None:
    metrics = Metrics()
    for hit in (True, False, False):
        metrics.count_preferences(hit)
    found = told(metrics)

    assert found[sample("free_api_cache_total", cache="user_preferences", result="hit")] == 1
    assert found[sample("free_api_cache_total", cache="user_preferences", result="miss")] == 2


async def test_satisfaction_has_no_value_where_nobody_rated() -> None:
    metrics = Metrics()
    name = sample("free_api_user_satisfaction")
    heard = samples(metrics.exposition({}, {}, 0.75)[0].decode())

    assert heard[name] == 0.75
    assert name not in told(metrics)


async def test_counts_are_written_by_themselves_after_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other workers read what was written; nobody has to ask the one that counted."""
    metrics, written = Metrics(), asyncio.Event()
    monkeypatch.setattr(metrics, "write", written.set)
    metrics.hear(outcome(Result.ANSWERED, model="world/one"))

    async with asyncio.timeout(WRITE_S * 10):
        await written.wait()


# ── Through the service ──────────────────────────────────────────────────────────────────────


def test_the_whole_way_counts_every_end_once_and_shows_no_callers_words(
    tmp_path: Path, world: RunningWorld
) -> None:
    world.behave("metered", Behaviour(text="Hello there."), Behaviour("500"), "cut")
    toml = provider(
        world.base_url, [{"id": "world/metered", "model": "metered", "limits.rpd": 100}]
    )
    words = "my-very-own-words"
    marked = {**QUESTION, "model": words, "user": words, "session_id": words, "user_id": words}
    bodies = [
        marked,
        QUESTION,
        {**QUESTION, "seed": 1},  # the provider fails
        {**QUESTION, "stream": True, "temperature": 1},  # it breaks off
        {"messages": words},
        {**QUESTION, "n": 2},
    ]
    with (
        running_service(tmp_path, toml, WIDE_OPEN) as service,
        httpx.Client(base_url=service.url, timeout=20, headers={"user-agent": words}) as client,
    ):
        url = "/v1/chat/completions"
        answers = [client.post(url, json=body) for body in bodies]
        ours = {"authorization": f"Bearer scalix_key_{words}"}
        answers.append(client.post(url, json=QUESTION, headers=ours))
        rating = {"request_id": answers[0].json()["id"], "rating": 1, "comment": words}
        assert client.post("/api/v1/free/feedback", json=rating).status_code == 200
        click = {"trigger": "NEAR_LIMIT", "action": "click", "message_id": words}
        assert client.post("/api/v1/free/events", json=click).status_code == 202
        text = client.get("/metrics").text

    assert [answer.status_code for answer in answers] == [200, 200, 502, 200, 400, 400, 401]
    assert "error" in json.loads(answers[3].text.strip().splitlines()[-1].removeprefix("data: "))
    assert words not in text
    assert labels_by_name(text) == NAMES
    found = {key: value for key, value in samples(text).items() if key.name in COUNTS}
    assert found == {
        sample(
            "free_api_requests_total", tier="anonymous", model="world/metered", outcome="answered"
        ): 2,
        sample("free_api_requests_total", tier="anonymous", model="none", outcome="failed"): 1,
        sample(
            "free_api_requests_total", tier="anonymous", model="world/metered", outcome="failed"
        ): 1,
        sample("free_api_requests_total", tier="anonymous", model="none", outcome="refused"): 2,
        sample("free_api_requests_total", tier="none", model="none", outcome="refused"): 1,
        sample("free_api_errors_total", code="upstream_error"): 2,
        sample("free_api_refusals_total", code="invalid_request"): 2,
        sample("free_api_refusals_total", code="invalid_api_key"): 1,
    }
    looks = [("hit", 1), ("miss", 2), ("bypass", 1)]
    for result, count in looks:
        key = sample("free_api_cache_total", cache="answer", result=result)
        assert samples(text)[key] == count


def test_a_file_that_a_worker_is_just_making_spoils_nothing(tmp_path: Path) -> None:
    with (
        running_service(tmp_path) as service,
        httpx.Client(base_url=service.url, timeout=20) as client,
    ):
        client.post("/v1/chat/completions", json={"messages": []})
        (service.data / "metrics" / "counter_1.db").touch()
        response = client.get("/metrics")

    assert response.status_code == 200
    refused = sample("free_api_refusals_total", code="invalid_request")
    assert samples(response.text)[refused] == 1


@pytest.mark.slow
def test_the_day_is_one_and_the_same_whichever_worker_tells_of_it(
    tmp_path: Path, world: RunningWorld
) -> None:
    world.behave("daily", Behaviour(text="Hello."))
    toml = provider(world.base_url, [{"id": "world/daily", "model": "daily", "limits.rpd": 100}])
    with running_service(
        tmp_path, toml, {**WIDE_OPEN, "caches.answers.ttl_s": 0}, workers=2
    ) as service:
        for _ in range(3):
            asked = httpx.post(f"{service.url}/v1/chat/completions", json=QUESTION, timeout=20)
            assert asked.status_code == 200
        seen = [samples(httpx.get(f"{service.url}/metrics").text) for _ in range(6)]

    left = sample("free_tier_remaining_requests", provider="world")
    assert {found[left] for found in seen} == {97}


@pytest.mark.slow
def test_of_workers_that_run_the_one_counts_that_thinks_worst_of_a_model(
    tmp_path: Path, world: RunningWorld
) -> None:
    world.behave("failing", "500")
    rows = [{"id": f"world/{name}", "model": name, "priority": 1} for name in ("failing", "good")]
    with running_service(tmp_path, provider(world.base_url, rows), WIDE_OPEN) as service:
        url = f"{service.url}/v1/chat/completions"
        for _ in range(4):
            httpx.post(url, json={**QUESTION, "model": "world/failing"}, timeout=20)
        before = samples(httpx.get(f"{service.url}/metrics").text)
        tell(service.data / "metrics", os.getpid(), success=0.25, priority=6)
        others = samples(httpx.get(f"{service.url}/metrics").text)
        tell(service.data / "metrics", ended_pid(), success=0.0, priority=9)
        after = samples(httpx.get(f"{service.url}/metrics").text)

    ratio = {name: sample("free_model_success_ratio", model=f"world/{name}") for name in NAMED}
    priority = {name: sample("free_model_priority", model=f"world/{name}") for name in NAMED}
    assert before[ratio["failing"]] < 0.8 <= before[ratio["good"]] == 0.95
    assert before[priority["failing"]] > before[priority["good"]] == 1
    assert (others[ratio["good"]], others[priority["good"]]) == (0.25, 6)
    assert others[ratio["failing"]] == pytest.approx(before[ratio["failing"]], abs=0.01)
    assert (after[ratio["good"]], after[priority["good"]]) == (0.25, 6)


NAMED = ("failing", "good")


def tell(folder: Path, pid: int, *, success: float, priority: float) -> None:
    """Write what another worker would write of the good model."""
    for name, worst, value in (
        ("free_model_success_ratio", "livemin", success),
        ("free_model_priority", "livemax", priority),
    ):
        key = mmap_key(name, name, ["model"], ["world/good"], "")
        file: Any = MmapedDict(str(folder / f"gauge_{worst}_{pid}.db"))  # type: ignore[no-untyped-call]
        file.write_value(key, value, time.time())
        file.close()


def ended_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid
