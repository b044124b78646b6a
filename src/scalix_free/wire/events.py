"""Server-sent events, read as they arrive.

Follows the HTML standard's event stream for what providers use: data fields, comments, any of the
three line ends, a byte order mark. Names of events are not told, since everything that matters
stands in the data. A block without any field is handed out as it is: some providers write a bare
JSON error into their stream.
"""

from __future__ import annotations

from typing import Final

MOST_EVENT_BYTES: Final = 262_144
_MARK: Final = b"\xef\xbb\xbf"


class EventTooLargeError(ValueError):
    """An event larger than anything a model says at once."""


class EventReader:
    """Turns bytes, cut anywhere, into the data of events.

    ``feed`` gives the data of whole events; ``rest``, at the end of the stream, what was left
    without an end.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._begun = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes; give the data of the events they complete."""
        text = self._buffer + data
        if not self._begun:
            if len(text) < len(_MARK) and _MARK.startswith(text):
                self._buffer = text
                return []
            self._begun = True
            text = text.removeprefix(_MARK)
        held = b""
        if b"\r" in text:
            if text.endswith(b"\r"):  # perhaps the first half of a line end
                text, held = text[:-1], b"\r"
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if text.startswith(b"data: ") and text.endswith(b"\n\n"):  # as most of what arrives
            events = text[6:-2].split(b"\n\ndata: ")
            if text.count(b"\n") == 2 * len(events) and all(events):
                self._buffer = held
                return events
        *blocks, rest = text.split(b"\n\n")
        if len(rest) > MOST_EVENT_BYTES:
            raise EventTooLargeError
        self._buffer = rest + held
        return [data for block in blocks if (data := _data(block))]

    def rest(self) -> bytes:
        """The data of what the stream ended in the middle of; empty where it did not."""
        block, self._buffer = self._buffer, b""
        return _data(block.replace(b"\r", b"\n"))


def _data(block: bytes) -> bytes:
    data: list[bytes] = []
    stray: list[bytes] = []
    for line in block.split(b"\n"):
        field, colon, value = line.partition(b":")
        if not line or (colon and not field):  # an empty line, or a comment
            continue
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field not in _OTHER_FIELDS:
            stray.append(line)
    return b"\n".join(data or stray)


_OTHER_FIELDS: Final = frozenset({b"event", b"id", b"retry"})
