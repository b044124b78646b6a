"""Asks a backend, and keeps what came of it; the rules of the port are checked on the way."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from scalix_free.core.budget import Finding
from scalix_free.core.chat import Call, Chunk
from scalix_free.core.errors import Failure
from scalix_free.core.ports import Backend
from scalix_free.wire.answer import Collected
from tests.world import World

BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def call(streamed: bool) -> Call:
    return Call(rid=bytes(16), messages=[{"role": "user", "content": "hi"}], stream=streamed)


@dataclass
class Heard:
    """What came out: all chunks, and the failure that ended it, if one did."""

    collected: Collected = field(default_factory=Collected)
    chunks: list[Chunk] = field(default_factory=list)
    findings: Sequence[Finding] = ()
    failure: Failure | None = None


async def hear(backend: Backend, streamed: bool) -> Heard:
    """Ask, and read to the end; the rules of the port are checked on the way."""
    heard = Heard()
    try:
        async with backend.open(call(streamed)) as reply:
            while chunks := await reply.read():
                assert heard.collected.finish is None, "something came after the finish"
                heard.chunks += chunks
                heard.collected.add(chunks)
                assert not any(one.finish for one in chunks[:-1]), "the finish comes last"
            assert heard.collected.finish is not None, "a whole answer has a finish"
            assert await reply.read() == []
            heard.findings = reply.findings
    except Failure as failure:
        heard.failure = failure
    return heard


async def quiet(world: World) -> None:
    """Wait until the world has noticed that nobody listens any more."""
    async with asyncio.timeout(1):
        while world.open_streams:
            await asyncio.sleep(0.001)


async def closed(world: World) -> None:
    async with asyncio.timeout(1):
        while world.connections:
            await asyncio.sleep(0.005)
