"""How the running program is: whether its store answers, whether a model could, its metrics."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp

from scalix_free.core.clock import HOUR_MS
from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ledger import Policy, Subject
from scalix_free.core.ports import Clock
from scalix_free.identity.identify import ANONYMOUS, PRO, REGISTERED
from scalix_free.providers.http_session import Session
from scalix_free.providers.litellm_proxy import PooledModel, ProxyPool
from scalix_free.routing.catalogue import Model
from scalix_free.routing.quality import Qualities
from scalix_free.routing.router import Router
from scalix_free.runtime import Runtime, is_server
from scalix_free.storage.outage import Health, OutageLedger
from scalix_free.storage.sqlite_ledger import SqliteLedger, count_active
from scalix_free.telemetry import Metrics

STATES_S: Final = 5.0
"""How old may be what one worker's metrics tell of models that another has learned about."""
TIERS: Final = (ANONYMOUS, REGISTERED, PRO)
NOBODY: Final = Subject(bytes(16), Policy("nobody", ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """Looks at one worker, for health checks and for metrics."""

    runtime: Runtime
    ledger: SqliteLedger | OutageLedger
    router: Router
    qualities: Qualities
    pools: Mapping[str, ProxyPool]
    session: Session
    metrics: Metrics
    clock: Clock

    async def store(self) -> Health:
        """How the store of limits is."""
        if isinstance(self.ledger, OutageLedger):
            return await self.ledger.health()
        try:
            await self.ledger.peek(NOBODY)
        except StoreUnavailable:
            return "unavailable"
        return "ok"

    async def model_ready(self) -> bool:
        """Whether somebody could answer; a local model alone is asked whether it has woken up."""
        models = list(self.router.catalogue)
        if any(model.provider != "local" and _may_answer(model) for model in models):
            return True
        local = self.runtime.local
        if local is None or all(model.provider != "local" for model in models):
            return False
        url = local.base_url.removesuffix("/v1") + "/health"
        try:
            async with asyncio.timeout(1), self.session.get(url) as response:
                return response.status == 200
        except (aiohttp.ClientError, OSError):
            return False

    async def exposition(self) -> tuple[bytes, str]:
        """All workers' metrics as Prometheus reads them, and their media type."""
        self._note()
        left_today: Mapping[str, int] = {}
        with contextlib.suppress(StoreUnavailable):
            left_today = await self.router.left_today()
        tiers: Mapping[str, int] = {}
        if not is_server(self.runtime.ledger):  # there nobody could count without reading all books
            since_ms = self.clock() - HOUR_MS
            active = await asyncio.to_thread(count_active, self.runtime.ledger, since_ms)
            tiers = {tier: active.get(tier, 0) for tier in TIERS}
        return self.metrics.exposition(tiers, left_today, self.qualities.satisfaction)

    async def keep_telling(self) -> None:
        """Let the other workers know how models and proxies stand."""
        while True:
            self._note()
            await asyncio.sleep(STATES_S)

    def _note(self) -> None:
        self.metrics.note_models(self._models())
        self.metrics.note_instances(self._instances())

    def _models(self) -> Iterator[tuple[str, float, int]]:
        for state in self.router.states():
            yield state.model.id, state.success, state.priority

    def _instances(self) -> Iterator[tuple[str, str, bool, int]]:
        for name, pool in self.pools.items():
            for state in pool.states:
                yield name, state.root, state.serves, state.calls


def _may_answer(model: Model) -> bool:
    """Whether there is anybody to ask: of a pool of proxies that is known."""
    return not (isinstance(model.backend, PooledModel) and model.backend.is_down)
