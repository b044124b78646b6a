"""Migrations: that they make the tables there are, once, whoever else tries; what stops them."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from scalix_free.storage import migrations
from scalix_free.storage.database import open_engine
from scalix_free.storage.migrations import HEAD, SCHEMA, make_current
from scalix_free.storage.migrations.__main__ import migrate, reason
from scalix_free.storage.migrations.migration import LOCK, downgrade, revision_of
from scalix_free.storage.tables import whole
from tests.postgres import LOCKED, PASSWORD, Postgres
from tests.storage.schema import rendered

T = TypeVar("T")
FOLDER = Path(migrations.__file__).parent


@pytest.fixture(params=["file", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without anything."""
    if request.param == "file":
        return str(tmp_path / "database.sqlite")
    server: Postgres = request.getfixturevalue("postgres")
    return server.empty()


async def at(place: str, do: Callable[[Connection], T]) -> T:
    engine = open_engine(place)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(do)
    finally:
        await engine.dispose()


def differences(connection: Connection) -> list[object]:
    """Between the tables that are there and those of the code."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, whole()))


def indexes(connection: Connection) -> set[object]:
    """Every index with the condition that it holds under: Alembic does not compare those."""
    schema = inspect(connection)
    return {
        (
            *(table.name, index["name"], *index["column_names"]),
            *(f"{key}={value}" for key, value in index.get("dialect_options", {}).items()),
        )
        for table in whole().sorted_tables
        for index in schema.get_indexes(table.name)
    }


async def test_the_migrations_make_the_tables_of_the_code(place: str) -> None:
    await migrate(place)

    assert await at(place, differences) == []
    assert await at(place, revision_of) == HEAD
    migrated = await at(place, indexes)
    await at(place, whole().drop_all)
    await at(place, whole().create_all)
    assert await at(place, indexes) == migrated


async def test_they_can_be_taken_back_and_made_again(place: str) -> None:
    await migrate(place)
    await at(place, downgrade)

    assert await at(place, lambda c: inspect(c).get_table_names()) == ["alembic_version"]
    assert await at(place, revision_of) is None
    await migrate(place)
    assert await at(place, differences) == []


async def test_what_is_up_to_date_is_left_alone(place: str) -> None:
    await migrate(place)
    await at(place, lambda c: c.execute(text("DROP TABLE erased")))
    await migrate(place)

    assert not await at(place, lambda c: inspect(c).has_table("erased"))


async def test_a_migration_that_fails_leaves_nothing_behind(place: str) -> None:
    await at(place, lambda c: c.execute(text("CREATE TABLE usage (x INTEGER)")))
    with pytest.raises(Exception, match="usage"):
        await migrate(place)

    assert await at(place, lambda c: inspect(c).get_table_names()) == ["usage"]


async def test_of_several_that_start_at_once_one_migrates(postgres: Postgres) -> None:
    place = postgres.empty()
    await asyncio.gather(*(migrate(place) for _ in range(4)))

    assert await at(place, differences) == []


async def test_whoever_migrates_is_waited_for(postgres: Postgres) -> None:
    place = postgres.empty()
    engine = open_engine(place)
    async with engine.begin() as connection:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        waiting = asyncio.create_task(migrate(place))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    await waiting
    await engine.dispose()
    assert await at(place, revision_of) == HEAD


def test_the_code_knows_its_last_migration() -> None:
    script = ScriptDirectory(str(FOLDER))

    assert script.get_heads() == [HEAD]
    numbers = [revision.revision for revision in script.walk_revisions()][::-1]
    assert numbers == [f"{n:04}" for n in range(1, len(numbers) + 1)]
    assert {file.name[1:5] for file in (FOLDER / "versions").glob("v*.py")} == set(numbers)


def test_a_new_file_is_what_the_migrations_make() -> None:
    assert SCHEMA.read_text() == rendered(), "write it anew: python -m tests.storage.schema"


def test_a_file_is_made_or_known_to_be_current_without_alembic(tmp_path: Path) -> None:
    path = tmp_path / "database.sqlite"
    path.touch()
    assert make_current(str(path))
    assert asyncio.run(at(str(path), differences)) == []
    content = path.read_bytes()
    assert make_current(str(path))
    assert path.read_bytes() == content

    asyncio.run(at(str(path), lambda c: c.execute(text("DELETE FROM alembic_version"))))
    assert not make_current(str(path))
    path.write_text("no database " * 100)
    assert not make_current(str(path))


# ── What is said where it cannot be ──────────────────────────────────────────────────────────


def said(place: str) -> str:
    """Why a place cannot be migrated."""
    with pytest.raises(Exception) as failed:  # noqa: PT011  (of several libraries)
        asyncio.run(migrate(place))
    line = reason(failed.value)
    assert len(line.splitlines()) == 1
    assert PASSWORD not in line
    assert "wrong" not in line
    return line


def test_the_process_that_migrates_says_it_in_one_line() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "scalix_free.storage.migrations"],
        input=f"postgresql://me:{PASSWORD}@127.0.0.1:1/db",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "cannot be reached: Connection refused\n"


def test_a_database_of_a_later_version_is_not_touched(place: str) -> None:
    asyncio.run(migrate(place))
    later = "UPDATE alembic_version SET version_num = '9000'"
    asyncio.run(at(place, lambda c: c.execute(text(later))))

    assert said(place).startswith(f"has revision 9000, which is later than {HEAD}")
    assert asyncio.run(at(place, revision_of)) == "9000"


@pytest.mark.parametrize(
    ("name", "user", "words"),
    [
        ("postgres", f"{LOCKED}:wrong", "refuses the credentials"),
        ("no_such", f"{LOCKED}:{PASSWORD}", "has no database of that name"),
        ("postgres", f"{LOCKED}:{PASSWORD}", "does not let this user make tables in the schema"),
    ],
)
def test_a_server_that_does_not_let_us_in(
    postgres: Postgres, name: str, user: str, words: str
) -> None:
    assert said(postgres.place(name, user)) == words


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("postgresql://me:hunter2@127.0.0.1:1/db", "cannot be reached: Connection refused"),
        ("postgresql://me:hunter2@/db?host=/nowhere", "cannot be reached: No such file"),
        ("postgresql://me:hunter2@host:wrong/db", "cannot be understood as the address"),
        ("/proc/no/such/folder.sqlite", "cannot be used as the database: unable to open"),
    ],
)
def test_a_place_that_is_none(place: str, words: str) -> None:
    assert said(place).startswith(words)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "database.sqlite"
    path.write_text("no database " * 100)
    assert said(str(path)) == "cannot be used as the database: file is not a database"
