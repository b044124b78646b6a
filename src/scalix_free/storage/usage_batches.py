"""A Listener that gathers how requests ended and writes it to a usage log in batches.

A request never waits for the log. What is heard is written at most ``LATE_S`` later, or as soon as
``BATCH`` have come together. While the log cannot be written the newest ``MOST`` are kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from typing import Final

from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.outcome import Outcome, Result
from scalix_free.core.ports import Clock, UsageLog

log = logging.getLogger(__name__)

LATE_S: Final = 1.0
BATCH: Final = 500
MOST: Final = 10_000
"""About 10 MB of outcomes in each process."""
MOST_REFUSALS: Final = 20
"""In one batch. Whoever is refused may ask again as fast as they like: the log is not theirs to
fill. Refusals cost nothing and are counted whole in the metrics."""
RETRY_S: Final = 2.0
FLUSH_S: Final = 5.0
"""How long the last of them may take when the program ends."""

KEEP_MS: Final = 30 * 86_400_000
"""The longest that anything looks back is two weeks (one's own usage); twice that, for questions
that come late, is a month."""
FORGET_S: Final = 60.0
FORGET_STEP: Final = 500
FORGET_STEPS: Final = 20


class UsageBatches:
    """The ``Listener`` in front of a ``UsageLog``. ``open`` before use, ``close`` after."""

    def __init__(self, usage_log: UsageLog, *, clock: Clock, late_s: float = LATE_S) -> None:
        self._log = usage_log
        self._clock = clock
        self._late_s = late_s
        self._pending: deque[Outcome] = deque()
        self._refusals = 0
        self._dropped = 0
        self._away = False
        self._tasks: list[asyncio.Task[None]] = []

    # ── Life ────────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Begin to write."""
        self._heard = asyncio.Event()
        self._enough = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._write_on()), loop.create_task(self._forget_on())]

    async def close(self) -> None:
        """Write what is left, for ``FLUSH_S`` at most, and end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                while self._pending and await self._write():
                    pass
        lost = self._dropped + len(self._pending)
        if lost:
            log.error("the usage of %d requests is lost: the database does not answer", lost)

    # ── Listening ───────────────────────────────────────────────────────────────────────────

    def hear(self, outcome: Outcome) -> None:
        """Take note of one ended request; those of strangers are nobody's usage."""
        if not outcome.subjects:
            return
        if outcome.result is Result.REFUSED:
            self._refusals += 1
            if self._refusals > MOST_REFUSALS:
                return
        pending = self._pending
        pending.append(outcome)
        self._heard.set()
        if len(pending) >= BATCH:
            self._enough.set()
            if len(pending) > MOST:
                pending.popleft()
                self._dropped += 1

    # ── Writing ─────────────────────────────────────────────────────────────────────────────

    async def _write_on(self) -> None:
        while True:
            await self._heard.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._late_s):
                    await self._enough.wait()
            if not await self._write():
                await asyncio.sleep(RETRY_S * random.uniform(0.8, 1.2))

    async def _write(self) -> bool:
        """Write one batch; False where the log cannot be written now."""
        pending = self._pending
        batch = [pending.popleft() for _ in range(min(BATCH, len(pending)))]
        self._refusals = 0
        try:
            await self._log.write(batch)
        except StoreUnavailable as error:
            self._put_back(batch)
            self._say_away(error)
            return False
        except asyncio.CancelledError:
            self._put_back(batch)  # whether it was kept is not known; written twice it counts once
            raise
        except Exception:  # a mistake of ours; the same batch would fail for ever
            log.exception("the usage of %d requests cannot be written", len(batch))
        self._say_back()
        if not pending:
            self._heard.clear()
        if len(pending) < BATCH:
            self._enough.clear()
        return True

    def _put_back(self, batch: list[Outcome]) -> None:
        self._pending.extendleft(reversed(batch))
        while len(self._pending) > MOST:
            self._pending.popleft()
            self._dropped += 1

    def _say_away(self, error: StoreUnavailable) -> None:
        if not self._away:
            self._away = True
            log.warning(
                "%s; the usage of the last %d requests is kept until it is back", error, MOST
            )

    def _say_back(self) -> None:
        if self._away:
            self._away = False
            log.warning("the database is back; the usage of %d requests is lost", self._dropped)
            self._dropped = 0

    # ── Forgetting ──────────────────────────────────────────────────────────────────────────

    async def _forget_on(self) -> None:
        """Delete what is old, in steps so small that nobody waits for them."""
        while True:
            await asyncio.sleep(FORGET_S * random.uniform(0.8, 1.2))
            with contextlib.suppress(StoreUnavailable):
                await self.forget()

    async def forget(self) -> None:
        """Delete some of what is older than ``KEEP_MS``."""
        before_ms = self._clock() - KEEP_MS
        for _ in range(FORGET_STEPS):
            if await self._log.forget(before_ms, most=FORGET_STEP) < FORGET_STEP:
                return
