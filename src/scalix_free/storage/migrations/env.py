"""What Alembic runs to migrate: on the connection, and in the transaction, that it is handed."""

from __future__ import annotations

from alembic import context

from scalix_free.storage.tables import whole

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=whole(),
    render_as_batch=True,  # SQLite changes a table by making it anew
    transactional_ddl=True,
)
context.run_migrations()
