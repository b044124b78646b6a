"""The plugin inside LiteLLM's real proxy, between a service of ours and the world."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from scalix_free import litellm_plugin
from tests import litellm_proxy
from tests.api.caller import Caller, question
from tests.api.test_operations import parse
from tests.conftest import OPERATOR_TOKEN
from tests.litellm_proxy import MASTER_KEY, RunningProxy, free_port
from tests.service import RunningService, provider, running_service
from tests.test_litellm_config import SHIPPED_FILE
from tests.world import Behaviour, RunningWorld

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CHAT = "/v1/chat/completions"
FREE = ("good", "slow", "fault:500", "fault:error-openai", "falls-back")
PAID = "paid"
SETTINGS = {
    "server.trusted_proxies": ["127.0.0.0/8"],
    "server.operator_token": OPERATOR_TOKEN,
}
Body = dict[str, Any]


def row(world: RunningWorld, name: str, *, free: bool) -> Body:
    model = "fault:429" if name == "falls-back" else name
    return {
        "model_name": name,
        "litellm_params": {
            "model": f"openai/{model}",
            "api_base": world.base_url,
            "api_key": "sk-world",
            "max_retries": 0,
        },
        "model_info": {"free_tier": free, "scalix_model": f"world/{model}"},
    }


def configuration(world: RunningWorld) -> Body:
    return {
        "model_list": [
            *(row(world, name, free=True) for name in FREE),
            row(world, PAID, free=False),
        ],
        "general_settings": {
            "custom_auth": "litellm_plugin.custom_auth",
            "cancel_on_disconnect": True,
        },
        "litellm_settings": {
            "success_callback": ["litellm_plugin.custom_free_tier_tracker"],
            "failure_callback": ["litellm_plugin.custom_free_tier_error_handler"],
            "num_retries": 0,
            "fallbacks": [{"falls-back": ["good"]}],
            "telemetry": False,
        },
        "router_settings": {
            "num_retries": 0,
            "disable_cooldowns": True,
            "free_tier_limits": {"requests_per_hour": 2},
        },
    }


@dataclass
class Stage:
    """A proxy, and the service behind it, which can be ended and begun again in its place."""

    world: RunningWorld
    folder: Path
    proxy: RunningProxy
    client: httpx.Client
    port: int
    service: RunningService | None = None

    def begin(self) -> Any:
        models = [{"id": f"world/{name}", "model": name} for name in ("good", "slow")]
        toml = provider(self.world.base_url, models)
        return running_service(self.folder, toml, SETTINGS, port=self.port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Person(Caller):
    """Somebody with a token of their own, who asks the proxy and looks at the service."""

    def asks(self, proxy: RunningProxy, model: str = "good", **more: object) -> httpx.Response:
        headers = {"x-forwarded-for": self.address, **self.headers}
        body = question("Is it you?", model=model, **more)
        return self.client.post(proxy.url + CHAT, json=body, headers=headers)

    def comes_to(self, **expected: int) -> dict[str, int]:
        """How far the limits are used, once they are used that far."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            used = self.used()
            if all(used[name] == value for name, value in expected.items()):
                return used
            time.sleep(0.05)  # another process tells a third one
        raise AssertionError(f"{used}, not {expected}")


@pytest.fixture(scope="module")
def stage(
    world: RunningWorld, tmp_path_factory: pytest.TempPathFactory, client: httpx.Client
) -> Iterator[Stage]:
    folder, port = tmp_path_factory.mktemp("litellm"), free_port()
    shutil.copy(litellm_plugin.__file__, folder)
    proxy = litellm_proxy.start(
        configuration(world),
        {
            "SCALIX_FREE_URL": f"http://127.0.0.1:{port}",
            "SCALIX_FREE_OPERATOR_TOKEN": OPERATOR_TOKEN,
        },
        folder=folder,
    )
    with litellm_proxy.running([proxy]):
        yield Stage(world, folder / "service", proxy, client, port)


@pytest.fixture
def behind(stage: Stage) -> Iterator[Stage]:
    """The stage with its service."""
    with stage.begin() as service:
        stage.service = service
        yield stage


