"""Whether a request was spared: a call of a turn for which another one was charged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Keep it with the request; earlier ones stay charged as they were written down."""
    op.add_column(
        "usage", sa.Column("spared", sa.Boolean, nullable=False, server_default=sa.false())
    )


def downgrade() -> None:
    """Know it no longer."""
    op.drop_column("usage", "spared")
