"""Who asks what, and when: made from a seed, the same for everybody who is to answer."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from benchmarks.scarcity.day import DAY_S, HOUR_S

SEED: Final = 20270112
CAP_TOKENS: Final = 512
"""What every question asks for at most."""

BY_HOUR: Final = (
    3,
    2,
    1,
    1,
    1,
    2,
    4,
    7,
    10,
    12,
    13,
    14,
    13,
    12,
    12,
    12,
    13,
    14,
    16,
    18,
    19,
    17,
    12,
    7,
)
"""How busy each hour of the day is."""

CASUAL: Final = 900
ORDINARY_CROWD: Final = 1.2
ATTACKED_CROWD: Final = 0.7
"""Fewer people, so that all could be served if there were no hostile ones."""
HEAVY: Final = 20
HEAVY_ASKS: Final = 60
PUPILS: Final = 30
LESSON: Final = 9 * HOUR_S
HOSTILE_ADDRESSES: Final = 4
HOSTILE_IDENTITIES: Final = 7
"""Of each hostile address: the six that are cheap to make, and the address without one."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who asks. ``seat`` is None where the address itself is the identity."""

    name: str
    address: str
    seat: int | None = None
    hostile: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, at which second of the day."""

    at_s: float
    person: Person
    prompt_tokens: int
    answer_tokens: int


@dataclass(frozen=True, slots=True)
class Demand:
    """All of a day, in order of time."""

    questions: tuple[Question, ...]
    hostile: tuple[Person, ...]

    def asked(self) -> Counter[str]:
        """How often each honest person asks."""
        return Counter(question.person.name for question in self.questions)


def demand(seed: int = SEED, *, crowd: float = 1.0, hostile: bool = False) -> Demand:
    """Make a day; ``crowd`` multiplies the people who ask now and then."""
    chance = random.Random(seed)
    questions = [
        *_casual(chance, round(CASUAL * crowd)),
        *_heavy(chance),
        *_lesson(chance),
    ]
    questions.sort(key=lambda question: question.at_s)
    return Demand(tuple(questions), tuple(_attackers()) if hostile else ())


def _casual(chance: random.Random, people: int) -> Iterator[Question]:
    """Somebody comes once, and asks a few things."""
    for n in range(people):
        person = Person(f"casual-{n}", f"10.{n // 200}.{n % 200}.7")
        at_s = _moment(chance)
        for _ in range(min(1 + int(chance.expovariate(1 / 2.2)), 8)):
            if at_s < DAY_S:
                yield _question(chance, at_s, person)
            at_s += 20 + chance.expovariate(1 / 150)


def _heavy(chance: random.Random) -> Iterator[Question]:
    """Somebody asks all day, far more than they may."""
    for n in range(HEAVY):
        person = Person(f"heavy-{n}", f"10.100.{n}.7")
        for _ in range(HEAVY_ASKS):
            yield _question(chance, _moment(chance), person)


def _lesson(chance: random.Random) -> Iterator[Question]:
    """A class behind one address, each pupil with an identity, three questions in an hour."""
    for n in range(PUPILS):
        person = Person(f"pupil-{n}", "10.110.0.7", seat=n)
        for _ in range(3):
            yield _question(chance, LESSON + chance.random() * HOUR_S, person)


def _attackers() -> Iterator[Person]:
    for n in range(HOSTILE_ADDRESSES):
        for seat in range(HOSTILE_IDENTITIES):
            yield Person(f"hostile-{n}-{seat}", f"10.120.{n}.7", seat or None, hostile=True)


def _moment(chance: random.Random) -> float:
    hour = chance.choices(range(24), weights=BY_HOUR)[0]
    return (hour + chance.random()) * HOUR_S


def _question(chance: random.Random, at_s: float, person: Person) -> Question:
    """Questions are of like size: a bound that knows all lengths would pick the short ones."""
    prompt = min(max(int(chance.lognormvariate(5.2, 0.25)), 40), 1_200)
    answer = min(max(int(chance.lognormvariate(5.3, 0.2)), 32), CAP_TOKENS)
    return Question(at_s, person, prompt, answer)
