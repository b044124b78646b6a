"""The day in virtual time, without HTTP: the router's arithmetic under one policy or another.

``python -m benchmarks.scarcity.simulate`` plays both days under some policies, each in about a
second. It drives the functions of ``core/budget.py`` against providers that count, to choose what
they are given: how much of a day may be spent at once, in which order models are asked, how long
requests wait for what comes back by itself. The hostile ask three times a second.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from benchmarks.scarcity import virtual
from benchmarks.scarcity.counting import Counting, Ending, Said
from benchmarks.scarcity.crowd import HOSTILE_EVERY_S, Crowd, Tally, Told
from benchmarks.scarcity.day import BEGIN_S, DAY_S, PROVIDERS, Model, Provider
from benchmarks.scarcity.demand import (
    ATTACKED_CROWD,
    BY_HOUR,
    CAP_TOKENS,
    ORDINARY_CROWD,
    SEED,
    Demand,
    Question,
    demand,
)
from benchmarks.scarcity.figures import Figures, figures
from benchmarks.scarcity.optimum import Bound, optimum
from benchmarks.scarcity.people import Denied, People
from benchmarks.table import markdown
from scalix_free.core.budget import (
    WHOLE,
    Act,
    Budget,
    Close,
    Extent,
    Finding,
    Scope,
    Short,
    Take,
    Taken,
    Verdict,
    Window,
    close,
    take,
    used,
)
from scalix_free.core.clock import DAY_MS

BEGIN_MS: Final = round(BEGIN_S * 1000)
TIMEOUT_S: Final = 60.0
ESTIMATE: Final = 1.15
"""What the router believes a prompt to have, for each token that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is to be chosen.

    ``order`` is how candidates are ordered, ``headroom`` the part of a day that may be spent at
    once (thousandths), ``trip_after`` so many failures in a row, ``attempts`` upstream calls of one
    request, ``queue_s`` how long one may wait. For ``hold_s`` a request waits for what comes back
    by then, before it spends a day's budget that is not ``reserve`` (a part) behind its pace.
    ``profile``: pace follows the day's demand, which is then taken to be known, not the clock.
    """

    order: str = "quality"
    headroom: int = 300
    trip_after: int = 1
    attempts: int = 3
    queue_s: float = 8.0
    waiting: int = 64
    hold_s: float = 0.0
    reserve: float = 0.1
    profile: bool = False


@dataclass(slots=True)
class Candidate:
    """A model as the router sees it."""

    provider: Provider
    model: Model
    counting: Counting
    scopes: tuple[Scope, ...]
    failures: int = 0

    @property
    def name(self) -> str:
        """As it is named to people."""
        return f"{self.provider.name}/{self.model.name}"


@dataclass(order=True, slots=True)
class Waiter:
    """Somebody for whom nothing is left at the moment."""

    received: int
    number: int
    until_s: float = field(compare=False)
    question: Question = field(compare=False)
    called: asyncio.Future[tuple[Candidate, bytes, int] | None] = field(compare=False)
    tried: frozenset[str] = field(compare=False)
    came_s: float = field(compare=False)


class Router:
    """The router to be: people's limits, budgets, queue, attempts."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.people = People()
        self.counting = [Counting(provider) for provider in PROVIDERS]
        self.why: Counter[str] = Counter()
        self._budgets: dict[str, Budget] = defaultdict(Budget)
        self._candidates = [
            Candidate(one.provider, model, one, tuple(_scopes(one.provider, model, BEGIN_MS)))
            for one in self.counting
            for model in one.provider.models
        ]
        self._rids = (b"%d" % n for n in itertools.count())
        self._numbers = itertools.count()
        self._waiting: list[Waiter] = []
        self._alarm: asyncio.TimerHandle | None = None

    async def ask(self, question: Question) -> Told:
        """Answer somebody, or say when."""
        now_s = asyncio.get_running_loop().time()
        person = question.person
        admitted = self.people.admit(person.name, person.address, now_s)
        if isinstance(admitted, Denied):
            return Told(429, wait_s=admitted.wait_s)
        told = await self._answer(question, admitted.received)
        if told.status != 200:
            self.people.give_back(person.name, person.address, now_s)
        return told

    async def _answer(self, question: Question, received: int) -> Told:
        tried: frozenset[str] = frozenset()
        came_s = asyncio.get_running_loop().time()
        for _ in range(self.policy.attempts):
            found = self._take(question, received, tried, came_s)
            if isinstance(found, float):
                waited = await self._wait(question, received, tried, found, came_s)
                if waited is None:
                    until_s = max(found - asyncio.get_running_loop().time(), 1.0)
                    return Told(503, wait_s=until_s)
                found = waited
            candidate, rid, at_ms = found
            if await self._call(candidate, rid, at_ms, question):
                return Told(200, candidate.name)
            tried |= {candidate.name}
        return Told(502, wait_s=2.0)

    # ── Taking ──────────────────────────────────────────────────────────────────────────────

    def _take(
        self, question: Question, received: int, tried: frozenset[str], came_s: float
    ) -> tuple[Candidate, bytes, int] | float:
        """The first candidate that gives, or the moment at which one may."""
        now_ms = _now_ms()
        ordered = [one for one in self._ordered(now_ms) if one.name not in tried]
        held_until_s = came_s + self.policy.hold_s
        spared: list[Candidate] = []
        if self.policy.hold_s and (now_ms - BEGIN_MS) / 1000 < held_until_s - 0.01 and not tried:
            spared = [one for one in ordered if self._is_spared(one, now_ms)]
        found = self._first(question, received, [one for one in ordered if one not in spared])
        if isinstance(found, float) and spared and found > held_until_s:
            found = self._first(question, received, spared)
        return found

    def _first(
        self, question: Question, received: int, candidates: Sequence[Candidate]
    ) -> tuple[Candidate, bytes, int] | float:
        """The first of these that gives, or the moment at which one may."""
        now_ms = _now_ms()
        rid = next(self._rids)
        tokens = round(question.prompt_tokens * ESTIMATE) + 12 + CAP_TOKENS
        earliest_ms: int | None = None
        reasons = []
        for candidate in candidates:
            candidate.scopes = tuple(_scopes(candidate.provider, candidate.model, now_ms))
            ask = Take(rid, candidate.scopes, tokens, self.policy.headroom, received)
            budgets = [self._budgets[scope.key] for scope in candidate.scopes]
            gave = take(budgets, ask, now_ms)
            if isinstance(gave, Taken):
                return candidate, rid, gave.at_ms
            assert isinstance(gave, Short)
            reasons.append(gave.why.name)
            if gave.until_ms is not None and (earliest_ms is None or gave.until_ms < earliest_ms):
                earliest_ms = gave.until_ms
        if not question.person.hostile:
            self.why.update(reasons)
        if earliest_ms is None:
            earliest_ms = now_ms + 60_000
        return (max(earliest_ms, now_ms + 50) - BEGIN_MS) / 1000

    def _ordered(self, now_ms: int) -> Sequence[Candidate]:
        return sorted(self._candidates, key=lambda one: self._rank(one, now_ms))

    def _rank(self, candidate: Candidate, now_ms: int) -> float:
        quality = candidate.model.quality
        if self.policy.order == "quality":
            return -quality
        if self.policy.order == "worst":
            return quality
        if self.policy.order == "renewing":  # what comes back each minute first, then by quality
            limits = (candidate.provider.allowance, candidate.model.allowance)
            has_day = any(limit.rpd or limit.tpd for limit in limits)
            return (2 if has_day else 0) - quality
        spare = min((self._spare(scope, now_ms) for scope in candidate.scopes), default=1.0)
        kind, _, weight = self.policy.order.partition(":")
        if kind == "ahead":  # what is behind the clock has no advantage over what is on it
            spare = min(spare, 0.0)
        return -(quality + float(weight or 1) * spare)

    def _is_spared(self, candidate: Candidate, now_ms: int) -> bool:
        """Whether its day is scarce, so that others are waited for."""
        limits = (candidate.provider.allowance, candidate.model.allowance)
        if not any(limit.rpd or limit.tpd for limit in limits):
            return False
        return min(self._spare(scope, now_ms) for scope in candidate.scopes) < self.policy.reserve

    def _spare(self, scope: Scope, now_ms: int) -> float:
        """How far a day's budget is behind the clock; 1 where nothing lasts a day."""
        budget, spare = self._budgets[scope.key], 1.0
        for window in (Window.RPD, Window.TPD):
            limit = scope.allowance.limits[window]
            if limit:
                passed = 1.0
                if scope.day_end_ms:
                    late = (now_ms - scope.day_end_ms) % DAY_MS / DAY_MS
                    passed = late
                else:
                    passed = (now_ms - BEGIN_MS) / DAY_MS
                if self.policy.profile:
                    passed = _profile(scope, now_ms)
                spare = min(spare, passed - used(budget, window) / limit)
        return spare

    # ── Waiting ─────────────────────────────────────────────────────────────────────────────

    async def _wait(
        self,
        question: Question,
        received: int,
        tried: frozenset[str],
        earliest_s: float,
        came_s: float,
    ) -> tuple[Candidate, bytes, int] | None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self.policy.queue_s
        if earliest_s > until_s + 0.1:
            return None
        same = [one for one in self._waiting if one.question.person.name == question.person.name]
        near = [
            one for one in self._waiting if one.question.person.address == question.person.address
        ]
        if len(same) >= 2 or (len(near) >= 4 and question.person.hostile):
            return None
        waiter = Waiter(
            received, next(self._numbers), until_s, question, loop.create_future(), tried, came_s
        )
        if len(self._waiting) >= self.policy.waiting:
            worst = max(self._waiting)
            if worst < waiter:
                return None
            self._waiting.remove(worst)
            worst.called.set_result(None)
        self._waiting.append(waiter)
        self._wake_at(earliest_s)
        return await waiter.called

    def _wake_at(self, at_s: float) -> None:
        loop = asyncio.get_running_loop()
        if self._alarm is not None:
            if self._alarm.when() <= at_s and not self._alarm.cancelled():
                return
            self._alarm.cancel()
        self._alarm = loop.call_at(at_s, self._wake)

    def _wake(self) -> None:
        """Serve whoever waits, the least served first."""
        self._alarm = None
        now_s = asyncio.get_running_loop().time()
        next_s: float | None = None
        for waiter in sorted(self._waiting):
            found = self._take(waiter.question, waiter.received, waiter.tried, waiter.came_s)
            if isinstance(found, float):
                if found > waiter.until_s + 0.1 or now_s >= waiter.until_s + 0.1:
                    self._waiting.remove(waiter)
                    waiter.called.set_result(None)
                else:
                    next_s = found if next_s is None else min(next_s, found)
                continue
            self._waiting.remove(waiter)
            waiter.called.set_result(found)
        if next_s is not None:
            self._wake_at(next_s)

    # ── Calling ─────────────────────────────────────────────────────────────────────────────

    async def _call(self, candidate: Candidate, rid: bytes, at_ms: int, question: Question) -> bool:
        loop = asyncio.get_running_loop()
        said = candidate.counting.asks(
            candidate.model.name,
            question.prompt_tokens,
            CAP_TOKENS,
            question.answer_tokens,
            loop.time(),
        )
        await asyncio.sleep(min(said.after_s, TIMEOUT_S))
        hung = said.after_s > TIMEOUT_S
        if said.settle is not None:
            said.settle()
        answered = said.ending is Ending.ANSWERED and not hung
        if said.ending is Ending.ANSWERED and hung:
            candidate.counting.answered -= 1
            candidate.counting.failed += 1
        reserved = round(question.prompt_tokens * ESTIMATE) + 12 + CAP_TOKENS
        tokens = question.prompt_tokens + question.answer_tokens if answered else None
        if said.ending in {Ending.FULL, Ending.BUSY}:
            tokens = 0
        verdict = Verdict.SUCCESS if answered else Verdict.NEUTRAL
        findings = list(self._findings(candidate, said, answered=answered, hung=hung))
        end = Close(rid, candidate.scopes, at_ms, reserved, tokens, verdict, tuple(findings))
        close([self._budgets[scope.key] for scope in candidate.scopes], end, _now_ms())
        return answered

    def _findings(
        self, candidate: Candidate, said: Said, *, answered: bool, hung: bool
    ) -> Iterator[tuple[int, Finding]]:
        own = len(candidate.scopes) - 1
        if answered:
            candidate.failures = 0
            for window, limit, left in said.left:
                del limit
                if (candidate.provider.name, window) in TOLD:
                    yield own, Finding(Extent.MODEL, Act.LEFT, window=window, amount=left)
            return
        if said.ending is Ending.FULL:
            if candidate.provider.name in TELLS_WHEN:
                until_ms = BEGIN_MS + round(said.until_s * 1000)
                yield own, Finding(Extent.MODEL, Act.REST, until_ms)
            else:
                yield own, Finding(Extent.MODEL, Act.BACK_OFF)
            return
        if said.ending is Ending.BUSY:
            yield own, Finding(Extent.MODEL, Act.BACK_OFF)
            return
        del hung
        candidate.failures += 1
        if candidate.failures >= self.policy.trip_after:
            yield own, Finding(Extent.MODEL, Act.TRIP)


