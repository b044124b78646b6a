"""Streams that their callers cut at any point: upstream they end at once, and nothing is left over.

Where each is cut is drawn from a seed: while it is being asked, before its headers, in the queue,
within its headers, after a frame, right before its end.
"""

import asyncio
import contextlib
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest

from scalix_free.core.budget import Allowance, Scope
from scalix_free.storage.sqlite_budgets import SqliteBudgets
from scalix_free.storage.sqlite_ledger import SqliteLedger
from tests.api.caller import COMPLETIONS, question
from tests.service import Served, served
from tests.test_telemetry import samples
from tests.world import Behaviour, World
from tests.world.connection import Connection
from tests.world.seen import Seen

SEED: Final = 20_261_126
AT_ONCE: Final = 40
WITHIN_S: Final = 1.0
SHARE_WITHIN: Final = 0.99
SLOTS: Final = 2
WORDS: Final = 12
TURNS: Final = 60
"""So many turns of the loop take a request from its arrival to the provider, and beyond."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc")


class TimedWorld(World):
    """Notes when an answer was over, by its question."""

    def __init__(self) -> None:
        super().__init__(sleep=asyncio.sleep)
        self.behave("steady", Behaviour("slow", text="word " * WORDS, first_s=0.02, between_s=0.02))
        self.behave("narrow", "hang")
        self.ended_at: dict[str, float] = {}

    async def _answer(self, seen: Seen, connection: Connection) -> None:
        try:
            await super()._answer(seen, connection)
        finally:
            self.ended_at[asked(seen)] = asyncio.get_running_loop().time()


def asked(seen: Seen) -> str:
    messages = seen.body["messages"]
    assert isinstance(messages, list)
    return str(messages[0]["content"])


def configuration(base_url: str) -> str:
    url = json.dumps(base_url)
    return f"""
        [[providers]]
        name = "w"
        base_url = {url}
        limits = {{ rpd = 1000000, concurrent = 1000 }}
        [[providers.models]]
        id = "w/steady"
        model = "steady"
        [[providers]]
        name = "n"
        base_url = {url}
        limits = {{ concurrent = {SLOTS} }}
        [[providers.models]]
        id = "n/narrow"
        model = "narrow"
        """


SCOPES: Final = [Scope(key, Allowance()) for key in ("w", "w/steady", "n", "n/narrow")]


@dataclass(frozen=True)
class Stream:
    """One caller, who is alone with their address, and the connection that they will cut."""

    number: int
    rng: random.Random
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    host: str

    @property
    def text(self) -> str:
        return f"question {self.number}"

    @property
    def headers(self) -> dict[str, str]:
        high, low = divmod(self.number, 250)
        return {"x-forwarded-for": f"10.{high}.{low}.1"}

    def request(self, model: str) -> bytes:
        body = json.dumps(question(self.text, model=model, stream=True)).encode()
        lines = [f"POST {COMPLETIONS} HTTP/1.1", f"host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += ["content-type: application/json", f"content-length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode() + body

    async def turns(self) -> None:
        for _ in range(self.rng.randrange(TURNS)):
            await asyncio.sleep(0)


async def asking(stream: Stream) -> None:
    request = stream.request("w/steady")
    stream.writer.write(request[: stream.rng.randrange(len(request))])
    await stream.turns()


async def before_headers(stream: Stream) -> None:
    stream.writer.write(stream.request("w/steady"))
    await stream.turns()


async def queued(stream: Stream) -> None:
    stream.writer.write(stream.request("n/narrow"))
    await stream.reader.readuntil(b"\n: ")


async def in_headers(stream: Stream) -> None:
    stream.writer.write(stream.request("w/steady"))
    await stream.reader.readexactly(stream.rng.randrange(1, 400))


async def after_a_frame(stream: Stream) -> None:
    stream.writer.write(stream.request("w/steady"))
    for _ in range(stream.rng.choice([1, 1, *range(1, WORDS)])):
        await stream.reader.readuntil(b"data: ")
        await stream.reader.readuntil(b"\n\n")


async def before_the_end(stream: Stream) -> None:
    stream.writer.write(stream.request("w/steady"))
    for _ in range(WORDS):
        await stream.reader.readuntil(b'"content"')


Point = Callable[[Stream], Awaitable[None]]
POINTS: Final[Sequence[Point]] = (
    asking,
    before_headers,
    queued,
    in_headers,
    after_a_frame,
    before_the_end,
)


@dataclass(frozen=True)
class Cut:
    """A stream, where it was cut, and when by the loop's time."""

    stream: Stream
    point: Point
    at: float


