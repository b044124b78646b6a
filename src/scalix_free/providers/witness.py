"""What really came over the wire, beside a library that reads it for us.

A library that speaks for many providers may swallow what matters: LiteLLM ends a stream that was
cut off with a plain "stop", drops frames that it cannot read, and puts a usage of its own in the
place of a missing one. Whoever sees the same bytes can tell.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec

from scalix_free.core.budget import Finding
from scalix_free.core.chat import Chunk, Usage
from scalix_free.core.errors import Failure, Kind
from scalix_free.core.ports import Clock
from scalix_free.providers.failures import Dialect, failure_inside, failure_of
from scalix_free.providers.limits_told import told_by_headers
from scalix_free.wire.events import EventReader, EventTooLargeError
from scalix_free.wire.upstream import ErrorInStream, decode_frame

MOST_ANSWER_BYTES: Final = 8 * 1024 * 1024
MOST_ERROR_BYTES: Final = 65_536

FINISHED: Final = re.compile(rb'"(?:finishReason|stop_reason|finish_reason)"\s*:\s*"')
"""Gemini's, Anthropic's and everybody's way to say that an answer is complete. Inside of a text the
quotes would be escaped."""

EVENTS: Final = "text/event-stream"
JSON: Final = "application/json"


class Witness:
    """Sees one call on the wire, and judges it as ``openai_http`` would.

    ``failure`` is what a provider's refusal means, or what broke the answer. ``finished`` says
    that a finish reason was there. Once the answer is known to be in the OpenAI format,
    ``is_openai``, there was none where nobody says so; ``usage`` is then what the provider counted,
    or None, and ``whole`` an answer that came in one piece. Answers in other formats are looked
    through for errors and an end.
    """

    def __init__(self, clock: Clock, dialect: Dialect) -> None:
        self._clock = clock
        self._dialect = dialect
        self._asked: set[tuple[str, str]] = set()
        self._events: EventReader | None = None
        self._body: list[bytes] | None = None
        self._read_bytes = 0
        self._closes: list[Callable[[], Awaitable[None]]] = []
        self.status: int | None = None
        self.findings: Sequence[Finding] = ()
        self.failure: Failure | None = None
        self.is_openai = False
        self.finished = False
        self.usage: Usage | None = None
        self.whole: Chunk | None = None

    @property
    def has_asked(self) -> bool:
        """Whether anything was sent at all."""
        return bool(self._asked)

    def asks(self, method: str, url: str) -> bool:
        """Whether this may be sent: once. A library that tries again spends a budget twice."""
        request = method, url
        if request in self._asked:
            return False
        self._asked.add(request)
        return True

    def refused(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Its answer is a refusal, or none that a model gives."""
        self.status = status
        self.failure = failure_of(status, headers, body, self._clock(), self._dialect)

    def answers(
        self, status: int, headers: Mapping[str, str], close: Callable[[], Awaitable[None]]
    ) -> None:
        """Its answer begins; ``close`` ends the connection that it comes by."""
        self.status = status
        self._closes.append(close)
        if told := self._dialect.headers:
            self.findings = tuple(told_by_headers(told, headers, self._clock()))
        kind = headers.get("Content-Type", "")
        self._events = EventReader() if kind.startswith(EVENTS) else None
        self._body = [] if kind.startswith(JSON) else None

    def feed(self, data: bytes) -> None:
        """Look at the next bytes of the answer."""
        self._read_bytes += len(data)
        if self._read_bytes > MOST_ANSWER_BYTES:
            self._fail(Failure(Kind.BROKEN, "The model's answer is endless."))
        elif self._events is not None:
            try:
                events = self._events.feed(data)
            except EventTooLargeError:
                self._fail(Failure(Kind.BROKEN, "The model's server sent an endless event."))
                return
            for event in events:
                if event != b"[DONE]":
                    self._look(event)
        elif self._body is not None:
            self._body.append(data)

    def end(self) -> None:
        """The answer has come to its end, whatever that is."""
        if self._events is not None and (rest := self._events.rest()) and rest != b"[DONE]":
            self._look(rest)
        elif self._body:
            self._look(b"".join(self._body), is_whole=True)
            self._body = None

    async def close(self) -> None:
        """End the connections whose answers nobody read to the end."""
        while self._closes:
            await self._closes.pop()()

    def _look(self, data: bytes, *, is_whole: bool = False) -> None:
        try:
            chunk = decode_frame(data)
        except ErrorInStream as error:
            self._fail(failure_inside(error.error, self._clock(), self._dialect))
        except Failure as failure:
            if not isinstance(failure.__cause__, msgspec.ValidationError):  # it is JSON of another
                self._fail(failure)
        else:
            self.is_openai = self.is_openai or chunk.has_content or chunk.finish is not None
            self.finished = self.finished or chunk.finish is not None
            if not self.is_openai and FINISHED.search(data):
                self.finished = True
            self.usage = chunk.usage or self.usage
            if is_whole and chunk.finish is not None:
                self.whole = chunk

    def _fail(self, failure: Failure) -> None:
        """Note it; an answer that is complete nothing can spoil."""
        if not self.finished and self.failure is None:
            self.failure = failure
