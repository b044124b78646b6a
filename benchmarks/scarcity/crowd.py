"""The people of the day at work: they ask, wait as long as they are told, and give up.

The same people ask every contestant, in virtual time or through HTTP; what differs is ``Ask``.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from benchmarks.scarcity.day import DAY_S
from benchmarks.scarcity.demand import CAP_TOKENS, Demand, Person, Question

TRIES: Final = 3
"""How often an honest person asks the same in all."""
MOST_WAIT_S: Final = 60.0
"""Whoever is told to wait longer gives up."""
UNTOLD_S: Final = (2.0, 8.0)
"""How long people wait who were not told."""
HOSTILE_EVERY_S: Final = 1 / 3
HOSTILE_TOKENS: Final = (400, 500)


class Told(NamedTuple):
    """What somebody was told: a status, by which model, and after a refusal when to come back.

    ``wait_s`` is None where nothing was said.
    """

    status: int
    model: str = ""
    wait_s: float | None = None


Ask: TypeAlias = Callable[[Question], Awaitable[Told]]


@dataclass
class Tally:
    """What came of a day. Names of honest people; waits in seconds."""

    answers: Counter[str] = field(default_factory=Counter)
    by_model: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    refusals: Counter[int] = field(default_factory=Counter)
    denied: Counter[str] = field(default_factory=Counter)
    hostile_asked: int = 0
    hostile_answers: Counter[str] = field(default_factory=Counter)


class Crowd:
    """Everybody who asks on that day."""

    def __init__(
        self, ask: Ask, *, begin_s: float = 0.0, end_s: float = DAY_S, hostile_every_s: float
    ) -> None:
        self._ask = ask
        self._begin_s, self._end_s = begin_s, end_s
        self._hostile_every_s = hostile_every_s
        self.tally = Tally()

    async def live(self, demand: Demand) -> Tally:
        """Ask all of it, at its time; ``loop.time()`` began with the day."""
        loop = asyncio.get_running_loop()
        offset_s = loop.time() - self._begin_s
        async with asyncio.TaskGroup() as asking:
            for _, people in itertools.groupby(demand.hostile, key=lambda one: one.address):
                asking.create_task(self._attack(list(people), offset_s))
            for question in demand.questions:
                if self._begin_s <= question.at_s < self._end_s:
                    await asyncio.sleep(question.at_s + offset_s - loop.time())
                    asking.create_task(self._honest(question))
        return self.tally

    async def _honest(self, question: Question) -> None:
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        for attempt in range(TRIES):
            told = await self._ask(question)
            if told.status == 200:
                self.tally.answers[question.person.name] += 1
                self.tally.by_model[told.model] += 1
                self.tally.waits.append(loop.time() - begin_s)
                return
            if attempt == TRIES - 1 or told.status == 400:
                break
            wait_s = UNTOLD_S[attempt] if told.wait_s is None else told.wait_s
            if wait_s > MOST_WAIT_S:
                break
            await asyncio.sleep(wait_s)
        self.tally.refusals[told.status] += 1
        if told.status == 429:
            self.tally.denied[question.person.name] += 1

    async def _attack(self, people: Sequence[Person], offset_s: float) -> None:
        """One address: whoever of its identities is not out of requests asks, again and again.

        It asks on without waiting for answers. Whoever is told of a limit of their own waits, as
        asking on would only help us.
        """
        loop = asyncio.get_running_loop()
        free_s: dict[str, float] = defaultdict(float)
        running: set[asyncio.Task[None]] = set()

        async def one(person: Person) -> None:
            self.tally.hostile_asked += 1
            told = await self._ask(Question(0.0, person, *HOSTILE_TOKENS))
            if told.status == 200:
                self.tally.hostile_answers[person.address] += 1
                free_s[person.name] = 0.0
            elif told.status == 429 and told.wait_s is not None:
                free_s[person.name] = loop.time() + told.wait_s
            else:
                free_s[person.name] = 0.0

        while loop.time() - offset_s < self._end_s:
            person = next((one for one in people if free_s[one.name] <= loop.time()), None)
            if person is not None:
                free_s[person.name] = float("inf")  # until it knows
                task = asyncio.create_task(one(person))
                running.add(task)
                task.add_done_callback(running.discard)
                await asyncio.sleep(self._hostile_every_s)
                continue
            known = [at_s for at_s in free_s.values() if at_s != float("inf")]
            soon_s = min(known, default=0.0) - loop.time()
            await asyncio.sleep(max(self._hostile_every_s, min(soon_s, 60.0)))
        await asyncio.gather(*running)


assert HOSTILE_TOKENS[1] <= CAP_TOKENS
