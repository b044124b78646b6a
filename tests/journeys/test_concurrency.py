"""Five hundred at once from one address: exactly what the limits say.

With one worker or three, and with limits in a file or on a server.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.caller import COMPLETIONS, question
from tests.api.test_operations import parse
from tests.service import provider, running_service
from tests.storage.servers import Running
from tests.world import RunningWorld, World, running_world

PARALLEL = 500
HOURLY = 5
AT_ONCE = 2
PAUSE_S = 0.02

ADMITTED = "admitted"
CONCURRENCY = "free_tier_concurrency"
HOUR = "free_tier_hourly_limit"


class BusyWorld(World):
    """Holds every answer at the gate, and notes how many are being made at once."""

    def __init__(self) -> None:
        super().__init__()
        self.behave("m", "hang")
        self.most = 0

    @property
    def running(self) -> int:
        """Answers that have been asked for and are not over."""
        return sum(not seen.ended for seen in self.requests)


@dataclass(frozen=True)
class Client:
    """One connection that asks one question, once or until it knows."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request: bytes

    async def ask(self) -> str:
        """``ADMITTED``, or the code of the refusal."""
        self.writer.write(self.request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        body = json.loads(await self.reader.readexactly(length))
        return ADMITTED if head.startswith(b"HTTP/1.1 200") else str(body["error"]["code"])

    async def insist(self) -> str:
        """Ask again at once for as long as only concurrency stands in the way."""
        while (said := await self.ask()) == CONCURRENCY:
            await asyncio.sleep(PAUSE_S)
        return said


@asynccontextmanager
async def clients(url: str) -> AsyncIterator[list[Client]]:
    """All of them connected, none of them asking yet."""
    parts = urlsplit(url)
    body = json.dumps(question(temperature=1)).encode()  # each is asked by itself
    request = (
        f"POST {COMPLETIONS} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
    opened = await asyncio.gather(
        *[asyncio.open_connection(parts.hostname, parts.port) for _ in range(PARALLEL)]
    )
    try:
        yield [Client(reader, writer, request) for reader, writer in opened]
    finally:
        for _, writer in opened:
            writer.close()


def config(world: World | RunningWorld) -> str:
    return provider(world.base_url, [{"id": "w/m", "model": "m"}])


def ledger(store: str, valkey: Running) -> dict[str, object]:
    """The setting that chooses where limits are kept."""
    if store == "sqlite":
        return {}
    valkey.empty()
    return {"store.ledger": valkey.url}


@pytest.mark.parametrize(("workers", "store"), [(1, "sqlite"), (3, "sqlite"), (3, "valkey")])
async def test_all_who_insist_share_exactly_five(
    workers: int, store: str, tmp_path: Path, valkey: Running
) -> None:
    """The world lets one answer go at a time, when as many run as may; so it sees each overlap."""
    async with asyncio.timeout(30), BusyWorld() as world:
        with running_service(
            tmp_path, config(world), ledger(store, valkey), workers=workers
        ) as service:
            async with clients(service.url) as everybody:
                asked = [asyncio.ensure_future(client.insist()) for client in everybody]
                gate, most = world.gate("m"), 0
                for passed in range(HOURLY):
                    await gate.arrived(min(passed + AT_ONCE, HOURLY))
                    await asyncio.sleep(PAUSE_S)  # time for one more to slip in, if it could
                    most = max(most, world.running)
                    assert gate.arrivals == min(passed + AT_ONCE, HOURLY)
                    gate.step()
                said = Counter(await asyncio.gather(*asked))
    assert said == {ADMITTED: HOURLY, HOUR: PARALLEL - HOURLY}
    assert most == AT_ONCE
    assert world.calls("m") == HOURLY


@pytest.fixture(scope="module")
def instant() -> Iterator[RunningWorld]:
    with running_world() as world:
        yield world


@pytest.mark.parametrize("workers", [1, 3])
async def test_who_asks_once_is_one_of_two_to_five(
    workers: int, tmp_path: Path, instant: RunningWorld
) -> None:
    with running_service(tmp_path, config(instant), workers=workers) as service:
        async with asyncio.timeout(30), clients(service.url) as everybody:
            said = Counter(await asyncio.gather(*[client.ask() for client in everybody]))
            assert AT_ONCE <= said[ADMITTED] <= HOURLY
            assert said.total() == PARALLEL
            assert set(said) <= {ADMITTED, CONCURRENCY, HOUR}
            async with httpx.AsyncClient(base_url=service.url) as client:
                hour = (await client.get("/api/v1/free/limits")).json()["windows"][0]
                assert hour["used"] == said[ADMITTED]
                while await counted(client) < PARALLEL:  # what the others have not written yet
                    await asyncio.sleep(PAUSE_S)
                assert await counted(client) == PARALLEL


async def counted(client: httpx.AsyncClient) -> int:
    """The requests that all workers have counted together."""
    samples = parse((await client.get("/metrics")).text)
    counts = [value for (name, _), value in samples.items() if name == "free_api_requests_total"]
    return int(sum(counts))
