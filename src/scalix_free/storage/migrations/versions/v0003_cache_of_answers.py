"""What the cache of answers did for a request."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Keep it with the request; of earlier ones nobody knows."""
    op.add_column("usage", sa.Column("cache", sa.Text))


def downgrade() -> None:
    """Know it no longer."""
    op.drop_column("usage", "cache")
