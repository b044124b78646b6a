"""Whatever speaks the OpenAI format over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from yarl import URL

from scalix_free import __version__
from scalix_free.core.budget import Finding
from scalix_free.core.chat import NONE, Call, Chunk, ToolCall
from scalix_free.core.errors import Failure, Kind
from scalix_free.core.ports import Clock
from scalix_free.providers.failures import dialect_of, failure_inside, failure_of
from scalix_free.providers.http_session import Link, LinkError, Session, Target
from scalix_free.providers.labels import labels
from scalix_free.providers.limits_told import told_by_headers
from scalix_free.wire.events import EventReader, EventTooLargeError
from scalix_free.wire.upstream import UNNUMBERED, ErrorInStream, decode_frame, encode_call

AFTER_FINISH_S: Final = 1.0
"""How long usage and the end marker are waited for once the answer is complete."""
MOST_ANSWER_BYTES: Final = 8 * 1024 * 1024
MOST_ERROR_BYTES: Final = 65_536
LAST_BYTES_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model is asked. ``model`` is the provider's own name of it.

    ``provider`` is the catalogue's name of the provider; it says how that one tells its limits.
    One that ``keeps_books`` is a proxy of the operator's, which is told who asks.
    """

    base_url: str
    model: str
    api_key: str = ""
    provider: str = ""
    keeps_books: bool = False


HEADERS: Final = {
    "Content-Type": "application/json",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "User-Agent": f"scalix-free/{__version__}",
}


def open_session() -> Session:
    """The connections of one worker process. Whoever opens it closes it."""
    return Session()


class OpenAIHttp:
    """A ``Backend`` for one model of one provider."""

    def __init__(self, session: Session, endpoint: Endpoint, clock: Clock) -> None:
        self._session = session
        self._model = endpoint.model
        self._clock = clock
        self._dialect = dialect_of(endpoint.provider)
        self._labels = labels if endpoint.keeps_books else None
        headers = dict(HEADERS)
        if endpoint.api_key:
            headers["Authorization"] = f"Bearer {endpoint.api_key}"
        url = URL(endpoint.base_url.rstrip("/") + "/chat/completions")
        self._target = Target.post(url, headers)

    def open(self, call: Call) -> _Exchange:
        """Ask; the context closes the connection where the answer was not read to its end."""
        told = NONE if self._labels is None else self._labels(call)
        return _Exchange(self, encode_call(call, self._model, told))

    async def _post(self, body: bytes) -> Link:
        try:
            return await self._session.post(self._target, body)
        except LinkError as error:
            text = "The model's server cannot be reached."
            raise Failure(Kind.UNREACHABLE, text) from error


