"""The SQLite ledger as a machine: its transactions, locks, log, failures and processes."""

import asyncio
import json
import resource
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ledger import LEASE_MS, Admitted, Denied, Subject
from scalix_free.storage import sqlite_ledger
from scalix_free.storage.sqlite_ledger import SqliteLedger, count_active
from tests.contracts.ledger import (
    ADDRESS,
    ALL,
    ANN,
    HOUR,
    ISP,
    PERSON,
    asking,
    rid,
    subject,
    used,
)
from tests.core.held_clock import NOON, HeldClock
from tests.storage import crowd
from tests.storage.wal import beginning, commits

ROOT = Path(__file__).parents[2]
BOB = subject("Bob")


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
async def ledger(path: Path, clock: HeldClock) -> AsyncIterator[SqliteLedger]:
    ledger = SqliteLedger(str(path), clock=clock)
    await ledger.open()
    yield ledger
    await ledger.close()


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


@contextmanager
def another_process(path: Path) -> Iterator[sqlite3.Connection]:
    """What somebody else's connection does to the file."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=1)
    try:
        yield connection
    finally:
        connection.close()


async def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.002)


# ── Group commit ─────────────────────────────────────────────────────────────────────────────


async def test_all_that_is_asked_in_one_turn_is_one_transaction(
    ledger: SqliteLedger, path: Path
) -> None:
    before = commits(log_of(path))
    await asyncio.gather(*(ledger.admit(asking(n, subject(f"{n}"), ISP)) for n in range(15)))
    assert commits(log_of(path)) == before + 1
    await asyncio.gather(
        *(ledger.settle([subject(f"{n}")], rid(n), 20) for n in range(10)),
        *(ledger.refund([subject(f"{n}"), ISP], rid(n)) for n in range(10, 15)),
    )

    assert commits(log_of(path)) == before + 2
    assert used(await ledger.peek(ISP)) == [10, 10]


async def test_what_is_asked_one_after_the_other_is_written_one_after_the_other(
    ledger: SqliteLedger, path: Path
) -> None:
    before = commits(log_of(path))
    await ledger.admit(asking(1))
    assert commits(log_of(path)) == before + 1, "a reservation is in the file before it is told"
    await ledger.settle(ALL[:1], rid(1), 20)

    assert commits(log_of(path)) == before + 2


async def test_looking_and_denying_write_nothing(
    ledger: SqliteLedger, path: Path, clock: HeldClock
) -> None:
    for n in range(3):
        await ledger.admit(asking(n))
        await ledger.settle(ALL[:1], rid(n), 20)
    for n in (3, 4):
        await ledger.admit(asking(n, BOB, ISP))
    before = log_of(path).read_bytes()
    for _ in range(3):
        clock.advance(1)
        await ledger.peek(ANN)
        assert isinstance(await ledger.admit(asking(9)), Denied), "of the hour"
        assert isinstance(await ledger.admit(asking(9, BOB, ISP)), Denied), "of two at once"
        await ledger.refund(ALL, rid(0))
        await ledger.beat(ANN, rid(0), 20)

    assert log_of(path).read_bytes() == before


async def test_what_nobody_waits_for_any_more_is_done_all_the_same(
    ledger: SqliteLedger, path: Path
) -> None:
    """A caller who hangs up while the end is written down."""
    await ledger.admit(asking(1))
    with another_process(path) as other:
        other.execute("BEGIN IMMEDIATE")
        ending = asyncio.create_task(ledger.settle(ALL[:1], rid(1), 37))
        await asyncio.sleep(0.001)
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
        other.execute("ROLLBACK")

    assert used(await ledger.peek(ANN)) == [1, 1, 37, 0]


# ── The lock ─────────────────────────────────────────────────────────────────────────────────


async def test_another_process_s_lock_is_waited_for_while_the_loop_goes_on(
    ledger: SqliteLedger, path: Path
) -> None:
    with another_process(path) as other:
        other.execute("BEGIN IMMEDIATE")
        asked = [asyncio.create_task(ledger.admit(asking(n))) for n in range(2)]
        turns, began = 0, time.monotonic()
        while time.monotonic() - began < 0.02:
            await asyncio.sleep(0)
            turns += 1
        assert not any(task.done() for task in asked)
        assert turns > 100, "somebody held up the loop"
        other.execute("COMMIT")

    assert all(isinstance(verdict, Admitted) for verdict in await asyncio.gather(*asked))
    assert used(await ledger.peek(ANN)) == [2, 2, 200, 2]


async def test_who_only_reads_holds_nobody_up(ledger: SqliteLedger, path: Path) -> None:
    with another_process(path) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM books").fetchone()

        assert isinstance(await ledger.admit(asking(1)), Admitted)


async def test_a_lock_that_is_never_released_makes_the_store_unavailable(
    ledger: SqliteLedger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_ledger, "PATIENCE_S", 0.02)
    await ledger.admit(asking(1))
    with another_process(path) as other:
        other.execute("BEGIN IMMEDIATE")
        failed = await asyncio.gather(
            ledger.admit(asking(2)),
            ledger.settle(ALL, rid(1), 20),
            ledger.peek(ANN),
            return_exceptions=True,
        )
        assert [type(error) for error in failed] == [StoreUnavailable] * 3
        other.execute("ROLLBACK")

    # Nothing of it was written, and now all is well again.
    assert used(await ledger.peek(ANN)) == [1, 1, 100, 1]
    assert isinstance(await ledger.admit(asking(2)), Admitted)


async def test_patience_begins_anew_with_every_wait(
    ledger: SqliteLedger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_ledger, "PATIENCE_S", 0.02)
    with another_process(path) as other:
        for n in range(2):
            other.execute("BEGIN IMMEDIATE")
            asked = asyncio.create_task(ledger.admit(asking(n)))
            await asyncio.sleep(0.005)
            other.execute("COMMIT")
            assert isinstance(await asked, Admitted)
            await asyncio.sleep(0.02)


# ── Failures of the file ─────────────────────────────────────────────────────────────────────


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file of this process can grow beyond the size that the log has now."""
    _, hard = soft_and_hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log_of(path).stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft_and_hard)


