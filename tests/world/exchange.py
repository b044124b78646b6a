"""One request being answered: the words of HTTP that faults are written in."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from tests.world.answer import Answer
from tests.world.behaviour import Behaviour
from tests.world.connection import Connection
from tests.world.frame import DONE, dump, frames
from tests.world.seen import Seen

JSON = "application/json"
EVENTS = "text/event-stream; charset=utf-8"

_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a fault works with."""

    seen: Seen
    behaviour: Behaviour
    answer: Answer
    connection: Connection
    pause: Callable[[float], Awaitable[None]]
    """Wait that long, or at the model's gate."""

    @property
    def streamed(self) -> bool:
        """Whether the client asked for a stream."""
        return self.seen.streamed

    async def reply(self, answer: Answer) -> None:
        """Give this answer, whole and in order."""
        if not self.streamed:
            return await self.whole(dump(answer.completion()))
        await self.start()
        await self.write(packets(answer))
        return self.end()

    async def whole(
        self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send an answer of known length."""
        await self.connection.send(self._fixed_head(len(body), status, headers or {}) + body)

    async def half(self, body: bytes) -> bytes:
        """Promise this body and send the first half of it; gives the second."""
        middle = len(body) // 2
        await self.connection.send(self._fixed_head(len(body), 200, {}) + body[:middle])
        return body[middle:]

    async def start(self, content_type: str = EVENTS) -> None:
        """Send the head of an answer of unknown length."""
        await self.connection.send(
            self._head(200, {"content-type": content_type, "transfer-encoding": "chunked"})
        )

    async def write(self, pieces: Iterable[bytes]) -> None:
        """Send each piece as one chunk, in a write of its own."""
        for piece in pieces:
            await asyncio.sleep(0)  # so that a client that has left is noticed
            await self.connection.send(_chunk(piece))
            self.seen.progress.frames += 1

    async def tear(self, piece: bytes) -> None:
        """Promise a chunk and send half of it."""
        chunk = _chunk(piece)
        await self.connection.send(chunk[: len(chunk) // 2])

    def end(self) -> None:
        """End an answer of unknown length as it should end.

        In one breath with the last chunk: a client that leaves at [DONE] has not left early.
        """
        self.connection.writer.write(b"0\r\n\r\n")

    def _fixed_head(self, length: int, status: int, headers: Mapping[str, str]) -> bytes:
        known = {"content-type": JSON, "content-length": str(length)}
        return self._head(status, {**known, **headers})

    def _head(self, status: int, headers: Mapping[str, str]) -> bytes:
        request_id = {"x-request-id": self.answer.id.replace("chatcmpl", "req")}
        return head(status, {**request_id, **headers, **self.behaviour.headers})


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Write a status line and headers."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, '')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1")


def packets(answer: Answer) -> list[bytes]:
    """All frames of an answer, the end marker last."""
    return [*frames([*answer.opening(), *answer.content(), *answer.closing()]), DONE]


def parted(answer: Answer, k: int) -> tuple[list[bytes], list[bytes]]:
    """All frames of an answer: up to the k-th content frame, and after it."""
    cut = len(answer.opening()) + min(k, len(answer.content()))
    every = packets(answer)
    return every[:cut], every[cut:]


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
