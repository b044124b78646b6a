"""Every fault of the world, whole and streamed, alone and with another model, through the service.

`every_fault` runs them and says what became of each: for the caller, and for the budgets.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from scalix_free.core.budget import FOREVER_MS, WINDOWS, Allowance, Budget, Scope, Window, most
from scalix_free.routing.budgets import Days, key_of
from tests.api.caller import COMPLETIONS, question
from tests.service import HeldClock, Served, served
from tests.world import FAULTS, Behaviour, World

ANYBODY = "anybody"
"""The provider whose habits are those of several."""
GOOD = "spare/good"
PATIENCE_S = 0.3
DAYS_S = 2 * 86_400
"""So much time passes between two requests that nothing but what is for good is left of one."""

LONG = ("x" * 20_000,) * 60
"""More than is read at once: what comes after it is a break after the first content for sure."""
BREAKING = frozenset(
    {
        *("cut", "cut-reset", "cut-clean", "malformed", "finish-error"),
        *(f"error-{shape}" for shape in ("openai", "openrouter", "groq", "gemini")),
    }
)

SECRETS = ("sk-world", "org_world", "user_world", "Checking your browser", "mid-stream")
"""Words of the world that nobody else may ever read."""

LIMITS = "{ rpm = 1000, tpm = 1000000, concurrent = 9 }"
"""The operator's own: no provider's word may raise them."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a request ended for the caller: with an answer, a refusal, or a break in the middle.

    ``code`` is that of the error, None of an answer.
    """

    status: int
    code: str | None
    model: str | None
    attempts: int
    broken: bool = False

    def __str__(self) -> str:
        if self.broken:
            return f"cut off: `{self.code}`"
        return "answered" if self.code is None else f"{self.status} `{self.code}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What became of one fault: by whether it was streamed, and what follows for the budgets."""

    of: str
    about: str
    alone: Mapping[bool, Ended]
    then_good: Mapping[bool, Ended]
    follows: tuple[str, ...]


def alone(fault: str, streamed: bool) -> str:
    """The model with this fault and no other to take over."""
    return f"{FAULTS[fault].of or ANYBODY}/{fault}/{'streamed' if streamed else 'whole'}"


def then_good(fault: str, streamed: bool) -> str:
    """The model with this fault, and a good one after it."""
    return f"{alone(fault, streamed)}/then-good"


def every_fault(folder: Path) -> Mapping[str, Run]:
    """Run all of them; whatever leaks raises."""
    return asyncio.run(_every_fault(folder))


async def _every_fault(folder: Path) -> Mapping[str, Run]:
    async with _running(folder) as bench:
        return {fault: await bench.run(fault) for fault in FAULTS}


def _toml(base_url: str) -> str:
    lines = []
    for provider in dict.fromkeys([*(row.of or ANYBODY for row in FAULTS.values()), "spare"]):
        lines += [
            "[[providers]]",
            f"name = {json.dumps(provider)}",
            f"base_url = {json.dumps(base_url)}",
            'api_key = "sk-world-key"',
            f"limits = {LIMITS}",
        ]
        for fault in FAULTS:
            if (FAULTS[fault].of or ANYBODY) == provider:
                for streamed in (False, True):
                    lines += _model(alone(fault, streamed), fault, [])
                    lines += _model(then_good(fault, streamed), fault, [GOOD])
        if provider == "spare":
            lines += ["[[providers.models]]", f"id = {json.dumps(GOOD)}", 'model = "good"']
    return "\n".join(lines)


def _model(name: str, fault: str, fallbacks: list[str]) -> list[str]:
    return [
        "[[providers.models]]",
        f"id = {json.dumps(name)}",
        f"model = {json.dumps(f'fault:{fault}')}",
        f"fallbacks = {json.dumps(fallbacks)}",
        f"limits = {LIMITS}",
    ]


@asynccontextmanager
async def _running(folder: Path) -> AsyncIterator["_Bench"]:
    clock = HeldClock()
    settings = {
        "routing.first_token_timeout_s": PATIENCE_S,
        "routing.idle_timeout_s": PATIENCE_S,
        "routing.queue_wait_s": 0,
        "policy.allow_evaluation_only": True,
    }
    said = _Heard()
    logging.getLogger().addHandler(said)
    try:
        async with (
            World(now=lambda: clock() / 1000) as world,
            served(folder, _toml(world.base_url), settings, clock=clock) as running,
            httpx.AsyncClient(base_url=running.url, timeout=20) as client,
        ):
            world.gate("fault:slow").open()
            yield _Bench(world, running, client, clock, tasks=len(asyncio.all_tasks()))
    finally:
        logging.getLogger().removeHandler(said)
    _keeps_secrets("".join(said.lines))


