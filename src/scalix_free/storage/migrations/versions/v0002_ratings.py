"""Ratings of answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "ratings",
        sa.Column("rid", sa.LargeBinary, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("rating", sa.Integer, nullable=False),
        sa.Column("comment", sa.Text),
        sa.PrimaryKeyConstraint("rid", name="ratings_pkey"),
        sa.ForeignKeyConstraint(
            ["rid"], ["usage.rid"], name="ratings_rid_fkey", ondelete="CASCADE"
        ),
    )
    op.create_index("ratings_at_ms", "ratings", ["at_ms"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("ratings")
