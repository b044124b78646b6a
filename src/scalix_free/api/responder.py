"""Answers one request on its connection, in as few writes as it takes.

What ASGI's messages and uvicorn's checks of each header cost is a tenth of an answer, so the
completion handlers write here (docs/decisions/0004). The state of the request's cycle is kept as
uvicorn's own ``send`` keeps it, so that keep-alive, pipelines and shutdown work as ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Protocol

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from scalix_free.api.errors import PAYMENT_REQUIRED, TABLE

STATUS_LINES: Final = {
    status: b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())
    for status in {200, PAYMENT_REQUIRED, *(status for status, _, _ in TABLE.values())}
}


class Line(Protocol):
    """The connection that a request came on.

    ``hang_up`` is called when the peer is gone; whoever answers sets it for as long.
    """

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    flow: FlowControl
    hang_up: Callable[[], object] | None
    lost: bool


class Responder:
    """The one request's way back. Whatever is written after the peer has left goes nowhere."""

    def __init__(self, line: Line, cycle: RequestResponseCycle) -> None:
        self.line = line
        self._cycle = cycle
        self._chunked = True

    @property
    def lost(self) -> bool:
        """Whether nobody listens any more."""
        return self.line.lost or self.line.transport.is_closing()

    @property
    def started(self) -> bool:
        """Whether the status has been sent."""
        return self._cycle.response_started

    @property
    def has_body(self) -> bool:
        """Whether the request's body is here as a whole."""
        return not self._cycle.more_body

    def respond(self, status: int, head: bytes, body: bytes) -> None:
        """Send a whole answer."""
        if self._is_gone():
            return
        framing = b"content-length: %d\r\n" % len(body)
        shown = b"" if self._cycle.scope["method"] == "HEAD" else body
        self._begin(framing, status, head, shown)
        self._end()

    async def start(self, status: int, head: bytes, first: bytes, *, whole: bool = False) -> None:
        """Begin an answer whose length is not known, with its first bytes, or ``whole``."""
        if self._is_gone():
            return
        self._chunked = self._cycle.scope["http_version"] == "1.1"
        if not self._chunked:
            self._cycle.keep_alive = False
        encoding = b"transfer-encoding: chunked\r\n" if self._chunked else b""
        body = self._chunk(first)
        if whole:
            self._begin(encoding, status, head, body + self._last_chunk())
            self._end()
            return
        self._begin(encoding, status, head, body)
        await self._drain()

    async def write(self, data: bytes) -> None:
        """Send more of it."""
        if not self.lost:
            self.line.transport.write(self._chunk(data))
            await self._drain()

    async def finish(self, data: bytes) -> None:
        """Send the last of it."""
        if not self.lost:
            self.line.transport.write(self._chunk(data) + self._last_chunk())
            self._end()

    def abandon(self) -> None:
        """Leave the request without an answer: its caller has gone."""
        self._cycle.disconnected = True

    def _is_gone(self) -> bool:
        if self.lost:
            self.abandon()
        return self._cycle.disconnected

    def break_off(self) -> None:
        """End an answer that cannot be ended properly."""
        if not self.line.transport.is_closing():
            self.line.transport.close()

    def _begin(self, framing: bytes, status: int, head: bytes, body: bytes) -> None:
        cycle = self._cycle
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        lines = [STATUS_LINES[status]]
        for name, value in cycle.default_headers:
            lines += (name, b": ", value, b"\r\n")
        lines += (head, framing)
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        lines += (b"\r\n", body)
        self.line.transport.write(b"".join(lines))

    def _end(self) -> None:
        cycle = self._cycle
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.line.transport.close()
        cycle.on_response()

    def _chunk(self, data: bytes) -> bytes:
        if not self._chunked or not data:
            return data
        return b"%x\r\n%s\r\n" % (len(data), data)

    def _last_chunk(self) -> bytes:
        return b"0\r\n\r\n" if self._chunked else b""

    async def _drain(self) -> None:
        if self.line.flow.write_paused and not self.lost:
            await self.line.flow.drain()
