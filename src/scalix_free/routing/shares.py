"""Whose class is next, while several wait: each gets its share of the turns.

Stride scheduling (Waldspurger and Weihl, 1995): each class has a pass, which grows by its stride
with every turn of one of it; the class with the least pass is next. What a class leaves goes to the
others, and who was away has saved up nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

FIRST: Final = 0
"""The class that goes before all others, however many of it there are."""

SHARES: Final = {1: 500, 2: 250, 3: 200}
"""By class, in thousandths. Figures of the research notes on quotas, section 5.2; what is left of
1,000 there is for callers under suspicion."""

_STRIDES: Final = {order: 1_000_000 // share for order, share in SHARES.items()}
_LONGEST: Final = max(_STRIDES.values())


class Shares:
    """How far each class is with its turns."""

    def __init__(self) -> None:
        self._waiting: Counter[int] = Counter()
        self._passes: dict[int, int] = {}
        self._reached = 0

    def enter(self, order: int) -> None:
        """One of a class begins to wait; the first of it begins where the others are."""
        self._passes[order] = self._pass(order)
        self._waiting[order] += 1

    def leave(self, order: int) -> None:
        """One of a class waits no more."""
        self._waiting[order] -= 1

    def charge(self, order: int) -> None:
        """One of a class has had a turn; those of the first are nobody's share."""
        if order == FIRST:
            return
        self._reached = max(self._reached, self._passes[order])
        self._passes[order] += _stride(order)

    def interleaved(self, waiting: Iterable[T], order_of: Callable[[T], int]) -> Sequence[T]:
        """In which order these would have their turns; within a class they keep their own."""
        lines: defaultdict[int, deque[T]] = defaultdict(deque)
        for one in waiting:
            lines[order_of(one)].append(one)
        turns = [*lines.pop(FIRST, ())]
        passes = {order: self._pass(order) for order in lines}
        while lines:
            order = min(lines, key=lambda known: (passes[known], known))
            turns.append(lines[order].popleft())
            passes[order] += _stride(order)
            if not lines[order]:
                del lines[order]
        return turns

    def _pass(self, order: int) -> int:
        known = self._passes.get(order, 0)
        return known if self._waiting[order] else max(known, self._reached + _stride(order))


def _stride(order: int) -> int:
    return _STRIDES.get(order, _LONGEST)
