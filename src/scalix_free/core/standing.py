"""What is left for a caller: the levels of their limits, and which of them binds."""

from __future__ import annotations

from collections.abc import Sequence

from scalix_free.core.caller import Tier
from scalix_free.core.ledger import Level, Unit


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
            if level.limit.most is None or unit is Unit.CALLS:
                continue
            if unit is Unit.REQUESTS:
                if self.binding is None or _is_tighter(level, self.binding):
                    self.binding = level
            elif self.tokens is None or _is_tighter(level, self.tokens):
                self.tokens = level

    def received(self, tokens: int) -> int:
        """How much of the tightest limit was used before one request of so many tokens.

        In thousandths.
        """
        parts = [
            max(level.used - (tokens if level.limit.unit is Unit.TOKENS else 1), 0)
            * 1_000
            // level.limit.most
            for level in self.levels
            if level.limit.most and level.limit.unit is not Unit.CALLS
        ]
        return max(parts, default=0)

    @property
    def near_limit(self) -> bool:
        """At most five requests, or a quarter of the binding window if that is fewer, are left."""
        level = self.binding
        if level is None or level.limit.most is None or level.remaining is None:
            return False
        return level.remaining <= min(5, level.limit.most / 4)


def _is_tighter(level: Level, other: Level) -> bool:
    left, other_left = level.remaining or 0, other.remaining or 0
    if left != other_left:
        return left < other_left
    return level.limit.window_ms > other.limit.window_ms
