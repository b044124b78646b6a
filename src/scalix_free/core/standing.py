"""What is left for a caller: the levels of their limits, and which of them binds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scalix_free.core.caller import Tier
from scalix_free.core.ledger import Level, Unit

# Members of an enumeration are slow to look up, and every request looks at its levels.
_REQUESTS: Final = Unit.REQUESTS
_TOKENS: Final = Unit.TOKENS
_CALLS: Final = Unit.CALLS


class Standing:
    """A caller's limits as they stand at ``now_ms``, in the order of the tier's policy.

    ``binding`` is the request window with the least left, of equals the longer; ``tokens`` the
    token window with the least left. Each is None where nothing is limited.
    """

    __slots__ = ("binding", "levels", "now_ms", "tier", "tokens")

    def __init__(self, tier: Tier, levels: Sequence[Level], now_ms: int) -> None:
        self.tier = tier
        self.levels = levels
        self.now_ms = now_ms
        self.binding: Level | None = None
        self.tokens: Level | None = None
        for level in levels:
            unit = level.limit.unit
            if level.limit.most is None or unit is _CALLS:
                continue
            if unit is _REQUESTS:
                if self.binding is None or _is_tighter(level, self.binding):
                    self.binding = level
            elif self.tokens is None or _is_tighter(level, self.tokens):
                self.tokens = level

    def level(self, name: str) -> Level | None:
        """The level of the limit of that name."""
        return next((level for level in self.levels if level.limit.name == name), None)

    def received(self, tokens: int) -> int:
        """How much of the tightest limit was used before one request of so many tokens.

        In thousandths.
        """
        most = 0
        for limit, used, _ in self.levels:
            if limit.most and limit.unit is not _CALLS:
                before = used - (tokens if limit.unit is _TOKENS else 1)
                most = max(most, before * 1_000 // limit.most)
        return most

    @property
    def near_limit(self) -> bool:
        """At most five requests, or a quarter of the binding window if that is fewer, are left."""
        level = self.binding
        if level is None or level.limit.most is None or level.remaining is None:
            return False
        return level.remaining <= min(5, level.limit.most / 4)

    @property
    def runs_out_ms(self) -> int | None:
        """When the binding window is used up if requests go on coming as they came.

        None where it gives something back before, or too few came to tell.
        """
        return _runs_out_ms(self.binding, self.now_ms)


LEAST_USED: Final = 3
LEAST_MS: Final = 300_000
"""Of fewer requests, or a shorter time, no rate can be told."""


def _runs_out_ms(level: Level | None, now_ms: int) -> int | None:
    if level is None or level.resets_at_ms is None or not level.remaining:
        return None
    passed_ms = now_ms - (level.resets_at_ms - level.limit.window_ms)
    if level.used < LEAST_USED or passed_ms < LEAST_MS:
        return None
    at_ms = now_ms + level.remaining * passed_ms // level.used
    return at_ms if at_ms < level.resets_at_ms else None


def _is_tighter(level: Level, other: Level) -> bool:
    left, other_left = level.remaining or 0, other.remaining or 0
    if left != other_left:
        return left < other_left
    return level.limit.window_ms > other.limit.window_ms
