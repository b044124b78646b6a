"""Bringing a database to a revision, in one transaction, whoever else tries the same."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from scalix_free.storage.migrations import HEAD, TooNew

LOCK: Final = 0x5CA11F5EE
"""PostgreSQL's advisory lock of whoever migrates: several machines may start at once."""


def upgrade(connection: Connection, target: str = HEAD) -> None:
    """Bring the database to a revision. Raises ``TooNew`` and the drivers' errors."""
    config = _config(connection)
    lock(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    revision = revision_of(connection)
    if revision is not None and revision not in known:
        raise TooNew(
            f"has revision {revision}, which is later than {HEAD}, the last that this version of "
            "scalix-free knows; install the later version"
        )
    if revision != target:
        command.upgrade(config, target)


def downgrade(connection: Connection, target: str = "base") -> None:
    """Bring the database back to an earlier revision; what only later ones hold is lost."""
    lock(connection)
    command.downgrade(_config(connection), target)


def revision_of(connection: Connection) -> str | None:
    """The revision of the database; None where it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def lock(connection: Connection) -> None:
    """Keep others from migrating until the transaction ends; a SQLite file is locked already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
