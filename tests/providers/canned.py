"""A server that says exactly these bytes: for what no row of the world does."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

CLOSE: Final = object()
RESET: Final = object()
WAIT: Final = object()
"""What may stand in an answer beside bytes: end the connection; reset it; say nothing more."""

Answer: TypeAlias = Sequence[object]

HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
LAST_CHUNK: Final = b"0\r\n\r\n"


def chunk(text: str) -> bytes:
    """These characters of a body, as one chunk."""
    data = text.encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


@dataclass
class Canned:
    """What it heard: one list of request heads for each connection."""

    base_url: str = ""
    heard: list[list[bytes]] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None
    """Listen no more, and drop every connection."""


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection so that the client sees a reset."""
    linger_not = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
    writer.transport.abort()


@asynccontextmanager
async def canned(*answers: Answer) -> AsyncIterator[Canned]:
    """Give these answers, one a request, in order of arrival."""
    found, rest = Canned(), list(answers)
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard: list[bytes] = []
        found.heard.append(heard)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
                heard.append(head)
                for piece in rest.pop(0):
                    if piece is CLOSE:
                        return
                    if piece is RESET:
                        reset(writer)
                        return
                    if piece is WAIT:
                        await reader.read()
                        return
                    assert isinstance(piece, bytes)
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.001)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)

    def stop() -> None:
        server.close()
        for writer in writers:
            writer.transport.abort()

    found.stop = stop
    async with server:
        found.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        yield found
