"""The load generator: kept-alive connections that ask again as soon as they are answered.

`python -m benchmarks.load` reads an order a line and answers each with a report, until its input
ends. Every answer of a subject is checked.
"""

import asyncio
import gc
import sys
import time
from typing import cast

import msgspec

from benchmarks import http1, loop
from benchmarks.answer import CHECKS
from benchmarks.figures import percentile
from benchmarks.job import Job, Order, Report, Requests

ASK_TIMEOUT_S = 120.0
_THOROUGH = 32
"""Of so many answers one is read to the last frame."""
_LOOK_AROUND_S = 0.001
"""Long enough to see which connections were closed while nobody looked."""


def main() -> None:
    """Do orders until the input ends."""
    events = loop.new()
    loads: dict[str, Load] = {}
    gc.disable()
    for line in sys.stdin:
        order = msgspec.json.decode(line, type=Order)
        report = events.run_until_complete(do(order, loads))
        print(msgspec.json.encode(report).decode(), flush=True)
        gc.collect()
    events.close()


async def do(order: Order, loads: dict[str, "Load"]) -> Report:
    """Do one order."""
    if order.do == "open":
        assert order.job is not None
        loads[order.name] = Load(order.job)
        return Report()
    if order.do == "ask":
        return await loads[order.name].ask(order.requests, counted=order.counted)
    load = loads.pop(order.name)
    await load.close()
    return load.report()


class Load:
    """The connections of one job, and what they have seen."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._requests = Requests(job)
        self._check = CHECKS[job.kind]
        self._connections: list[Connection] = []
        self._serial = self._last = job.first
        self._outstanding = 0
        self._nanoseconds: list[int] = []
        self._counted: list[int] = []
        self._seconds = 0.0
        self._done: asyncio.Future[str | None] | None = None

    async def ask(self, requests: int, *, counted: bool) -> Report:
        """Ask so many times in a closed loop; give a fault alone, `report` gives the figures."""
        try:
            await self._connect()
        except OSError as error:
            return Report(fault=f"cannot connect: {error}")
        started = time.perf_counter()
        fault = await self._ask_all(requests)
        if counted:
            self._seconds += time.perf_counter() - started
            self._counted += self._nanoseconds
        return Report(fault=fault)

    async def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.close()
        await asyncio.sleep(_LOOK_AROUND_S)

    def report(self) -> Report:
        """Give the figures of all counted requests."""
        milliseconds = sorted(nanoseconds / 1e6 for nanoseconds in self._counted)
        if not milliseconds:
            return Report()
        return Report(
            requests=len(milliseconds),
            seconds=self._seconds,
            p50_ms=percentile(milliseconds, 50),
            p95_ms=percentile(milliseconds, 95),
            p99_ms=percentile(milliseconds, 99),
        )

    def next_request(self) -> bytes | None:
        """Give the next request, or None when all were asked."""
        serial = self._serial
        if serial == self._last:
            return None
        self._serial = serial + 1
        return self._requests[serial]

    def answered(self, response: http1.Message, nanoseconds: int) -> None:
        """Check and count one answer."""
        self._nanoseconds.append(nanoseconds)
        self._outstanding -= 1
        thorough = self._outstanding % _THOROUGH == 0
        fault = self._check(http1.status(response.head), response.body, thorough)
        if fault is not None:
            self.failed(fault)
        elif self._outstanding == 0:
            self._finish(None)

    def failed(self, fault: str) -> None:
        """Ask no more: one wrong answer spoils the job."""
        self._last = self._serial
        self._finish(fault)

    def _finish(self, fault: str | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(fault)

    async def _ask_all(self, requests: int) -> str | None:
        self._nanoseconds, self._outstanding = [], requests
        self._last = self._serial + requests
        self._done = asyncio.get_running_loop().create_future()
        for connection in self._connections:
            connection.ask()
        try:
            return await asyncio.wait_for(self._done, ASK_TIMEOUT_S)
        except TimeoutError:
            return f"{self._outstanding} requests unanswered after {ASK_TIMEOUT_S:.0f} s"

    async def _connect(self) -> None:
        """Open what is not open: at first all, later what the subject closed for idleness."""
        await asyncio.sleep(_LOOK_AROUND_S)
        self._connections = [connection for connection in self._connections if connection.is_open]
        events = asyncio.get_running_loop()
        while len(self._connections) < self._job.connections:
            _, connection = await events.create_connection(
                lambda: Connection(self), "127.0.0.1", self._job.port
            )
            self._connections.append(connection)


class Connection(asyncio.Protocol):
    """One connection: a request, its whole answer, the next request."""

    def __init__(self, load: Load) -> None:
        self.is_open = True
        self._load = load
        self._received = b""
        self._asked_ns = 0
        self._waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def ask(self) -> None:
        """Send the next request, if there is one."""
        request = self._load.next_request()
        if request is not None:
            self._waits = True
            self._asked_ns = time.perf_counter_ns()
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take in a part of the answer."""
        data = self._received + data
        try:
            response = http1.read(data)
            if response is None:
                self._received = data
                return
            self._took(response, len(data))
        except http1.MalformedError as error:
            self._load.failed(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection that was closed before its answer as a fault."""
        self.is_open = False
        if self._waits:
            self._load.failed(f"a connection was closed before its answer ({exc or 'no error'})")

    def close(self) -> None:
        """Close it from this side."""
        self._waits = False
        self._transport.close()

    def _took(self, response: http1.Message, received: int) -> None:
        nanoseconds = time.perf_counter_ns() - self._asked_ns
        if received != response.size or not http1.is_framed(response):
            raise http1.MalformedError("an answer without a length, or bytes after its end")
        self._received, self._waits = b"", False
        self._load.answered(response, nanoseconds)
        self.ask()


if __name__ == "__main__":
    main()