class Crowd:
    """Many callers, a few of them at a time."""

    def __init__(self, url: str) -> None:
        self._at = urlsplit(url)
        self._rng = random.Random(SEED)
        self._room = asyncio.Semaphore(AT_ONCE)

    async def connect(self, number: int) -> Stream:
        reader, writer = await asyncio.open_connection(self._at.hostname, self._at.port)
        return Stream(number, random.Random(SEED + number), reader, writer, self._at.netloc)

    async def cut(self, number: int) -> Cut:
        async with self._room:
            stream = await self.connect(number)
            point = stream.rng.choice(POINTS)
            async with asyncio.timeout(20):
                await point(stream)
            return Cut(stream, point, await self.leave(stream))

    async def leave(self, stream: Stream) -> float:
        """Close or reset the connection; when that was."""
        if stream.rng.random() < 0.5:
            stream.writer.transport.abort()
        stream.writer.close()
        left_at = asyncio.get_running_loop().time()
        with contextlib.suppress(ConnectionError):
            await stream.writer.wait_closed()
        return left_at


@dataclass(frozen=True)
class Held:
    """What a process holds on to. A connection to the world has both of its ends here."""

    tasks: int
    files: int

    @classmethod
    def now(cls, world: World) -> "Held":
        kept = 2 * world.connections
        return cls(
            len(asyncio.all_tasks()) - world.connections, len(os.listdir("/proc/self/fd")) - kept
        )


async def settled(is_so: Callable[[], bool]) -> None:
    """Wait until it is so, for at most two seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + 2.0
    while not is_so():
        assert loop.time() < until
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def place(folder: Path) -> AsyncIterator[tuple[TimedWorld, Served, httpx.AsyncClient]]:
    overrides = {
        "server.trusted_proxies": ["127.0.0.0/8"],
        "routing.hold_headers_s": 0.2,
        "routing.queue_wait_s": 60,
        "networks.requests_per_hour": "unlimited",
        "networks.requests_per_day": "unlimited",
    }
    async with (
        TimedWorld() as world,
        served(folder, configuration(world.base_url), overrides) as running,
        httpx.AsyncClient(base_url=running.url, timeout=20) as client,
    ):
        yield world, running, client


@pytest.mark.timeout(240)
@pytest.mark.parametrize("count", [100, pytest.param(1_000, marks=pytest.mark.slow)])
async def test_wherever_they_are_cut_upstream_ends_within_a_second_and_nothing_is_left(
    count: int, tmp_path: Path
) -> None:
    async with place(tmp_path) as (world, running, client):
        crowd = Crowd(running.url)
        # The first answer makes what is made once.
        await client.post(COMPLETIONS, json=question(model="w/steady"))
        before = Held.now(world)
        holders = [await crowd.connect(count + n) for n in range(SLOTS)]
        for holder in holders:
            holder.writer.write(holder.request("n/narrow"))
        await world.arrived(1 + SLOTS)

        cuts = await asyncio.gather(*[crowd.cut(number) for number in range(count)])
        attempts = running.app.service.router.attempts
        await settled(lambda: world.open_streams == SLOTS and not len(attempts.queue))
        cuts += [Cut(one, before_headers, await crowd.leave(one)) for one in holders]
        await settled(lambda: not world.open_streams and Held.now(world) == before)

        check_ends(cuts, world)
        await check_limits(client, cuts, world)
        await check_outcomes(client, cuts, world)
        assert (attempts.retries.requests, attempts.retries.retries) == (0, 0)
        assert isinstance(running.app.service.ledger, SqliteLedger)
        budgets = await SqliteBudgets(running.app.service.ledger).look(SCOPES)
        assert [one.slots for one in budgets] == [[]] * len(SCOPES)


def check_ends(cuts: Sequence[Cut], world: TimedWorld) -> None:
    """Of those that reached the provider, how long after the cut that one was rid of them."""
    ends = [(world.ended_at.get(cut.stream.text), cut.at) for cut in cuts]
    late_s = [ended_at - cut_at for ended_at, cut_at in ends if ended_at is not None]
    assert sum(one <= WITHIN_S for one in late_s) >= SHARE_WITHIN * len(late_s)


async def check_limits(client: httpx.AsyncClient, cuts: Sequence[Cut], world: TimedWorld) -> None:
    """Charged is whoever's question reached the provider; no call is thought to run."""
    for cut in cuts:
        told = await client.get("/api/v1/free/limits", headers=cut.stream.headers)
        used = {window["name"]: window["used"] for window in told.json()["windows"]}
        assert used["concurrent"] == 0
        if cut.stream.text in world.ended_at:
            assert used["requests_day"] == 1
        elif cut.point in {asking, queued}:
            assert used["requests_day"] == 0


async def check_outcomes(client: httpx.AsyncClient, cuts: Sequence[Cut], world: TimedWorld) -> None:
    """Whatever arrived has ended once: left, or answered before that was noticed."""
    text = (await client.get("/metrics")).text
    counts = Counter[str]()
    for sample, value in samples(text).items():
        if sample.name == "free_api_requests_total":
            counts[dict(sample.labels)["outcome"]] += int(value)
    assert set(counts) <= {"abandoned", "answered"}
    points = Counter(cut.point for cut in cuts)
    known = 1 + points[queued] + sum(cut.stream.text in world.ended_at for cut in cuts)
    assert known <= counts.total() <= 1 + len(cuts) - points[asking]
