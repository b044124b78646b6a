"""The ledger's contract, kept by every implementation."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from scalix_free.core.ports import Clock, Ledger
from scalix_free.storage.redis_ledger import RedisLedger
from scalix_free.storage.sqlite_ledger import SqliteLedger
from tests.contracts.ledger import LedgerContract, SharedLedgerContract
from tests.storage.servers import Running


@asynccontextmanager
async def open_together(
    ledgers: Sequence[SqliteLedger | RedisLedger],
) -> AsyncIterator[Sequence[Ledger]]:
    async with AsyncExitStack() as stack:
        for ledger in ledgers:
            await ledger.open()
            stack.push_async_callback(ledger.close)
        yield ledgers


class TestSqliteInMemory(LedgerContract):
    """A file of its own that is none."""

    @asynccontextmanager
    async def opened(self, clock: Clock, count: int = 1) -> AsyncIterator[Sequence[Ledger]]:
        async with open_together(
            [SqliteLedger(":memory:", clock=clock) for _ in range(count)]
        ) as ledgers:
            yield ledgers


class TestSqliteFile(SharedLedgerContract):
    """One file, and as many connections to it as there are processes."""

    cache_books = 10_000
    cache_ms = 300_000

    @asynccontextmanager
    async def opened(self, clock: Clock, count: int = 1) -> AsyncIterator[Sequence[Ledger]]:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder, "ledger.sqlite"))
            ledgers = [
                SqliteLedger(
                    path, clock=clock, cache_books=self.cache_books, cache_ms=self.cache_ms
                )
                for _ in range(count)
            ]
            async with open_together(ledgers) as opened:
                yield opened


class TestSqliteFileWithATinyCache(TestSqliteFile):
    """Fewer books stay in memory than one request needs."""

    cache_books = 2


class TestSqliteFileWithoutACache(TestSqliteFile):
    """No book in memory is believed."""

    cache_ms = 0


class OnServers(SharedLedgerContract):
    """Redis or Valkey, and as many connections to it as there are processes."""

    nodes: ClassVar[Sequence[Running]]

    @asynccontextmanager
    async def opened(self, clock: Clock, count: int = 1) -> AsyncIterator[Sequence[Ledger]]:
        for node in self.nodes:
            node.empty()
        url = self.nodes[0].url
        ledgers = [RedisLedger(url, held_clock=clock, command_s=5.0) for _ in range(count)]
        async with open_together(ledgers) as opened:
            yield opened


class TestValkey(OnServers):
    """One Valkey."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def served(cls, valkey: Running) -> None:
        cls.nodes = [valkey]


class TestValkeyCluster(OnServers):
    """Three of them that share the keys."""

    orders = False

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def served(cls, cluster: Sequence[Running]) -> None:
        cls.nodes = cluster


@pytest.mark.slow
class TestRedis(OnServers):
    """One Redis."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def served(cls, redis_server: Running) -> None:
        cls.nodes = [redis_server]
