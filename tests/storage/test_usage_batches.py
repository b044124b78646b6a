"""The listener in front of the usage log: when it writes, what it keeps, and what it says."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from scalix_free.core.errors import Code, StoreUnavailable
from scalix_free.core.outcome import Charge, Day, Outcome, Receipt, Result
from scalix_free.storage import usage_batches
from scalix_free.storage.usage_batches import (
    BATCH,
    FORGET_STEP,
    FORGET_STEPS,
    KEEP_MS,
    MOST,
    MOST_REFUSALS,
    UsageBatches,
)
from tests.contracts.usage_log import outcome, rid, subjects
from tests.core.held_clock import NOON, HeldClock
from tests.storage.stores import opened_stores

OWN = subjects("ann")[0].key


class Log:
    """A usage log that can be away, that can stall, and that can be wrong."""

    def __init__(self) -> None:
        self.batches: list[list[Outcome]] = []
        self.away = False
        self.wrong = False
        self.stalls = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.old = 0
        self.forgotten: list[tuple[int, int]] = []
        self.tried = asyncio.Event()

    async def write(self, events: Sequence[Outcome]) -> None:
        self.tried.set()
        self.stalls.set()
        await self.goes_on.wait()
        if self.away:
            raise StoreUnavailable("the database failed: ConnectionRefusedError")
        if self.wrong:
            raise RuntimeError("a mistake")
        self.batches.append(list(events))

    async def recent(self, subject: bytes, since_ms: int) -> Sequence[Charge]:
        raise NotImplementedError

    async def days(self, own: bytes, since_ms: int) -> Sequence[Day]:
        raise NotImplementedError

    async def receipts(self, owner: str, *, most: int) -> Sequence[Receipt]:
        raise NotImplementedError

    async def forget(self, before_ms: int, *, most: int) -> int:
        self.forgotten.append((before_ms, most))
        gone = min(most, self.old)
        self.old -= gone
        return gone

    @property
    def numbers(self) -> list[int]:
        """The numbers of all requests that were written."""
        return [
            int(event.request_id.removeprefix("req_"), 16)
            for batch in self.batches
            for event in batch
        ]


@asynccontextmanager
async def opened(log: Log, late_s: float = 60.0) -> AsyncIterator[UsageBatches]:
    batches = UsageBatches(log, clock=HeldClock(), late_s=late_s)
    await batches.open()
    try:
        yield batches
    finally:
        await batches.close()


async def until_written(log: Log, count: int) -> None:
    async with asyncio.timeout(5):
        while len(log.numbers) < count:
            await asyncio.sleep(0.001)


async def test_what_is_heard_is_written_together_a_moment_later() -> None:
    log = Log()
    async with opened(log, late_s=0.01) as batches:
        for number in range(3):
            batches.hear(outcome(number))
        await until_written(log, 3)
        batches.hear(outcome(3))
        await until_written(log, 4)

    assert [len(batch) for batch in log.batches] == [3, 1]


async def test_a_full_batch_is_written_at_once() -> None:
    log = Log()
    async with opened(log) as batches:
        for number in range(BATCH):
            batches.hear(outcome(number))
        await until_written(log, BATCH)


async def test_at_the_end_what_is_left_is_written(caplog: pytest.LogCaptureFixture) -> None:
    log = Log()
    async with opened(log) as batches:
        for number in range(2 * BATCH + 3):
            batches.hear(outcome(number))

    assert log.numbers == list(range(2 * BATCH + 3))
    assert caplog.text == ""


async def test_a_batch_that_was_being_written_at_the_end_is_not_lost() -> None:
    log = Log()
    log.goes_on.clear()
    batches = UsageBatches(log, clock=HeldClock(), late_s=0.0)
    await batches.open()
    batches.hear(outcome(1))
    await log.stalls.wait()
    closing = asyncio.create_task(batches.close())
    await asyncio.sleep(0)
    log.goes_on.set()
    await closing

    assert log.numbers == [1]


async def test_the_end_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(usage_batches, "FLUSH_S", 0.05)
    log = Log()
    log.goes_on.clear()
    async with opened(log) as batches:
        for number in range(3):
            batches.hear(outcome(number))

    assert log.batches == []
    assert "the usage of 3 requests is lost" in caplog.text


async def test_while_the_log_is_away_the_newest_are_kept_and_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(usage_batches, "RETRY_S", 0.002)
    log = Log()
    log.away = True
    async with opened(log, late_s=0.001) as batches:
        for number in range(MOST + 7):
            batches.hear(outcome(number))
            if number % 2_000 == 0:
                log.tried.clear()
                await log.tried.wait()
        log.away = False
        await until_written(log, MOST)

    assert log.numbers == list(range(7, MOST + 7))
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (
            logging.WARNING,
            "the database failed: ConnectionRefusedError; the usage of the last "
            f"{MOST} requests is kept until it is back",
        ),
        (logging.WARNING, "the database is back; the usage of 7 requests is lost"),
    ]


async def test_a_batch_that_can_never_be_written_does_not_hold_up_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = Log()
    log.wrong = True
    async with opened(log, late_s=0.0) as batches:
        batches.hear(outcome(1))
        await log.tried.wait()
        await asyncio.sleep(0)
        log.wrong = False
        batches.hear(outcome(2))
        await until_written(log, 1)

    assert log.numbers == [2]
    assert "the usage of 1 requests cannot be written" in caplog.text


async def test_strangers_are_nobody_s_usage() -> None:
    log = Log()
    async with opened(log) as batches:
        batches.hear(Outcome("req_1", Result.REFUSED, "none", code=Code.INVALID_API_KEY))

    assert log.batches == []


async def test_who_is_refused_again_and_again_does_not_fill_the_log() -> None:
    log = Log()
    async with opened(log, late_s=0.001) as batches:
        for _ in range(2):
            for number in range(3 * MOST_REFUSALS):
                batches.hear(outcome(number)._replace(result=Result.REFUSED))
            batches.hear(outcome(999))
            wanted = len(log.numbers) + MOST_REFUSALS + 1
            await until_written(log, wanted)

    assert log.numbers == [*range(MOST_REFUSALS), 999] * 2


async def test_what_is_old_is_forgotten_in_small_steps() -> None:
    log = Log()
    log.old = FORGET_STEP + 1
    batches = UsageBatches(log, clock=HeldClock())
    await batches.forget()
    assert log.forgotten == [(NOON - KEEP_MS, FORGET_STEP)] * 2

    log.old = 10**9
    await batches.forget()
    assert len(log.forgotten) == 2 + FORGET_STEPS


async def test_a_real_log_has_each_request_once() -> None:
    async with opened_stores(":memory:") as stores:
        batches = UsageBatches(stores.logs[0], clock=HeldClock(), late_s=0.0)
        await batches.open()
        for number in (1, 2, 1):
            batches.hear(outcome(number))
        await batches.close()
        assert [charge.rid for charge in await stores.logs[0].recent(OWN, 0)] == [rid(1), rid(2)]
