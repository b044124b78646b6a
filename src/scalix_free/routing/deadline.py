"""How long is waited for what a model says next: one timer for all the waits of a call."""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Any


class Deadline:
    """``asyncio.timeout``, for one wait after the other of one task.

    Each of those would cost a timer, which is more than a chunk costs. Here a wait notes when it
    is over, and the one timer looks: where that has been put off, it looks again then. ``close``
    after the last one.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = math.inf
        self._over_at = math.inf
        self._waiting: asyncio.Task[Any] | None = None
        self._cancelled = 0  # so often by others before this wait
        self._has_passed = False

    def within(self, seconds: float) -> Deadline:
        """A context that raises ``TimeoutError`` where what is in it takes longer."""
        self._over_at = over_at = self._loop.time() + seconds
        if over_at < self._looks_at:
            self.close()
            self._looks_at = over_at
            self._timer = self._loop.call_at(over_at, self._look)
        return self

    def __enter__(self) -> None:
        self._waiting = task = asyncio.current_task(self._loop)
        self._cancelled = 0 if task is None else task.cancelling()
        self._has_passed = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        task, self._waiting = self._waiting, None
        if task is None or not self._has_passed:
            return
        by_us_alone = task.uncancel() <= self._cancelled
        if by_us_alone and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def close(self) -> None:
        """Put the timer away."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._looks_at = None, math.inf

    def _look(self) -> None:
        self._timer, self._looks_at = None, math.inf
        if self._waiting is None:
            return
        if self._over_at > self._loop.time():
            self._looks_at = self._over_at
            self._timer = self._loop.call_at(self._over_at, self._look)
        else:
            self._has_passed = True
            self._waiting.cancel()