TELLS_WHEN: Final = frozenset({"gemini", "groq", "openrouter", "cloudflare"})
TOLD: Final = frozenset(
    {
        ("groq", Window.RPD),
        ("groq", Window.TPM),
        ("openrouter", Window.RPD),
        ("mistral", Window.RPM),
    }
)
"""Which windows whose headers tell of."""


def _scopes(provider: Provider, model: Model, now_ms: int) -> Iterator[Scope]:
    end_ms = 0
    if provider.day_end_s is not None:
        end_ms = BEGIN_MS + provider.day_end_s * 1000
        end_ms += DAY_MS * max((now_ms - end_ms) // DAY_MS + 1, 0)
    yield Scope(provider.name, provider.allowance, end_ms)
    yield Scope(f"{provider.name}/{model.name}", model.allowance, end_ms)


def _profile(scope: Scope, now_ms: int) -> float:
    """Which part of its day's demand has been asked, by the true hours."""
    end_s = ((scope.day_end_ms or BEGIN_MS + DAY_MS) - BEGIN_MS) // 1000
    now_s = (now_ms - BEGIN_MS) / 1000
    hours = [BY_HOUR[h % 24] for h in range(end_s // 3600 - 24, end_s // 3600)]
    passed = (now_s - end_s + DAY_S) / 3600
    whole = int(passed)
    done = sum(hours[:whole]) + (hours[whole] * (passed - whole) if whole < 24 else 0)
    return done / sum(hours)


def _now_ms() -> int:
    return BEGIN_MS + int(asyncio.get_running_loop().time() * 1000)


@dataclass(frozen=True, slots=True)
class Simulated:
    """A day under a policy."""

    policy: Policy
    figures: Figures
    tally: Tally
    router: Router


def simulate(policy: Policy, day: Demand, hostile_every_s: float = HOSTILE_EVERY_S) -> Simulated:
    """Play a day."""

    async def live() -> tuple[Tally, Router]:
        router = Router(policy)
        crowd = Crowd(router.ask, hostile_every_s=hostile_every_s)
        return await crowd.live(day), router

    tally, router = virtual.run(live())
    return Simulated(policy, figures(day, tally, router.counting), tally, router)


# ── Policies beside one another ──────────────────────────────────────────────────────────────

HEADINGS: Final = (
    *("policy", "answers", "of those within limits", "worth of the bound"),
    *("wasted per 100", "p50, s", "p95, s", "Jain"),
    *("attacked: honest served", "Jain", "wasted per 100", "hostile answers"),
    *("quiet: worth of the bound", "p50, s"),
)
_SPARE: Final = Policy(order="spare:0.3", headroom=WHOLE, trip_after=2)
_PATIENT: Final = replace(_SPARE, hold_s=25, queue_s=25)
POLICIES: Final = (
    ("by quality", Policy(headroom=WHOLE)),
    ("by quality, rests after 5 failures", Policy(headroom=WHOLE, trip_after=5)),
    ("by quality, headroom 0.3", Policy(headroom=300)),
    ("what renews first", Policy(order="renewing", headroom=WHOLE)),
    ("behind the clock first", _SPARE),
    ("headroom 0.5", replace(_SPARE, headroom=500)),
    ("headroom 0.2", replace(_SPARE, headroom=200)),
    ("waits 8 s for what comes back", replace(_SPARE, hold_s=8)),
    ("15 s", replace(_SPARE, hold_s=15, queue_s=15)),
    ("25 s", _PATIENT),
    ("25 s, headroom 0.5", replace(_PATIENT, headroom=500)),
    ("25 s, headroom 0.3", replace(_PATIENT, headroom=300)),
    ("25 s, rests after 5 failures", replace(_PATIENT, trip_after=5)),
    ("25 s, ahead of the clock last", replace(_PATIENT, order="ahead:1")),
    ("25 s, a fifth behind the clock", replace(_PATIENT, reserve=0.2)),
    ("25 s, pace by the true demand", replace(_PATIENT, profile=True)),
)
QUIET: Final = 0.2
"""The part of the ordinary day's people who come on the quiet day."""


def quiet(day: Demand, seed: int) -> Demand:
    """The same day with fewer people."""
    chance = random.Random(seed)
    names = sorted(day.asked())
    come = {name for name in names if chance.random() < QUIET}
    return replace(day, questions=tuple(q for q in day.questions if q.person.name in come))


def row(name: str, policy: Policy, days: Sequence[tuple[Demand, Bound]]) -> tuple[str, ...]:
    """A policy's line: the ordinary day, the attacked one, the quiet one."""
    (ordinary, bound), (attacked, _), (few, least) = days
    found, under = simulate(policy, ordinary).figures, simulate(policy, attacked).figures
    calm = simulate(policy, few).figures
    return (
        *(name, f"{found.answered:,}", f"{found.share:.1%}", f"{found.worth / bound.worth:.1%}"),
        *(f"{100 * found.wasted_per_answer:.2f}", f"{found.p50_s:.1f}", f"{found.p95_s:.1f}"),
        *(f"{found.jain:.3f}", f"{under.share:.1%}", f"{under.jain:.3f}"),
        *(f"{100 * under.wasted_per_answer:.2f}", f"{under.hostile:,}"),
        *(f"{calm.worth / least.worth:.1%}", f"{calm.p50_s:.1f}"),
    )


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.scarcity.simulate", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    told = parser.parse_args(arguments)
    ordinary = demand(told.seed, crowd=ORDINARY_CROWD)
    attacked = demand(told.seed, crowd=ATTACKED_CROWD, hostile=True)
    made = (ordinary, attacked, quiet(ordinary, told.seed))
    days = [(day, optimum(day)) for day in made]
    print(markdown(HEADINGS, [row(name, policy, days) for name, policy in POLICIES]))


if __name__ == "__main__":
    main(sys.argv[1:])
