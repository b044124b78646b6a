"""Being somebody, from nothing to being forgotten, through real HTTP and real mail."""

import json
import random
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import altcha
import httpx
import pytest

from tests.api.caller import COMPLETIONS, Caller, question
from tests.api.envelope import refused
from tests.mail_server import Postbox, mail_server
from tests.service import RunningService, provider, running_service
from tests.world import RunningWorld

API = "/api/v1/free"
MODELS = [{"id": "world/identity", "model": "identity"}]


@pytest.fixture(scope="module")
def postbox() -> Iterator[Postbox]:
    with mail_server() as postbox:
        yield postbox


@pytest.fixture(scope="module")
def service(
    world: RunningWorld, postbox: Postbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """A service that sends its mail by SMTP."""
    overrides = {
        "server.trusted_proxies": ["127.0.0.0/8"],
        "mail.url": postbox.url,
        "mail.from": "Scalix Free <free@example.org>",
    }
    folder = tmp_path_factory.mktemp("identities")
    with running_service(folder, provider(world.base_url, MODELS), overrides, workers=2) as running:
        yield running


@pytest.fixture
def caller(service: RunningService, addresses: Iterator[str]) -> Iterator[Caller]:
    with httpx.Client(timeout=20, trust_env=False) as client:
        yield Caller(service.url, client, next(addresses))


def known_by(caller: Caller, credential: str) -> Caller:
    """The same person with a credential."""
    headers = {"authorization": f"Bearer {credential}"}
    return Caller(caller.url, caller.client, caller.address, headers)


def mint(caller: Caller, proof: str | None = None) -> httpx.Response:
    body = {} if proof is None else {"json": {"altcha": proof}}
    return caller.request("POST", f"{API}/session", **body)


def mail_to(postbox: Postbox, email: str, count: int = 1) -> str:
    """The text of somebody's latest mail, once there are so many."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        mails = [mail for mail in postbox.mails if mail["to"] == email]
        if len(mails) >= count:
            text: str = mails[-1].get_content()
            return text
        time.sleep(0.01)
    raise AssertionError(f"no mail came: {postbox.mails}")


def code_in(mail: str) -> str:
    (code,) = re.findall(r"^ +(\d{6})\s*$", mail, re.MULTILINE)
    return str(code)


def test_a_neighbour_s_session_is_their_own_and_the_address_still_binds(caller: Caller) -> None:
    mine = known_by(caller, mint(caller).json()["token"])
    theirs = known_by(caller, mint(caller).json()["token"])

    for left in (4, 3, 2, 1, 0):
        assert mine.answer()["free_tier"]["remaining_requests"] == left
    refused(mine.ask(), 429, "free_tier_hourly_limit")
    assert theirs.answer()["free_tier"]["remaining_requests"] == 4
    assert caller.used()["requests_hour"] == 0

    answered = 6
    while answered < 30:  # a minute of the address
        token = _minted(caller)
        for _ in range(min(5, 30 - answered)):
            known_by(caller, token).answer()
            answered += 1
    refusal = refused(theirs.ask(), 429, "ip_rate_limit")
    assert refusal.window == "address_minute"


def _minted(caller: Caller) -> str:
    response = mint(caller)
    if response.status_code == 403:
        response = mint(caller, _solved(response))
    assert response.status_code == 200, response.text
    token: str = response.json()["token"]
    return token


def _solved(response: httpx.Response) -> str:
    challenge = altcha.Challenge.from_dict(response.json()["error"]["challenge"])
    solution = altcha.solve_challenge(challenge)
    assert solution is not None
    return altcha.Payload(challenge, solution).to_base64()


def test_the_third_session_is_worked_for_and_the_work_is_good_once(caller: Caller) -> None:
    assert [mint(caller).status_code for _ in range(2)] == [200, 200]
    asked = mint(caller)
    refused(asked, 403, "challenge_required")
    proof = _solved(asked)

    assert mint(caller, proof).status_code == 200
    refused(mint(caller, proof), 403, "challenge_required")


def test_a_browser_s_session(caller: Caller, service: RunningService) -> None:
    """The client keeps the cookie, as a browser does."""
    page = {"sec-fetch-site": "same-origin"}
    begun = mint(caller).json()

    asked = caller.request("POST", COMPLETIONS, json=question(), headers=page)
    assert asked.json()["free_tier"]["remaining_requests"] == 4
    own = caller.request("GET", f"{API}/session", headers=page).json()
    assert own["user_id"] == begun["user_id"]

    deadline = time.monotonic() + 10
    while own["requests_today"] == 0 and time.monotonic() < deadline:  # the log is written later
        time.sleep(0.05)
        own = caller.request("GET", f"{API}/session", headers=page).json()
    assert own["requests_today"] == 1
    assert own["last_request_at"] is not None

    assert caller.request("DELETE", f"{API}/me", headers=page).status_code == 204
    assert not caller.client.cookies
    refused(caller.request("GET", f"{API}/session", headers=page), 404, "not_found")
    refused(known_by(caller, begun["token"]).ask(), 401, "invalid_api_key")


def test_from_a_mail_address_to_a_key_and_back_to_nothing(
    caller: Caller, postbox: Postbox, service: RunningService
) -> None:
    email = "ann@journeys.example"
    asked = caller.request("POST", f"{API}/register", json={"email": email})
    assert asked.status_code == 202
    code = code_in(mail_to(postbox, email))
    entered = caller.request("POST", f"{API}/verify", json={"email": email, "code": code}).json()
    assert entered["tier"] == "registered"
    ann = known_by(caller, entered["api_key"])

    told = ann.answer()["free_tier"]
    assert (told["tier"], told["remaining_requests"]) == ("registered", 9)
    assert [window["limit"] for window in ann.limits()["windows"]] == [10, 50, 10_000, 2]
    for _ in range(9):
        ann.answer()
    refused(ann.ask(), 429, "free_tier_hourly_limit")
    assert caller.used()["requests_hour"] == 0

    second = ann.request("POST", f"{API}/keys").json()
    cards = ann.request("GET", f"{API}/keys").json()["keys"]
    assert [card["id"] for card in cards] == [entered["key_id"], second["id"]]
    refused(known_by(caller, second["api_key"]).ask(), 429, "free_tier_hourly_limit")

    kept = ann.request("GET", f"{API}/me").json()
    assert kept["data"]["accounts"][0]["email"] == email
    assert len(kept["data"]["api_keys"]) == 2
    assert entered["api_key"] not in str(kept)

    assert ann.request("DELETE", f"{API}/me").status_code == 204
    assert email not in service.errors
    for key in (entered["api_key"], second["api_key"]):
        refused(known_by(caller, key).ask(), 401, "invalid_api_key")


def test_a_link_is_good_once_by_post_and_signing_in_again_gives_another_key(
    caller: Caller, postbox: Postbox, service: RunningService
) -> None:
    email = "bob@journeys.example"
    caller.request("POST", f"{API}/register", json={"email": email})
    (url,) = re.findall(r"http\S+", mail_to(postbox, email).partition("Or open")[2])
    assert url.startswith(f"{service.url}/verify?token=")
    token = url.partition("token=")[2]

    assert httpx.get(url).status_code == 200  # a scanner
    body = {"token": token}
    first = caller.request("POST", f"{API}/verify", json=body).json()
    refused(caller.request("POST", f"{API}/verify", json=body), 400, "invalid_request")

    caller.request("POST", f"{API}/sign-in", json={"email": email})
    code = code_in(mail_to(postbox, email, 2))
    again = caller.request("POST", f"{API}/verify", json={"email": email, "code": code}).json()
    assert again["user_id"] == first["user_id"]
    assert again["api_key"] != first["api_key"]
    assert known_by(caller, first["api_key"]).limits()["tier"] == "registered"


def pro_key(caller: Caller, postbox: Postbox, service: RunningService, email: str) -> str:
    """The key of an account that the operator has made pro."""
    caller.request("POST", f"{API}/register", json={"email": email})
    body = {"email": email, "code": code_in(mail_to(postbox, email))}
    key: str = caller.request("POST", f"{API}/verify", json=body).json()["api_key"]
    with closing(sqlite3.connect(service.data / "database.sqlite")) as database, database:
        database.execute("UPDATE accounts SET tier = 'pro' WHERE email = ?", (email,))
    return key


@pytest.mark.parametrize("chunked", [False, True])
def test_a_pro_caller_alone_may_send_a_large_body(
    caller: Caller, postbox: Postbox, service: RunningService, chunked: bool
) -> None:
    key = pro_key(caller, postbox, service, f"large-{chunked}@journeys.example")
    old = {"role": "user", "content": "x" * 1_100_000}
    answered = {"role": "assistant", "content": "So it is."}
    body = json.dumps({"messages": [old, answered, {"role": "user", "content": "And?"}]}).encode()

    def send(who: Caller, body: bytes) -> httpx.Response:
        content = iter([body[:9], body[9:]]) if chunked else body
        kind = {"content-type": "application/json"}
        return who.request("POST", "/v1/chat/completions", content=content, headers=kind)

    assert send(known_by(caller, key), body).status_code == 200
    assert send(known_by(caller, key), b" " * (16 * 2**20 + 1)).status_code == 413
    for other in (caller, known_by(caller, "scalix_key_" + "a" * 36)):
        assert send(other, body).status_code == 413


def test_an_account_that_the_operator_made_pro_has_no_limit_but_that_of_calls_at_once(
    caller: Caller, postbox: Postbox, service: RunningService
) -> None:
    pro = known_by(caller, pro_key(caller, postbox, service, "pro@journeys.example"))

    told = pro.answer()["free_tier"]
    assert (told["tier"], told["remaining_requests"], told["remaining_tokens"]) == (
        *("pro", None),
        None,
    )
    limits = {window["name"]: window["limit"] for window in pro.limits()["windows"]}
    assert limits == {
        "requests_hour": None,
        "requests_day": None,
        "tokens_day": None,
        "concurrent": 10,
    }


@pytest.mark.slow
def test_what_one_worker_forgot_the_others_forget_within_thirty_seconds(
    world: RunningWorld, tmp_path: Path
) -> None:
    with running_service(tmp_path, provider(world.base_url, MODELS), workers=2) as service:
        url, limits = service.url + API, f"{service.url}{API}/limits"
        token = httpx.post(f"{url}/session").json()["token"]
        headers = {"authorization": f"Bearer {token}"}
        for _ in range(8):  # by both workers, as far as chance can tell
            assert httpx.get(limits, headers=headers).status_code == 200

        assert httpx.delete(f"{url}/me", headers=headers).status_code == 204
        erased = time.monotonic()
        in_a_row = 0
        while in_a_row < 12:
            assert time.monotonic() - erased < 30
            refused_now = httpx.get(limits, headers=headers).status_code == 401
            in_a_row = in_a_row + 1 if refused_now else 0
            time.sleep(0.0 if refused_now else 0.2)


# ── Nobody becomes more by pretending ────────────────────────────────────────────────────────


def pretend(service: RunningService, count: int, token: str) -> tuple[int, int]:
    """Ask as somebody else each time, from one address; how often that was answered and refused."""
    chance = random.Random(count)
    answered = unknown = 0
    with httpx.Client(timeout=30, trust_env=False, base_url=service.url) as client:
        for n in range(count):
            at, digit = chance.randrange(12, len(token)), "AB"[token[-1] == "A"]
            altered = token[:at] + ("-" if token[at] != "-" else "_") + token[at + 1 :]
            credential = chance.choice(
                [None, "free", f"sk-{n}", str(n), f"Bearer {n}", altered, token[:-1] + digit]
            )
            headers: dict[str, Any] = {
                "x-forwarded-for": ", ".join(
                    f"{chance.randrange(1, 224)}.{n % 256}.{n // 256 % 256}.{k}" for k in range(2)
                ),
                "forwarded": f"for=10.0.{n % 256}.1",
                "x-real-ip": f"10.1.{n % 256}.1",
                "cookie": f"scalix_free={altered}",
                "sec-fetch-site": "same-origin",
            }
            if credential is not None:
                headers["authorization"] = f"Bearer {credential}"
            body = question(f"Who am I, {n}?", user=f"u{n}", user_id=f"u{n}", session_id=f"s{n}")
            response = client.post(COMPLETIONS, json=body, headers=headers)
            answered += response.status_code == 200
            unknown += response.status_code == 401
            assert response.status_code in {200, 401, 429}, response.text
    return answered, unknown


@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_whoever_pretends_to_be_many_is_one(
    count: int, world: RunningWorld, tmp_path: Path
) -> None:
    overrides = {"tiers.anonymous.requests_per_hour": 17, "tiers.anonymous.requests_per_day": 17}
    with running_service(
        tmp_path, provider(world.base_url, MODELS), overrides, workers=2
    ) as service:
        token = httpx.post(f"{service.url}{API}/session").json()["token"]
        answered, unknown = pretend(service, count, token)

        assert answered == 17
        assert unknown > count / 8
        with_token = httpx.get(
            f"{service.url}{API}/limits", headers={"authorization": f"Bearer {token}"}
        )
        assert with_token.json()["windows"][0]["used"] == 0
