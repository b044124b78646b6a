"""Who is let in: credentials, hosts, addresses behind proxies, pages of other origins."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.api.caller import COMPLETIONS, Caller, question
from tests.api.envelope import our_headers, refused
from tests.service import RunningService, provider, served
from tests.world import RunningWorld

LIMITS = "/api/v1/free/limits"

# ── Credentials ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "credential",
    [
        "",
        "Bearer",
        "Bearer free",
        "Bearer sk-anything",
        "Bearer sk-proj-0123456789",
        "free",
        "Basic dXNlcjpwYXNz",
        "Bearer my_scalix_key_",
    ],
)
def test_a_dummy_key_is_anonymous(caller: Caller, credential: str) -> None:
    somebody = replace(caller, headers={"authorization": credential})
    assert somebody.ask().status_code == 200
    assert caller.limits() == somebody.limits()  # counted against the same address
    assert caller.limits()["remaining_requests"] == 4


@pytest.mark.parametrize(
    "credential",
    [
        "Bearer scalix_key_0123",
        "Bearer scalix_free_0123",
        "bearer scalix_key_",
        "BEARER   scalix_free_",
        "scalix_key_0123",
    ],
)
def test_a_key_of_ours_that_does_not_verify_is_refused(caller: Caller, credential: str) -> None:
    response = replace(caller, headers={"authorization": credential}).ask()
    error = refused(response, 401, "invalid_api_key")
    assert not error.retryable
    assert response.json()["free_tier"] is None
    assert our_headers(response) == {"x-request-id"}
    assert caller.limits()["remaining_requests"] == 5


@pytest.mark.parametrize("fields", [{"model": "no such model"}, {"stream": True}, {"n": 2}])
def test_such_a_refusal_tells_nothing_else(caller: Caller, fields: dict[str, object]) -> None:
    response = replace(caller, headers={"authorization": "Bearer scalix_key_0"}).ask(**fields)
    refused(response, 401, "invalid_api_key")
    assert our_headers(response) == {"x-request-id"}


@pytest.mark.parametrize("path", [LIMITS, "/v1/free/quota"])
def test_such_a_key_is_refused_by_what_reads_limits_too(caller: Caller, path: str) -> None:
    headers = {"authorization": "Bearer scalix_key_0123"}
    refused(caller.request("GET", path, headers=headers), 401, "invalid_api_key")


@pytest.mark.parametrize("field", ["user", "user_id", "session_id"])
def test_nothing_in_a_body_decides_a_limit(caller: Caller, field: str) -> None:
    statuses = [caller.ask(**{field: f"somebody {n}"}).status_code for n in range(6)]
    assert statuses == [200] * 5 + [429]


def test_a_cookie_of_nobody_counts_as_none(caller: Caller) -> None:
    somebody = replace(caller, headers={"cookie": "scalix_free=scalix_free_0123"})
    assert somebody.ask().status_code == 200


# ── Addresses ────────────────────────────────────────────────────────────────────────────────


def left(service: RunningService, client: httpx.Client, forwarded: str) -> int:
    headers = {"x-forwarded-for": forwarded}
    found = client.get(service.url + LIMITS, headers=headers).json()["remaining_requests"]
    assert isinstance(found, int)
    return found


@pytest.mark.parametrize(
    "chain",
    [
        "{}",
        "6.6.6.6, {}",
        "6.6.6.6,{}, 127.0.0.9",
        "nonsense, {}",
        "{}:54321",
        "::ffff:{}",
        "[::ffff:{}]:80",
    ],
)
def test_the_right_most_stranger_is_the_caller(
    caller: Caller, service: RunningService, client: httpx.Client, chain: str
) -> None:
    caller.answer()
    assert left(service, client, chain.format(caller.address)) == 4


@pytest.mark.parametrize("chain", ["{}, 6.6.6.5", "{}, nonsense", "1{}"])
def test_nobody_can_say_that_they_are_somebody_else(
    caller: Caller, service: RunningService, client: httpx.Client, chain: str
) -> None:
    before = left(service, client, chain.format(caller.address))
    caller.answer()
    assert left(service, client, chain.format(caller.address)) == before


def test_several_header_lines_are_one_chain(caller: Caller) -> None:
    caller.answer()
    lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", caller.address)]
    response = caller.client.get(caller.url + LIMITS, headers=lines)
    assert response.json()["remaining_requests"] == 4


def test_neighbours_in_a_64_are_one_caller(
    service: RunningService, client: httpx.Client, addresses: Iterator[str]
) -> None:
    prefix = f"2001:db8:{next(addresses).split('.')[2]}:7"
    caller = Caller(service.url, client, f"{prefix}::1")
    caller.answer()
    assert left(service, client, f"{prefix}:ffff::2") == 4
    assert left(service, client, f"[{prefix}::3]:80") == 4
    assert left(service, client, f"{prefix[:-1]}8::1") == 5


async def test_a_stranger_is_not_believed(world: RunningWorld, tmp_path: Path) -> None:
    toml = provider(world.base_url, [{"id": "a/b", "model": "good"}])
    async with (
        served(tmp_path, toml) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        for n in range(5):
            headers = {"x-forwarded-for": f"9.9.9.{n}", "forwarded": f"for=9.9.9.{n}"}
            response = await client.post(COMPLETIONS, json=question(), headers=headers)
            assert response.status_code == 200
        response = await client.post(
            COMPLETIONS, json=question(), headers={"x-forwarded-for": "8.8.8.8"}
        )
    refused(response, 429, "free_tier_hourly_limit")


# ── Hosts ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:1",
        "127.9.9.9",
        "localhost",
        "localhost:3001",
        "LOCALHOST",
        "app.localhost",
        "[::1]",
        "[::1]:80",
    ],
)
def test_a_host_that_is_this_machine_is_let_in(caller: Caller, host: str) -> None:
    assert caller.request("GET", "/health", headers={"host": host}).status_code == 200
    assert caller.request("GET", LIMITS, headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "user@evil.example",
        "evil.example, 127.0.0.1",
        "10.0.0.1",
        "0.0.0.0",
        "[2001:db8::1]",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_host_that_is_not_is_kept_out(caller: Caller, host: str, method: str) -> None:
    """A page somebody visits cannot reach their own service under a name of its own."""
    path = COMPLETIONS if method == "POST" else "/health"
    body = question() if method == "POST" else None
    response = caller.request(method, path, headers={"host": host}, json=body)
    refused(response, 403, "access_denied")
    assert our_headers(response) == {"x-request-id"}
    assert caller.limits()["remaining_requests"] == 5


async def test_the_public_url_is_a_host_of_ours(tmp_path: Path) -> None:
    public = {"server.public_url": "https://free.example"}
    async with (
        served(tmp_path, 'local = { use = "never" }', public) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        answered = await client.get("/nothing", headers={"host": "FREE.example:443"})
        assert answered.status_code == 404
        assert answered.json()["error"]["upgrade_url"] == "https://free.example/upgrade"
        assert (await client.get("/", headers={"host": "example"})).status_code == 403


# ── Pages of other origins ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", [COMPLETIONS, "/v1/models", LIMITS, "/nothing/here"])
def test_a_preflight_is_answered(caller: Caller, path: str) -> None:
    asked = {
        "origin": "https://app.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, x-stainless-os",
    }
    response = caller.request("OPTIONS", path, headers=asked)
    assert response.status_code == 204
    assert response.content == b""
    assert response.headers["access-control-allow-origin"] == "*"
    assert "POST" in response.headers["access-control-allow-methods"]
    allowed = response.headers["access-control-allow-headers"]
    assert allowed == asked["access-control-request-headers"]
    assert "access-control-allow-credentials" not in response.headers


def test_every_answer_may_be_read_by_any_page(somebody: Callable[[], Caller]) -> None:
    caller = somebody()
    for response in (
        caller.ask(),
        caller.ask(n=2),
        caller.request("GET", "/v1/models"),
        caller.request("GET", "/nothing"),
        caller.request("GET", COMPLETIONS),
        caller.request("POST", COMPLETIONS, content=b"{}"),
        caller.request("GET", LIMITS, headers={"host": "evil.example"}),
    ):
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-credentials" not in response.headers
        assert "x-request-id" in response.headers["access-control-expose-headers"]