async def test_a_full_disk_makes_the_store_unavailable_until_there_is_room(
    ledger: SqliteLedger, path: Path
) -> None:
    await ledger.admit(asking(1))
    with full_disk(path):
        failed = await asyncio.gather(
            ledger.admit(asking(2)),
            ledger.settle(ALL[:1], rid(1), 20),
            ledger.refund(ALL, rid(1)),
            return_exceptions=True,
        )
        with pytest.raises(StoreUnavailable):
            await ledger.beat(ANN, rid(1), 20)
    assert [type(error) for error in failed] == [StoreUnavailable] * 3

    # What could not be written is not believed either.
    assert used(await ledger.peek(ANN)) == await written(path, ANN) == [1, 1, 100, 1]
    assert isinstance(await ledger.admit(asking(2)), Admitted)
    assert used(await ledger.settle(ALL[:1], rid(1), 20)) == [2, 2, 120, 1]


async def test_a_table_that_is_gone_makes_the_store_unavailable(
    ledger: SqliteLedger, path: Path
) -> None:
    await ledger.admit(asking(1))
    with another_process(path) as other:
        other.execute("DROP TABLE books")
        with pytest.raises(StoreUnavailable):
            await ledger.admit(asking(2))
        other.executescript(sqlite_ledger.SCHEMA)

    assert isinstance(await ledger.admit(asking(2)), Admitted)
    assert used(await ledger.peek(ANN)) == [1, 1, 100, 1], "what was in memory went with it"


