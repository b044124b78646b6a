"""A server that loses its data: limits stand where the usage log says they were."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from scalix_free.core.clock import DAY_MS
from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ledger import Admitted, Denied, Limit, Policy, Unit
from scalix_free.core.outcome import Charge
from scalix_free.storage.redis_ledger import RedisLedger
from scalix_free.storage.restored import RestoredLedger
from tests.contracts.ledger import ALL, ANN, HOME, HOUR, asking, rid, subject, used
from tests.core.held_clock import HeldClock
from tests.storage.servers import Running

COARSE = subject("many", Policy("many", (Limit("day", Unit.REQUESTS, 5_000, DAY_MS),), False))


class Desk:
    """Two workers on one data set, and a usage log that both read."""

    def __init__(self, nodes: Sequence[Running]) -> None:
        self.nodes = nodes
        self.clock = HeldClock()
        self.log: dict[bytes, list[Charge]] = {}
        self.looked = 0
        self.log_is_away = False
        self.workers = [
            RestoredLedger(
                RedisLedger(nodes[0].url, held_clock=self.clock, command_s=5.0),
                self.recent,
                clock=self.clock,
            )
            for _ in range(2)
        ]

    async def recent(self, key: bytes, since_ms: int) -> Sequence[Charge]:
        self.looked += 1
        if self.log_is_away:
            raise StoreUnavailable("the database does not answer")
        await asyncio.sleep(0)
        return [charge for charge in self.log.get(key, ()) if charge.at_ms >= since_ms]

    async def answer(self, n: int, *, worker: int = 0, turn: bytes = b"") -> bool:
        """Admit and settle one request of Ann's, and write it down."""
        ledger = self.workers[worker]
        verdict = await ledger.admit(asking(n)._replace(turn=turn))
        if isinstance(verdict, Denied):
            return False
        await ledger.settle([ANN], rid(n), 50)
        for one in ALL:
            counts = one is not ANN or not verdict.spared
            self.log.setdefault(one.key, []).append(Charge(rid(n), verdict.now_ms, 50, counts))
        return True

    def lose_everything(self) -> None:
        for node in self.nodes:
            node.empty()


@asynccontextmanager
async def desk_of(nodes: Sequence[Running]) -> AsyncIterator[Desk]:
    for node in nodes:
        node.empty()
    desk = Desk(nodes)
    async with AsyncExitStack() as stack:
        for worker in desk.workers:
            await worker.open()
            stack.push_async_callback(worker.close)
        yield desk


@pytest.fixture(params=["alone", "cluster"])
async def desk(
    request: pytest.FixtureRequest, valkey: Running, cluster: Sequence[Running]
) -> AsyncIterator[Desk]:
    async with desk_of([valkey] if request.param == "alone" else cluster) as desk:
        yield desk


async def test_who_is_at_the_limit_stays_there(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    assert [await desk.answer(n) for n in range(4)] == [True, True, True, False]
    with caplog.at_level(logging.WARNING):
        desk.lose_everything()
        verdict = await desk.workers[1].admit(asking(10))
        assert isinstance(verdict, Denied)
        assert verdict.retry_ms == HOUR
        assert used(verdict.levels) == [3, 3, 150, 0]
    assert "lost its data" not in caplog.text, "the second worker has not known them"
    assert used(await desk.workers[0].peek(HOME)) == [3]
    assert isinstance(await desk.workers[0].admit(asking(11)), Denied)


async def test_it_is_noticed_once_and_told(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    await desk.answer(1)
    desk.lose_everything()
    with caplog.at_level(logging.WARNING):
        for n in (2, 3):
            await desk.answer(n)
    assert 1 <= caplog.text.count("lost its data") <= len(desk.nodes)
    assert used(await desk.workers[0].peek(ANN))[:2] == [3, 3]


async def test_all_workers_restoring_at_once_restore_it_once(desk: Desk) -> None:
    desk.log[COARSE.key] = [Charge(rid(n), desk.clock() - n, 0, True) for n in range(7)]
    for n in range(2):
        await desk.answer(n)
    desk.lose_everything()
    verdicts = await asyncio.gather(
        *(
            worker.admit(asking(100 + i, subject(f"{i}"), COARSE))
            for i, worker in enumerate(desk.workers * 3)
        ),
        *(worker.admit(asking(200 + i)) for i, worker in enumerate(desk.workers)),
    )
    assert sum(isinstance(verdict, Admitted) for verdict in verdicts) == 7
    assert used(await desk.workers[0].peek(COARSE)) == [13]
    assert used(await desk.workers[0].peek(ANN))[:2] == [3, 3]


async def test_what_runs_is_not_forgotten(desk: Desk) -> None:
    worker = desk.workers[0]
    await worker.admit(asking(1))
    await worker.admit(asking(2))
    await worker.settle([ANN], rid(2), 20)
    desk.lose_everything()
    await worker.admit(asking(3, subject("Bob"), *ALL[1:]))
    assert used(await worker.peek(ANN)) in ([1, 1, 100, 1], [0, 0, 0, 0])  # on a server not asked
    await worker.admit(asking(4))
    assert used(await worker.peek(ANN)) == [2, 2, 200, 2]
    assert used(await worker.settle([ANN], rid(1), 30)) == [2, 2, 130, 1]


async def test_who_was_spared_is_spared_also_afterwards(desk: Desk) -> None:
    """Calls that a turn covered, of which one still runs, stand where they stood in all books."""
    for n in range(3):
        await desk.answer(n, turn=b"turn")
    worker = desk.workers[0]
    await worker.admit(asking(3)._replace(turn=b"turn"))
    before = [await worker.peek(one) for one in ALL]
    assert [used(levels) for levels in before] == [[1, 1, 250, 1], [4], [4, 4]]
    desk.lose_everything()
    for _ in range(2):  # so that all servers of a cluster have told that they are new
        await asyncio.gather(*(worker.peek(one) for one in ALL))

    assert [used(await worker.peek(one)) for one in ALL] == [used(levels) for levels in before]
    assert used(await worker.settle([ANN], rid(3), 50)) == [1, 1, 200, 0]
    assert isinstance(await worker.admit(asking(4)), Denied), "the address is full"


async def test_a_subject_is_looked_up_once_and_for_a_day(desk: Desk) -> None:
    for n in range(3):
        await desk.answer(n)
    assert desk.looked == len(ALL)
    desk.clock.advance(DAY_MS)
    await desk.answer(5, worker=1)
    assert desk.looked == len(ALL)


async def test_nobody_waits_for_a_database_that_is_away(desk: Desk) -> None:
    desk.log_is_away = True
    assert await desk.answer(1)
    assert desk.looked == 1
    desk.log_is_away = False
    desk.clock.advance(2_000)
    await desk.answer(2)
    assert desk.looked == 1 + len(ALL)
