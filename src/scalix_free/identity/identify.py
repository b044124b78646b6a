"""A visitor becomes a caller, or is refused, or shows a key that has to be looked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from scalix_free.core.account import Account, fingerprint
from scalix_free.core.caller import Caller, Tier, Visitor
from scalix_free.core.errors import Code, Refusal
from scalix_free.core.ledger import Policy, Subject
from scalix_free.core.ports import Clock
from scalix_free.identity import api_key, minted
from scalix_free.identity.address import address_bucket, network_bucket
from scalix_free.identity.keyring import Keyring
from scalix_free.identity.minted import TOKEN_CHARS, Mint

OURS: Final = (api_key.PREFIX, minted.PREFIX)
"""What credentials of ours begin with. Anything else is a dummy that an SDK insisted on."""

ANONYMOUS, REGISTERED, PRO = "anonymous", "registered", "pro"

KNOWN_ADDRESSES: Final = 16_384
KNOWN_TOKENS: Final = 16_384


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is counted for whom: tiers by name, and limits of addresses, networks and sessions."""

    tiers: Mapping[str, Tier]
    address: Policy
    network: Policy
    session: Policy


@dataclass(frozen=True, slots=True)
class Shown:
    """A key that may be somebody's: its digest under each generation of the secret."""

    digests: tuple[bytes, ...]


class Identifier:
    """Says who a visitor is, as far as that can be known without asking a store.

    What is found out by arithmetic is remembered. The keys of subjects are keyed hashes, so that
    no address is ever stored. ``is_revoked`` knows the minted identities that are no more, by their
    ids or, where they were erased, by the fingerprints of these.
    """

    def __init__(
        self,
        limits: Limits,
        keyring: Keyring,
        clock: Clock,
        is_revoked: Callable[[str], bool] = lambda who: False,
    ) -> None:
        self._limits = limits
        self._keyring = keyring
        self._clock = clock
        self._is_revoked = is_revoked
        self._mint = Mint(keyring)
        self._anonymous = lru_cache(KNOWN_ADDRESSES)(self._of_address)
        self._minted = lru_cache(KNOWN_TOKENS)(self._of_token)

    def __call__(self, visitor: Visitor) -> Caller | Refusal | Shown:
        """Who this is."""
        credential = visitor.credential
        if credential is None or (ours := own_credential(credential)) is None:
            return self._anonymous(visitor.address)
        if api_key.is_well_formed(ours):
            return Shown(self._keyring.digests("api_key", ours))
        caller = self.minted(ours, visitor.address)
        return UNVERIFIED if caller is None else caller

    def minted(self, token: str, address: str) -> Caller | None:
        """Who shows this token; None where it is not valid, or no longer."""
        if len(token) != TOKEN_CHARS:  # what is remembered of strangers stays small
            return None
        found = self._minted(token, address)
        if found is None:
            return None
        caller, expires_ms, names = found
        if expires_ms <= self._clock() or any(map(self._is_revoked, names)):
            return None
        return caller

    def member(self, account: Account) -> Caller:
        """The caller that an account is, wherever it calls from."""
        tiers = self._limits.tiers
        tier = tiers.get(account.tier, tiers[REGISTERED])
        return Caller(
            tier=tier,
            subjects=(Subject(self._keyring.subject("account", account.id), tier.policy),),
            owner=account.id,
            has_account=True,
        )

    def session_of(self, caller: Caller, session_id: str) -> Subject | None:
        """The book of a caller's session of that id; whoever pays may go on without end."""
        policy = self._limits.session
        if caller.tier.name == PRO or policy.limits[0].most is None:
            return None
        who = f"{caller.subjects[0].key.hex()}:{session_id}"
        return Subject(self._keyring.subject("session", who), policy)

    def _of_address(self, address: str) -> Caller:
        tier = self._limits.tiers[ANONYMOUS]
        own = Subject(self._keyring.subject("user", address_bucket(address)), tier.policy)
        return Caller(tier=tier, subjects=(own, *self._places(address)))

    def _of_token(self, token: str, address: str) -> tuple[Caller, int, tuple[str, str]] | None:
        """Who a token is of, until when, and by which names it may have been revoked."""
        found = self._mint.read(token)
        if found is None:
            return None
        tier = self._limits.tiers[found.tier]
        own = Subject(self._keyring.subject("minted", found.user_id), tier.policy)
        caller = Caller(
            tier=tier,
            subjects=(own, *self._places(address)),
            owner=found.user_id,
            session_id=found.session_id,
        )
        return caller, found.expires_ms, (found.user_id, fingerprint(found.user_id))

    def _places(self, address: str) -> tuple[Subject, Subject]:
        subject, limits = self._keyring.subject, self._limits
        return (
            Subject(subject("address", address_bucket(address)), limits.address),
            Subject(subject("network", network_bucket(address)), limits.network),
        )


def own_credential(credential: str) -> str | None:
    """The part of an authorization header that means to be a key or token of ours, if any."""
    scheme, _, token = credential.strip().partition(" ")
    text = token.strip() if scheme.lower() == "bearer" else scheme
    return text if text.startswith(OURS) else None


UNVERIFIED: Final = Refusal(
    code=Code.INVALID_API_KEY,
    message=(
        "This key is not valid here, or no longer. Send no key at all, or any other text such as "
        "'free', to use the free tier. (LiteLLM Virtual Key expected.)"
    ),
)
