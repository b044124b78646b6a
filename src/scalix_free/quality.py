"""A few questions for every model, at the operator's command: what it gets right, and how soon.

Each question is an upstream call that is spent from the provider's budgets, as the service's are.
Nothing is asked of another model in its place, and nothing is asked by itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Final, TypeAlias

import msgspec

from scalix_free.core.budget import Short, Why
from scalix_free.core.chat import Call, estimate_tokens
from scalix_free.core.clock import utc
from scalix_free.core.errors import Failure, Kind, StoreUnavailable
from scalix_free.operator import open_service
from scalix_free.parent import find_database, make_data, migrate, prepare_ledger
from scalix_free.routing.attempts import Exhausted
from scalix_free.routing.catalogue import Model
from scalix_free.routing.claim import UNBOUNDED
from scalix_free.routing.questions import Question
from scalix_free.routing.router import Router
from scalix_free.settings import Settings
from scalix_free.wire.answer import Collected

log = logging.getLogger(__name__)

OUTPUT_TOKENS: Final = 300
"""More than twice what the longest right answer takes."""
MOST_WAITS: Final = 3
"""For one question; others may be faster in taking what a minute gives."""
LEAST_WAIT_MS: Final = 1_000
"""The clock of the budgets may be another than ours."""

IN_VAIN: Final = frozenset(
    {
        Kind.RATE_LIMITED,
        Kind.REFUSED_KEY,
        Kind.GONE,
        Kind.UNREACHABLE,
        Kind.LOST,
        Kind.TIMEOUT,
    }
)
"""Failures after which a model is not asked any more; others count as wrong answers."""

SHORT: Final = {
    Why.RETIRED: "it is gone, or its key is refused",
    Why.RESTING: "it rests after failures",
    Why.PROBED: "it rests after failures, and another request is trying it",
    Why.BUSY: "all calls at once that it allows are in flight",
    Why.RPM: "the requests of its minute are spent",
    Why.RPD: "the requests of its day are spent",
    Why.TPM: "the tokens of its minute are spent",
    Why.TPD: "the tokens of its day are spent",
    Why.PACE: "the budget of its day has to last",
    Why.SCARCE: "callers who had less go first",
}

Pause: TypeAlias = Callable[[float], Awaitable[object]]


@dataclass(slots=True)
class Marks:
    """How a model did in what it was ``asked``, and why no more, if it was ``stopped``."""

    asked: int = 0
    right: int = 0
    first_tokens_ms: list[float] = field(default_factory=list)
    tokens: int = 0
    writing_s: float = 0.0
    stopped: str | None = None

    @property
    def first_token_ms(self) -> float | None:
        """The median; None where nothing was said."""
        return statistics.median(self.first_tokens_ms) if self.first_tokens_ms else None

    @property
    def tokens_per_s(self) -> float | None:
        """Of all answers together, from their first tokens on; None where nothing was said."""
        return self.tokens / self.writing_s if self.writing_s > 0 else None


def quality(settings: Settings, model_id: str | None) -> int:
    """Print how the models do; 0 where each was asked everything, else 1."""
    make_data(settings.data_dir)
    ledger, database = prepare_ledger(settings), find_database(settings)

    async def run() -> int:
        await migrate(database)
        async with open_service(settings, ledger=ledger, database=database.place) as service:
            return await _report(service.router, model_id)

    return asyncio.run(run())


def questions() -> Sequence[Question]:
    """Those that come with the package."""
    text = files("scalix_free").joinpath("questions.toml").read_text("utf-8")
    return msgspec.toml.decode(text, type=dict[str, list[Question]])["questions"]


async def examine(
    router: Router, model: Model, asked: Sequence[Question], pause: Pause = asyncio.sleep
) -> Marks:
    """Ask a model one question after the other, until something keeps it from answering."""
    marks = Marks()
    for question in asked:
        for waits_left in reversed(range(MOST_WAITS + 1)):
            short = await _ask(router, model, question, marks)
            wait_ms = None if short is None else _wait_ms(short, router.clock())
            if short is None or wait_ms is None or not waits_left:
                break
            log.info("%s: %s; waiting for it", model.id, _until(SHORT[short.why], short.until_ms))
            await pause(wait_ms / 1000)
        if short is not None:
            marks.stopped = _until(SHORT[short.why], short.until_ms)
        if marks.stopped is not None:
            break
    return marks


def _wait_ms(short: Short, now_ms: int) -> int | None:
    """How long a minute's limit takes to return; None for what is not worth waiting for."""
    if short.why not in {Why.RPM, Why.TPM} or short.until_ms is None:
        return None
    return max(short.until_ms - now_ms, LEAST_WAIT_MS)


