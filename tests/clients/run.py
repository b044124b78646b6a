"""Runs clients that others wrote against the real service, and says what each of them saw.

Each is driven by a script in its own environment, which the Makefile installs.
"""

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.caller import QUESTION, Caller
from tests.api.test_operations import Sample, grown, parse
from tests.api.test_stream import breaking
from tests.node import ROOT, node
from tests.service import Model, RunningService, provider, running_service
from tests.world import Behaviour, RunningWorld, running_world
from tests.world.behaviour import TOOL_CALLS

HERE = Path(__file__).resolve().parent
ECHO = f"You said: {QUESTION}"
CALLS = [[name, json.loads(arguments)] for name, arguments in TOOL_CALLS]
LIMIT_WORDS = (
    "Free tier limit exceeded. Please upgrade to Pro.",
    "Resource has been exhausted",
)
PATIENCE_S = 240.0


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody else's client: its name, how it is driven, and what installs it."""

    name: str
    driver: str
    environment: str

    def command(self) -> list[str]:
        """What runs its driver; who lacks its environment skips."""
        place = ROOT / self.environment
        if not place.exists():
            pytest.skip(f"{self.name} is not there; get it by: make {self.stamp}")
        if self.driver.endswith(".js"):
            return [node(), str(HERE / self.driver)]
        return [str(place / "bin/python"), "-m", f"tests.clients.{self.driver}"]

    @property
    def stamp(self) -> str:
        """The target of the Makefile that installs it."""
        place = Path(self.environment)
        return str(place / ".made" if place.name == "node_modules" else _stamp(place))


def _stamp(place: Path) -> Path:
    return place / ".test" if place.name == ".venv" else place.with_name(f".{place.name}")


CLIENTS = {
    client.name: client
    for client in (
        Client("openai-python 1.x", "openai_python", ".venv/openai-1"),
        Client("openai-python", "openai_python", ".venv"),
        Client("openai-node", "openai-node/driver.js", "tests/clients/openai-node/node_modules"),
        Client("Vercel AI SDK 5", "ai-5/driver.js", "tests/clients/ai-5/node_modules"),
        Client("Vercel AI SDK 6", "ai-6/driver.js", "tests/clients/ai-6/node_modules"),
        Client("LangChain", "langchain_python", ".venv/langchain"),
        Client("LiteLLM", "litellm_python", ".venv/litellm"),
    )
}

HOUR, TOKENS = "free_tier_hourly_limit", "free_tier_token_limit"


@dataclass(frozen=True, slots=True)
class Situation:
    """What a client is asked to do, and what it meets."""

    about: str
    scenario: str
    model: tuple[Behaviour | str, ...] = ()  # what a model of its own does; none: the good one
    limit: str | None = None  # the limit that its caller has reached


