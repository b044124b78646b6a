"""How the tables came to be: one file of ``versions`` for each change, applied in order.

Light, as the parent process asks here whether there is anything to do. A new SQLite file is made
from ``schema.sql``, which is what all the versions together make of an empty one: a newcomer need
not wait for Alembic to be loaded.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

SCHEMA: Final = Path(__file__).with_name("schema.sql")
HEAD: Final = "0005"
"""The last of the ``versions``: what this code needs."""


class TooNew(Exception):  # noqa: N818  (what the database is)
    """A later version of this program has migrated the database; the message says so."""


def make_current(path: str) -> bool:
    """Whether a SQLite file has the tables that this code needs; False where that is unknown.

    One that holds nothing yet gets them.
    """
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=1.0)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                connection.executescript(SCHEMA.read_text())
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        return False
    return rows == [(HEAD,)]
