"""How frames look on the wire: the plain form, and the forms that clients trip over.

A dress takes the bytes of an answer, one item a frame, and gives the bytes to write, one item a
write. The last item of a stream is the end marker.
"""

import json
from collections.abc import Callable, Iterable
from itertools import cycle

Dress = Callable[[list[bytes]], list[bytes]]

DONE = b"data: [DONE]\n\n"
NOISE = b": OPENROUTER PROCESSING\n\n"
JOINED = 3  # frames in one write


def dump(value: object) -> bytes:
    """Encode as JSON, letters beyond ASCII as themselves, so that a split can hurt them."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def frame(value: object) -> bytes:
    """Put a value into one server-sent event."""
    return b"data: " + dump(value) + b"\n\n"


def same(packets: list[bytes]) -> list[bytes]:
    """Change nothing."""
    return packets


def commented(packets: list[bytes]) -> list[bytes]:
    """Put comment lines and blank lines before every frame."""
    return [NOISE, b"\n\n", *(piece for packet in packets for piece in (b": \n\n", packet))]


def padded(packets: list[bytes]) -> list[bytes]:
    """Keep the connection of an unstreamed answer alive with blank lines."""
    return [b"\n", b"\n", *packets]


def split(packets: list[bytes]) -> list[bytes]:
    """Cut at any byte: inside a name, inside a letter, between the two line ends."""
    whole, sizes, pieces = b"".join(packets), cycle((1, 2, 3, 5, 8, 13)), []
    while whole:
        size = next(sizes)
        pieces.append(whole[:size])
        whole = whole[size:]
    return pieces


def joined(packets: list[bytes]) -> list[bytes]:
    """Put several frames into one write."""
    return [b"".join(packets[at : at + JOINED]) for at in range(0, len(packets), JOINED)]


def carriage_returns(packets: list[bytes]) -> list[bytes]:
    r"""End lines with \r\n."""
    return [packet.replace(b"\n", b"\r\n") for packet in packets]


def tight(packets: list[bytes]) -> list[bytes]:
    """Leave out the space after the colon."""
    return [b"data:" + packet.removeprefix(b"data: ") for packet in packets]


def unended(packets: list[bytes]) -> list[bytes]:
    """Leave out the end marker."""
    return packets[:-1]


def frames(values: Iterable[object]) -> list[bytes]:
    """Put each value into an event of its own."""
    return [frame(value) for value in values]