async def test_a_book_that_cannot_be_read_makes_the_store_unavailable(
    ledger: SqliteLedger, path: Path
) -> None:
    await ledger.admit(asking(1))
    with another_process(path) as other:
        other.execute("UPDATE books SET state = x'00' WHERE kind = 'person'")
    failed = await asyncio.gather(
        ledger.admit(asking(2, BOB, ISP)), ledger.admit(asking(3)), return_exceptions=True
    )

    # Who asked in the same turn is not served either, and not charged.
    assert [type(error) for error in failed] == [StoreUnavailable] * 2
    assert isinstance(await ledger.admit(asking(4, BOB, ISP)), Admitted)
    assert await written(path, BOB) == [1, 1, 100, 1]
    assert await written(path, ISP) == [2, 2]


async def written(path: Path, subject: Subject) -> list[int]:
    """What the file says of somebody to whoever opens it now."""
    fresh = SqliteLedger(str(path), clock=HeldClock())
    await fresh.open()
    levels = await fresh.peek(subject)
    await fresh.close()
    return used(levels)


async def test_on_a_broken_file_nobody_hangs(ledger: SqliteLedger, path: Path) -> None:
    await ledger.admit(asking(1))
    for file in path.parent.iterdir():
        size = file.stat().st_size
        with file.open("r+b") as opened:
            opened.write(b"garbage!" * (size // 8))

    async with asyncio.timeout(1):
        with pytest.raises(StoreUnavailable):
            await ledger.admit(asking(2))


def test_a_folder_that_is_not_there_is_told_at_once(path: Path) -> None:
    ledger = SqliteLedger(str(path.parent / "none" / "ledger.sqlite"), clock=HeldClock())

    with pytest.raises((sqlite3.OperationalError, StoreUnavailable)):
        asyncio.run(ledger.open())


# ── The end ──────────────────────────────────────────────────────────────────────────────────


async def test_closing_finishes_what_was_asked(path: Path, clock: HeldClock) -> None:
    ledger = SqliteLedger(str(path), clock=clock)
    await ledger.open()
    with another_process(path) as other:
        other.execute("BEGIN IMMEDIATE")
        asked = asyncio.create_task(ledger.admit(asking(1)))
        await asyncio.sleep(0.001)
        closing = asyncio.create_task(ledger.close())
        await asyncio.sleep(0.005)
        assert not closing.done()
        other.execute("ROLLBACK")
        assert isinstance(await asked, Admitted)
        await closing

    again = SqliteLedger(str(path), clock=clock)
    await again.open()
    assert used(await again.peek(ANN)) == [1, 1, 100, 1]
    await again.close()


async def test_closing_waits_no_longer_than_the_patience_lasts(
    path: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_ledger, "PATIENCE_S", 0.02)
    ledger = SqliteLedger(str(path), clock=clock)
    await ledger.open()
    with another_process(path) as other:
        other.execute("BEGIN IMMEDIATE")
        asked = asyncio.create_task(ledger.admit(asking(1)))
        await asyncio.sleep(0.001)
        async with asyncio.timeout(2):
            await ledger.close()
        with pytest.raises(StoreUnavailable):
            await asked


@pytest.mark.parametrize("place", [":memory:", "file"])
async def test_who_asks_after_the_end_does_not_hang(
    place: str, path: Path, clock: HeldClock
) -> None:
    ledger = SqliteLedger(place if place == ":memory:" else str(path), clock=clock)
    await ledger.open()
    await ledger.close()

    async with asyncio.timeout(1):
        with pytest.raises(StoreUnavailable):
            await ledger.admit(asking(1))


async def test_a_ledger_opened_again_knows_what_it_knew(path: Path, clock: HeldClock) -> None:
    for n in range(3):
        ledger = SqliteLedger(str(path), clock=clock)
        await ledger.open()
        await ledger.admit(asking(n))
        assert used(await ledger.settle(ALL[:1], rid(n), 20))[:3] == [n + 1, n + 1, 20 * n + 20]
        await ledger.close()


# ── Memory ───────────────────────────────────────────────────────────────────────────────────


class Looks:
    """How many books were found in memory, and how many were not."""

    def __init__(self) -> None:
        self.hits = self.misses = 0

    def __call__(self, hits: int, misses: int) -> None:
        self.hits += hits
        self.misses += misses

    def taken(self) -> tuple[int, int]:
        taken = self.hits, self.misses
        self.hits = self.misses = 0
        return taken


async def test_books_stay_in_memory_for_cache_ms(path: Path, clock: HeldClock) -> None:
    looks = Looks()
    ledger = SqliteLedger(str(path), clock=clock, cache_ms=1_000, notice=looks)
    await ledger.open()
    await ledger.peek(ANN)
    assert looks.taken() == (0, 1)
    clock.advance(999)
    await ledger.peek(ANN)
    assert looks.taken() == (1, 0)
    clock.advance(1)
    await ledger.peek(ANN)
    assert looks.taken() == (0, 1)
    await ledger.close()


async def test_of_more_books_than_cache_books_the_least_used_go(
    path: Path, clock: HeldClock
) -> None:
    looks = Looks()
    ledger = SqliteLedger(str(path), clock=clock, cache_books=2, notice=looks)
    await ledger.open()
    for one in (ANN, BOB, ANN, ISP):
        await ledger.peek(one)
    assert looks.taken() == (1, 3)
    await ledger.peek(ANN)
    assert looks.taken() == (1, 0)
    await ledger.peek(BOB)
    assert looks.taken() == (0, 1)
    await ledger.close()


async def test_what_another_process_wrote_is_read_anew(
    ledger: SqliteLedger, path: Path, clock: HeldClock
) -> None:
    looks = Looks()
    other = SqliteLedger(str(path), clock=clock, notice=looks)
    await other.open()
    await other.peek(ANN)
    await other.peek(ANN)
    assert looks.taken() == (1, 1)
    await ledger.admit(asking(1))
    assert used(await other.peek(ANN))[0] == 1
    assert looks.taken() == (0, 1)
    await other.close()


# ── Care ─────────────────────────────────────────────────────────────────────────────────────


async def test_the_log_begins_anew_again_and_again(
    path: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_ledger, "CHECKPOINT_COMMITS", 20)
    ledger = SqliteLedger(str(path), clock=clock)
    await ledger.open()
    await ledger.admit(asking(0))
    async with asyncio.timeout(20):
        for n in range(1, 4):
            begun = beginning(log_of(path))
            while beginning(log_of(path)) == begun:
                await ledger.admit(asking(n))
                await ledger.refund(ALL, rid(n))
                await asyncio.sleep(0.0005)  # the checkpoint's thread has its turn

    assert used(await ledger.peek(ANN)) == [1, 1, 100, 1]
    await ledger.close()


async def test_the_log_is_also_emptied_when_little_is_written(
    path: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_ledger, "CHECKPOINT_S", 0.002)
    ledger = SqliteLedger(str(path), clock=clock)
    await ledger.open()
    await ledger.admit(asking(1))

    def is_in_the_file() -> bool:
        with sqlite3.connect(f"file:{path}?immutable=1", uri=True) as file:  # without the log
            tables = file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            return bool(tables and file.execute("SELECT count(*) FROM books").fetchone()[0] == 3)

    try:
        await until(is_in_the_file)
    finally:
        await ledger.close()


async def test_the_care_goes_on_after_the_store_was_unavailable(
    path: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_ledger, "PATIENCE_S", 0.005)
    monkeypatch.setattr(sqlite_ledger, "CHECKPOINT_S", 0.002)
    monkeypatch.setattr(sqlite_ledger, "FORGET_S", 0.0)
    ledger = SqliteLedger(str(path), clock=clock)
    await ledger.open()
    with another_process(path) as other:
        other.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(0.05)
        other.execute("ROLLBACK")
    await ledger.admit(asking(1))
    clock.advance(PERSON.memory_ms + 1)

    try:
        await until(lambda: rows(path) == 0, seconds=1)
    finally:
        await ledger.close()


def rows(path: Path) -> int:
    with another_process(path) as other:
        count: int = other.execute("SELECT count(*) FROM books").fetchone()[0]
        return count


async def test_books_nobody_needs_are_forgotten_and_no_others(
    path: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_ledger, "CHECKPOINT_S", 0.002)
    monkeypatch.setattr(sqlite_ledger, "FORGET_S", 0.0)
    ledger = SqliteLedger(str(path), clock=clock)
    await ledger.open()
    await ledger.admit(asking(1))
    clock.advance(HOUR)
    await ledger.admit(asking(2, BOB))
    clock.advance(ADDRESS.memory_ms - HOUR)
    await asyncio.sleep(0.03)
    assert rows(path) == 4
    clock.advance(1)
    await until(lambda: rows(path) == 3)
    clock.advance(PERSON.memory_ms - ADDRESS.memory_ms)
    await until(lambda: rows(path) == 1)

    assert used(await ledger.peek(ANN)) == [0, 0, 0, 0]
    assert isinstance(await ledger.admit(asking(3)), Admitted)
    assert used(await ledger.peek(ANN)) == [1, 1, 100, 1]
    await ledger.close()


async def test_who_has_called_is_counted_by_kind(
    ledger: SqliteLedger, path: Path, clock: HeldClock
) -> None:
    await ledger.admit(asking(1))
    clock.advance(HOUR)
    await ledger.admit(asking(2, BOB, subject("café", ADDRESS), ISP))
    await ledger.peek(subject("nobody"))

    assert count_active(str(path), NOON) == {"person": 1, "address": 1, "network": 1}
    assert count_active(str(path), NOON - 1) == {"person": 2, "address": 2, "network": 1}


# ── Processes ────────────────────────────────────────────────────────────────────────────────


async def test_a_process_that_is_killed_leaves_its_slots_and_what_was_spent(
    path: Path, clock: HeldClock
) -> None:
    command = [sys.executable, "-m", "tests.storage.streaming", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"streaming\n"
        process.kill()

    ledger = SqliteLedger(str(path), clock=clock)
    await ledger.open()
    assert used(await ledger.peek(ANN)) == [2, 2, 200, 2]
    clock.advance(LEASE_MS - 1)
    assert isinstance(await ledger.admit(asking(3)), Denied)
    clock.advance(1)
    # Of the one that was silent the prompt, of the one that had begun what it said last.
    assert used(await ledger.peek(ANN)) == [2, 2, 40 + 55, 0]
    assert isinstance(await ledger.admit(asking(3)), Admitted)
    await ledger.close()


async def crowd_in(path: Path, refunds: int) -> Counter[int]:
    """Four processes at once; how often each one got in, all together."""
    sqlite_ledger.connect(str(path)).close()  # as the parent of workers does
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.storage.crowd", str(path), str(seed), str(refunds)),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for seed in range(4)
    ]
    total = Counter[int]()
    try:
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        ends = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert [process.returncode for process in processes] == [0] * 4
    for out, _ in ends:
        total.update({int(person): count for person, count in json.loads(out).items()})
    return total


async def assert_exactly_full(path: Path, got: Counter[int]) -> None:
    ledger = SqliteLedger(str(path), clock=lambda: NOON)
    await ledger.open()
    for person in range(crowd.PEOPLE):
        own, _ = crowd.subjects(person)
        assert used(await ledger.peek(own)) == [got[person], 0]
        assert got[person] <= crowd.MOST
    for first in range(0, crowd.PEOPLE, crowd.PEOPLE_AT_HOME):
        people = range(first, first + crowd.PEOPLE_AT_HOME)
        at_home = sum(got[person] for person in people)
        assert used(await ledger.peek(crowd.subjects(first)[1])) == [at_home]
        if crowd.kind_of_home(first) == "crowded":
            assert at_home == crowd.MOST_AT_HOME["crowded"]
        else:
            assert [got[person] for person in people] == [crowd.MOST] * crowd.PEOPLE_AT_HOME
    await ledger.close()


async def test_four_processes_together_admit_exactly_as_many_as_one_may(path: Path) -> None:
    await assert_exactly_full(path, await crowd_in(path, refunds=100))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("time", range(3))
async def test_many_more_attempts_of_four_processes(path: Path, time: int) -> None:
    await assert_exactly_full(path, await crowd_in(path, refunds=20_000))
