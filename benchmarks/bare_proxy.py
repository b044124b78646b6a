"""The smallest honest Python proxy: what a hop costs before anything is checked.

`python -m benchmarks.bare_proxy --port P --upstream URL`. Raw ASGI on uvicorn with uvloop and
httptools, msgspec in and out, aiohttp to the upstream. No limits, no routing, no telemetry.
"""

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
import uvicorn

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_JSON = {"content-type": "application/json"}


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(prog="benchmarks.bare_proxy", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    chosen = parser.parse_args()
    uvicorn.run(
        BareProxy(chosen.upstream),
        port=chosen.port,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        access_log=False,
        log_level="warning",
    )


@dataclass
class BareProxy:
    """One ASGI application in front of one address."""

    upstream: str

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or live through the application's own life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        call = _decode(await _body(receive))
        async with self._session.post(self.upstream, data=_encode(call), headers=_JSON) as response:
            if call.get("stream"):
                await _forward(response, send)
            else:
                await _answer(response, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as self._session:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    return body


async def _answer(response: aiohttp.ClientResponse, send: Send) -> None:
    body = _encode(_decode(await response.read()))
    length = (b"content-length", b"%d" % len(body))
    await send(_start(response.status, b"application/json", length))
    await send({"type": "http.response.body", "body": body})


async def _forward(response: aiohttp.ClientResponse, send: Send) -> None:
    await send(_start(response.status, b"text/event-stream"))
    async for part in response.content.iter_any():
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


def _start(status: int, kind: bytes, *headers: tuple[bytes, bytes]) -> Message:
    headers = ((b"content-type", kind), *headers)
    return {"type": "http.response.start", "status": status, "headers": headers}


if __name__ == "__main__":
    main()
