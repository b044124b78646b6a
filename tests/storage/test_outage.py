"""A ledger whose server goes away and comes back, under a clock that the test moves."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ledger import (
    Admitted,
    Ask,
    Denied,
    Entry,
    Level,
    Limit,
    Policy,
    Subject,
    Unit,
)
from scalix_free.core.outcome import Charge
from scalix_free.storage.outage import (
    FAILURES,
    HOLD_MS,
    PAUSE_MS,
    STRANGERS_MS,
    OnOutage,
    OutageLedger,
)
from scalix_free.storage.sqlite_ledger import SqliteLedger
from tests.contracts.ledger import ALL, ANN, HOUR, asking, rid, subject, used
from tests.core.held_clock import HeldClock

SIX = Policy("anonymous", (Limit("requests_hour", Unit.REQUESTS, 6, HOUR),))
BOB = subject("Bob", SIX)
MINTED = subject("mint", Policy("mint_address", SIX.limits, leased=False))


class Server:
    """What workers share: a ledger that can be cut off, before it hears or before it answers."""

    def __init__(self, path: Path, clock: HeldClock) -> None:
        self.ledger = SqliteLedger(str(path), clock=clock)
        self.there = True
        self.deaf = False
        self.asked = 0
        self.attending: set[bytes] = set()

    def _hear(self) -> None:
        self.asked += 1
        if not self.there:
            raise StoreUnavailable("the ledger's store failed: it is switched off")

    def _answer(self) -> None:
        if self.deaf:
            raise StoreUnavailable("the ledger's store failed: the answer is lost")

    async def open(self) -> None:
        await self.ledger.open()
        self._hear()

    async def close(self) -> None:
        await self.ledger.close()

    async def attend(self, worker: bytes, ttl_ms: int) -> int:
        self._hear()
        self.attending.add(worker)
        return len(self.attending)

    async def admit(self, ask: Ask) -> Admitted | Denied:
        self._hear()
        verdict = await self.ledger.admit(ask)
        self._answer()
        return verdict

    async def settle(
        self, subjects: Sequence[Subject], rid: bytes, tokens: int, *, counts: bool = True
    ) -> tuple[Level, ...]:
        self._hear()
        return await self.ledger.settle(subjects, rid, tokens, counts=counts)

    async def beat(self, subject: Subject, rid: bytes, spent: int) -> None:
        self._hear()
        await self.ledger.beat(subject, rid, spent)

    async def refund(self, subjects: Sequence[Subject], rid: bytes) -> tuple[Level, ...]:
        self._hear()
        return await self.ledger.refund(subjects, rid)

    async def peek(self, subject: Subject) -> tuple[Level, ...]:
        self._hear()
        return await self.ledger.peek(subject)

    async def enter(self, subjects: Sequence[Subject], entry: Entry) -> bool:
        self._hear()
        is_new = await self.ledger.enter(subjects, entry)
        self._answer()
        return is_new

    async def claim(self, key: bytes, until_ms: int) -> bool:
        self._hear()
        return await self.ledger.claim(key, until_ms)


class Desk:
    """Several workers around one server."""

    def __init__(self, folder: Path, on_outage: OnOutage, count: int) -> None:
        self.clock = HeldClock()
        self.log: dict[bytes, list[Charge]] = {}
        self.log_is_away = False
        self.server = Server(folder / "server.sqlite", self.clock)
        self.workers = [
            OutageLedger(
                self.server,
                on_outage=on_outage,
                clock=self.clock,
                recent=self.recent,
                workers=count,
                strangers=("anonymous",),
                server_only=("mint_address",),
            )
            for _ in range(count)
        ]

    async def recent(self, key: bytes, since_ms: int) -> Sequence[Charge]:
        if self.log_is_away:
            raise StoreUnavailable("the database does not answer")
        return [charge for charge in self.log.get(key, ()) if charge.at_ms >= since_ms]

    async def go_away(self) -> None:
        """The server goes away, and every worker notices."""
        self.server.there = False
        for worker in self.workers:
            for _ in range(FAILURES):
                await worker.tend()

    async def come_back(self) -> None:
        """The server comes back, and every worker notices."""
        self.server.there = True
        self.clock.advance(PAUSE_MS)
        for worker in self.workers:
            await worker.tend()
        await rest()

    async def used(self, one: Subject) -> list[int]:
        return used(await self.server.ledger.peek(one))


@asynccontextmanager
async def desk_of(
    folder: Path, on_outage: OnOutage = "degrade", count: int = 1
) -> AsyncIterator[Desk]:
    desk = Desk(folder, on_outage, count)
    for worker in desk.workers:
        await worker.open()
    try:
        yield desk
    finally:
        for worker in desk.workers:
            await worker.close()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_of(tmp_path) as desk:
        yield desk


async def rest() -> None:
    """Let tasks in the background do what they can."""
    for _ in range(50):
        await asyncio.sleep(0)


async def admitted(worker: OutageLedger, one: Subject, numbers: Sequence[int]) -> int:
    verdicts = [await worker.admit(asking(n, one)) for n in numbers]
    return sum(isinstance(verdict, Admitted) for verdict in verdicts)


# ── Degrade ──────────────────────────────────────────────────────────────────────────────────


async def test_an_outage_costs_no_waiting_once_it_is_known(desk: Desk) -> None:
    await desk.go_away()
    asked = desk.server.asked
    assert isinstance(await desk.workers[0].admit(asking(1)), Admitted)
    await desk.workers[0].peek(ANN)
    assert desk.server.asked == asked
    desk.clock.advance(PAUSE_MS)
    await desk.workers[0].peek(ANN)
    await desk.workers[0].peek(ANN)
    assert desk.server.asked == asked + 1, "one tries it, the others do not"


async def test_also_the_first_who_meet_it_are_served(desk: Desk) -> None:
    desk.server.there = False
    assert isinstance(await desk.workers[0].admit(asking(1)), Admitted)
    assert await desk.workers[0].health() == "degraded"
    desk.server.there = True
    await desk.workers[0].tend()
    desk.clock.advance(PAUSE_MS)
    await desk.workers[0].tend()
    await rest()
    assert (await desk.used(ANN))[0] == 1
    assert await desk.workers[0].health() == "ok"


async def test_workers_together_admit_the_limit_and_not_one_more_than_one_each(
    tmp_path: Path,
) -> None:
    async with desk_of(tmp_path, count=4) as desk:
        await desk.go_away()
        each = [
            await admitted(worker, BOB, range(10 * i, 10 * i + 10))
            for i, worker in enumerate(desk.workers)
        ]
        assert each == [2, 2, 2, 2]  # 6 by 4, rounded up
        await desk.come_back()
        assert await desk.used(BOB) == [8]
        assert not await admitted(desk.workers[0], BOB, [99])


async def test_workers_that_are_back_wait_for_those_that_are_not(tmp_path: Path) -> None:
    async with desk_of(tmp_path, count=3) as desk:
        first, second, third = desk.workers
        await desk.go_away()
        total = 0
        for i, worker in enumerate(desk.workers):
            total += await admitted(worker, BOB, [10 * i, 10 * i + 1])
        desk.server.there = True
        desk.clock.advance(PAUSE_MS)
        await first.tend()
        await rest()
        total += await admitted(first, BOB, range(100, 110))
        assert total == 6, "the others have not told what they admitted"
        await second.tend()
        await third.tend()
        await rest()
        desk.clock.advance(HOLD_MS)
        total += await admitted(first, BOB, range(110, 120))
        assert (total, await desk.used(BOB)) == (6, [6])


async def test_a_worker_that_is_back_asks_the_server_first_of_all(desk: Desk) -> None:
    """What others admitted there counts at once, and what is denied costs nothing."""
    worker = desk.workers[0]
    await desk.go_away()
    await desk.come_back()
    for n in range(6):
        await desk.server.ledger.admit(asking(n, BOB))
    assert isinstance(await worker.admit(asking(9, BOB)), Denied)
    await desk.server.ledger.refund([BOB], rid(0))
    assert await admitted(worker, BOB, range(10, 16)) == 1
    desk.clock.advance(HOLD_MS)
    await desk.server.ledger.refund([BOB], rid(1))
    assert await admitted(worker, BOB, range(20, 26)) == 1


@pytest.mark.parametrize("before", [0, 1, 4, 5, 6])
async def test_what_was_used_before_is_divided_too(tmp_path: Path, before: int) -> None:
    async with desk_of(tmp_path, count=3) as desk:
        charges = [Charge(rid(1000 + n), desk.clock() - 1_000 + n, 9, True) for n in range(before)]
        desk.log[BOB.key] = charges
        await desk.go_away()
        total = before
        for i, worker in enumerate(desk.workers):
            total += await admitted(worker, BOB, range(10 * i, 10 * i + 10))
        assert 6 - 2 <= total <= 6 + 2


async def test_without_the_usage_log_there_is_still_a_share(desk: Desk) -> None:
    desk.log_is_away = True
    await desk.go_away()
    assert await admitted(desk.workers[0], BOB, range(10)) == 6


async def test_what_was_admitted_meanwhile_is_entered_as_it_ended(desk: Desk) -> None:
    worker = desk.workers[0]
    await desk.go_away()
    began_ms = desk.clock()
    for n in (1, 2):
        assert isinstance(await worker.admit(asking(n)), Admitted)
    await worker.settle(ALL[:1], rid(1), 33)
    await worker.refund(ALL, rid(2))
    assert isinstance(await worker.admit(asking(3)), Admitted)
    await worker.settle(ALL, rid(3), 7, counts=False)
    desk.clock.advance(60_000)
    await desk.come_back()
    levels = await desk.server.ledger.peek(ANN)
    assert used(levels) == [1, 1, 40, 0]
    assert levels[0].resets_at_ms == began_ms + HOUR, "at the time at which it was admitted"
    assert [await desk.used(one) for one in ALL[1:]] == [[1], [1, 1]]


async def test_what_a_turn_covers_is_known_to_the_server_alone(desk: Desk) -> None:
    worker = desk.workers[0]

    async def is_spared(n: int) -> bool:
        verdict = await worker.admit(asking(n)._replace(turn=b"turn"))
        assert isinstance(verdict, Admitted)
        await worker.settle(ALL[:1], rid(n), 10)
        return verdict.spared

    assert [await is_spared(n) for n in (1, 2)] == [False, True]
    await desk.go_away()
    assert [await is_spared(n) for n in (3, 4)] == [False, False]
    await desk.come_back()
    assert await desk.used(ANN) == [3, 3, 40, 0]


async def test_what_still_runs_is_entered_open_and_ends_on_the_server(desk: Desk) -> None:
    worker = desk.workers[0]
    await desk.go_away()
    await worker.admit(asking(1))
    await worker.admit(asking(2))
    await worker.beat(ANN, rid(1), 25)
    await desk.come_back()
    assert await desk.used(ANN) == [2, 2, 200, 2]
    await worker.beat(ANN, rid(1), 30)
    assert used(await worker.settle([ANN], rid(1), 50)) == [2, 2, 150, 1]
    assert used(await worker.refund(ALL, rid(2))) == [1, 1, 50, 0]


async def test_what_the_server_admitted_is_settled_there_afterwards(desk: Desk) -> None:
    worker = desk.workers[0]
    for n in (1, 2):
        await worker.admit(asking(n))
    await desk.go_away()
    for ending in (worker.settle([ANN], rid(1), 12), worker.refund(ALL, rid(2))):
        with pytest.raises(StoreUnavailable):
            await ending
    await desk.come_back()
    assert await desk.used(ANN) == [1, 1, 12, 0]


async def test_an_answer_that_is_lost_enters_nothing_twice(desk: Desk) -> None:
    worker = desk.workers[0]
    await desk.go_away()
    await worker.admit(asking(1))
    await worker.admit(asking(2))
    desk.server.deaf = True
    await desk.come_back()
    assert await desk.used(ANN) == [2, 2, 200, 2]
    await worker.settle([ANN], rid(1), 20)
    await worker.refund(ALL, rid(2))
    desk.server.deaf = False
    await desk.come_back()
    assert await desk.used(ANN) == [1, 1, 20, 0]
    assert [await desk.used(one) for one in ALL[1:]] == [[1], [1, 1]]


async def test_an_admission_in_doubt_is_counted_once(desk: Desk) -> None:
    worker = desk.workers[0]
    desk.server.deaf = True
    assert isinstance(await worker.admit(asking(1)), Admitted)
    await worker.settle([ANN], rid(1), 20)
    desk.server.deaf = False
    desk.clock.advance(PAUSE_MS)
    await worker.tend()
    await rest()
    assert await desk.used(ANN) == [1, 1, 20, 0]


async def test_nobody_is_minted_and_nothing_is_claimed_while_it_is_away(desk: Desk) -> None:
    await desk.go_away()
    with pytest.raises(StoreUnavailable):
        await desk.workers[0].admit(asking(1, MINTED))
    with pytest.raises(StoreUnavailable):
        await desk.workers[0].claim(b"nonce", desk.clock() + 1_000)
    await desk.come_back()
    assert isinstance(await desk.workers[0].admit(asking(1, MINTED)), Admitted)


async def test_when_it_lasts_strangers_are_refused_and_others_are_not(desk: Desk) -> None:
    worker = desk.workers[0]
    await desk.go_away()
    desk.clock.advance(STRANGERS_MS - 1)
    assert isinstance(await worker.admit(asking(1, BOB)), Admitted)
    desk.clock.advance(1)
    with pytest.raises(StoreUnavailable):
        await worker.admit(asking(2, BOB))
    assert isinstance(await worker.admit(asking(3, ANN)), Admitted)


async def test_a_server_that_is_away_at_the_start_is_an_outage_too(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "degrade", 1)
    desk.server.there = False
    (worker,) = desk.workers
    await worker.open()
    assert isinstance(await worker.admit(asking(1)), Admitted)
    assert await worker.health() == "degraded"
    await desk.come_back()
    assert (await desk.used(ANN))[0] == 1
    await worker.close()


async def test_what_can_be_entered_when_the_service_ends_is(tmp_path: Path) -> None:
    async with desk_of(tmp_path) as desk:
        await desk.go_away()
        await desk.workers[0].admit(asking(1))
        desk.server.there = True
    async with desk_of(tmp_path) as desk:
        assert (await desk.used(ANN))[0] == 1


async def test_each_change_is_one_line(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await desk.go_away()
        await desk.go_away()
        for n in range(2):
            await desk.workers[0].admit(asking(n))
        desk.clock.advance(PAUSE_MS)
        await desk.workers[0].tend()
        await desk.come_back()
        await desk.come_back()
    away, back = [record.getMessage() for record in caplog.records]
    assert "admits its share" in away
    assert "back; 2 requests" in back


# ── Deny and allow ───────────────────────────────────────────────────────────────────────────


async def test_deny_refuses_at_once_and_tries_now_and_then(tmp_path: Path) -> None:
    async with desk_of(tmp_path, "deny") as desk:
        worker = desk.workers[0]
        await desk.go_away()
        asked = desk.server.asked
        for n in range(3):
            with pytest.raises(StoreUnavailable):
                await worker.admit(asking(n))
        with pytest.raises(StoreUnavailable):
            await worker.peek(ANN)
        assert desk.server.asked == asked
        assert await worker.health() == "unavailable"
        desk.server.there = True
        desk.clock.advance(PAUSE_MS)
        assert isinstance(await worker.admit(asking(9)), Admitted), "a real request tries it"
        assert used(await worker.settle([ANN], rid(9), 5))[:3] == [1, 1, 5]
        await rest()
        assert isinstance(await worker.admit(asking(10)), Admitted)


async def test_allow_admits_whatever_comes_and_counts_it_afterwards(tmp_path: Path) -> None:
    async with desk_of(tmp_path, "allow", count=2) as desk:
        await desk.go_away()
        assert await admitted(desk.workers[0], BOB, range(20)) == 20
        for n in range(20):
            await desk.workers[0].settle([BOB], rid(n), 1)
        await desk.come_back()
        assert await desk.used(BOB) == [20]
        assert isinstance(await desk.workers[1].admit(asking(99, BOB)), Denied)
