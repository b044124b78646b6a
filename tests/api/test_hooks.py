"""The hook of LiteLLM's proxy: what it may ask, and that nothing it tells counts twice."""

import asyncio
import itertools
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from scalix_free.core.caller import Caller as Known
from scalix_free.core.caller import Visitor
from tests.api.caller import Body, Caller
from tests.api.envelope import refused
from tests.api.test_operations import parse
from tests.conftest import OPERATOR_TOKEN
from tests.service import HeldClock, RunningService, Served, provider, running_service, served
from tests.storage.servers import running_server
from tests.world import RunningWorld

HOOK = "/api/v1/hooks/litellm"
BEARER = {"authorization": f"Bearer {OPERATOR_TOKEN}"}
ids = (f"{n:032x}" for n in itertools.count(int.from_bytes(os.urandom(12)) << 32))


@dataclass
class Proxy:
    """What the plugin does, by hand: ``sender`` is who its caller is."""

    url: str
    client: httpx.AsyncClient
    address: str = "203.0.113.7"
    credential: str | None = None
    token: str = OPERATOR_TOKEN
    granted: dict[str, str] = field(default_factory=dict)

    @property
    def sender(self) -> Body:
        return {"address": self.address, "credential": self.credential}

    async def post(self, body: object) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"}
        return await self.client.post(self.url + HOOK, json=body, headers=headers)

    async def told(self, body: object) -> Body:
        response = await self.post(body)
        assert response.status_code == 200, response.text
        found: Body = response.json()
        return found

    async def admit(self, rid: str | None = None, /, **more: object) -> Body:
        rid = rid or next(ids)
        asked = {"prompt_tokens": 10, "newest_tokens": 10, "output_tokens": 100, **more}
        body = {"type": "admit", "request_id": rid, "sender": self.sender, **asked}
        found = await self.told(body)
        if found["type"] == "admitted":
            self.granted[rid] = found["grant"]
        return found

    async def report(self, *events: Body) -> Body:
        return await self.told({"type": "report", "events": list(events)})

    def event(self, rid: str, status: str = "answered", **more: object) -> Body:
        return {
            "request_id": rid,
            "grant": self.granted.get(rid),
            "status": status,
            "model": "world/good",
            "prompt_tokens": 12,
            "completion_tokens": 30,
            "total_ms": 5.0,
            **more,
        }

    async def used(self) -> dict[str, int]:
        """How far the limits of the sender are used."""
        headers = {"x-forwarded-for": self.address}
        if self.credential is not None:
            headers["authorization"] = self.credential
        response = await self.client.get(f"{self.url}/api/v1/free/limits", headers=headers)
        assert response.status_code == 200, response.text
        return {window["name"]: window["used"] for window in response.json()["windows"]}


@asynccontextmanager
async def serving(
    world: RunningWorld, folder: Path, clock: HeldClock, **overrides: object
) -> AsyncIterator[tuple[Served, Proxy]]:
    toml = provider(world.base_url, [{"id": "world/good", "model": "good"}])
    settings = {
        "server.trusted_proxies": ["127.0.0.0/8"],
        "server.operator_token": OPERATOR_TOKEN,
        **{key.replace("__", "."): value for key, value in overrides.items()},
    }
    async with (
        served(folder, toml, settings, clock=clock) as service,
        httpx.AsyncClient(timeout=20, trust_env=False) as client,
    ):
        yield service, Proxy(service.url, client)


