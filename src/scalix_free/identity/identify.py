"""A visitor becomes a caller, or is refused."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from scalix_free.core.caller import Caller, Tier, Visitor
from scalix_free.core.errors import Code, Refusal
from scalix_free.core.ledger import Policy, Subject
from scalix_free.identity.address import address_bucket, network_bucket

OURS: Final = ("scalix_key_", "scalix_free_")
"""What credentials of ours begin with. Anything else is a dummy that an SDK insisted on."""

KNOWN_ADDRESSES: Final = 16_384


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is counted for whom: the tiers, and the limits of addresses and networks."""

    anonymous: Tier
    address: Policy
    network: Policy


def identifier(limits: Limits, secret: bytes) -> Callable[[Visitor], Caller | Refusal]:
    """Make the function that says who a visitor is.

    The keys of subjects are keyed hashes, so that no address is ever stored.
    """

    def key(kind: str, bucket: str) -> bytes:
        return hmac.digest(secret, f"{kind}:{bucket}".encode(), "sha256")[:16]

    @lru_cache(KNOWN_ADDRESSES)
    def anonymous(address: str) -> Caller:
        bucket = address_bucket(address)
        return Caller(
            tier=limits.anonymous,
            subjects=(
                Subject(key("user", bucket), limits.anonymous.policy),
                Subject(key("address", bucket), limits.address),
                Subject(key("network", network_bucket(address)), limits.network),
            ),
        )

    def identify(visitor: Visitor) -> Caller | Refusal:
        if visitor.credential is not None and _is_ours(visitor.credential):
            return _UNVERIFIED
        return anonymous(visitor.address)

    return identify


def _is_ours(credential: str) -> bool:
    scheme, _, token = credential.strip().partition(" ")
    return (token.strip() if scheme.lower() == "bearer" else scheme).startswith(OURS)


_UNVERIFIED: Final = Refusal(
    code=Code.INVALID_API_KEY,
    message=(
        "This key is not valid here. Send no key at all, or any other text such as 'free', "
        "to use the free tier."
    ),
)
