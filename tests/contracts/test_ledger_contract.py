"""The ledger's contract, kept by every implementation."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from scalix_free.core.ports import Clock, Ledger
from scalix_free.storage.sqlite_ledger import SqliteLedger
from tests.contracts.ledger import LedgerContract, SharedLedgerContract


@asynccontextmanager
async def open_together(ledgers: Sequence[SqliteLedger]) -> AsyncIterator[Sequence[Ledger]]:
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
