"""What is kept of people: accounts and their keys, sign-ins under way, anonymous sessions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who registered.

    ``id`` is ``acc_`` and 24 hexadecimal digits, ``tier`` a tier's name. ``email`` is the address
    as it was written, ``mailbox`` the same in its one form, by which accounts are told apart.
    """

    id: str
    email: str
    mailbox: str
    tier: str
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One key of an account. ``shown`` is its beginning, enough to tell keys apart.

    ``used_ms`` is None for one that was never used.
    """

    id: str
    account_id: str
    shown: str
    created_ms: int
    used_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A sign-in under way: a link or six digits were mailed, and either is good once.

    Both stand here as keyed digests; that of the digits is bound to the mailbox.
    """

    email: str
    mailbox: str
    token_digest: bytes
    code_digest: bytes
    expires_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A minted anonymous identity as it is remembered.

    ``user_id`` is its id and the owner of its requests, ``session_id`` what its requests are told
    apart by within it. ``seen_ms`` is when the last of them came, None where none did; ``day`` the
    UTC day (days since the epoch) that ``requests_today`` counts. Both follow from the usage log,
    a second late. ``address_hash`` is keyed, never the address.
    """

    user_id: str
    session_id: str
    created_ms: int
    expires_ms: int
    user_agent: str
    address_hash: bytes
    seen_ms: int | None = None
    day: int = 0
    requests_today: int = 0
    revoked: bool = False


def fingerprint(user_id: str) -> str:
    """What is left of a minted identity that was erased: enough to know its token again.

    The id is random and of 128 bits, so that nothing leads back to it.
    """
    return hashlib.sha256(user_id.encode()).hexdigest()[:32]
