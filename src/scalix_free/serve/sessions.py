"""Anonymous identities: minted, perhaps for a proof of work, and looked at by their owners."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Final

from scalix_free.admission.refusals import refusal as refusal_of
from scalix_free.core import ports
from scalix_free.core.account import Session
from scalix_free.core.caller import Caller, Visitor
from scalix_free.core.errors import Code, Refusal, StoreUnavailable
from scalix_free.core.ledger import Admitted, Ask, Policy, Subject
from scalix_free.core.ports import Clock, Ledger, Once
from scalix_free.identity.address import address_bucket, network_bucket
from scalix_free.identity.keyring import Keyring
from scalix_free.identity.minted import Mint, Minted
from scalix_free.identity.proof import Challenge, Mode, Puzzles, price
from scalix_free.serve.answering import STORE_AWAY

MINTING: Final = "session"
"""What a puzzle is solved for."""
MOST_AGENT_CHARS: Final = 256


@dataclass(frozen=True, kw_only=True)
class Pricing:
    """What identities cost: the mode, and the figures past which the price doubles.

    ``address`` and ``network`` are the books in which they are counted.
    """

    mode: Mode
    address: Policy
    network: Policy
    address_most: int | None
    network_most: int | None


@dataclass(frozen=True, slots=True)
class NewSession:
    """An identity and its token, which is told this once."""

    token: str
    identity: Minted


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """What an anonymous caller can do about being somebody."""

    keyring: Keyring
    mint: Mint
    puzzles: Puzzles
    pricing: Pricing
    ledger: Ledger
    once: Once
    accounts: ports.Accounts
    clock: Clock

    async def begin(
        self, visitor: Visitor, user_agent: str, proof: str | None
    ) -> NewSession | Refusal:
        """Mint an identity.

        It is counted first, so that its place among those of the day, and thereby its price, is
        its own; unless it is minted, the count is given back.
        """
        rid = os.urandom(16)
        counted: list[Subject] = []
        minted = False
        try:
            places = []
            for book in self._books(visitor):
                verdict = await self.ledger.admit(Ask(rid, (book,), 0, 0))
                if not isinstance(verdict, Admitted):
                    return refusal_of(verdict)
                counted.append(book)
                places.append(verdict.levels[0].used)
            due = self._price(*places)
            if due is not None and not await self._is_paid(visitor, proof, due):
                return self._unpaid(visitor, due, wrong=proof is not None)
            token, identity = self.mint.new(self.clock(), os.urandom)
            await self.accounts.begin_session(self._session(identity, visitor, user_agent))
            minted = True
            return NewSession(token, identity)
        except StoreUnavailable:
            return STORE_AWAY
        finally:
            if not minted:
                for book in counted:
                    with contextlib.suppress(StoreUnavailable):  # the count stands: the safe side
                        await self.ledger.refund((book,), rid)

    async def challenge(self, visitor: Visitor) -> Challenge | Refusal:
        """A puzzle at the price of the next identity, or at the base price where it is free."""
        try:
            places = [(await self.ledger.peek(book))[0].used + 1 for book in self._books(visitor)]
        except StoreUnavailable:
            return STORE_AWAY
        return self.puzzles.set(MINTING, self._payer(visitor), self._price(*places) or 0)

    async def own(self, caller: Caller) -> Session | Refusal:
        """What is remembered of the caller's session."""
        session = None
        if caller.owner is not None and not caller.has_account:
            try:
                session = await self.accounts.session(caller.owner)
            except StoreUnavailable:
                return STORE_AWAY
        return NO_SESSION if session is None else session

    def _books(self, visitor: Visitor) -> tuple[Subject, Subject]:
        subject, pricing = self.keyring.subject, self.pricing
        return (
            Subject(subject("mint_address", address_bucket(visitor.address)), pricing.address),
            Subject(subject("mint_network", network_bucket(visitor.address)), pricing.network),
        )

    def _price(self, of_address: int, of_network: int) -> int | None:
        return price(
            self.pricing.mode,
            of_address=of_address,
            of_network=of_network,
            address_most=self.pricing.address_most,
            network_most=self.pricing.network_most,
        )

    def _payer(self, visitor: Visitor) -> bytes:
        return self.keyring.subject("puzzle", address_bucket(visitor.address))

    async def _is_paid(self, visitor: Visitor, proof: str | None, due: int) -> bool:
        if proof is None:
            return False
        solved = self.puzzles.check(proof, MINTING, self._payer(visitor), due)
        return solved is not None and await self.once.claim(
            b"puzzle:" + solved.nonce, solved.expires_ms
        )

    def _unpaid(self, visitor: Visitor, due: int, *, wrong: bool) -> Refusal:
        why = (
            "This proof of work is not valid, has expired or was used before, or the price has "
            "risen since."
            if wrong
            else "A proof of work is due, as several identities were taken from here today."
        )
        return Refusal(
            code=Code.CHALLENGE_REQUIRED,
            message=(
                f"{why} Solve error.challenge (ALTCHA v2) and repeat the request with the payload "
                "as altcha, or go on without an identity: none is needed to ask."
            ),
            challenge=self.puzzles.set(MINTING, self._payer(visitor), due),
        )

    def _session(self, identity: Minted, visitor: Visitor, user_agent: str) -> Session:
        return Session(
            user_id=identity.user_id,
            session_id=identity.session_id,
            created_ms=identity.issued_ms,
            expires_ms=identity.expires_ms,
            user_agent=user_agent[:MOST_AGENT_CHARS],
            address_hash=self.keyring.subject("session", address_bucket(visitor.address)),
        )


NO_SESSION: Final = Refusal(
    code=Code.NOT_FOUND,
    message="There is no session of yours. POST /api/v1/free/session begins one.",
)