class _Exchange:
    """One question and its answer, read as events or as one body."""

    def __init__(self, backend: OpenAIHttp, body: bytes) -> None:
        self._backend = backend
        self._body = body
        self._events = EventReader()
        self._ready: list[Chunk] = []
        self._read_bytes = 0
        self._tools: dict[int, list[tuple[str | None, int]]] = {}  # index → ids, our index
        self._tool_count = 0
        self._finish: Chunk | None = None
        self._ended = False
        self.answered_by = ""
        self.attempts = 1
        self.findings: Sequence[Finding] = ()

    async def __aenter__(self) -> _Exchange:
        response = self._response = await self._backend._post(self._body)
        try:
            if response.status != 200:
                raise await self._failure_of(response)
            if told := self._backend._dialect.headers:
                now_ms = self._backend._clock()
                self.findings = tuple(told_by_headers(told, response.headers, now_ms))
            if "event-stream" not in response.headers.get("Content-Type", ""):
                await self._read_whole()
        except BaseException:
            response.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ended and not self._response.at_eof:
            # The end is at hand; a connection read to its end can be used again.
            with contextlib.suppress(TimeoutError, LinkError):
                async with asyncio.timeout(LAST_BYTES_S):
                    while await self._response.read():
                        pass
        if self._ended and self._response.at_eof:
            self._response.release()
        else:
            self._response.close()

    async def read(self) -> Sequence[Chunk]:
        """See ``core.ports.Reply``. The finish comes last, and with the usage if there is one."""
        while not self._ready and not self._ended:
            if self._finish is None:
                await self._receive()
            else:
                await self._await_end()
        ready, self._ready = self._ready, []
        if self._ended and self._finish is not None:
            ready.append(self._finish)
            self._finish = None
        return ready

    async def _await_end(self) -> None:
        """The answer is complete: wait a moment for usage and the end marker, forgive the rest."""
        with contextlib.suppress(TimeoutError, Failure):
            async with asyncio.timeout(AFTER_FINISH_S):
                while not self._ended:
                    await self._receive()
        self._ended = True

    async def _receive(self) -> None:
        try:
            data = await self._response.read()
        except LinkError as error:
            raise Failure(Kind.BROKEN, "The model's answer was cut off.") from error
        if not data:
            rest = self._events.rest()
            if rest:
                self._take([rest])
            self._end()
            return
        self._read_bytes += len(data)
        if self._read_bytes > MOST_ANSWER_BYTES:
            raise Failure(Kind.BROKEN, "The model's answer is endless.")
        try:
            events = self._events.feed(data)
        except EventTooLargeError as error:
            raise Failure(Kind.BROKEN, "The model's server sent an endless event.") from error
        self._take(events)

    def _take(self, events: Sequence[bytes]) -> None:
        for event in events:
            if self._ended:
                return
            if event == b"[DONE]":
                self._end()
            elif self._finish is None:
                self._add(self._decode(event))
            else:  # the answer is complete: only the usage is of interest, nothing can spoil it
                with contextlib.suppress(Failure):
                    if (usage := self._decode(event).usage) is not None:
                        self._finish.usage = usage
                        self._ended = True

    def _decode(self, data: bytes) -> Chunk:
        try:
            return decode_frame(data)
        except ErrorInStream as error:
            backend = self._backend
            raise failure_inside(error.error, backend._clock(), backend._dialect) from error

    def _add(self, chunk: Chunk) -> None:
        """Queue what was said; hold the finish, which has to come last."""
        if chunk.text and chunk.finish is None and not chunk.tools:
            self._ready.append(chunk)
            return
        if chunk.finish is not None:
            # Gemini ends tool calls with "stop"; clients that go by it would never run the tool.
            calls_tools = chunk.finish == "stop" and (self._tools or chunk.tools)
            finish = "tool_calls" if calls_tools else chunk.finish
            self._finish = Chunk(finish=finish, usage=chunk.usage)
            chunk.finish = chunk.usage = None
        for tool in chunk.tools:
            self._number(tool)
        if chunk.text or chunk.usage is not None or chunk.reasoning or chunk.has_content:
            self._ready.append(chunk)

    def _number(self, tool: ToolCall) -> None:
        """Tell tool calls apart: some providers leave the index out, or give each call the same.

        A piece with an id that its index does not have yet begins a call of its own; a piece
        without one goes on with the last call of its index.
        """
        calls = self._tools.setdefault(tool.index, [])
        begins = tool.id is not None and tool.id not in [known for known, _ in calls]
        if not calls or begins or (tool.index == UNNUMBERED and tool.name is not None):
            calls.append((tool.id, self._tool_count))
            self._tool_count += 1
        tool.index = calls[-1][1]

    def _end(self) -> None:
        if self._finish is None:
            raise Failure(Kind.BROKEN, "The model's answer stopped before its end.")
        self._ended = True

    async def _read_whole(self) -> None:
        """An answer in one piece: asked for, or from a provider that does not stream."""
        self._add(self._decode(await self._read_body(MOST_ANSWER_BYTES)))
        if self._finish is None:
            raise Failure(Kind.BROKEN, "The model's server sent no answer.")
        self._ended = True

    async def _failure_of(self, response: Link) -> Failure:
        body = await self._read_body(MOST_ERROR_BYTES)
        backend = self._backend
        return failure_of(
            response.status, response.headers, body, backend._clock(), backend._dialect
        )

    async def _read_body(self, most: int) -> bytes:
        try:
            body = b""
            while len(body) < most and (more := await self._response.read()):
                body += more
        except LinkError as error:
            raise Failure(Kind.BROKEN, "The model's answer was cut off.") from error
        return body