@pytest.fixture
def person(behind: Stage, addresses: Iterator[str]) -> Person:
    return newcomer(behind, next(addresses))


def newcomer(stage: Stage, address: str) -> Person:
    person = Person(stage.url, stage.client, address)
    token = person.request("POST", "/api/v1/free/session").json()["token"]
    return Person(stage.url, stage.client, address, {"authorization": f"Bearer {token}"})


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    """For what has to wait while the test goes on."""
    with ThreadPoolExecutor(1) as aside:
        yield aside


def outcomes(stage: Stage) -> dict[tuple[str, str], float]:
    """How many requests there were, by model and outcome."""
    found = parse(stage.client.get(f"{stage.url}/metrics").text)
    return {
        (dict(labels)["model"], dict(labels)["outcome"]): value
        for (name, labels), value in found.items()
        if name == "free_api_requests_total"
    }


def test_a_minted_token_is_accepted_and_its_usage_arrives(behind: Stage, person: Person) -> None:
    answer = person.asks(behind.proxy)

    assert answer.status_code == 200, answer.text
    usage = answer.json()["usage"]
    used = person.comes_to(requests_hour=1, concurrent=0)
    assert used["tokens_day"] == usage["total_tokens"]

    with behind.client.stream(
        "POST",
        behind.proxy.url + CHAT,
        json=question("Is it you?", model="good", stream=True),
        headers=person.headers,
    ) as stream:
        assert "data: [DONE]" in stream.read().decode()
    used = person.comes_to(requests_hour=2, concurrent=0)
    assert used["tokens_day"] == 2 * usage["total_tokens"]
    assert outcomes(behind) == {("world/good", "answered"): 2}


def test_a_forged_token_is_refused_in_our_words(behind: Stage, person: Person) -> None:
    headers = {"authorization": "Bearer scalix_free_forged"}
    forged = Person(behind.url, behind.client, person.address, headers)
    answer = forged.asks(behind.proxy)

    assert answer.status_code == 401
    error = answer.json()["error"]
    assert (error["code"], error["type"]) == ("invalid_api_key", "authentication_error")
    assert error["message"].startswith("This key is not valid here")


def test_who_shows_nothing_is_counted_by_address(behind: Stage, addresses: Iterator[str]) -> None:
    nobody = Person(behind.url, behind.client, next(addresses))
    assert nobody.asks(behind.proxy).status_code == 200
    nobody.comes_to(requests_hour=1, concurrent=0)


def test_a_limit_refuses_with_all_that_we_say(behind: Stage, person: Person) -> None:
    for count in range(5):
        assert person.asks(behind.proxy).status_code == 200
        person.comes_to(requests_hour=count + 1, concurrent=0)
    answer = person.asks(behind.proxy)

    assert answer.status_code == 429
    error = answer.json()["error"]
    assert error["code"] == "free_tier_hourly_limit"
    assert error["message"].startswith("Free tier limit exceeded. Please upgrade to Pro. 5 of 5")
    assert error["upgrade_url"] == f"{behind.url}/upgrade"
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert person.used()["requests_hour"] == 5


def test_what_failed_costs_nothing_and_what_another_model_answered_costs_once(
    behind: Stage, person: Person
) -> None:
    assert person.asks(behind.proxy, "fault:500").status_code == 500
    person.comes_to(requests_hour=0, concurrent=0, tokens_day=0)
    answer = person.asks(behind.proxy, "falls-back")
    assert answer.status_code == 200, answer.text
    used = person.comes_to(requests_hour=1, concurrent=0)

    assert used["tokens_day"] == answer.json()["usage"]["total_tokens"]
    assert outcomes(behind) == {("none", "failed"): 1, ("world/good", "answered"): 1}


def test_a_stream_that_breaks_gives_the_request_back_and_keeps_the_tokens(
    behind: Stage, person: Person
) -> None:
    broken = person.asks(behind.proxy, "fault:error-openai", stream=True)
    assert "[DONE]" not in broken.text

    used = person.comes_to(requests_hour=0, concurrent=0)
    assert 0 < used["tokens_day"] < 40


