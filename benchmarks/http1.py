"""The little of HTTP/1.1 that the load generator and the instant upstream need.

Pure functions over the bytes received so far: `None` means that more have to come.
"""

import re
from typing import NamedTuple

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*(?=\r\n|$)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*(?=\r\n|$)", re.IGNORECASE)


class MalformedError(ValueError):
    """The bytes are not a message with a length."""


class Message(NamedTuple):
    """One whole request or response."""

    head: bytes
    """The first line and the headers, without the empty line after them."""
    body: bytes
    """The body, its chunks joined."""
    size: int
    """Bytes of the input that the message takes."""


def read(data: bytes) -> Message | None:
    """Read the message at the start of `data`; one that states no length has no body."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head, start = data[:end], end + 4
    length = _LENGTH.search(head)
    if length is not None:
        size = start + int(length[1])
        return Message(head, data[start:size], size) if len(data) >= size else None
    if _CHUNKED.search(head) is None:
        return Message(head, b"", start)
    if not data.endswith(b"\r\n"):
        return None
    joined = join_chunks(data, start)
    return None if joined is None else Message(head, *joined)


def join_chunks(data: bytes, start: int = 0) -> tuple[bytes, int] | None:
    """Join the chunks from `start` on: the body and the offset behind its last byte.

    Trailers are not expected from anybody measured here, and are malformed.
    """
    parts: list[bytes] = []
    while True:
        line = data.find(b"\r\n", start)
        if line < 0:
            return None
        size = _chunk_size(data[start:line])
        start = line + 2 + size
        if len(data) < start + 2:
            return None
        if data[start : start + 2] != b"\r\n":
            raise MalformedError("a chunk does not end where it said")
        if size == 0:
            return b"".join(parts), start + 2
        parts.append(data[line + 2 : start])
        start += 2


def status(head: bytes) -> int:
    """Give the status code of a response's head."""
    if not head.startswith(b"HTTP/1.1 "):
        raise MalformedError(f"not an HTTP/1.1 response: {head[:40]!r}")
    return int(head[9:12])


def is_framed(message: Message) -> bool:
    """Tell whether a response said how long it is, as every kept-alive answer must."""
    return _LENGTH.search(message.head) is not None or _CHUNKED.search(message.head) is not None


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        raise MalformedError(f"not a chunk size: {line[:20]!r}") from None
