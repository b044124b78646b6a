"""Addresses that people left, and what they did about prompts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "leads",
        sa.Column("mailbox", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("source", sa.Text),
        sa.Column("consent_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("mailbox", "owner", name="leads_pkey"),
    )
    op.create_index("leads_owner", "leads", ["owner"])
    op.create_table(
        "reactions",
        sa.Column("id", sa.LargeBinary, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("own", sa.LargeBinary, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="reactions_pkey"),
    )
    op.create_index("reactions_at_ms", "reactions", ["at_ms"])
    op.create_index("reactions_owner", "reactions", ["owner"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("reactions")
    op.drop_table("leads")