async def _ask(router: Router, model: Model, question: Question, marks: Marks) -> Short | None:
    """One question; what was short, if it could not be asked."""
    began = time.perf_counter()
    answer = Collected()
    try:
        async with router.open(_call(model, question), (model,), UNBOUNDED) as reply:
            first = time.perf_counter()
            while chunks := await reply.read():
                answer.add(chunks)
    except StoreUnavailable:
        marks.stopped = "the store of its budget does not answer"
        return None
    except Exhausted as exhausted:
        if not exhausted.failures:
            return exhausted.shorts[-1]
        if exhausted.kind not in IN_VAIN:
            marks.asked += 1
            return None
        wait_ms = exhausted.failures[-1].retry_after_ms
        until_ms = None if wait_ms is None else router.clock() + wait_ms
        marks.stopped = _until(exhausted.message.rstrip("."), until_ms)
        return None
    except Failure:  # it broke off
        marks.asked += 1
        return None
    marks.asked += 1
    marks.right += question.is_right(answer.text)
    marks.first_tokens_ms.append((first - began) * 1000)
    marks.tokens += answer.usage.completion_tokens if answer.usage else answer.output_tokens
    marks.writing_s += time.perf_counter() - first
    return None


def _call(model: Model, question: Question) -> Call:
    return Call(
        rid=os.urandom(16),
        messages=[{"role": "user", "content": question.ask}],
        model=model.id,
        stream=True,
        output_tokens=OUTPUT_TOKENS,
        prompt_tokens=int(estimate_tokens(question.ask)) + 1,
    )


def _until(why: str, until_ms: int | None) -> str:
    return why if until_ms is None else f"{why}, until {utc(until_ms)}"


# ── The table ────────────────────────────────────────────────────────────────────────────────


async def _report(router: Router, model_id: str | None) -> int:
    models = [model for model in router.catalogue if model_id in {None, model.id}]
    if not models:
        missing = "no model is configured" if model_id is None else f"there is no model {model_id}"
        print(f"scalix-free: {missing}; see scalix-free models", file=sys.stderr)
        return 1
    asked = questions()
    width = max(len("model"), *(len(model.id) for model in models))
    print(f"{'model':{width}}  right  first token  tokens/s  score", flush=True)
    stopped = False
    for model in models:
        marks = await examine(router, model, asked)
        score = router.attempts.learning.qualities.of(model).score(router.clock())
        print(_row(model.id.ljust(width), marks, score), flush=True)
        stopped |= marks.stopped is not None
    return 1 if stopped else 0


def _row(name: str, marks: Marks, score: float) -> str:
    right = f"{marks.right}/{marks.asked}" if marks.asked else "-"
    first = "-" if marks.first_token_ms is None else f"{marks.first_token_ms:.0f} ms"
    speed = "-" if marks.tokens_per_s is None else f"{marks.tokens_per_s:.0f}"
    why = "" if marks.stopped is None else f"  stopped: {marks.stopped}"
    return f"{name}  {right:>5}  {first:>11}  {speed:>8}  {score:>5.0f}{why}"
