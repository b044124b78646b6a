"""What is settled once per machine, before any worker starts. Light: the parent holds it."""

from __future__ import annotations

from dataclasses import dataclass, field

from scalix_free.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """The model that this machine runs itself; ``base_url`` and ``key`` once it can be reached."""

    id: str
    name: str
    path: str
    demonstration: bool
    context_tokens: int
    max_output_tokens: int | None
    base_url: str = ""
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What is settled once per machine, before any worker starts.

    ``ledger`` is the file of people's limits or the URL of a server, ``database`` that of accounts
    and usage or the URL of one; either may be ``:memory:``.
    """

    settings: Settings
    ledger: str = field(repr=False)
    secret: bytes = field(repr=False)
    public_url: str
    local: LocalModel | None
    started_at: float
    database: str = field(default=":memory:", repr=False)


def is_server(ledger: str) -> bool:
    """Whether a ledger is the URL of a server, and no file."""
    return ledger.startswith(("redis://", "rediss://"))