def test_an_answer_gets_no_more_than_its_tokens_leave(behind: Stage, person: Person) -> None:
    person.asks(behind.proxy, max_tokens=100_000)
    asked = [seen for seen in behind.world.requests if seen.model == "good"][-1]
    person.comes_to(requests_hour=1, concurrent=0)

    assert asked.body["max_tokens"] == 2_048


def test_who_leaves_a_stream_pays_for_what_went_out(behind: Stage, person: Person) -> None:
    behind.world.behave("slow", Behaviour("stall", k=3))
    with behind.client.stream(
        "POST",
        behind.proxy.url + CHAT,
        json=question("Is it you? Is it?", model="slow", stream=True),
        headers=person.headers,
    ) as stream:
        next(stream.iter_lines())
        assert person.used()["concurrent"] == 1
    used = person.comes_to(requests_hour=1, concurrent=0)

    assert 0 < used["tokens_day"] < 60
    assert outcomes(behind) == {("world/slow", "abandoned"): 1}


@pytest.mark.parametrize(
    ("behaviour", "stream"), [("hang-head", True), ("hang", True), ("hang", False)]
)
def test_who_hangs_up_before_the_first_token_gives_the_slot_back_at_once(
    behind: Stage, person: Person, behaviour: str, stream: bool
) -> None:
    behind.world.behave("slow", Behaviour(behaviour))
    body = json.dumps(question("Is it you?", model="slow", stream=stream)).encode()
    head = [
        f"POST {CHAT} HTTP/1.1",
        "host: proxy",
        f"authorization: {person.headers['authorization']}",
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    arrived = len(behind.world.requests)
    with socket.create_connection(("127.0.0.1", behind.proxy.port)) as caller:
        caller.sendall("\r\n".join([*head, "", ""]).encode() + body)
        behind.world.arrived(arrived + 1)
        assert person.used()["concurrent"] == 1
    used = person.comes_to(requests_hour=1, concurrent=0)

    assert 0 < used["tokens_day"] < 60
    assert outcomes(behind) == {("world/slow", "abandoned"): 1}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/key/generate"),
        ("GET", "/model/info"),
        ("POST", "/model/new"),
        ("GET", "/health"),
        ("POST", "/v1/embeddings"),
        ("GET", "/v1/modelsandmore"),
    ],
)
def test_what_is_the_operators_stays_so(
    behind: Stage, person: Person, method: str, path: str
) -> None:
    answer = behind.client.request(
        method, behind.proxy.url + path, headers=person.headers, json={"model": "good"}
    )

    assert answer.status_code in {403, 404}, answer.text


def test_models_are_listed_and_those_that_are_not_free_are_not_asked(
    behind: Stage, person: Person
) -> None:
    listed = behind.client.get(f"{behind.proxy.url}/v1/models", headers=person.headers).json()
    assert {model["id"] for model in listed["data"]} == {*FREE, PAID}
    answer = person.asks(behind.proxy, PAID)

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "access_denied"
    assert not [seen for seen in behind.world.requests if seen.model == PAID]
    person.comes_to(requests_hour=0, concurrent=0)


def test_switches_of_litellm_are_not_for_callers(behind: Stage, person: Person) -> None:
    switches: Body = {"no-log": True, "mock_response": "Nobody asked."}
    silent = person.asks(behind.proxy, **switches)
    assert silent.json()["choices"][0]["message"]["content"] == "You said: Is it you?"
    person.comes_to(requests_hour=1, concurrent=0)
    assert person.asks(behind.proxy, "fault:500", fallbacks=[PAID]).status_code == 500
    assert not [seen for seen in behind.world.requests if seen.model == PAID]

    more = {"x-litellm-num-retries": "3", "x-litellm-timeout": "0.001"}
    switching = Person(person.url, person.client, person.address, {**person.headers, **more})
    calls = behind.world.calls("fault:500")
    assert switching.asks(behind.proxy, "fault:500").status_code == 500
    assert behind.world.calls("fault:500") == calls + 1
    assert switching.asks(behind.proxy).status_code == 200
    person.comes_to(requests_hour=2, concurrent=0)
    gateway = [{"type": "mcp", "server_url": "litellm_proxy", "require_approval": "never"}]
    for one in (
        switching.asks(behind.proxy, "good,good"),
        person.asks(behind.proxy, tools=gateway),
    ):
        assert one.status_code == 400
        assert one.json()["error"]["code"] == "invalid_request"


