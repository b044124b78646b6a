"""Who is calling, and what their tier gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from scalix_free.core.ledger import Policy, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """What one kind of caller gets. Tokens are counts; ``policy`` holds the windows."""

    name: str
    policy: Policy
    max_output_tokens: int
    default_output_tokens: int
    context_tokens: int


class Visitor(NamedTuple):
    """What a request shows of its sender, before anybody believes it.

    ``address`` is the honest address (see ``identity.address``); ``credential`` the text of the
    authorization header, or of a cookie that stands for it.
    """

    address: str
    credential: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody known well enough to be counted.

    ``subjects`` are all whose limits a request counts against: first the caller's own, then, of
    who has no account, the address and the network. ``owner`` is the id of the minted identity or
    of the account; who showed neither is known by address alone, and shares it with neighbours.
    ``session_id`` is that of a minted identity.
    """

    tier: Tier
    subjects: tuple[Subject, ...]
    owner: str | None = None
    has_account: bool = False
    session_id: str | None = None
