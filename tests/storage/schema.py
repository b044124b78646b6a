"""Writes the tables of a new SQLite file anew: ``python -m tests.storage.schema``."""

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from scalix_free.storage.migrations import HEAD, SCHEMA
from scalix_free.storage.migrations.__main__ import migrate

TRAILING = re.compile(r" +$", re.MULTILINE)
MADE = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY tbl_name, rowid"


def rendered() -> str:
    """What the migrations make of an empty file, as one transaction."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "database.sqlite")
        asyncio.run(migrate(str(path)))
        with closing(sqlite3.connect(path)) as connection:
            made = [
                f"{TRAILING.sub('', sql.expandtabs(4))};" for (sql,) in connection.execute(MADE)
            ]
    made.append(f"INSERT INTO alembic_version VALUES ('{HEAD}');")
    about = "-- What the migrations make of an empty SQLite file: python -m tests.storage.schema"
    return "\n\n".join([about, "BEGIN IMMEDIATE;", *made, "COMMIT;"]) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(rendered())
