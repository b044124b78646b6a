"""What is opened is closed, and what is begun beside is ended, when it is left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from scalix_free.core.errors import StoreUnavailable


class Closable(Protocol):
    """What has to be closed."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...


class Shared(Protocol):
    """What is known of what other workers were told."""

    async def refresh(self) -> None: ...

    async def keep_fresh(self) -> None: ...


T = TypeVar("T", bound=Closable)


@asynccontextmanager
async def opened(thing: T, *forgiven: type[Exception]) -> AsyncIterator[T]:
    """Opened until it is left; after a failure that is forgiven, whoever needs it tries again."""
    with contextlib.suppress(*forgiven):
        await thing.open()
    try:
        yield thing
    finally:
        await thing.close()


@asynccontextmanager
async def fresh(known: Shared) -> AsyncIterator[None]:
    """Known from the start, where the store is there, and kept fresh until left."""
    with contextlib.suppress(StoreUnavailable):  # it is tried again
        await known.refresh()
    async with beside(known.keep_fresh()):
        yield


@asynccontextmanager
async def beside(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Have something done beside, until left."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
