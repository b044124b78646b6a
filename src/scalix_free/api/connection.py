"""One connection: uvicorn's, with absolute deadlines and news of a caller who hangs up."""

from __future__ import annotations

import asyncio
import enum
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from scalix_free.api.errors import ErrorWriter
from scalix_free.api.headers import EVERY_ANSWER
from scalix_free.api.responder import STATUS_LINES, Responder
from scalix_free.core.errors import Code, Refusal

EXTENSION: Final = "scalix_free.responder"
"""Where in a scope's extensions the request's responder is found."""

MOST_HEAD_BYTES: Final = 65_536
"""More than any client's headers; counted a read at a time."""

_UPGRADE: Final = re.compile(rb"(?im)^upgrade:[^\r\n]*\r\n")


class Phase(enum.Enum):
    """What is waited for from the peer."""

    HEADERS = enum.auto()
    BODY = enum.auto()
    NOTHING = enum.auto()


class Connection(HttpToolsProtocol):
    """Closes whoever dribbles: headers and body each have a deadline that no byte extends.

    Subclassed with its deadlines by ``connection_class``, since uvicorn makes the instances.
    """

    deadlines_s: Mapping[Phase, float]
    errors: ErrorWriter

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hang_up: Callable[[], object] | None = None
        self.lost = False
        self._phase = self._timed = Phase.NOTHING
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give a new connection its time to say what it wants."""
        super().connection_made(transport)
        self._phase = Phase.HEADERS
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever answers that nobody listens any more."""
        self.lost = True
        self._phase = Phase.NOTHING
        self._set_deadline()
        super().connection_lost(exc)
        if self.hang_up is not None:
            self.hang_up()

    def data_received(self, data: bytes) -> None:
        """Parse, then see what is still missing."""
        if b"pgrade:" in data and self._phase is not Phase.BODY:
            data = _without_upgrade(data)
        if self._phase is Phase.NOTHING and self.cycle.response_complete:
            self._phase = Phase.HEADERS  # even if it is but a line end: uvicorn's own timer is off
        super().data_received(data)
        if self._phase is Phase.HEADERS:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response(f"The headers are larger than {MOST_HEAD_BYTES} bytes.")
        if self._phase is not self._timed:
            self._set_deadline()

    def on_message_begin(self) -> None:
        """From here on the headers are waited for."""
        super().on_message_begin()
        self.scope["extensions"] = {}
        self._phase = Phase.HEADERS
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Let the request find its way back; from here on the body is waited for."""
        self._phase = Phase.BODY
        super().on_headers_complete()
        self.scope["extensions"][EXTENSION] = {"responder": Responder(self, self.cycle)}

    def on_message_complete(self) -> None:
        """Now it is our turn."""
        self._phase = Phase.NOTHING
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP in the shape of all our refusals."""
        refusal = Refusal(code=Code.INVALID_REQUEST, message=msg)
        request_id = f"req_{os.urandom(16).hex()}"
        response = self.errors.response(refusal, request_id)
        self.transport.write(
            STATUS_LINES[400]
            + response.head
            + EVERY_ANSWER
            + b"x-request-id: %s\r\nconnection: close\r\n" % request_id.encode()
            + b"content-length: %d\r\n\r\n" % len(response.body)
            + response.body
        )
        self.transport.close()

    def _set_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._timed = self._phase
        seconds = self.deadlines_s.get(self._phase)
        if seconds is not None:
            self._deadline = self.loop.call_later(seconds, self._close)

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def _without_upgrade(data: bytes) -> bytes:
    """A request without its wish for another protocol, which the parser would stop at.

    Nobody has to take up such a wish (RFC 9110, 7.8), and Java's own client has it by default.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"", head + b"\r\n")[:-2] + end + rest if end else data


def connection_class(
    errors: ErrorWriter, *, header_timeout_s: float, body_timeout_s: float
) -> type[asyncio.Protocol]:
    """The connection with these deadlines.

    Whoever reads a body gives up first, and can still say so.
    """
    deadlines_s = {Phase.HEADERS: header_timeout_s, Phase.BODY: body_timeout_s + 1}
    return type("Connection", (Connection,), {"deadlines_s": deadlines_s, "errors": errors})
