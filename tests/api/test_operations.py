"""Health for machines, metrics for operators: who may see them, and that they count right."""

import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.api.caller import COMPLETIONS, Caller, question
from tests.api.envelope import refused
from tests.api.models import Fresh, alone
from tests.api.raw import Raw
from tests.api.test_stream import breaking
from tests.conftest import OPERATOR_TOKEN
from tests.service import RunningService, provider, served
from tests.world import RunningWorld

SAMPLE = re.compile(r"(?P<name>[a-z_]+)(\{(?P<labels>[^}]*)\})? (?P<value>\S+)")

Sample = tuple[str, frozenset[tuple[str, str]]]

CONTRACT: dict[str, set[str]] = {
    "free_api_requests_total": {"tier", "model", "outcome"},
    "free_api_errors_total": {"code"},
    "free_api_refusals_total": {"code"},
    "free_api_response_seconds_bucket": {"kind", "le"},
    "free_api_response_seconds_sum": {"kind"},
    "free_api_response_seconds_count": {"kind"},
    "free_api_active_users": {"tier"},
    "free_api_user_satisfaction": set(),
    "free_api_cache_total": {"cache", "result"},
    "free_model_success_ratio": {"model"},
    "free_model_priority": {"model"},
    "free_api_upgrade_prompts_total": {"trigger", "action"},
    "free_api_conversions_total": {"step"},
}
"""The names of §7 that have a meaning by now, each with its labels."""


def parse(text: str) -> dict[Sample, float]:
    """The exposition, as samples."""
    found: dict[Sample, float] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            match = SAMPLE.fullmatch(line)
            assert match, line
            labels = re.findall(r'(\w+)="([^"]*)"', match["labels"] or "")
            found[match["name"], frozenset(labels)] = float(match["value"])
    return found


@pytest.fixture
def metrics(service: RunningService, client: httpx.Client) -> Callable[[], dict[Sample, float]]:
    """All samples, once what has been answered is counted too: that comes a moment after."""

    def read() -> dict[Sample, float]:
        return parse(client.get(f"{service.url}/metrics").raise_for_status().text)

    def counts(found: dict[Sample, float]) -> dict[Sample, float]:
        """Without how models stand, which never rests."""
        return {key: found[key] for key in found if not key[0].startswith("free_model_")}

    def settled() -> dict[Sample, float]:
        found, end = read(), time.monotonic() + 5
        while time.monotonic() < end:
            time.sleep(0.1)
            found, before = read(), found
            if counts(found) == counts(before):
                return found
        raise AssertionError("the counts do not come to rest")

    return settled


def grown(before: dict[Sample, float], after: dict[Sample, float], name: str) -> Counter[str]:
    """By how much each counter of a name grew, by the value of its most telling label."""
    found: Counter[str] = Counter()
    for (sample, labels), value in after.items():
        if sample == name:
            key = dict(labels).get("code") or dict(labels)["outcome"]
            found[key] += int(value - before.get((sample, labels), 0))
    return +found


# ── Health ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/health", "/health/live"])
def test_it_lives(caller: Caller, path: str) -> None:
    response = caller.request("GET", path)
    assert response.status_code == 200
    assert response.json().keys() == {"status", "uptime_seconds"}
    assert response.json()["status"] == "ok"
    assert 0 <= response.json()["uptime_seconds"] < 600
    assert response.headers["cache-control"] == "no-store"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", response.headers["date"])


def test_it_is_ready(caller: Caller) -> None:
    ready = caller.request("GET", "/health/ready").json()
    assert ready.pop("uptime_seconds") >= 0
    assert ready == {"status": "ready", "store": "ok", "models": "ok", "draining": False}


async def test_without_a_model_it_is_not_ready(tmp_path: Path) -> None:
    async with (
        served(tmp_path, 'local = { use = "never" }') as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        response = await client.get("/health/ready")
        assert (await client.get("/health")).status_code == 200
    assert response.status_code == 503
    assert response.json()["status"] == "not_ready"


# ── Who may see metrics ──────────────────────────────────────────────────────────────────────


def test_the_machine_itself_may(service: RunningService, client: httpx.Client) -> None:
    response = client.get(f"{service.url}/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip"])
def test_who_comes_through_a_proxy_may_not(
    service: RunningService, client: httpx.Client, header: str
) -> None:
    response = client.get(f"{service.url}/metrics", headers={header: "127.0.0.1"})
    refused(response, 404, "not_found")


@pytest.mark.parametrize(
    ("credential", "status"),
    [
        (f"Bearer {OPERATOR_TOKEN}", 200),
        (f"Bearer {OPERATOR_TOKEN}x", 404),
        (OPERATOR_TOKEN, 404),
        ("Bearer ünknown", 404),
    ],
)
def test_the_token_opens_them_anywhere(caller: Caller, credential: str, status: int) -> None:
    headers = {"authorization": credential.encode()}
    assert caller.request("GET", "/metrics", headers=headers).status_code == status


