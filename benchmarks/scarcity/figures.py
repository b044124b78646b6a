"""What a day came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from benchmarks.scarcity.crowd import Tally
from benchmarks.scarcity.day import offered
from benchmarks.scarcity.demand import Demand
from benchmarks.scarcity.people import PERSON

QUALITY: Final = {f"{provider.name}/{model.name}": model.quality for provider, model in offered()}


class Counted(Protocol):
    """What a provider counted."""

    @property
    def calls(self) -> int:
        """Calls that it got."""
        ...


@dataclass(frozen=True, slots=True)
class Figures:
    """A day's figures; shares are of what honest people may ask within their limits."""

    asked: int
    answered: int
    share: float
    worth: float
    calls: int
    wasted: int
    p50_s: float
    p95_s: float
    jain: float
    served: float
    hostile: int

    @property
    def wasted_per_answer(self) -> float:
        """Upstream calls that gave nobody an answer, for each answer."""
        return self.wasted / max(self.answered + self.hostile, 1)


def figures(day: Demand, tally: Tally, counted: Iterable[Counted]) -> Figures:
    """Reckon them."""
    asked = day.asked()
    may = allowed(day)
    answered = sum(tally.answers.values())
    hostile = sum(tally.hostile_answers.values())
    calls = sum(one.calls for one in counted)
    waits = sorted(tally.waits)
    shares = [min(tally.answers[name] / may[name], 1.0) for name in may]
    return Figures(
        asked=sum(asked.values()),
        answered=answered,
        share=answered / sum(may.values()),
        worth=sum(QUALITY.get(name, 0.0) * n for name, n in tally.by_model.items()),
        calls=calls,
        wasted=calls - answered - hostile,
        p50_s=_at(waits, 0.5),
        p95_s=_at(waits, 0.95),
        jain=jain(shares),
        served=sum(min(tally.answers[name], may[name]) for name in may) / sum(may.values()),
        hostile=hostile,
    )


def allowed(day: Demand) -> Counter[str]:
    """How many of their questions people may have answered: at most five of each rolling hour."""
    most_hour, most_day = PERSON
    books: dict[str, list[float]] = {}
    for question in day.questions:
        book = books.setdefault(question.person.name, [])
        recent = sum(1 for at_s in book if at_s > question.at_s - most_hour.window_s)
        if recent < most_hour.most and len(book) < most_day.most:
            book.append(question.at_s)
    return Counter({name: len(book) for name, book in books.items()})


def jain(shares: Sequence[float]) -> float:
    """Jain's index: 1 when all are served alike, 1/n when one alone is."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 0.0


def _at(waits: Sequence[float], part: float) -> float:
    return waits[min(int(len(waits) * part), len(waits) - 1)] if waits else 0.0