@pytest.fixture
async def proxy(world: RunningWorld, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with serving(world, tmp_path, HeldClock()) as (_, proxy):
        yield proxy


# ── Admitting ────────────────────────────────────────────────────────────────────────────────


async def test_an_admission_counts_once_however_often_it_is_asked_for(proxy: Proxy) -> None:
    rid = next(ids)
    first, second = await proxy.admit(rid), await proxy.admit(rid)

    assert first["type"] == "admitted"
    assert first["request_id"] == f"req_{rid}"
    assert first["tier"] == "anonymous"
    assert first["output_tokens"] == second["output_tokens"] == 100
    assert first["free_tier"]["remaining_requests"] == 4
    assert proxy.address not in json.dumps(first)
    used = await proxy.used()
    assert (used["requests_hour"], used["concurrent"], used["tokens_day"]) == (1, 1, 110)


async def test_an_identity_is_counted_by_itself_and_by_its_address(proxy: Proxy) -> None:
    session = await proxy.client.post(
        f"{proxy.url}/api/v1/free/session", headers={"x-forwarded-for": proxy.address}
    )
    minted = Proxy(proxy.url, proxy.client, proxy.address, f"Bearer {session.json()['token']}")
    found = await minted.admit()

    assert found["user_id"] == session.json()["user_id"]
    assert found["session_id"] == session.json()["session_id"]
    assert (await minted.used())["requests_hour"] == 1
    assert (await proxy.used())["requests_hour"] == 0


async def test_a_forged_token_is_refused_in_our_words(proxy: Proxy) -> None:
    proxy.credential = "Bearer scalix_free_forged"
    found = await proxy.admit()

    assert found["type"] == "refused"
    assert found["status"] == 401
    assert found["envelope"]["error"]["code"] == "invalid_api_key"


async def test_a_limit_that_is_reached_refuses_with_its_words_and_headers(proxy: Proxy) -> None:
    for _ in range(5):
        rid = next(ids)
        assert (await proxy.admit(rid))["type"] == "admitted"
        await proxy.report(proxy.event(rid))
    found = await proxy.admit()

    assert (found["type"], found["status"]) == ("refused", 429)
    error = found["envelope"]["error"]
    assert error["code"] == "free_tier_hourly_limit"
    assert error["message"].startswith("Free tier limit exceeded. Please upgrade to Pro. 5 of 5")
    assert found["headers"]["x-should-retry"] == "false"
    assert found["headers"]["x-ratelimit-remaining-requests"] == "0"
    assert found["headers"]["x-request-id"] == error["request_id"]
    assert (await proxy.used())["requests_hour"] == 5


async def test_calls_at_the_same_time_are_limited_until_they_end(proxy: Proxy) -> None:
    first, second = next(ids), next(ids)
    await proxy.admit(first)
    await proxy.admit(second)
    third = await proxy.admit()
    assert third["envelope"]["error"]["code"] == "free_tier_concurrency"

    await proxy.report(proxy.event(first))

    assert (await proxy.admit())["type"] == "admitted"


async def test_the_answer_is_capped_by_what_the_tokens_leave(proxy: Proxy) -> None:
    found = await proxy.admit(output_tokens=100_000)
    assert found["output_tokens"] == 2_048
    rid = next(ids)
    found = await proxy.admit(rid, prompt_tokens=1_000, output_tokens=None)
    assert found["output_tokens"] == 1_024
    await proxy.report(proxy.event(rid, prompt_tokens=1_000, completion_tokens=1_024))
    found = await proxy.admit(prompt_tokens=40_000)
    assert found["envelope"]["error"]["code"] == "context_length_exceeded"


async def test_a_session_is_limited_and_named_by_the_request(
    world: RunningWorld, tmp_path: Path
) -> None:
    limits = {"content__max_requests_per_session": 1}
    async with serving(world, tmp_path, HeldClock(), **limits) as (_, proxy):
        first = await proxy.admit(session_id="mine")
        second = await proxy.admit(session_id="mine")

    assert first["session_id"] == "mine"
    assert second["envelope"]["error"]["code"] == "session_limit"


# ── Ends ─────────────────────────────────────────────────────────────────────────────────────


async def test_an_answer_is_settled_at_its_real_price_and_counts_once(proxy: Proxy) -> None:
    rid = next(ids)
    await proxy.admit(rid)
    event = proxy.event(rid)

    assert await proxy.report(event, event) == {"type": "reported", "counted": 1, "unknown": []}
    assert await proxy.report(event) == {"type": "reported", "counted": 0, "unknown": []}
    later = event | {"completion_tokens": 3_000, "status": "failed"}
    assert (await proxy.report(later))["counted"] == 0

    used = await proxy.used()
    assert (used["requests_hour"], used["concurrent"], used["tokens_day"]) == (1, 0, 42)


@pytest.mark.parametrize(
    ("status", "tokens", "charged"),
    [("failed", 0, (0, 0)), ("failed", 30, (0, 42)), ("abandoned", 30, (1, 42))],
)
async def test_what_failed_gives_the_request_back_and_who_left_pays(
    proxy: Proxy, status: str, tokens: int, charged: tuple[int, int]
) -> None:
    rid = next(ids)
    await proxy.admit(rid)
    await proxy.report(proxy.event(rid, status, completion_tokens=tokens, error_status=502))

    used = await proxy.used()
    assert (used["requests_hour"], used["tokens_day"]) == charged
    assert used["concurrent"] == 0


async def test_a_beat_keeps_a_long_call_in_flight(world: RunningWorld, tmp_path: Path) -> None:
    clock = HeldClock()
    async with serving(world, tmp_path, clock) as (_, proxy):
        beating, silent = next(ids), next(ids)
        await proxy.admit(beating)
        await proxy.admit(silent)
        for _ in range(4):
            clock.advance(15)
            running = proxy.event(beating, "running", completion_tokens=20)
            assert (await proxy.report(running))["counted"] == 0

        assert (await proxy.used())["concurrent"] == 1


async def test_a_grant_that_we_did_not_give_settles_nothing(proxy: Proxy) -> None:
    rid, other = next(ids), next(ids)
    await proxy.admit(rid)
    await proxy.admit(other)
    grant = proxy.granted[rid]
    text, _, signature = grant.partition(".")
    changed = f"{text[:-2]}AA.{signature}"
    for bad in (changed, f"{text}.", "", ".", "é.é", proxy.granted[other], "x" * 4_000, None):
        event = proxy.event(rid, grant=bad)
        assert (await proxy.report(event))["unknown"] == [f"req_{rid}"], bad

    assert (await proxy.used())["concurrent"] == 2


async def test_what_was_let_in_without_us_is_entered_when_it_is_told(proxy: Proxy) -> None:
    clock_ms = HeldClock().now_ms
    rid = next(ids)
    event = proxy.event(rid, sender=proxy.sender, at_ms=clock_ms - 60_000)

    assert (await proxy.report(event))["counted"] == 1
    assert (await proxy.report(event))["counted"] == 0
    assert await proxy.used() == {
        "requests_hour": 1,
        "requests_day": 1,
        "tokens_day": 42,
        "concurrent": 0,
    }


async def test_a_forged_key_that_was_let_in_counts_by_its_address(proxy: Proxy) -> None:
    sender = proxy.sender | {"credential": "Bearer scalix_free_forged"}
    event = proxy.event(next(ids), sender=sender, at_ms=2**53)

    assert (await proxy.report(event))["counted"] == 1
    assert (await proxy.used())["requests_hour"] == 1


async def test_the_whole_price_or_the_newest_message_alone(
    world: RunningWorld, tmp_path: Path
) -> None:
    async with serving(world, tmp_path, HeldClock(), accounting__tokens_counted="new") as (
        _,
        proxy,
    ):
        rid = next(ids)
        await proxy.admit(rid, prompt_tokens=500, newest_tokens=7)
        await proxy.report(proxy.event(rid, prompt_tokens=480))

        assert (await proxy.used())["tokens_day"] == 37


# ── Who hears of it ──────────────────────────────────────────────────────────────────────────


async def test_metrics_and_the_log_of_usage_hear_of_it(proxy: Proxy) -> None:
    answered, failed, odd = next(ids), next(ids), next(ids)
    await proxy.admit(answered)
    await proxy.report(proxy.event(answered))
    await proxy.admit(failed)
    await proxy.report(
        proxy.event(
            failed, "failed", error_status=429, error_type="RateLimitError", completion_tokens=0
        )
    )
    await proxy.admit(odd)
    await proxy.report(proxy.event(odd, model="free-gemini-flash"))
    proxy.credential = "scalix_free_forged"
    await proxy.admit()

    metrics = parse((await proxy.client.get(f"{proxy.url}/metrics", headers=BEARER)).text)
    requests = {
        tuple(sorted(dict(labels).items())): value
        for (name, labels), value in metrics.items()
        if name == "free_api_requests_total"
    }
    assert requests == {
        (("model", "world/good"), ("outcome", "answered"), ("tier", "anonymous")): 1,
        (("model", "litellm/free-gemini-flash"), ("outcome", "answered"), ("tier", "anonymous")): 1,
        (("model", "none"), ("outcome", "failed"), ("tier", "anonymous")): 1,
        (("model", "none"), ("outcome", "refused"), ("tier", "none")): 1,
    }
    assert metrics["free_api_errors_total", frozenset({("code", "no_free_model_available")})] == 1


async def test_an_answer_of_the_proxy_is_a_receipt_like_any_other(proxy: Proxy) -> None:
    session = await proxy.client.post(
        f"{proxy.url}/api/v1/free/session", headers={"x-forwarded-for": proxy.address}
    )
    proxy.credential = f"Bearer {session.json()['token']}"
    first, second = next(ids), next(ids)
    for rid in (first, second):
        await proxy.admit(rid, turn="the same turn")
        event = proxy.event(rid)
        await proxy.report(event, event)
    headers = {"x-forwarded-for": proxy.address, "authorization": proxy.credential}
    receipts: list[Body] = []
    for _ in range(100):  # it is written down within a second
        used = await proxy.client.get(f"{proxy.url}/api/v1/free/usage", headers=headers)
        receipts = used.json()["receipts"]
        if len(receipts) == 2:
            break
        await asyncio.sleep(0.05)

    charged = {one["request_id"]: one["charged_requests"] for one in receipts}
    assert charged == {f"req_{first}": 1, f"req_{second}": 0}
    assert {one["model"] for one in receipts} == {"world/good"}
    assert {one["charged_tokens"] for one in receipts} == {42}


async def test_who_was_let_down_by_a_model_is_asked_for_it_last(
    world: RunningWorld, tmp_path: Path
) -> None:
    clock = HeldClock()
    async with serving(world, tmp_path, clock) as (service, proxy):
        rid = next(ids)
        await proxy.admit(rid)
        await proxy.report(proxy.event(rid, let_down=["world/good"]))
        router = service.app.service.router
        visitor = Visitor(proxy.address)
        caller = await service.app.service._caller(visitor)
        assert isinstance(caller, Known)

        avoided = router.preferences.avoided(caller.subjects[0].key, clock())
        assert avoided == frozenset({"world/good"})


# ── Who may ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", f"Basic {OPERATOR_TOKEN}"])
def test_only_the_operator_may(service: RunningService, client: httpx.Client, token: str) -> None:
    headers = {"authorization": token} if token else {}
    response = client.post(
        service.url + HOOK, json={"type": "report", "events": []}, headers=headers
    )

    refused(response, 401, "invalid_api_key")


async def test_without_a_token_nobody_is_the_operator(world: RunningWorld, tmp_path: Path) -> None:
    async with serving(world, tmp_path, HeldClock(), server__operator_token="") as (_, proxy):
        for token in ("x", OPERATOR_TOKEN):
            proxy.token = token
            response = await proxy.post({"type": "report", "events": []})
            assert "server.operator_token" in refused(response, 401, "invalid_api_key").message


GOOD_EVENT = {"request_id": "0" * 32, "status": "answered"}
GOOD_ADMIT = {
    "type": "admit",
    "request_id": "0" * 32,
    "sender": {"address": "1.2.3.4"},
    "prompt_tokens": 1,
    "newest_tokens": 1,
}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "type"),
        ({"type": "other"}, "other"),
        ({"type": "report"}, "events"),
        ({"type": "report", "events": [GOOD_EVENT] * 501}, "events"),
        *(
            ({"type": "report", "events": [GOOD_EVENT | change]}, word)
            for change, word in (
                ({"request_id": "0" * 31}, "request_id"),
                ({"request_id": "0" * 32 + "\n"}, "request_id"),
                ({"request_id": "Z" * 32}, "request_id"),
                ({"status": "fine"}, "status"),
                ({"prompt_tokens": -1}, "prompt_tokens"),
                ({"completion_tokens": 10**18}, "completion_tokens"),
                ({"completion_tokens": 1.5}, "completion_tokens"),
                ({"at_ms": -1}, "at_ms"),
                ({"let_down": ["m"] * 17}, "let_down"),
                ({"model": "m" * 257}, "model"),
                ({"error_type": "two words\n"}, "error_type"),
            )
        ),
        (GOOD_ADMIT | {"sender": {}}, "address"),
        (GOOD_ADMIT | {"sender": {"address": ""}}, "address"),
        (GOOD_ADMIT | {"output_tokens": 0}, "output_tokens"),
        (GOOD_ADMIT | {"prompt_tokens": None}, "prompt_tokens"),
    ],
)
def test_what_is_no_message_is_refused_by_name(
    service: RunningService, client: httpx.Client, body: Any, word: str
) -> None:
    response = client.post(service.url + HOOK, json=body, headers=BEARER)

    assert word in refused(response, 400, "invalid_request").message


