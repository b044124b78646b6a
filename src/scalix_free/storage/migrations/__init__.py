"""How the tables came to be: one file of ``versions`` for each change, applied in order.

Light, as the parent process asks here whether there is anything to do.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Final

HEAD: Final = "0001"
"""The last of the ``versions``: what this code needs."""


class TooNew(Exception):  # noqa: N818  (what the database is)
    """A later version of this program has migrated the database; the message says so."""


def is_current(path: str) -> bool:
    """Whether a SQLite file has the tables that this code needs; False where that is unknown."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=1.0)) as connection:
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        return False
    return rows == [(HEAD,)]
