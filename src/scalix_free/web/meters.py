"""A caller's limits as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scalix_free.core.clock import utc
from scalix_free.core.ledger import Level
from scalix_free.core.standing import Standing

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

    @property
    def is_spent(self) -> bool:
        """Whether nothing of it is left."""
        return self.remaining == 0


def meters(standing: Standing) -> Sequence[Meter]:
    """All limits, the longest window of requests first."""
    shown = [_meter(level) for level in standing.levels]
    order = list(LABELS)
    order[0], order[1] = order[1], order[0]
    return sorted(shown, key=lambda meter: order.index(meter.name))


def binding(standing: Standing) -> Meter | None:
    """The window of requests with the least left."""
    return None if standing.binding is None else _meter(standing.binding)


def today(standing: Standing) -> Meter | None:
    """The day's requests, where they are limited."""
    found = [level for level in standing.levels if level.limit.name == "requests_day"]
    return _meter(found[0]) if found and found[0].limit.most is not None else None


def _meter(level: Level) -> Meter:
    most, used = level.limit.most, level.used
    percent = 0 if not most else used * 100 // most
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
