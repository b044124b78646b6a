"""Accounts with their keys, sign-ins under way, sessions, and the log of usage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

CHARGED = sa.text("(counts OR charged_tokens > 0)")
REVOKED = sa.text("revoked")
OWNED = sa.text("owner IS NOT NULL")


def upgrade() -> None:
    """Make all of them."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("mailbox", sa.Text, nullable=False),
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="accounts_pkey"),
        sa.UniqueConstraint("mailbox", name="accounts_mailbox_key"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("shown", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("used_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="api_keys_pkey"),
        sa.UniqueConstraint("digest", name="api_keys_digest_key"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="api_keys_account_id_fkey", ondelete="CASCADE"
        ),
    )
    op.create_index("api_keys_account_id", "api_keys", ["account_id"])
    op.create_table(
        "sign_ins",
        sa.Column("mailbox", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("token_digest", sa.LargeBinary, nullable=False),
        sa.Column("code_digest", sa.LargeBinary, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.Column("guesses", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("mailbox", name="sign_ins_pkey"),
        sa.UniqueConstraint("token_digest", name="sign_ins_token_digest_key"),
    )
    op.create_index("sign_ins_expires_ms", "sign_ins", ["expires_ms"])
    op.create_table(
        "sessions",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.Column("user_agent", sa.Text, nullable=False),
        sa.Column("address_hash", sa.LargeBinary, nullable=False),
        sa.Column("seen_ms", sa.BigInteger),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("requests_today", sa.Integer, nullable=False),
        sa.Column("revoked", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="sessions_pkey"),
    )
    op.create_index("sessions_expires_ms", "sessions", ["expires_ms"])
    _partial_index("sessions_revoked", "sessions", ["expires_ms"], REVOKED)
    op.create_table(
        "erased",
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="erased_pkey"),
    )
    op.create_index("erased_expires_ms", "erased", ["expires_ms"])
    op.create_table(
        "usage",
        sa.Column("rid", sa.LargeBinary, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("own", sa.LargeBinary, nullable=False),
        sa.Column("address", sa.LargeBinary),
        sa.Column("network", sa.LargeBinary),
        sa.Column("owner", sa.Text),
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger),
        sa.Column("completion_tokens", sa.BigInteger),
        sa.Column("charged_tokens", sa.BigInteger, nullable=False),
        sa.Column("counts", sa.Boolean, nullable=False),
        sa.Column("first_token_ms", sa.Float),
        sa.Column("total_ms", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("rid", name="usage_pkey"),
    )
    op.create_index("usage_at_ms", "usage", ["at_ms"])
    for subject in ("own", "address", "network"):
        _partial_index(f"usage_{subject}", "usage", [subject, "at_ms"], CHARGED)
    _partial_index("usage_owner", "usage", ["owner", "at_ms"], OWNED)


def downgrade() -> None:
    """Drop all of them."""
    for table in ("usage", "erased", "sessions", "sign_ins", "api_keys", "accounts"):
        op.drop_table(table)


def _partial_index(name: str, table: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
