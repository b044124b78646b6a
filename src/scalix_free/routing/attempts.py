"""One candidate after the other until the caller has seen something; from then on committed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from scalix_free.core.budget import Finding
from scalix_free.core.chat import Call, Chunk
from scalix_free.core.errors import Failure, Kind
from scalix_free.core.ports import Reply
from scalix_free.routing.catalogue import Model

SLOW_TOKENS: Final = 256
"""What the slowest usable model says within the time allowed for a first token."""

FINAL: Final = frozenset({Kind.BAD_REQUEST, Kind.FILTERED})
"""Failures that lie in the request: another model would be asked in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long a request tries. Seconds."""

    attempts: int
    first_token_s: float
    idle_s: float

    def begin_s(self, call: Call) -> float:
        """How long a candidate may take until it has given enough to commit to it.

        Of an answer that comes whole the first token cannot be seen: it may take as long again for
        every 256 tokens that it may have, a pace which every provider beats that works at all.
        """
        if call.stream:
            return self.first_token_s
        return self.first_token_s * (1 + (call.output_tokens or 0) / SLOW_TOKENS)


class Exhausted(Failure):
    """No candidate gave a first content; ``failures`` are theirs, in order.

    ``untried`` says that there were more candidates than attempts.
    """

    def __init__(self, failures: Sequence[Failure], *, untried: bool) -> None:
        super().__init__(failures[-1].kind, failures[-1].message)
        self.failures = failures
        self.untried = untried


class Attempts:
    """A ``Backend`` made of candidates.

    Entering it returns once it is committed to one of them; what that one said by then is kept and
    handed out first. Leaving closes whatever is open.
    """

    def __init__(self, candidates: Sequence[Model], patience: Patience) -> None:
        self._candidates = candidates
        self._patience = patience

    def open(self, call: Call) -> Attempting:
        """Begin with the first candidate."""
        return Attempting(self._candidates, self._patience, call)


class Attempting:
    """The context of one request and its reply: the first candidate that begins to answer."""

    def __init__(self, candidates: Sequence[Model], patience: Patience, call: Call) -> None:
        self._candidates = candidates
        self._patience = patience
        self._call = call
        self._open: AbstractAsyncContextManager[Reply] | None = None
        self._reply: Reply | None = None
        self._first: list[Chunk] = []
        self.answered_by = ""
        self.attempts = 0
        self.findings: Sequence[Finding] = ()

    async def __aenter__(self) -> Attempting:
        failures: list[Failure] = []
        for model in self._candidates[: self._patience.attempts]:
            self.attempts += 1
            try:
                await self._try(model)
            except Failure as failure:
                await self._close(failure)
                failures.append(failure.with_traceback(None))  # which would hold this very list
                if failure.kind in FINAL:
                    break
            except BaseException:
                await self._close(None)
                raise
            else:
                self.answered_by = model.id
                return self
        raise Exhausted(failures, untried=len(self._candidates) > self.attempts)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close(error)

    async def read(self) -> Sequence[Chunk]:
        """See ``core.ports.Reply``."""
        if self._first:
            first, self._first = self._first, []
            return first
        assert self._reply is not None
        try:
            async with asyncio.timeout(self._patience.idle_s):
                return await self._reply.read()
        except TimeoutError:
            raise Failure(Kind.TIMEOUT, "The model fell silent in the middle.") from None

    async def _try(self, model: Model) -> None:
        """Open one candidate and read until there is enough to commit to it.

        A stream is committed to with its first content. Of an answer that is sent whole the caller
        sees nothing before its end, so until then another candidate may take over.
        """
        self._first = []
        call = _adapted(self._call, model)
        context = model.backend.open(call)
        try:
            async with asyncio.timeout(self._patience.begin_s(call)) as deadline:
                self._reply = await context.__aenter__()
                self._open = context  # only what was entered is left
                while True:
                    chunks = await self._reply.read()
                    self._first.extend(chunks)
                    if self._has_enough(chunks):
                        return
                    if not chunks or chunks[-1].finish is not None:
                        raise _without_content(self._first)
                    if call.stream and any(chunk.reasoning for chunk in chunks):  # it thinks
                        loop = asyncio.get_running_loop()
                        deadline.reschedule(loop.time() + self._patience.idle_s)
        except TimeoutError:
            raise Failure(Kind.TIMEOUT, "The model did not answer in time.") from None

    def _has_enough(self, chunks: Sequence[Chunk]) -> bool:
        """Whether what has just come, after what was there, is enough to commit."""
        if not self._call.stream and not (chunks and chunks[-1].finish is not None):
            return False
        return any(chunk.has_content for chunk in (chunks if self._call.stream else self._first))

    async def _close(self, error: BaseException | None) -> None:
        context, self._open, self._reply = self._open, None, None
        if context is not None:
            await context.__aexit__(type(error) if error else None, error, None)


def _without_content(chunks: Sequence[Chunk]) -> Failure:
    if any(chunk.finish == "content_filter" for chunk in chunks):
        return Failure(Kind.FILTERED, "The provider's content filter refused this.")
    return Failure(Kind.EMPTY, "The model gave an empty answer.")


def _adapted(call: Call, model: Model) -> Call:
    """The call as this model should get it: its own cap, an allowance for hidden thought."""
    cap = call.output_tokens
    if model.max_output_tokens is not None:
        cap = model.max_output_tokens if cap is None else min(cap, model.max_output_tokens)
    if model.hidden_tokens is None:
        return call if cap == call.output_tokens else call.capped(cap or 1)
    cap = None if cap is None else cap + model.hidden_tokens
    effort = {"reasoning_effort": "low"} | dict(call.parameters)
    return call._replace(output_tokens=cap, parameters=effort)
