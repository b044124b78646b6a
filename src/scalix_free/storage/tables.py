"""Every table of the database, as data. How they came to be is ``migrations``' matter.

Moments are milliseconds since the epoch. Digests and the keys of subjects are keyed hashes, as
bytes. An e-mail address stands in ``accounts``, ``sign_ins`` and ``leads`` alone, an address
nowhere. Of what people write, what they say of an answer stands in ``ratings``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TextClause,
    false,
    text,
)

metadata: Final = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_name)s_key",
        "ix": "%(table_name)s_%(column_0_name)s",
    }
)
"""Constraints have names of ours, so that migrations can speak of them on every database."""

accounts: Final = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("mailbox", Text, nullable=False, unique=True),
    Column("tier", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column(
        "account_id",
        Text,
        ForeignKey("accounts.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("shown", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
)

sign_ins: Final = Table(
    "sign_ins",
    metadata,
    Column("mailbox", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("token_digest", LargeBinary, nullable=False, unique=True),
    Column("code_digest", LargeBinary, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, index=True),
    Column("guesses", Integer, nullable=False),
)

sessions: Final = Table(
    "sessions",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("session_id", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, index=True),
    Column("user_agent", Text, nullable=False),
    Column("address_hash", LargeBinary, nullable=False),
    Column("seen_ms", BigInteger),
    Column("day", Integer, nullable=False),
    Column("requests_today", Integer, nullable=False),
    Column("revoked", Boolean, nullable=False),
)

erased: Final = Table(
    "erased",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("expires_ms", BigInteger, nullable=False, index=True),
)
"""Of minted identities that were erased, what their tokens are refused by until they expire."""

usage: Final = Table(
    "usage",
    metadata,
    Column("rid", LargeBinary, primary_key=True),  # of "req_…", the 16 bytes
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("own", LargeBinary, nullable=False),
    Column("address", LargeBinary),
    Column("network", LargeBinary),
    Column("owner", Text),
    Column("tier", Text, nullable=False),
    Column("model", Text),
    Column("result", Text, nullable=False),
    Column("code", Text),
    Column("attempts", Integer, nullable=False),
    Column("prompt_tokens", BigInteger),
    Column("completion_tokens", BigInteger),
    Column("charged_tokens", BigInteger, nullable=False),
    Column("counts", Boolean, nullable=False),
    Column("first_token_ms", Float),
    Column("total_ms", Float, nullable=False),
    Column("cache", Text),
    Column("spared", Boolean, nullable=False, server_default=false()),
)
CHARGED: Final = text("(counts OR charged_tokens > 0)")
"""Which requests a ledger would know; only these are ever looked up by their subject."""

ratings: Final = Table(
    "ratings",
    metadata,
    Column("rid", LargeBinary, ForeignKey("usage.rid", ondelete="CASCADE"), primary_key=True),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("rating", Integer, nullable=False),
    Column("comment", Text),
)
"""What people thought of answers. Whose they are and who answered stands in ``usage``, and with its
row a rating goes."""

leads: Final = Table(
    "leads",
    metadata,
    Column("mailbox", Text, primary_key=True),
    Column("owner", Text, primary_key=True, index=True),
    Column("email", Text, nullable=False),
    Column("source", Text),
    Column("consent_ms", BigInteger, nullable=False),
)
"""Addresses that were left, each once by an owner; the owner is "" where nobody is known. By owner,
so that no export tells whether somebody else had left an address before."""

reactions: Final = Table(
    "reactions",
    metadata,
    Column("id", LargeBinary, primary_key=True),  # random
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("own", LargeBinary, nullable=False),
    Column("owner", Text, index=True),
    Column("tier", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("message_id", Text, nullable=False),
)
"""What people did about prompts."""


@lru_cache(1)
def whole() -> MetaData:
    """All tables with their partial indexes, for whoever makes or compares tables.

    Nobody else needs these, and to name PostgreSQL's conditions is to load its dialect.
    """
    partial: tuple[tuple[str, tuple[Column[Any], ...], ColumnElement[bool] | TextClause], ...] = (
        ("sessions_revoked", (sessions.c.expires_ms,), sessions.c.revoked),
        ("usage_own", (usage.c.own, usage.c.at_ms), CHARGED),
        ("usage_address", (usage.c.address, usage.c.at_ms), CHARGED),
        ("usage_network", (usage.c.network, usage.c.at_ms), CHARGED),
        ("usage_owner", (usage.c.owner, usage.c.at_ms), usage.c.owner.is_not(None)),
    )
    for name, columns, condition in partial:
        Index(name, *columns, sqlite_where=condition, postgresql_where=condition)
    return metadata
