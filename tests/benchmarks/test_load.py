import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from benchmarks.job import Job
from benchmarks.load import Load
from benchmarks.upstream import Connection, Upstream


class Broken(asyncio.Protocol):
    """Answers anything with the bytes it was made with, and closes when they are none."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._answer)
        if not self._answer:
            self._transport.close()


@asynccontextmanager
async def serving(made: Callable[[], asyncio.Protocol]) -> AsyncIterator[Job]:
    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Job(kind="unstreamed", port=port, path="/", first=0, headers={}, connections=4)
    finally:
        server.close()


async def test_all_that_was_asked_is_counted_but_for_the_warm_up() -> None:
    upstream = Upstream()
    async with serving(lambda: Connection(upstream)) as job:
        load = Load(job)
        faults = [(await load.ask(number, counted=number > 10)).fault for number in (10, 50, 40)]
        await load.close()
    report = load.report()
    assert faults == [None, None, None]
    assert (report.requests, upstream.completions) == (90, 100)
    assert 0 < report.p50_ms <= report.p95_ms <= report.p99_ms < report.seconds * 1000


async def test_connections_closed_for_idleness_are_opened_again() -> None:
    opened: list[Connection] = []

    def connection() -> Connection:
        opened.append(Connection(Upstream()))
        return opened[-1]

    async with serving(connection) as job:
        load = Load(job)
        await load.ask(8, counted=True)
        for it in opened:
            it._transport.close()
        report = await load.ask(8, counted=True)
        await load.close()
    assert report.fault is None
    assert len(opened) == 8


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"", "closed before its answer"),
        (b"HTTP/1.1 429 No\r\ncontent-length: 2\r\n\r\nno", "status 429: no"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "without a length"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nmore", "bytes after its end"),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", "not an HTTP/1.1 response"),
    ],
)
async def test_a_wrong_answer_ends_the_asking(answer: bytes, fault: str) -> None:
    async with serving(lambda: Broken(answer)) as job:
        load = Load(job)
        report = await load.ask(100, counted=True)
        await load.close()
    assert fault in (report.fault or "")


async def test_nobody_there_is_a_fault() -> None:
    async with serving(lambda: Connection(Upstream())) as job:
        pass
    assert "cannot connect" in ((await Load(job).ask(1, counted=True)).fault or "")
