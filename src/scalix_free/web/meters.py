"""A caller's limits as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scalix_free.core.clock import utc
from scalix_free.core.ledger import Level, Unit
from scalix_free.core.standing import Standing
from scalix_free.growth.messages import LEAST_TOKENS

LABELS: Final = {
    "requests_hour": "Requests This Hour",
    "requests_day": "Requests Today",
    "tokens_day": "Tokens Used",
    "concurrent": "Running at Once",
}
AMBER: Final = 75
RED: Final = 90
"""From these percentages on the colour changes; the number is always there beside it."""


@dataclass(frozen=True, slots=True)
class Meter:
    """One limit: ``limit`` is None where it is lifted. ``resets_at`` is in UTC."""

    name: str
    label: str
    used: int
    limit: int | None
    remaining: int | None
    resets_at: str | None
    tone: str
    word: str


@dataclass(frozen=True, slots=True)
class Line:
    """The requests of the day, or what there is in their place; and what stops somebody sooner."""

    tone: str
    requests: Meter | None
    tighter: Meter | None


def meters(standing: Standing) -> Sequence[Meter]:
    """All limits, the longest window of requests first."""
    shown = [_meter(level) for level in standing.levels]
    order = list(LABELS)
    order[0], order[1] = order[1], order[0]
    return sorted(shown, key=lambda meter: order.index(meter.name))


def binding(standing: Standing) -> Meter | None:
    """The window of requests with the least left."""
    return None if standing.binding is None else _meter(standing.binding)


def line(standing: Standing) -> Line | None:
    """What is left in one line; None where neither requests nor tokens are limited."""
    requests, tokens, day = standing.binding, standing.tokens, standing.level("requests_day")
    if day is None or day.limit.most is None:
        day = requests
    tightest = requests
    if tokens is not None and AMBER <= _percent(tokens) > _percent(requests):
        tightest = tokens
    if tightest is None:
        return None
    return Line(
        tone=_meter(tightest).tone,
        requests=None if day is None else _meter(day),
        tighter=None if tightest is day else _meter(tightest),
    )


def spent(standing: Standing) -> Sequence[Meter]:
    """The windows that leave nothing for another answer; calls at once pass by themselves."""
    return [
        _meter(level)
        for level in standing.levels
        if level.limit.unit is not Unit.CALLS
        and level.limit.most is not None
        and (level.remaining or 0) < (LEAST_TOKENS if level.limit.unit is Unit.TOKENS else 1)
    ]


def _percent(level: Level | None) -> int:
    return 0 if level is None or not level.limit.most else level.used * 100 // level.limit.most


def _meter(level: Level) -> Meter:
    most, used, percent = level.limit.most, level.used, _percent(level)
    tone, word = "", "Plenty left"
    if most is not None and used >= most:
        tone, word = "danger", "Used up"
    elif percent >= RED:
        tone, word = "danger", "Nearly used up"
    elif percent >= AMBER:
        tone, word = "warn", "Running low"
    elif most is None:
        word = "Included"
    return Meter(
        name=level.limit.name,
        label=LABELS.get(level.limit.name, level.limit.name),
        used=used,
        limit=most,
        remaining=level.remaining,
        resets_at=None if level.resets_at_ms is None else utc(level.resets_at_ms),
        tone=tone,
        word=word,
    )
