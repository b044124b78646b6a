"""What is kept on one database, as several processes see it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from scalix_free.core.ports import Accounts, Funnel, Ratings, UsageLog
from scalix_free.storage.accounts import SqlAccounts
from scalix_free.storage.database import Database
from scalix_free.storage.funnel import SqlFunnel
from scalix_free.storage.migrations.__main__ import migrate
from scalix_free.storage.ratings import SqlRatings
from scalix_free.storage.tables import metadata
from scalix_free.storage.usage_log import SqlUsageLog

PROCESSES: Final = 3


@dataclass(frozen=True)
class Stores:
    """The same stores, once for each process that uses them."""

    databases: list[Database]
    accounts: list[Accounts]
    logs: list[UsageLog]
    ratings: list[Ratings]
    funnels: list[Funnel]

    async def everything(self) -> list[tuple[str, str, object]]:
        """Every value of every row: table, column, value."""
        found: list[tuple[str, str, object]] = []
        async with self.databases[0].transaction(reads=True) as connection:
            for table in metadata.sorted_tables:
                rows = (await connection.execute(table.select())).all()
                found += [
                    (table.name, column, value)
                    for row in rows
                    for column, value in row._asdict().items()
                ]
        return found


@asynccontextmanager
async def opened_stores(place: str) -> AsyncIterator[Stores]:
    """Open the stores at a place; what is in memory has one process."""
    async with AsyncExitStack() as stack:
        databases = [Database(place) for _ in range(1 if place == ":memory:" else PROCESSES)]
        for database in databases:
            await database.open()
            stack.push_async_callback(database.close)
        databases *= PROCESSES // len(databases)
        yield Stores(
            databases,
            [SqlAccounts(database) for database in databases],
            [SqlUsageLog(database) for database in databases],
            [SqlRatings(database) for database in databases],
            [SqlFunnel(database) for database in databases],
        )


def migrated_file(folder: Path) -> str:
    """A SQLite file with all tables."""
    path = folder / "database.sqlite"
    path.write_bytes(_migrated())
    return str(path)


@cache
def _migrated() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "template.sqlite")
        asyncio.run(migrate(str(path)))
        return path.read_bytes()
