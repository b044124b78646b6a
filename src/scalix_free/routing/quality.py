"""What a model's answers are worth: what is expected of it, corrected by what it did.

All figures are averages that forget: a sample weighs half after ``HALF_LIFE_MS``, what a person
thought after ``TASTE_HALF_LIFE_MS``. Each begins with an expectation that weighs as much as a few
samples, and goes back to it where nothing is heard.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from scalix_free.core.rating import Opinion
from scalix_free.routing.catalogue import Model

HALF_LIFE_MS: Final = 1_800_000
TASTE_HALF_LIFE_MS: Final = 86_400_000
"""Few people say what they think, and a model's manner changes less than its state does."""
EXPECTED_SUCCESS: Final = 0.95
SUCCESS_WEIGHT: Final = 5.0
VALUE_WEIGHT: Final = 10.0
RATING_WEIGHT: Final = 4.0

LEAST_SUCCESS: Final = 0.8
"""Below it a model loses a place for each started tenth that it lacks."""

TRUNCATED: Final = 0.3
REFUSED: Final = 0.5
SLOW: Final = 0.2
WASTEFUL: Final = 0.1
GOOD_FIRST_TOKEN_MS: Final = 1_000.0
GOOD_TOKEN_MS: Final = 50.0
"""A first token within a second and 20 tokens a second are as good as instant to who reads."""


class Average:
    """A mean that forgets."""

    __slots__ = ("_at_ms", "_expected", "_half_life_ms", "_sum", "_weight", "_weight_expected")

    def __init__(self, expected: float, weight: float, half_life_ms: int = HALF_LIFE_MS) -> None:
        self._expected = expected
        self._weight_expected = weight
        self._half_life_ms = half_life_ms
        self._sum = self._weight = 0.0
        self._at_ms = 0

    def add(self, value: float, now_ms: int) -> None:
        """Hear one sample."""
        kept = self._kept(now_ms)
        self._sum = self._sum * kept + value
        self._weight = self._weight * kept + 1
        self._at_ms = max(now_ms, self._at_ms)

    def at(self, now_ms: int) -> float:
        """The mean as it stands."""
        kept = self._kept(now_ms)
        total = self._sum * kept + self._expected * self._weight_expected
        return total / (self._weight * kept + self._weight_expected)

    def _kept(self, now_ms: int) -> float:
        return float(0.5 ** (max(now_ms - self._at_ms, 0) / self._half_life_ms))


class Sample(NamedTuple):
    """How one call went. ``value`` is 0 where it gave no answer at all.

    ``thought`` is the part of its output that was hidden. Durations in ms; ``tokens`` those of the
    answer; None where that was not seen.
    """

    succeeded: bool
    truncated: bool = False
    refused: bool = False
    first_token_ms: float | None = None
    total_ms: float = 0.0
    tokens: int = 0
    thought: float = 0.0

    @property
    def value(self) -> float:
        """What it was worth, 0 to 1."""
        if not self.succeeded:
            return 0.0
        lost = TRUNCATED * self.truncated + REFUSED * self.refused + WASTEFUL * self.thought
        return max(1.0 - lost - SLOW * self._slowness, 0.0)

    @property
    def _slowness(self) -> float:
        """0 for what nobody waits for, towards 1 with every second."""
        late_ms = 0.0
        writing_ms = self.total_ms
        if self.first_token_ms is not None:
            late_ms = max(self.first_token_ms - GOOD_FIRST_TOKEN_MS, 0.0)
            writing_ms -= self.first_token_ms
        late_ms += max(writing_ms - self.tokens * GOOD_TOKEN_MS, 0.0)
        return late_ms / (late_ms + 10_000.0)


def _taste() -> Average:
    return Average(0.5, RATING_WEIGHT, TASTE_HALF_LIFE_MS)


@dataclass(slots=True)
class Quality:
    """What is known of one model; ``expected`` is what its answers should be worth, 0 to 1000."""

    expected: int
    success: Average = field(default_factory=lambda: Average(EXPECTED_SUCCESS, SUCCESS_WEIGHT))
    value: Average = field(default_factory=lambda: Average(1.0, VALUE_WEIGHT))
    liked: Average = field(default_factory=_taste)

    def hear(self, sample: Sample, now_ms: int) -> None:
        """Note how a call went."""
        self.success.add(1.0 if sample.succeeded else 0.0, now_ms)
        self.value.add(sample.value, now_ms)

    def score(self, now_ms: int) -> float:
        """What an answer is worth now, about 0 to 1000: people's ratings move it by a quarter."""
        taste = 0.75 + 0.5 * self.liked.at(now_ms)
        return self.expected * self.value.at(now_ms) * taste

    def demotion(self, now_ms: int) -> int:
        """How many places the model's priority has fallen."""
        lacking = LEAST_SUCCESS - self.success.at(now_ms)
        return 0 if lacking <= 0 else int(lacking * 10) + 1


class Qualities:
    """What is known of all models, in one process.

    ``satisfaction`` is the part of all voices that were good, 0 to 1; None where there is none.
    """

    def __init__(self) -> None:
        self._known: dict[str, Quality] = {}
        self._liked: dict[str, Average] = {}
        self.satisfaction: float | None = None

    def of(self, model: Model) -> Quality:
        """What is known of one."""
        known = self._known.get(model.id)
        if known is None or known.expected != model.quality:
            known = self._known[model.id] = Quality(model.quality)
            known.liked = self._liked.get(model.id, known.liked)
        return known

    def learn(self, opinions: Iterable[Opinion]) -> None:
        """Know what people think of answers, in place of all that was known of it before.

        They come oldest first. A caller has one voice for each model: the newest.
        """
        voices = {(each.caller, each.model): each for each in opinions}
        liked: defaultdict[str, Average] = defaultdict(_taste)
        for voice in sorted(voices.values(), key=lambda voice: voice.at_ms):
            liked[voice.model].add(1.0 if voice.rating > 0 else 0.0, voice.at_ms)
        self._liked = dict(liked)
        for model_id, known in self._known.items():
            known.liked = self._liked.get(model_id) or _taste()
        self.satisfaction = (
            sum(voice.rating > 0 for voice in voices.values()) / len(voices) if voices else None
        )
