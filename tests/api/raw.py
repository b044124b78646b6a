"""HTTP byte by byte, for what no client library would send."""

import json
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from tests.api.caller import COMPLETIONS, question

PATIENCE_S = 10.0


@dataclass(frozen=True)
class Response:
    """One response as it arrived; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Raw:
    """A connection; reads responses one after the other."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = f"{parts.hostname}:{parts.port}"
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send these bytes now."""
        self.socket.sendall(data)

    def ask(self, **fields: object) -> None:
        """Send a whole completion request."""
        self.send(self.request(json.dumps(question(**fields)).encode()))

    def request(
        self, body: bytes = b"", *, method: str = "POST", path: str = COMPLETIONS, head: str = ""
    ) -> bytes:
        """A request in good form; ``head`` is more header lines, each with its line end."""
        length = f"content-length: {len(body)}\r\ncontent-type: application/json\r\n"
        lines = f"{method} {path} HTTP/1.1\r\nhost: {self.host}\r\n{head}{length if body else ''}"
        return lines.encode() + b"\r\n" + body

    def read(self, method: str = "POST") -> Response:
        """Read the next response to its end."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        assert re.fullmatch(r"HTTP/1\.1 \d{3} [A-Za-z -]+", first), first
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        assert len(headers) == len(lines), f"a header came twice: {lines}"
        status = int(first.split(" ")[1])
        return Response(status, headers, self._body(method, status, headers))

    def is_closed(self) -> bool:
        """Wait until the server closes; anything it still says is a fault."""
        assert self._buffer == b""
        try:
            rest = self.socket.recv(65536)
        except ConnectionResetError:
            return True
        assert rest == b"", rest
        return True

    def is_cut_off(self, pieces: Iterable[bytes]) -> bool:
        """Send one piece after the other; whether the server ends it, refused or not."""
        try:
            for piece in pieces:
                self.send(piece)
        except OSError:
            return True
        return False

    def _body(self, method: str, status: int, headers: Mapping[str, str]) -> bytes:
        if method == "HEAD" or status in (100, 204, 304):
            return b""
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") == "chunked":
            return b"".join(self._chunks())
        return self._all()

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._until(b"\r\n"), 16):
            yield self._exactly(size + 2)[:-2]
        assert self._exactly(2) == b"\r\n"

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._receive()
        found, _, self._buffer = self._buffer.partition(end)
        return found + end

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._receive()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _all(self) -> bytes:
        while data := self.socket.recv(65536):
            self._buffer += data
        found, self._buffer = self._buffer, b""
        return found

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        assert data, f"closed after {self._buffer!r}"
        self._buffer += data
