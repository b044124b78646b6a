"""The database: SQLite in a file, or PostgreSQL. What it holds is ``tables``' matter.

Deadlines
    A transaction ends within its deadline, waiting for a connection and for locks included.

Failures
    Whatever goes wrong is ``StoreUnavailable``, and its message is the kind of error alone: the
    drivers' own messages quote statements and values.

Healing
    A connection that was lost is noticed before it is used and replaced, so a server that went
    away and came back is used again by the next transaction.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any, Final

from sqlalchemy import URL, Column, Connection, Insert, Table, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from scalix_free.core.errors import StoreUnavailable
from scalix_free.storage.tables import whole

DEADLINE_S: Final = 5.0
CONNECT_S: Final = 3.0
LOCK_S: Final = 2.0
"""How long SQLite waits for another process that writes."""
CONNECTIONS: Final = 4
"""Of one process to a server. Transactions are short, and few requests need one."""
MEMORY: Final = ":memory:"
READS: Final = "scalix_reads"
ROWS_AT_ONCE: Final = 100

PRAGMAS: Final = (
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "foreign_keys = ON",
    "secure_delete = ON",  # what is erased is overwritten
)


class Database:
    """One database. ``open`` before use, ``close`` after.

    ``place`` is the path of a SQLite file, ``:memory:``, or a ``postgresql://`` URL as PostgreSQL's
    own clients take it. The tables have to be there, except in memory, where ``open`` makes them.
    """

    def __init__(self, place: str, *, deadline_s: float = DEADLINE_S) -> None:
        self._place = place
        self._deadline_s = deadline_s
        self._faults: tuple[type[BaseException], ...] = (SQLAlchemyError, sqlite3.Error, OSError)
        self._insert: Callable[[Table], Any] = sqlite.insert
        self._sql: dict[str, str] = {}

    async def open(self) -> None:
        """Get ready. A server is not spoken to before the first transaction."""
        self._engine = open_engine(self._place)
        if is_server(self._place):
            # Imported here: with SQLite nobody has to pay for them.
            import asyncpg  # noqa: PLC0415
            from sqlalchemy.dialects import postgresql  # noqa: PLC0415

            self._insert = postgresql.insert
            self._faults += (asyncpg.PostgresError, asyncpg.InterfaceError)
        if self._place == MEMORY:
            async with self._engine.begin() as connection:
                await connection.run_sync(whole().create_all)

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()

    @asynccontextmanager
    async def transaction(
        self, *, reads: bool = False, deadline_s: float | None = None
    ) -> AsyncIterator[AsyncConnection]:
        """One transaction: kept as a whole when left, undone when left by an exception.

        One that only ``reads`` waits for no writer. Raises ``StoreUnavailable``.
        """
        try:
            async with (
                asyncio.timeout(self._deadline_s if deadline_s is None else deadline_s),
                self._engine.connect() as connection,
            ):
                if reads:
                    await connection.execution_options(**{READS: True})
                async with connection.begin():
                    yield connection
        except self._faults as error:
            raise StoreUnavailable(f"the database failed: {_kind(error)}") from None

    def insert_new(self, table: Table) -> Insert:
        """An INSERT that leaves a row as it is where it is there already."""
        insert: Insert = self._insert(table).on_conflict_do_nothing()
        return insert

    async def insert_new_rows(
        self, connection: AsyncConnection, table: Table, rows: Sequence[tuple[object, ...]]
    ) -> None:
        """Such an INSERT for many rows, each with a value for every column, in their order.

        What SQLAlchemy does for each value costs more than the insertion itself: it is spared. For
        SQLite many rows are one statement: its thread gives the interpreter away at each.
        """
        sql = self._sql.get(table.name)
        if sql is None:
            sql = str(self.insert_new(table).compile(dialect=self._engine.dialect))
            self._sql[table.name] = sql
        if self._engine.dialect.name == "sqlite":
            one = f"({', '.join('?' * len(table.columns))})"
            many = sql.replace(one, ", ".join([one] * ROWS_AT_ONCE))
            while len(rows) >= ROWS_AT_ONCE:
                values = tuple(chain.from_iterable(rows[:ROWS_AT_ONCE]))
                await connection.exec_driver_sql(many, values)
                rows = rows[ROWS_AT_ONCE:]
        if rows:
            await connection.exec_driver_sql(sql, list(rows))

    def insert_or_change(
        self, table: Table, values: Mapping[str, object], *, key: Column[Any], changed: set[str]
    ) -> Insert:
        """An INSERT that changes some columns where a row of the same ``key`` is there already."""
        insert: Insert = (
            self._insert(table)
            .values(**values)
            .on_conflict_do_update(
                index_elements=[key], set_={name: values[name] for name in changed}
            )
        )
        return insert


def is_server(place: str) -> bool:
    """Whether this is the URL of a server, and not the path of a file."""
    return place.startswith(("postgresql://", "postgres://"))


def open_engine(place: str) -> AsyncEngine:
    """An engine for this place, set up as all of ours are."""
    if is_server(place):
        return _server_engine(place)
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=place),
        connect_args={"timeout": LOCK_S},
        # Each connection is a thread. What is in memory is the one connection's own.
        poolclass=AsyncAdaptedQueuePool,
        pool_size=1 if place == MEMORY else 2,
        max_overflow=0,
        pool_timeout=DEADLINE_S,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", _set_up_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _server_engine(place: str) -> AsyncEngine:
    import asyncpg  # noqa: PLC0415  (with SQLite nobody has to pay for it)

    async def connect() -> Any:
        return await asyncpg.connect(
            place,
            timeout=CONNECT_S,
            server_settings={"application_name": "scalix-free"},
        )

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=1,
        max_overflow=CONNECTIONS - 1,
        pool_timeout=DEADLINE_S,
        pool_pre_ping=True,
        hide_parameters=True,
    )


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # we say ourselves when a transaction begins
    try:
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
    except sqlite3.Error:  # nobody else would end its thread
        connection.close()
        raise


def _begin_sqlite(connection: Connection) -> None:
    """Take the lock at once where something will be written: asked for later, it may be refused."""
    reads = connection.get_execution_options().get(READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _kind(error: BaseException) -> str:
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig.__cause__ or error.orig  # the driver's own
    return type(error).__name__
