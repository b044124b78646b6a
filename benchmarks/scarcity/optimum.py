"""What a clairvoyant could have answered: an upper bound.

It knows every question, how long its answer will be, every outage and limit. Kept are: people's
limits by aligned hour and day, how long a question waits, requests of each aligned minute,
requests of each day of a provider, and tokens of a day as the number of the smallest questions
that fit. Each is no stricter than the rule it stands for, so that no router can do better. Left
out are tokens of a minute, how long answers take, and that calls which fail are spent.

Questions flow to the budgets that answer them. What an answer is worth hangs on the budget alone,
and the units of budgets that questions can fill at once are the independent sets of a matroid (a
gammoid): so it is best to fill budgets from the best to the worst, re-routing what was filled
before where that makes room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.scarcity.day import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    PROVIDERS,
    Model,
    Provider,
    Trouble,
    trouble,
)
from benchmarks.scarcity.demand import Demand, Question
from benchmarks.scarcity.people import ADDRESS, PERSON
from scalix_free.core.budget import Allowance

PATIENCE_MIN: Final = 4
"""How many minutes after its own a question may still be answered in."""
MANY: Final = 10**9
DOWN: Final = frozenset({Trouble.OVERLOADED, Trouble.BROKEN, Trouble.BUSY, Trouble.HANGS})


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that could be answered, what it would be worth, and by whom."""

    asked: int
    answered: int
    worth: float
    by_model: dict[str, int]


@dataclass(frozen=True, slots=True)
class Filling:
    """One day of one model: the edge by which it is filled, and how far it can be."""

    name: str
    quality: float
    edge: int
    room: int


class Network:
    """A flow with whole capacities, in pairs of an edge and its reverse."""

    def __init__(self) -> None:
        self._edges: list[list[int]] = []
        self._to: list[int] = []
        self._room: list[int] = []

    def node(self) -> int:
        """Add a node."""
        self._edges.append([])
        return len(self._edges) - 1

    def edge(self, begin: int, end: int, room: int) -> int:
        """Add an edge."""
        at = len(self._to)
        self._to += (end, begin)
        self._room += (room, 0)
        self._edges[begin].append(at)
        self._edges[end].append(at + 1)
        return at

    def open(self, edge: int, room: int) -> None:
        """Give an edge more room."""
        self._room[edge] += room

    def push(self, source: int, sink: int) -> int:
        """Push all that can flow more (Dinic); what had reached the sink stays there."""
        total = 0
        while (levels := self._levels(source, sink)) is not None:
            at = [0] * len(self._edges)
            while self._path(source, sink, levels, at):
                total += 1
        return total

    def _levels(self, source: int, sink: int) -> list[int] | None:
        levels = [-1] * len(self._edges)
        levels[source] = 0
        waiting = deque([source])
        while waiting:
            node = waiting.popleft()
            for edge in self._edges[node]:
                end = self._to[edge]
                if self._room[edge] and levels[end] < 0:
                    levels[end] = levels[node] + 1
                    waiting.append(end)
        return levels if levels[sink] >= 0 else None

    def _path(self, source: int, sink: int, levels: list[int], at: list[int]) -> bool:
        """Push one unit along a path of rising levels, if there is one."""
        path: list[int] = []
        node = source
        while node != sink:
            edges = self._edges[node]
            while at[node] < len(edges):
                edge = edges[at[node]]
                if self._room[edge] and levels[self._to[edge]] == levels[node] + 1:
                    path.append(edge)
                    node = self._to[edge]
                    break
                at[node] += 1
            else:
                if not path:
                    return False
                node = self._to[path.pop() ^ 1]
                at[node] += 1
        for edge in path:
            self._room[edge] -= 1
            self._room[edge ^ 1] += 1
        return True