class _Heard(logging.Handler):
    """All that is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@dataclass(frozen=True)
class _Bench:
    world: World
    running: Served
    client: httpx.AsyncClient
    clock: HeldClock
    tasks: int

    async def run(self, fault: str) -> Run:
        """Ask its models in all four ways."""
        row = FAULTS[fault]
        behaviour = Behaviour(fault, headers={"x-world": "sk-world-header"})
        if fault in BREAKING:
            frames = {"frames": LONG, "k": len(LONG)}
            behaviour = Behaviour(fault, headers=behaviour.headers, **frames)  # type: ignore[arg-type]
        self.world.behave(f"fault:{fault}", behaviour)
        ends, follows = {}, {}
        for streamed in (False, True):
            for model in (alone(fault, streamed), then_good(fault, streamed)):
                ends[model] = await self._ask(model, streamed)
                follows[model] = await self._follows(model)
                self.clock.advance(DAYS_S)
        assert len(set(follows.values())) == 1, follows
        return Run(
            of=row.of or ANYBODY,
            about=row.about,
            alone={streamed: ends[alone(fault, streamed)] for streamed in (False, True)},
            then_good={streamed: ends[then_good(fault, streamed)] for streamed in (False, True)},
            follows=follows[alone(fault, False)],
        )

    async def _ask(self, model: str, streamed: bool) -> Ended:
        body = question(model=model, stream=streamed, max_tokens=100)
        response = await self.client.post(COMPLETIONS, json=body)
        _keeps_secrets(response.text + str(response.headers.raw))
        ended = _ended(response, streamed)
        await self._nothing_is_left(whole=ended.code is None)
        return ended

    async def _nothing_is_left(self, *, whole: bool) -> None:
        """What was opened is closed, what was taken is settled or given back.

        What stays is one connection to be used again, and the task of the world that serves it.
        """
        async with asyncio.timeout(2):
            while self.world.open_streams or self.world.connections > 1 or self._tasks() > 0:
                await asyncio.sleep(0.001)
        attempts = self.running.app.service.router.attempts
        assert (attempts.retries.requests, attempts.retries.retries) == (0, 0)
        assert not len(attempts.queue)
        windows = (await self.client.get("/api/v1/free/limits")).json()["windows"]
        used = {window["name"]: window["used"] for window in windows}
        assert used["concurrent"] == 0
        assert used["requests_day"] == int(whole), used

    def _tasks(self) -> int:
        """Tasks that were not there before the first request."""
        return len(asyncio.all_tasks()) - self.world.connections - self.tasks

    # ── What follows for the budgets ────────────────────────────────────────────────────────

    async def _follows(self, model_id: str) -> tuple[str, ...]:
        service = self.running.app.service
        model = service.catalogue.get(model_id)
        assert model is not None
        assert model.account is not None
        account = model.account
        allowances = {account.name: account.allowance, key_of(model): model.allowance}
        scopes = [Scope(key, allowance) for key, allowance in allowances.items()]
        found = await service.router.attempts.spending._budgets.look(scopes)
        assert not any(budget.slots for budget in found)
        now_ms, end_ms = self.clock(), Days().end_ms(account.zone, self.clock())
        return tuple(
            f"{whose} {word}"
            for whose, scope, budget in zip(("account", "model"), scopes, found, strict=True)
            for word in (*_rests(budget, now_ms, end_ms), *_limits(budget, scope.allowance))
        )


def _rests(budget: Budget, now_ms: int, end_ms: int) -> Iterator[str]:
    if budget.retired_until_ms >= FOREVER_MS:
        yield "retired for good"
    elif budget.retired_until_ms > now_ms:
        yield f"retired for {_span(budget.retired_until_ms - now_ms)}"
    if budget.rest_until_ms > now_ms:
        longer = ", longer each time" if budget.back_offs else ""
        is_day = budget.rest_until_ms == end_ms
        span = "until its day ends" if is_day else f"for {_span(budget.rest_until_ms - now_ms)}"
        yield f"rests {span}{longer}"


NAMES = {
    Window.RPM: "requests a minute",
    Window.RPD: "requests a day",
    Window.TPM: "tokens a minute",
    Window.TPD: "tokens a day",
}


def _limits(budget: Budget, allowance: Allowance) -> Iterator[str]:
    """The limits that are others than the operator's."""
    pairs = zip(WINDOWS, most(budget, allowance), allowance.limits, strict=True)
    for window, limit, written in pairs:
        if limit is not None and limit != written:
            yield f"has {limit:,} {NAMES[window]}"


def _span(ms: int) -> str:
    for unit_ms, unit in ((3_600_000, "h"), (60_000, "min"), (1_000, "s")):
        if ms >= unit_ms and ms % unit_ms == 0:
            return f"{ms // unit_ms} {unit}"
    return f"{ms / 1000:g} s"


# ── What the caller gets ─────────────────────────────────────────────────────────────────────


def _ended(response: httpx.Response, streamed: bool) -> Ended:
    model = response.headers.get("x-scalix-model")
    attempts = int(response.headers.get("x-scalix-attempts", 0))
    if response.status_code != 200:
        code = response.json()["error"]["code"]
        return Ended(response.status_code, code, model, attempts)
    if not streamed:
        (choice,) = response.json()["choices"]
        assert choice["finish_reason"] in {"stop", "length", "tool_calls", "content_filter"}
        return Ended(200, None, model, attempts)
    data = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    frames: list[dict[str, Any]] = [json.loads(one) for one in data if one != "[DONE]"]
    finished = [c for f in frames for c in f.get("choices", []) if c["finish_reason"] is not None]
    errors = [frame["error"]["code"] for frame in frames if "error" in frame]
    if errors:  # never dressed as whole
        assert "[DONE]" not in data
        assert not finished
        assert "error" in frames[-1]
        (code,) = errors
        return Ended(200, code, model, attempts, broken=True)
    assert data[-1] == "[DONE]"
    assert len(finished) == 1
    return Ended(200, None, model, attempts)


def _keeps_secrets(text: str) -> None:
    assert not [word for word in SECRETS if word in text], text