def test_bodies_are_json_and_bounded(service: RunningService, client: httpx.Client) -> None:
    url, text = service.url + HOOK, {"content-type": "text/plain"}
    refused(client.post(url, content="{}", headers=BEARER | text), 415, "unsupported_media_type")
    large = {"type": "report", "events": [], "more": "x" * 1_100_000}
    refused(client.post(url, json=large, headers=BEARER), 413, "body_too_large")
    refused(client.get(url, headers=BEARER), 405, "method_not_allowed")


# ── Restarts and workers ─────────────────────────────────────────────────────────────────────


def test_whoever_admitted_need_not_be_there_when_it_ends(
    world: RunningWorld, tmp_path: Path, client: httpx.Client
) -> None:
    toml = provider(world.base_url, [{"id": "world/good", "model": "good"}])
    settings = {
        "server.trusted_proxies": ["127.0.0.0/8"],
        "server.operator_token": OPERATOR_TOKEN,
    }
    sender = {"address": "203.0.113.7"}
    rids = [next(ids), next(ids)]

    def post(url: str, body: Body) -> Body:
        response = client.post(url + HOOK, json=body, headers=BEARER)
        assert response.status_code == 200, response.text
        told: Body = response.json()
        return told

    with running_service(tmp_path, toml, settings, workers=2) as first:
        grants = [
            post(first.url, GOOD_ADMIT | {"request_id": rid, "sender": sender})["grant"]
            for rid in rids
        ]
        events = [
            GOOD_EVENT | {"request_id": rid, "grant": grant, "completion_tokens": 5}
            for rid, grant in zip(rids, grants, strict=True)
        ]
        assert post(first.url, {"type": "report", "events": events[:1]})["counted"] == 1
    with running_service(tmp_path, toml, settings, workers=2) as second:
        for counted in (1, 0):
            told = post(second.url, {"type": "report", "events": events})
            assert told == {"type": "reported", "counted": counted, "unknown": []}
        mine = Caller(second.url, client, sender["address"])

        assert mine.used() == {
            "requests_hour": 2,
            "requests_day": 2,
            "tokens_day": 10,
            "concurrent": 0,
        }


