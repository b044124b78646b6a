"""One's own data: everything that is kept about a caller, shown and deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scalix_free.core import ports
from scalix_free.core.caller import Caller
from scalix_free.core.errors import Code, Refusal, StoreUnavailable
from scalix_free.identity.known import KnownKeys
from scalix_free.serve.answering import STORE_AWAY
from scalix_free.serve.callers import Revocations

Tables = Mapping[str, Sequence[Mapping[str, object]]]
"""Rows by the table that they stand in."""


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """What a caller can do about what is kept of them.

    ``forget_answers`` drops those in the memory of this process, by the key of a caller's subject.
    """

    accounts: ports.Accounts
    known: KnownKeys
    revocations: Revocations
    forget_answers: Callable[[bytes], None]

    async def export(self, caller: Caller) -> Tables | Refusal:
        """All of it."""
        if caller.owner is None:
            return NOBODY_KNOWN
        try:
            return await self.accounts.export(caller.owner)
        except StoreUnavailable:
            return STORE_AWAY

    async def erase(self, caller: Caller) -> Refusal | None:
        """Delete it; the keys or the token of the caller are good no longer."""
        if caller.owner is None:
            return NOBODY_KNOWN
        try:
            await self.accounts.erase(caller.owner)
        except StoreUnavailable:
            return STORE_AWAY
        self.forget_answers(caller.subjects[0].key)
        if caller.has_account:
            self.known.forget(account_id=caller.owner)
        else:
            self.revocations.add(caller.owner)
        return None


NOBODY_KNOWN: Final = Refusal(
    code=Code.INVALID_API_KEY,
    message=(
        "Without a key or a token nobody can tell what is yours. Of callers without one, only "
        "keyed hashes of their address are kept, and what they said of answers, for 30 days at "
        "most."
    ),
)