def optimum(demand: Demand) -> Bound:
    """The bound of a day's honest questions."""
    network = Network()
    source, sink = network.node(), network.node()
    minutes = [network.node() for _ in range(DAY_S // MINUTE_S)]
    _people(network, source, minutes, demand.questions)
    budgets = [
        budget
        for provider in PROVIDERS
        for budget in _fillings(network, sink, minutes, provider, demand.questions)
    ]
    answered, worth, by_model = 0, 0.0, dict[str, int]()
    for budget in sorted(budgets, key=lambda one: -one.quality):
        network.open(budget.edge, budget.room)
        more = network.push(source, sink)
        answered += more
        worth += more * budget.quality
        by_model[budget.name] = by_model.get(budget.name, 0) + more
    return Bound(len(demand.questions), answered, worth, by_model)


def _people(
    network: Network, source: int, minutes: Sequence[int], questions: Sequence[Question]
) -> None:
    """Each question once, within its person's limits and its address's."""
    addresses: dict[str, int] = {}
    days: dict[str, int] = {}
    hours: dict[tuple[str, int], int] = {}
    for question in questions:
        name, address = question.person.name, question.person.address
        hour = int(question.at_s // HOUR_S)
        if address not in addresses:
            addresses[address] = network.node()
            network.edge(source, addresses[address], ADDRESS[-1].most)
        if name not in days:
            days[name] = network.node()
            network.edge(addresses[address], days[name], PERSON[-1].most)
        if (name, hour) not in hours:
            hours[name, hour] = network.node()
            network.edge(days[name], hours[name, hour], PERSON[0].most)
        asked = network.node()
        network.edge(hours[name, hour], asked, 1)
        first = int(question.at_s // MINUTE_S)
        for minute in minutes[first : first + PATIENCE_MIN + 1]:
            network.edge(asked, minute, 1)


def _fillings(
    network: Network,
    sink: int,
    minutes: Sequence[int],
    provider: Provider,
    questions: Sequence[Question],
) -> Iterator[Filling]:
    """The days of a provider's models, each behind its minutes; their last edges are shut."""
    for model, allowance in _limits(provider):
        for begin_s, end_s in _days(provider):
            day = network.node()
            for minute in range(begin_s // MINUTE_S, end_s // MINUTE_S):
                if trouble(provider.name, minute * MINUTE_S) not in DOWN:
                    network.edge(minutes[minute], day, allowance.rpm or MANY)
            room = MANY if allowance.rpd is None else allowance.rpd
            if allowance.tpd is not None:
                room = min(room, _fitting(allowance.tpd, questions, begin_s, end_s))
            edge = network.edge(day, sink, 0)
            yield Filling(f"{provider.name}/{model.name}", model.quality, edge, room)


def _limits(provider: Provider) -> list[tuple[Model, Allowance]]:
    """What is to be filled: each model, or only the best where the account alone has limits."""
    if provider.allowance == Allowance():
        return [(model, model.allowance) for model in provider.models]
    if any(model.allowance != Allowance() for model in provider.models):
        raise ValueError(f"{provider.name}: limits of account and model at once are not reckoned")
    return [(max(provider.models, key=lambda model: model.quality), provider.allowance)]


def _days(provider: Provider) -> list[tuple[int, int]]:
    """The parts of the provider's days that lie in ours; a rolling one gives nothing back in it."""
    if provider.day_end_s is None or provider.day_end_s >= DAY_S:
        return [(0, DAY_S)]
    return [(0, provider.day_end_s), (provider.day_end_s, DAY_S)]


def _fitting(tokens: int, questions: Sequence[Question], begin_s: int, end_s: int) -> int:
    """How many questions at most take so many tokens together: the smallest."""
    early_s = begin_s - (PATIENCE_MIN + 1) * MINUTE_S
    sizes = sorted(
        question.prompt_tokens + question.answer_tokens
        for question in questions
        if early_s <= question.at_s < end_s
    )
    for count, size in enumerate(sizes):
        tokens -= size
        if tokens < 0:
            return count
    return len(sizes)