def test_while_limits_cannot_be_asked_nothing_that_is_told_is_lost(
    world: RunningWorld, tmp_path: Path, client: httpx.Client
) -> None:
    toml = provider(world.base_url, [{"id": "world/good", "model": "good"}])
    settings = {
        "server.trusted_proxies": ["127.0.0.0/8"],
        "server.operator_token": OPERATOR_TOKEN,
        "store.on_ledger_outage": "deny",
    }
    sender = {"address": "203.0.113.7"}

    with (
        running_server() as valkey,
        running_service(tmp_path, toml, settings | {"store.ledger": valkey.url}) as service,
    ):

        def post(body: Body) -> httpx.Response:
            return client.post(service.url + HOOK, json=body, headers=BEARER)

        rid = next(ids)
        asked = GOOD_ADMIT | {"request_id": rid, "sender": sender}
        grant = post(asked).json()["grant"]
        event = GOOD_EVENT | {"request_id": rid, "grant": grant, "completion_tokens": 5}
        report = {"type": "report", "events": [event]}
        valkey.stop()
        refused(post(report), 503, "store_unavailable")
        denied = post(asked | {"request_id": next(ids)}).json()
        assert (denied["type"], denied["status"]) == ("refused", 503)
        assert denied["headers"]["retry-after"] == "2"

        valkey.start()
        for _ in range(200):
            told = post(report)
            if told.status_code == 200:
                break
            time.sleep(0.1)  # the service tries its store every two seconds
        assert told.status_code == 200, told.text
        assert post(report).json() == {"type": "reported", "counted": 0, "unknown": []}