async def test_without_a_token_no_token_opens_them(world: RunningWorld, tmp_path: Path) -> None:
    toml = provider(world.base_url, [{"id": "a/b", "model": "good"}])
    async with (
        served(tmp_path, toml) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        for credential in ("Bearer", ""):
            headers = {"x-forwarded-for": "1.1.1.1", "authorization": credential}
            assert (await client.get("/metrics", headers=headers)).status_code == 404


# ── What they count ──────────────────────────────────────────────────────────────────────────


def test_the_names_and_labels_are_the_contracts(
    caller: Caller, metrics: Callable[[], dict[Sample, float]]
) -> None:
    answer = caller.answer()
    caller.ask(n=2)
    caller.ask(model=alone("500"))
    caller.request("POST", "/api/v1/free/feedback", json={"request_id": answer["id"], "rating": 1})
    click = {"trigger": "AT_LIMIT", "action": "click", "message_id": "at_limit-1"}
    caller.request("POST", "/api/v1/free/events", json=click)
    found: dict[str, set[str]] = {}
    for name, labels in metrics():
        found.setdefault(name, set()).update(label for label, _ in labels)
    assert found == CONTRACT


def test_label_values_are_never_a_callers(
    caller: Caller, metrics: Callable[[], dict[Sample, float]]
) -> None:
    canary = "canary-0123"
    caller.ask(canary, model=canary, user=canary, session_id=canary)
    caller.request("GET", f"/{canary}")
    values = {value for _, labels in metrics() for _, value in labels}
    assert not [value for value in values if canary in value or caller.address in value]


def test_nothing_that_was_said_is_logged(caller: Caller, service: RunningService) -> None:
    canary = "canary-4567"
    caller.ask(canary, user=canary)
    caller.ask(canary, model=alone("500"))
    caller.request("POST", COMPLETIONS, content=canary.encode())
    caller.request("GET", f"/{canary}", headers={"authorization": f"Bearer {canary}"})
    assert canary not in service.errors
    assert caller.address not in service.errors


def test_each_way_to_end_counts_once(
    somebody: Callable[[], Caller], fresh: Fresh, metrics: Callable[[], dict[Sample, float]]
) -> None:
    caller, other = somebody(), somebody()
    fresh.behave("500", "normal", breaking("cut"), "hang")
    before = metrics()
    caller.answer()  # answered
    caller.stream()  # answered
    caller.ask(n=2)  # refused
    caller.ask("x" * 200_000)  # refused
    caller.ask(model=fresh.id)  # failed
    caller.ask("Another.", model=fresh.id)  # answered, or it would rest
    caller.ask(model=alone("429"))  # failed
    caller.stream(model=fresh.id)  # failed, in the middle
    with Raw(caller.url) as raw:  # abandoned
        body = caller.client.build_request("POST", caller.url, json=question(model=fresh.id))
        raw.send(raw.request(body.content, head=f"x-forwarded-for: {other.address}\r\n"))
        fresh.world.at_gate(fresh.name)
    end = time.monotonic() + 2
    while "abandoned" not in grown(before, after := metrics(), "free_api_requests_total"):
        assert time.monotonic() < end
    assert grown(before, after, "free_api_requests_total") == {
        "answered": 3,
        "refused": 2,
        "failed": 3,
        "abandoned": 1,
    }
    assert grown(before, after, "free_api_refusals_total") == {
        "invalid_request": 1,
        "prompt_too_long": 1,
    }
    assert grown(before, after, "free_api_errors_total") == {
        "upstream_error": 2,
        "no_free_model_available": 1,
    }


@pytest.mark.parametrize(
    ("code", "method", "request_of"),
    [
        ("invalid_request", "POST", {"json": {}}),
        (
            "invalid_api_key",
            "POST",
            {"json": question(), "headers": {"authorization": "Bearer scalix_key_0"}},
        ),
        ("method_not_allowed", "GET", {}),
        ("unsupported_media_type", "POST", {"content": b"{}"}),
        (
            "body_too_large",
            "POST",
            {"content": b" " * 1_048_577, "headers": {"content-type": "application/json"}},
        ),
    ],
)
def test_every_4xx_of_a_completion_counts_once(
    caller: Caller,
    metrics: Callable[[], dict[Sample, float]],
    code: str,
    method: str,
    request_of: dict[str, object],
) -> None:
    before = metrics()
    refused_with = caller.request(method, COMPLETIONS, **request_of)
    assert refused_with.json()["error"]["code"] == code
    assert grown(before, metrics(), "free_api_refusals_total") == {code: 1}


def test_what_is_answered_is_timed(
    caller: Caller, metrics: Callable[[], dict[Sample, float]]
) -> None:
    def counts() -> dict[str, float]:
        return {
            dict(labels)["kind"]: value
            for (name, labels), value in metrics().items()
            if name == "free_api_response_seconds_count"
        }

    caller.stream()
    before = counts()
    caller.stream()
    caller.answer()  # comes whole: it has no first token of its own
    caller.ask(n=2)
    assert counts() == {
        "total": before["total"] + 2,
        "first_token": before["first_token"] + 1,
    }


def test_who_called_within_the_hour_is_active(
    somebody: Callable[[], Caller], metrics: Callable[[], dict[Sample, float]]
) -> None:
    def active() -> float:
        return metrics()["free_api_active_users", frozenset({("tier", "anonymous")})]

    before = active()
    for caller in (somebody(), somebody()):
        caller.answer()
        caller.answer()
    assert active() == before + 2