SITUATIONS = {
    "whole": Situation("an answer", "whole"),
    "stream": Situation("a stream", "stream"),
    "usage": Situation("a stream with usage", "usage"),
    "tools": Situation("tools", "tools", ("tools",)),
    "stream-tools": Situation("tools in a stream", "stream-tools", ("tools",)),
    "wait": Situation("a short wait", "whole", (Behaviour("429", retry_after_s=0.05), "normal")),
    "hour": Situation("an hour that is spent", "whole", limit=HOUR),
    "day": Situation("a stream, and a day's tokens are spent", "stream", limit=TOKENS),
    "failure": Situation("every model fails", "whole", ("500",) * 6),
    "break": Situation("a stream that breaks", "stream", (breaking("cut"),)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a program got out of its client.

    ``error`` and ``code`` are its type and what it has as code; ``when`` says whether it tells when
    more returns, other than in words. ``asked`` is how often the service, or of a situation with a
    model of its own the model, was asked; 0 where that is not looked at. Of tools in a stream only
    the calls are looked at.
    """

    text: bool = False
    finish: str | None = None
    usage: bool = False
    left: bool = False
    tools: bool = False
    error: str | None = None
    code: str | None = None
    when: bool = False
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What became of all situations, for one version of a client."""

    version: str
    seen: Mapping[str, Seen]


class Bench:
    """A service with a model for each client and situation that needs one."""

    def __init__(self, world: RunningWorld, service: RunningService, http: httpx.Client) -> None:
        self._world = world
        self._service = service
        self._http = http
        self._addresses = (f"10.{n}.0.1" for n in range(1, 255))

    def run(self, client: Client) -> Report:
        """Drive a client through all situations."""
        command = client.command()
        asked = {name: self._prepare(client, name) for name in SITUATIONS}
        before = self._metrics()
        told = {"base_url": f"{self._service.url}/v1", "question": QUESTION, "asked": asked}
        ran = subprocess.run(
            command,
            cwd=ROOT,
            env=_environment(),
            input=json.dumps(told),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        report = json.loads(ran.stdout.splitlines()[-1])
        refused = grown(before, self._metrics(), "free_api_refusals_total")
        seen = {
            name: self._seen(client, name, report["heard"][name], refused) for name in SITUATIONS
        }
        return Report(report["version"], seen)

    def _prepare(self, client: Client, name: str) -> dict[str, str]:
        situation, address = SITUATIONS[name], next(self._addresses)
        if situation.model:
            self._world.behave(model_of(client.name, name), *situation.model)
        caller = Caller(self._service.url, self._http, address)
        if situation.limit == HOUR:
            for _ in range(5):
                caller.answer()
        if situation.limit == TOKENS:
            spent = {"prompt_tokens": 4_000, "completion_tokens": 1_000, "total_tokens": 5_000}
            self._world.behave("dear", Behaviour(usage=spent))
            caller.answer(model="dear")
        model = model_of(client.name, name) if situation.model else "scalix-free"
        return {"scenario": situation.scenario, "model": model, "address": address}

    def _seen(
        self, client: Client, name: str, heard: dict[str, Any], refused: Counter[str]
    ) -> Seen:
        situation = SITUATIONS[name]
        error = heard["error"]
        if name == "break":
            assert heard["said"], "what was sent before the break was not heard"
        elif heard["said"]:
            assert heard["said"] == ECHO
        if heard["calls"]:
            assert heard["calls"] == CALLS
        if error is not None and situation.limit:
            assert all(words in error["message"] for words in LIMIT_WORDS), error
        asked = 0
        if situation.model:
            asked = self._world.calls(model_of(client.name, name))
        elif situation.limit:
            asked = refused[situation.limit]
        return Seen(
            text=bool(heard["said"]),
            finish=heard["finish"],
            usage=name != "stream-tools" and bool(heard["usage"]),
            left=name != "stream-tools" and heard["left"] is not None,
            tools=bool(heard["calls"]),
            error=error and error["type"],
            code=error and error["code"],
            when=bool(error and error["reset_at"]),
            asked=asked,
        )

    def _metrics(self) -> dict[Sample, float]:
        """All samples, once the last answer is counted too: that comes a moment after it."""
        found = None
        while found != (found := self._refusals()):
            time.sleep(0.1)
        return found

    def _refusals(self) -> dict[Sample, float]:
        told = self._http.get(f"{self._service.url}/metrics").raise_for_status().text
        name = "free_api_refusals_total"
        return {sample: n for sample, n in parse(told).items() if sample[0] == name}


def model_of(client: str, situation: str) -> str:
    """The id of the model that does what a situation says."""
    return f"{client.replace(' ', '-')}/{situation}"


@contextmanager
def bench(folder: Path) -> Iterator[Bench]:
    """A service that clients can be driven against until left."""
    names = ["good", "dear"]
    names += [
        model_of(client, name)
        for client in CLIENTS
        for name, situation in SITUATIONS.items()
        if situation.model
    ]
    models: list[Model] = [{"id": name, "model": name} for name in names]
    models[0] = {**models[0], "priority": 1}
    overrides = {"server.trusted_proxies": ["127.0.0.0/8"]}
    with (
        running_world() as world,
        running_service(folder, provider(world.base_url, models), overrides) as service,
        httpx.Client(timeout=20, trust_env=False) as http,
    ):
        yield Bench(world, service, http)


def _environment() -> dict[str, str]:
    """Ours, without what would configure a client; LiteLLM fetches no list of prices."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return kept | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONPATH": str(ROOT)}
