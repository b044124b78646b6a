"""A client's connection, with the means to end it in every way a connection can end."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable


class Connection(asyncio.StreamReaderProtocol):
    """Runs `serve` for one client, and cancels it the moment that client leaves."""

    def __init__(
        self,
        serve: Callable[["Connection"], Awaitable[None]],
        *,
        met: Callable[["Connection"], None],
        lost: Callable[["Connection"], None],
    ) -> None:
        self.reader = asyncio.StreamReader()
        self.gone = False
        """Whether the client has closed its side."""
        self._serve = serve
        self._met = met
        self._lost = lost
        super().__init__(self.reader, self._made)

    def _made(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self._serving = asyncio.ensure_future(self._serve(self))
        self._met(self)

    def eof_received(self) -> bool | None:
        """Take the client's farewell, also while an answer hangs and nothing is read."""
        result = super().eof_received()
        self._leave()
        return result

    def connection_lost(self, exc: Exception | None) -> None:
        """Take a reset like a farewell."""
        super().connection_lost(exc)
        self._leave()
        self._lost(self)

    def _leave(self) -> None:
        self.gone = True
        self._serving.cancel()
        self.writer.close()

    async def send(self, data: bytes) -> None:
        """Write these bytes now, in a packet of their own if the kernel is willing."""
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        """Say what was written, then end the connection (FIN)."""
        self.writer.close()

    def reset(self) -> None:
        """End the connection so that the client sees a reset (RST)."""
        linger_not = struct.pack("ii", 1, 0)
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
        self.writer.transport.abort()

    def abandon(self) -> None:
        """Stop serving, and drop what is not yet written."""
        self._serving.cancel()
        self.writer.transport.abort()

    @property
    def closing(self) -> bool:
        """Whether this side has ended the connection."""
        return self.writer.is_closing()
