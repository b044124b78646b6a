"""A short-lived process that brings the database up to date, started before any worker.

Reads the place of the database from standard input, as it may hold a password. Ends with 0, or
with 2 and one line on standard error that says why not, without where and without any secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from typing import Final

from sqlalchemy import text

from scalix_free.storage.database import is_server, open_engine
from scalix_free.storage.migrations import HEAD, TooNew

MIGRATE_S: Final = 120.0
"""For all of it, waiting for another machine that does the same included."""

REASONS: Final = {
    "28P01": "refuses the credentials",
    "28000": "refuses the credentials",
    "3D000": "has no database of that name",
    "25006": "cannot be written: it is a replica, or read-only",
    "42501": "does not let this user make tables in the schema",
    "53300": "has no connection left",
    "57P03": "is still starting, or shutting down",
}
"""What PostgreSQL's error codes mean for an operator."""


async def migrate(place: str) -> None:
    """Bring the database to ``HEAD``. Raises whatever goes wrong."""
    if not is_server(place):
        with contextlib.closing(sqlite3.connect(place)) as connection:
            connection.execute("PRAGMA schema_version")  # fails for what is no database
    engine = open_engine(place)
    try:
        async with asyncio.timeout(MIGRATE_S):
            if is_server(place):
                async with engine.connect() as connection:
                    known = await connection.scalar(text("SELECT to_regclass('alembic_version')"))
                    rows = await connection.execute(
                        text("SELECT version_num FROM alembic_version" if known else "SELECT ''")
                    )
                    if rows.scalars().all() == [HEAD]:
                        return
            # Imported here: what is up to date does without it.
            from scalix_free.storage.migrations.migration import upgrade  # noqa: PLC0415

            async with engine.begin() as connection:
                await connection.run_sync(upgrade)
    finally:
        await engine.dispose()


def reason(error: BaseException) -> str:
    """Why it cannot be used, for an operator; nothing that an error quotes of the place."""
    for cause in _causes(error):
        code = getattr(cause, "sqlstate", None)
        if isinstance(code, str) and code:
            return REASONS.get(code, f"failed with SQLSTATE {code} ({type(cause).__name__})")
        if isinstance(cause, TooNew):
            return str(cause)
        if isinstance(cause, TimeoutError):
            return "does not answer in time"
        if isinstance(cause, OSError):
            why = os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause.strerror
            return f"cannot be reached: {why or type(cause).__name__}"
        if isinstance(cause, sqlite3.Error):
            return f"cannot be used as the database: {cause}"
        if isinstance(cause, ValueError):  # asyncpg's of an address too
            return "cannot be understood as the address of a PostgreSQL"
    return f"cannot be used as the database: {type(error).__name__}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it, the first cause first."""
    if error is not None:
        yield from _causes(getattr(error, "orig", None) or error.__cause__ or error.__context__)
        yield error


def main() -> int:
    """Migrate the place that standard input names."""
    place = sys.stdin.read().strip()
    try:
        asyncio.run(migrate(place))
    except Exception as error:  # all of it is told in one line
        print(reason(error), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
