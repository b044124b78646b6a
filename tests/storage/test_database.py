"""The database: transactions, deadlines, losses, and what an error says."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from scalix_free.core.errors import StoreUnavailable
from scalix_free.storage.database import Database
from scalix_free.storage.tables import accounts
from tests.postgres import Postgres
from tests.storage.stores import migrated_file

ROW = {
    "id": "acc_1",
    "email": "ann@secret.example",
    "mailbox": "ann@secret.example",
    "tier": "pro",
    "created_ms": 1,
}


@pytest.fixture(params=["memory", "file", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return ":memory:"
    if request.param == "file":
        return migrated_file(tmp_path)
    server: Postgres = request.getfixturevalue("postgres")
    return server.migrated()


@asynccontextmanager
async def opened(place: str, deadline_s: float = 5.0) -> AsyncIterator[Database]:
    database = Database(place, deadline_s=deadline_s)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def insert(database: Database, *, breaks: bool = False) -> None:
    async with database.transaction() as connection:
        await connection.execute(accounts.insert().values(**ROW))
        if breaks:
            raise RuntimeError("in the middle")


async def count(database: Database) -> int:
    async with database.transaction(reads=True) as connection:
        return len((await connection.execute(accounts.select())).all())


async def test_a_transaction_is_kept_whole_or_not_at_all(place: str) -> None:
    async with opened(place) as database:
        with pytest.raises(RuntimeError, match="in the middle"):
            await insert(database, breaks=True)
        assert await count(database) == 0
        await insert(database)
        assert await count(database) == 1


async def test_an_error_is_one_of_ours_and_says_nothing_of_what_was_written(place: str) -> None:
    async with opened(place) as database:
        await insert(database)
        with pytest.raises(StoreUnavailable) as failed:
            await insert(database)
        assert await count(database) == 1

    assert str(failed.value).startswith("the database failed: ")
    assert "secret" not in str(failed.value)
    assert failed.value.__suppress_context__


async def test_foreign_keys_hold(place: str) -> None:
    async with opened(place) as database:
        with pytest.raises(StoreUnavailable):
            async with database.transaction() as connection:
                await connection.execute(
                    text("INSERT INTO api_keys VALUES ('key_1', 'acc_none', 'x', 'y', 1, NULL)")
                )


async def test_many_more_than_there_are_connections_are_all_served(place: str) -> None:
    async with opened(place) as database:
        assert await asyncio.gather(*(count(database) for _ in range(40))) == [0] * 40


async def test_a_statement_that_takes_too_long_is_broken_off_and_the_next_one_works(
    postgres: Postgres,
) -> None:
    async with opened(postgres.migrated(), deadline_s=0.2) as database:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="TimeoutError"):
            async with database.transaction() as connection:
                await connection.execute(text("SELECT pg_sleep(30)"))
        assert time.monotonic() - began < 5
        assert await count(database) == 0


async def test_a_lost_connection_heals_by_itself(postgres: Postgres) -> None:
    place = postgres.migrated()
    async with opened(place) as database:
        await insert(database)
        postgres.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'scalix-free'"
        )
        assert await count(database) == 1
        with pytest.raises(StoreUnavailable):  # lost in the middle of one
            async with database.transaction() as connection:
                await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        assert await count(database) == 1


async def test_a_server_that_comes_later_is_used_then(postgres: Postgres) -> None:
    place = postgres.place("test_late")
    async with opened(place) as database:
        with pytest.raises(StoreUnavailable):
            await count(database)
        postgres.run("CREATE DATABASE test_late TEMPLATE template_of_tests")
        assert await count(database) == 0


async def test_another_writer_is_waited_for_and_not_for_ever(tmp_path: Path) -> None:
    place = migrated_file(tmp_path)
    other = sqlite3.connect(place, isolation_level=None)
    async with opened(place, deadline_s=0.3) as database, opened(place) as patient:
        other.execute("BEGIN IMMEDIATE")
        assert await count(database) == 0  # readers do not wait
        with pytest.raises(StoreUnavailable):
            await insert(database)
        waiting = asyncio.create_task(insert(patient))
        await asyncio.sleep(0.05)
        other.execute("COMMIT")
        await waiting
        assert await count(database) == 1
    other.close()


async def test_a_file_that_is_none_is_a_store_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "database.sqlite"
    path.write_text("This is no database, however long it may be. " * 9)
    async with opened(str(path)) as database:
        with pytest.raises(StoreUnavailable):
            await count(database)


async def test_what_is_deleted_is_overwritten(tmp_path: Path) -> None:
    place = migrated_file(tmp_path)
    async with opened(place) as database:
        await insert(database)
        async with database.transaction() as connection:
            await connection.execute(accounts.delete())
    assert b"ann@secret.example" not in Path(place).read_bytes()
