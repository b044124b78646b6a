"""Waiting for something to become true."""

import asyncio
from collections.abc import Callable


class Notice:
    """Wakes everybody who waits for a condition whenever something has happened."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def happened(self) -> None:
        """Let all who wait look again."""
        self._next.set()
        self._next = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when `condition` holds. Nothing else runs between the look and the return."""
        while not condition():
            await self._next.wait()
