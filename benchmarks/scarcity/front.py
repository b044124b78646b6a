"""What stands before a rival: real HTTP and the people's limits of this service.

``python -m benchmarks.scarcity.front --port P --world P --rival NAME``, in the rivals' environment.
Whoever asks is told by address and bearer token; who may ask is judged by ``people.py``, so that
rivals differ in their routing alone. A request that is not answered is given back.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import time
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol, cast

from benchmarks import http1
from benchmarks.scarcity.people import Denied, People


class Routed(NamedTuple):
    """An answer of a rival: a status, the model, and when to come back if it says."""

    status: int
    model: str = ""
    body: object = None
    wait_s: float | None = None


class Router(Protocol):
    """A rival."""

    async def ask(self, body: Mapping[str, object]) -> Routed:
        """Answer, or fail."""
        ...


class Front:
    """Admission, then the rival."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._people = People()

    async def answer(self, head: bytes, body: bytes) -> Routed:
        """Answer one request."""
        address = _header(head, b"x-forwarded-for")
        person = _header(head, b"authorization") or address
        now_s = time.monotonic()
        admitted = self._people.admit(person, address, now_s)
        if isinstance(admitted, Denied):
            return Routed(429, wait_s=admitted.wait_s)
        routed = Routed(500)
        try:
            routed = await self._router.ask(json.loads(body))
        finally:
            if routed.status != 200:
                self._people.give_back(person, address, now_s)
        return routed


class Connection(asyncio.Protocol):
    """One connection, asked one request after the other."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._received = b""
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer a request that is whole."""
        self._received += data
        request = http1.read(self._received)
        if request is None:
            return
        self._received = self._received[request.size :]
        task = asyncio.get_running_loop().create_task(self._answer(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: http1.Message) -> None:
        if request.head.startswith(b"GET "):
            self._send(Routed(200))
            return
        self._send(await self._front.answer(request.head, request.body))

    def _send(self, routed: Routed) -> None:
        body = json.dumps(routed.body).encode()
        lines = [f"HTTP/1.1 {routed.status} Front", "content-type: application/json"]
        lines += [f"content-length: {len(body)}", f"x-scalix-model: {routed.model}"]
        if routed.wait_s is not None:
            lines.append(f"retry-after: {math.ceil(routed.wait_s)}")
        self._transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def _header(head: bytes, name: bytes) -> str:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip().decode()
    return ""


PRIORITY_LIST: Final = "priority-list"


def rival(name: str, world: int) -> Router:
    """The rival of that name."""
    if name == PRIORITY_LIST:
        from benchmarks.scarcity.priority_list import PriorityList  # noqa: PLC0415

        return PriorityList(world)
    # It is in the rivals' environment only, and takes seconds to import.
    from benchmarks.scarcity.litellm_router import LiteLLM  # noqa: PLC0415

    return LiteLLM(world, name)


async def serve(port: int, world: int, name: str) -> None:
    """Serve on a loopback port, forever."""
    front = Front(rival(name, world))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(front), "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks.scarcity.front", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--world", type=int, required=True)
    parser.add_argument("--rival", required=True)
    told = parser.parse_args()
    asyncio.run(serve(told.port, told.world, told.rival))
