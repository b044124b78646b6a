"""Attempts beside one another: whoever has something to show first has won.

One is begun alone. When its first token is later than nineteen of twenty were, the next candidate
is begun beside it, where its budget has plenty (Dean and Barroso, The Tail at Scale, 2013).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from scalix_free.routing.attempt import Attempt


class Race:
    """The attempts of one request that are under way; whoever made it calls ``stop``, once."""

    def __init__(self, begin: Callable[[Attempt], Awaitable[None]]) -> None:
        self._begin = begin
        self._running: dict[asyncio.Future[None], Attempt] = {}

    def enter(self, attempt: Attempt) -> None:
        """Begin one more."""
        self._running[asyncio.ensure_future(self._begin(attempt))] = attempt

    async def is_late(self, late_s: float) -> bool:
        """Wait for so long; whether nobody is done by then."""
        return not (await asyncio.wait(self._running, timeout=late_s))[0]

    @property
    def is_decided(self) -> bool:
        """Whether somebody is done."""
        return any(future.done() for future in self._running)

    async def next(self) -> tuple[Attempt, BaseException | None] | None:
        """Who is done next, and why where it gave nothing; None where nobody is left.

        Of two at the same moment it is who was begun first.
        """
        if not self._running:
            return None
        await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        done = next(future for future in self._running if future.done())
        return self._running.pop(done), done.exception()

    async def stop(self, end: Callable[[Attempt], Awaitable[None]]) -> None:
        """Break off whoever is left, and have them ended."""
        running, self._running = self._running, {}
        for future in running:
            future.cancel()
        try:
            if running:
                await asyncio.gather(*running, return_exceptions=True)
        finally:
            for attempt in running.values():
                await end(attempt)
