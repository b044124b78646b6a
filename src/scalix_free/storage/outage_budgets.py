"""Providers' limits on a server that may go away: each worker then goes on with its share.

What the server last told of a budget is its start, and of what was left each worker may spend its
part, so that all of them together stay within. What was spent meanwhile is not entered afterwards:
a provider that was overdrawn by it says so itself, and then rests (docs/decisions/0016).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from scalix_free.core import budget
from scalix_free.core.budget import (
    Allowance,
    Budget,
    Close,
    Scope,
    Short,
    Take,
    Taken,
    Window,
    most,
    used,
)
from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ports import Budgets, Clock
from scalix_free.storage.outage import OnOutage

LOOK_S: Final = 5.0
"""How often is noted what the server knows of the budgets in use."""


class OutageBudgets:
    """The port ``Budgets`` around that of a server. ``open`` before use, ``shut`` after.

    ``shares`` says among how many workers what is left is divided.
    """

    def __init__(
        self,
        server: Budgets,
        *,
        on_outage: OnOutage,
        clock: Clock,
        shares: Callable[[], int],
    ) -> None:
        self._server = server
        self._on_outage = on_outage
        self._clock = clock
        self._shares = shares
        self._scopes: dict[str, Scope] = {}
        self._seen: dict[str, Budget] = {}
        self._own: dict[str, Budget] = {}
        self._looking: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to note what the server knows."""
        self._looking = asyncio.get_running_loop().create_task(self._look_again())

    async def shut(self) -> None:
        """Stop that."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def take(self, ask: Take) -> Taken | Short:
        """See ``core.budget.take``."""
        for scope in ask.scopes:
            self._scopes[scope.key] = scope
        try:
            taken = await self._server.take(ask)
        except StoreUnavailable:
            if self._on_outage == "deny":
                raise
            return self._take_here(ask)
        if self._own:
            self._own.clear()
        return taken

    async def close(self, end: Close) -> None:
        """See ``core.budget.close``."""
        try:
            await self._server.close(end)
        except StoreUnavailable:
            if self._on_outage == "deny":
                raise
            budget.close([self._here(scope) for scope in end.scopes], end, self._clock())

    async def beat(self, scopes: Sequence[Scope], rid: bytes) -> None:
        """See ``core.budget.beat``."""
        try:
            await self._server.beat(scopes, rid)
        except StoreUnavailable:
            budget.beat([self._here(scope) for scope in scopes], rid, self._clock())

    async def look(self, scopes: Sequence[Scope]) -> Sequence[Budget]:
        """See ``core.ports.Budgets``."""
        return await self._server.look(scopes)

    def _take_here(self, ask: Take) -> Taken | Short:
        now_ms = self._clock()
        if self._on_outage == "allow":
            return Taken(now_ms)
        scopes = tuple(self._share(scope, now_ms) for scope in ask.scopes)
        budgets = [self._here(scope) for scope in scopes]
        return budget.take(budgets, ask._replace(scopes=scopes), now_ms)

    def _here(self, scope: Scope) -> Budget:
        """Our own budget of a scope; it begins with what was seen."""
        if scope.key not in self._own:
            self._own[scope.key] = budget.unpack(budget.pack(self._last(scope)))
        return self._own[scope.key]

    def _last(self, scope: Scope) -> Budget:
        return self._seen.get(scope.key) or Budget()

    def _share(self, scope: Scope, now_ms: int) -> Scope:
        """The scope with our part of what was left."""
        seen = self._last(scope)
        seen.forget(now_ms)
        shares = max(self._shares(), 1)
        limits = most(seen, scope.allowance)

        def part(window: Window) -> int | None:
            limit = limits[window]
            if limit is None:
                return None
            spent = min(used(seen, window), limit)
            return spent + (limit - spent) // shares

        concurrent = scope.allowance.concurrent
        return scope._replace(
            allowance=Allowance(
                rpm=part(Window.RPM),
                rpd=part(Window.RPD),
                tpm=part(Window.TPM),
                tpd=part(Window.TPD),
                concurrent=None if concurrent is None else concurrent // shares,
            )
        )

    async def look_now(self) -> None:
        """Note what the server knows of the budgets in use. Raises ``StoreUnavailable``."""
        scopes = list(self._scopes.values())
        seen = await self._server.look(scopes)
        self._seen = {scope.key: one for scope, one in zip(scopes, seen, strict=True)}

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(StoreUnavailable):
                await self.look_now()