def test_the_master_key_is_the_operators_and_counts_for_nobody(
    behind: Stage, addresses: Iterator[str]
) -> None:
    operator = Person(
        behind.url, behind.client, next(addresses), {"authorization": f"Bearer {MASTER_KEY}"}
    )
    assert operator.asks(behind.proxy, PAID).status_code == 200
    answer = behind.client.get(f"{behind.proxy.url}/model/info", headers=operator.headers)
    assert answer.status_code == 200

    assert outcomes(behind) == {}


def test_the_service_is_away_for_a_while_and_everything_is_counted_once(
    stage: Stage, addresses: Iterator[str], aside: ThreadPoolExecutor
) -> None:
    address = next(addresses)
    stage.world.behave("slow", Behaviour("slow", text="It is me."))
    with stage.begin():
        person = newcomer(stage, address)
        under_way = aside.submit(person.asks, stage.proxy, "slow", stream=True)
        stage.world.at_gate("slow")
    stage.world.open_gate("slow")
    assert "data: [DONE]" in under_way.result().text
    while_away = [person.asks(stage.proxy).status_code for _ in range(3)]
    assert while_away == [200, 200, 429]  # by the proxy's own free_tier_limits

    with stage.begin():
        person.comes_to(requests_hour=3, concurrent=0)
        time.sleep(2)  # whatever might be told again is told by now
        tokens = person.comes_to(requests_hour=3, concurrent=0)["tokens_day"]
        assert outcomes(stage) == {("world/slow", "answered"): 1, ("world/good", "answered"): 2}
    with stage.begin():
        assert person.used()["requests_hour"] == 3
        assert person.used()["tokens_day"] == tokens
    assert "ends cannot be told" not in stage.proxy.said


def shipped_file(folder: Path) -> str:
    return SHIPPED_FILE.read_text()


def printed_one(folder: Path) -> str:
    command = [sys.executable, "-m", "scalix_free", "litellm-config", "--data", str(folder)]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "GROQ_API_KEY": "x"}
    told = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    return told.stdout


@pytest.mark.parametrize("configuration_of", [shipped_file, printed_one])
def test_configurations_of_ours_need_a_master_key_and_nothing_else(
    world: RunningWorld,
    tmp_path: Path,
    client: httpx.Client,
    configuration_of: Callable[[Path], str],
) -> None:
    """No database, no Redis, no key of a provider."""
    shutil.copy(litellm_plugin.__file__, tmp_path)
    config = yaml.safe_load(configuration_of(tmp_path))
    port = free_port()
    environ = {
        "SCALIX_FREE_URL": f"http://127.0.0.1:{port}",
        "SCALIX_FREE_OPERATOR_TOKEN": OPERATOR_TOKEN,
    }
    proxy = litellm_proxy.start(config, environ, folder=tmp_path)
    with (
        running_service(
            tmp_path / "service",
            provider(world.base_url, [{"id": "world/good", "model": "good"}]),
            SETTINGS,
            port=port,
        ),
        litellm_proxy.running([proxy]),
    ):
        listed = client.get(f"{proxy.url}/v1/models").json()
        names = {row["model_name"] for row in config["model_list"]}
        assert names <= {model["id"] for model in listed["data"]}
        body = question("Is it you?", model="scalix-free")
        forged = client.post(
            proxy.url + CHAT, json=body, headers={"authorization": "Bearer scalix_free_forged"}
        )
        assert forged.json()["error"]["code"] == "invalid_api_key"
        nobody = Person(f"http://127.0.0.1:{port}", client, "127.0.0.1")
        assert client.post(proxy.url + CHAT, json=body).status_code >= 400  # no provider has a key
        nobody.comes_to(requests_hour=0, concurrent=0)
