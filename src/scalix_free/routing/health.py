"""Whether a model answers at present, and how soon: learned from real traffic alone.

Breaker      trips on 5 failures in a row, or when at least half of 5 or more calls within 20 s
             failed (figures: Envoy's outlier detection, and the research notes on quotas, section
             6.2); where calls are fewer than that, on 2 in a row, since a few a minute are all
             there is. A call that hung counts as two: it has cost somebody a minute. What a trip
             means for the budget is a rule of ``core.budget``.
FirstToken   how long the first token may take, from how long it took: the retransmission timer
             of RFC 6298, doubled
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

WINDOW_MS: Final = 20_000
LEAST_CALLS: Final = 5
MOST_IN_A_ROW: Final = 5
MOST_OF_FEW: Final = 2

LEAST_SAMPLES: Final = 8
LEAST_WAIT_S: Final = 3.0
SAFETY: Final = 2.0

LATE: Final = 2.5
"""Mean deviations: of what is normally distributed 95 % lie within 2.1, of an exponential 2.7."""
LEAST_LATE_S: Final = 1.0
"""A first token within a second is as good as instant to who reads."""


@dataclass(slots=True)
class Breaker:
    """The recent calls of one model of one provider."""

    recent: deque[tuple[int, bool]] = field(default_factory=deque)
    failures_in_a_row: int = 0

    def hear(self, now_ms: int, *, failed: bool, hung: bool = False) -> bool:
        """Note how a call ended; whether the model should rest now."""
        weight = 2 if hung else 1
        self.failures_in_a_row = self.failures_in_a_row + weight if failed else 0
        recent = self.recent
        recent.append((now_ms, failed))
        while recent[0][0] <= now_ms - WINDOW_MS:
            recent.popleft()
        if not failed:
            return False
        if len(recent) < LEAST_CALLS:
            trips = self.failures_in_a_row >= MOST_OF_FEW
        else:
            failures = sum(failed for _, failed in recent)
            trips = self.failures_in_a_row >= MOST_IN_A_ROW or failures * 2 >= len(recent)
        if trips:
            recent.clear()
            self.failures_in_a_row = 0
        return trips


@dataclass(slots=True)
class FirstToken:
    """How long the first tokens of one model took, smoothed. Seconds."""

    mean_s: float = 0.0
    deviation_s: float = 0.0
    samples: int = 0

    def hear(self, took_s: float) -> None:
        """Note how long one took."""
        if not self.samples:
            self.mean_s, self.deviation_s = took_s, took_s / 2
        else:
            self.deviation_s += (abs(took_s - self.mean_s) - self.deviation_s) / 4
            self.mean_s += (took_s - self.mean_s) / 8
        self.samples += 1

    @property
    def late_s(self) -> float | None:
        """Later than 95 % of them come; None where too few were seen to know."""
        if self.samples < LEAST_SAMPLES:
            return None
        return max(self.mean_s + LATE * self.deviation_s, LEAST_LATE_S)

    def patience_s(self, most_s: float) -> float:
        """How long the next one may take, where another model could be asked instead."""
        if self.samples < LEAST_SAMPLES:
            return most_s
        return min(max(SAFETY * (self.mean_s + 4 * self.deviation_s), LEAST_WAIT_S), most_s)


class Health:
    """The health of all models, in one process."""

    def __init__(self) -> None:
        self._breakers: dict[str, Breaker] = {}
        self._first_tokens: dict[str, FirstToken] = {}

    def breaker(self, model_id: str) -> Breaker:
        """The breaker of a model."""
        return self._breakers.setdefault(model_id, Breaker())

    def first_token(self, model_id: str) -> FirstToken:
        """How soon a model begins."""
        return self._first_tokens.setdefault(model_id, FirstToken())
