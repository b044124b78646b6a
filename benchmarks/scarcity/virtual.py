"""Time that passes at once: an event loop that never waits, for a day within seconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


class _Leap(selectors.SelectSelector):
    """Whoever would wait finds the time gone by."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout:
            self.now_s += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is that of its timers alone. Seconds, from 0."""

    def __init__(self) -> None:
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        """The virtual time."""
        return self._leap.now_s


def run(main: Coroutine[object, object, T]) -> T:
    """Run to the end, however long that is."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
