"""The service for commands: open for the operator, without HTTP, the local model beside it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scalix_free.app import open_app
from scalix_free.parent import Local, Supervisor, keep_local, local_is_ready, settle_local
from scalix_free.runtime import Runtime
from scalix_free.serve import Service
from scalix_free.settings import Settings


@asynccontextmanager
async def open_service(
    settings: Settings, *, ledger: str = ":memory:", database: str = ":memory:"
) -> AsyncIterator[Service]:
    """The service, until it is left. Where no places are named, nothing is kept."""
    local = settle_local(settings)
    models = Supervisor()
    child: asyncio.Task[None] | None = None
    reachable = local if isinstance(local, Local) else None
    try:
        if reachable is not None:
            child = asyncio.create_task(keep_local(models, reachable, most_failures=1))
            await local_is_ready(reachable, child)
        runtime = Runtime(
            settings=settings,
            ledger=ledger,
            secret=os.urandom(32),
            public_url=settings.server.public_url,
            local=reachable.model if reachable else None,
            started_at=time.time(),
            database=database,
        )
        async with open_app(runtime) as app:
            yield app.service
    finally:
        models.end()
        if child is not None:
            await child
        if reachable is not None:
            reachable.listener.close()
