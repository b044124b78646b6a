"""Who is calling, for certain: what arithmetic cannot tell is looked up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Final

from scalix_free.core import ports
from scalix_free.core.account import ApiKey, fingerprint
from scalix_free.core.caller import Caller, Visitor
from scalix_free.core.clock import DAY_MS
from scalix_free.core.errors import Refusal, StoreUnavailable
from scalix_free.core.ports import Clock
from scalix_free.identity.identify import UNVERIFIED, Identifier, Shown
from scalix_free.identity.known import KnownKeys
from scalix_free.serve.answering import STORE_UNAVAILABLE

REFRESH_S: Final = 20.0
"""How often a worker reads which identities were revoked elsewhere; promised are 30 s."""


class Callers:
    """Turns visitors into callers. Only a key that was not seen of late costs a look-up."""

    def __init__(
        self, identifier: Identifier, accounts: ports.Accounts, known: KnownKeys, clock: Clock
    ) -> None:
        self._identifier = identifier
        self._accounts = accounts
        self._known = known
        self._clock = clock

    def identify(self, visitor: Visitor) -> Caller | Refusal | Awaitable[Caller | Refusal]:
        """Who this is, at once wherever that is possible."""
        found = self._identifier(visitor)
        if not isinstance(found, Shown):
            return found
        for digest in found.digests:
            if (caller := self._known.get(digest)) is not None:
                return caller
        return self._look_up(found)

    async def caller(self, visitor: Visitor) -> Caller | Refusal:
        """The same, for who can wait."""
        found = self.identify(visitor)
        return found if isinstance(found, Caller | Refusal) else await found

    async def _look_up(self, shown: Shown) -> Caller | Refusal:
        try:
            for digest in shown.digests:
                if (found := await self._accounts.by_key(digest)) is not None:
                    account, key = found
                    caller = self._identifier.member(account)
                    self._known.put(digest, caller, key)
                    await self._note_use(key)
                    return caller
        except StoreUnavailable:
            return STORE_UNAVAILABLE
        return UNVERIFIED

    async def _note_use(self, key: ApiKey) -> None:
        """Keep the day on which a key was last used, and no more."""
        now_ms = self._clock()
        if key.used_ms is None or key.used_ms // DAY_MS != now_ms // DAY_MS:
            with contextlib.suppress(StoreUnavailable):  # the next look-up notes it
                await self._accounts.note_key_used(key.id, now_ms)


class Revocations:
    """The minted identities that are no more, as this worker knows them: by id or fingerprint."""

    def __init__(self, accounts: ports.Accounts, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock
        self._kept: frozenset[str] = frozenset()
        self._made_here: set[str] = set()

    def __contains__(self, who: str) -> bool:
        return who in self._kept or who in self._made_here

    def add(self, user_id: str) -> None:
        """Know one at once that this worker has revoked."""
        self._made_here.add(fingerprint(user_id))

    async def refresh(self) -> None:
        """Read what was revoked elsewhere. Raises ``StoreUnavailable``."""
        self._kept = await self._accounts.revoked(self._clock())
        self._made_here -= self._kept

    async def keep_fresh(self) -> None:
        """Do so again and again; while the store is away, what was known holds."""
        while True:
            await asyncio.sleep(REFRESH_S)
            with contextlib.suppress(StoreUnavailable):
                await self.refresh()
