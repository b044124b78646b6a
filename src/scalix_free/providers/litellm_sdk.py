"""Any provider that LiteLLM knows, by its SDK: an optional extra, loaded when it is used.

What LiteLLM makes of an answer is checked against what came over the wire (``witness``): its
classes of exceptions mislead, and what it cannot read it passes over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol

from scalix_free.core.budget import Finding
from scalix_free.core.chat import Call, Chunk, Usage
from scalix_free.core.errors import Failure, Kind
from scalix_free.core.ports import Clock
from scalix_free.providers.failures import WORDS, dialect_of, failure_of
from scalix_free.providers.labels import labels
from scalix_free.providers.witness import Witness

log = logging.getLogger(__name__)

AFTER_FINISH_S: Final = 1.0
"""How long usage and the end are waited for once the answer is complete."""

ENVIRONMENT: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",
}
"""What keeps its import from asking the network, and from reading a file of variables."""

OF_THE_MODEL: Final = frozenset((400, 404, 422))
"""Statuses by which LiteLLM itself says that a model has no such parameter, or is none."""


class Asked(Protocol):
    """An answer on its way through LiteLLM."""

    @property
    def finished(self) -> bool:
        """Whether the provider gave a finish reason, as LiteLLM knows of some providers."""
        ...

    @property
    def usage(self) -> Usage | None:
        """What the provider counted, as far as LiteLLM knows."""
        ...

    async def read(self) -> Chunk | None:
        """The next piece; of an answer that is not streamed all of it. None at the end."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


class Library(Protocol):
    """LiteLLM, as far as it is used here. Raises whatever it likes."""

    async def ask(self, question: Mapping[str, object], witness: Witness) -> Asked:
        """Put a question, by the names of ``litellm.acompletion``; the witness sees it put."""
        ...

    def complaint(self, error: Exception) -> tuple[int | None, bool]:
        """The status that an exception of its has, and whether it means that time was up."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


LOGGERS: Final = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
"""They write prompts, where a variable of the environment tells them to."""
CLIENTS: Final = ("httpx", "httpcore", "openai")
"""They write addresses and bodies below a warning."""


def load() -> Library:
    """LiteLLM, ready for its first call: some six seconds and 190 MB."""
    os.environ.update(ENVIRONMENT)
    for name in LOGGERS:
        logging.getLogger(name).disabled = True
    # Heavy, and optional: whoever does not use it neither waits for it nor has it.
    from scalix_free.providers import litellm_door  # noqa: PLC0415

    for name in CLIENTS:
        logging.getLogger(name).setLevel(logging.WARNING)
    litellm_door.be_quiet()
    litellm_door.open_door()
    asyncio.run(litellm_door.warm_up())
    return litellm_door.LiteLLM()


class Sdk:
    """LiteLLM in one worker process: loaded once, beside the loop. Whoever makes it closes it."""

    def __init__(self, load: Callable[[], Library] = load) -> None:
        self._load = load
        self._loaded: asyncio.Future[Library] | None = None

    def begin(self) -> asyncio.Future[Library]:
        """Load it in the background, unless that has begun."""
        if self._loaded is None:
            loop = asyncio.get_running_loop()
            self._loaded = loop.create_future()
            work = (loop, self._loaded)
            # One that nobody waits for: a service that is stopped meanwhile ends at once.
            threading.Thread(target=self._run, args=work, name="litellm", daemon=True).start()
        return self._loaded

    async def library(self) -> Library:
        """LiteLLM, as soon as it is there. Raises ``Failure`` where it cannot be loaded."""
        try:
            return await asyncio.shield(self.begin())
        except Exception as error:
            raise Failure(Kind.BROKEN, WORDS[Kind.BROKEN]) from error

    async def close(self) -> None:
        """Close its connections, if it has been loaded."""
        loaded = self._loaded
        if loaded is not None and loaded.done() and loaded.exception() is None:
            await loaded.result().close()

    def _run(self, loop: asyncio.AbstractEventLoop, loaded: asyncio.Future[Library]) -> None:
        library: Library | None = None
        try:
            library = self._load()
        except Exception as error:
            log.exception("LiteLLM cannot be loaded")
            failure: Exception = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            if library is not None:
                loop.call_soon_threadsafe(loaded.set_result, library)
            else:
                loop.call_soon_threadsafe(loaded.set_exception, failure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A model by LiteLLM's name of it. ``api_base`` is another address than LiteLLM's own.

    ``provider`` is the catalogue's name of whoever answers; it says how limits are told.
    """

    model: str
    api_base: str = ""
    api_key: str = ""
    provider: str = ""


class LiteLLMSdk:
    """A ``Backend`` for one model."""

    def __init__(self, sdk: Sdk, deployment: Deployment, clock: Clock) -> None:
        self.sdk = sdk
        self._clock = clock
        self._dialect = dialect_of(deployment.provider)
        self._has_complained = False
        self._is_proxy = deployment.model.startswith("litellm_proxy/")
        self._always: dict[str, object] = {
            "model": deployment.model,
            "max_retries": 0,
            "num_retries": 0,
            "drop_params": True,
        }
        if deployment.api_base:
            self._always["api_base"] = deployment.api_base
        if deployment.api_key:
            self._always["api_key"] = deployment.api_key

    def open(self, call: Call) -> _Exchange:
        """Ask; leaving the context closes the connection."""
        return _Exchange(self, call, Witness(self._clock, self._dialect))

    def question(self, call: Call) -> Mapping[str, object]:
        """The call by the names of ``litellm.acompletion``.

        ``user`` and ``metadata`` are for an operator's logs and budgets in LiteLLM.
        """
        question = {**self._always, **call.parameters, "messages": call.messages}
        if call.stream:
            question |= {"stream": True, "stream_options": {"include_usage": True}}
        if call.output_tokens is not None:
            question["max_tokens"] = call.output_tokens
        question |= labels(call)
        if self._is_proxy:  # LiteLLM keeps metadata to itself, but this is for its own proxy
            # Made anew: LiteLLM writes into what it is given.
            question["extra_body"] = {"metadata": labels(call)["metadata"]}
        return question

    def complaint(self, status: int | None, text: str) -> Failure:
        """What it means that LiteLLM does not take a call that has not been sent to anybody."""
        if not self._has_complained:
            self._has_complained = True
            log.warning("LiteLLM does not take a call of %s (%s)", self._always["model"], status)
        if status is None or status in OF_THE_MODEL:
            # Of this request alone: another model may do what it asks for.
            return Failure(Kind.GONE, WORDS[Kind.GONE])
        return failure_of(status, {}, text.encode(), self._clock(), self._dialect)


class _Exchange:
    """One question and its answer.

    A stream is read by a task of its own: LiteLLM's cannot be read on once a read was cancelled.
    """

    def __init__(self, backend: LiteLLMSdk, call: Call, witness: Witness) -> None:
        self._backend = backend
        self._call = call
        self._witness = witness
        self._asked: Asked | None = None
        self._reading: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()
        self._ready: list[Chunk] = []
        self._calls_tools = False
        self._finish: Chunk | None = None
        self._failure: Failure | None = None
        self._over = False
        self._ended = False
        self.answered_by = ""
        self.attempts = 1
        self.findings: Sequence[Finding] = ()

    async def __aenter__(self) -> _Exchange:
        library = await self._backend.sdk.library()
        try:
            await self._ask(library)
            self.findings = self._witness.findings
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.cancel()
            await asyncio.wait((self._reading,))
        with contextlib.suppress(Exception):  # it is left: how LiteLLM takes it is of no interest
            if self._asked is not None:
                await self._asked.close()
            await self._witness.close()

    async def read(self) -> Sequence[Chunk]:
        """See ``core.ports.Reply``. The finish comes last, and with the usage if there is one."""
        while not self._ready and not self._ended:
            if self._finish is not None:
                await self._await_end()
            elif self._failure is not None:
                raise self._failure
            else:
                await self._arrived.wait()
                self._arrived.clear()
        ready, self._ready = self._ready, []
        if self._ended and self._finish is not None:
            ready.append(self._finish)
            self._finish = None
        return ready

    async def _await_end(self) -> None:
        """The answer is complete: wait a moment for usage and the end, forgive the rest."""
        assert self._finish is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AFTER_FINISH_S):
                while not self._over:
                    await self._arrived.wait()
                    self._arrived.clear()
        self._finish.usage = self._usage()
        self._ended = True

    @property
    def _is_finished(self) -> bool:
        """Whether the provider gave a finish reason: LiteLLM gives one in any case."""
        if self._witness.is_openai or self._asked is None:
            return self._witness.finished
        return self._witness.finished or self._asked.finished

    def _usage(self) -> Usage | None:
        """The provider's: LiteLLM makes one up where there is none."""
        if self._witness.is_openai or self._asked is None:
            return self._witness.usage
        return self._asked.usage

    # ── From LiteLLM ────────────────────────────────────────────────────────────────────────

    async def _ask(self, library: Library) -> None:
        try:
            question = self._backend.question(self._call)
            self._asked = asked = await library.ask(question, self._witness)
            if self._call.stream:
                self._reading = asyncio.create_task(self._read_on(library, asked))
            else:
                self._take_whole(await asked.read())
        except Exception as error:
            if self._witness.failure is not None or self._witness.whole is None:
                raise self._failure_of(library, error) from error
            self._take_whole(self._witness.whole)  # LiteLLM stumbles over details of good answers

    def _take_whole(self, chunk: Chunk | None) -> None:
        if self._witness.failure is not None:
            raise self._witness.failure
        if chunk is not None:
            for at, tool in enumerate(chunk.tools):
                tool.index = at
            self._add(chunk)
        if self._finish is None:
            raise Failure(Kind.BROKEN, "The model's server sent no answer.")
        self._finish.usage = self._usage()
        self._ended = True

    async def _read_on(self, library: Library, asked: Asked) -> None:
        try:
            while (piece := await asked.read()) is not None:
                if self._witness.failure is not None:
                    raise self._witness.failure
                if self._finish is None:
                    self._add(piece)
                self._arrived.set()
            if self._finish is None:
                raise Failure(Kind.BROKEN, "The model's answer stopped before its end.")
        except Exception as error:
            self._failure = self._failure_of(library, error)
        finally:
            self._over = True
            self._arrived.set()

    def _add(self, chunk: Chunk) -> None:
        """Queue what was said; hold the finish, which has to come last."""
        self._calls_tools = self._calls_tools or bool(chunk.tools)
        if chunk.finish is not None:
            if not self._is_finished:
                raise Failure(Kind.BROKEN, "The model's answer stopped before its end.")
            calls_tools = chunk.finish == "stop" and self._calls_tools
            self._finish = Chunk(finish="tool_calls" if calls_tools else chunk.finish)
            chunk.finish = None
        if chunk.reasoning or chunk.has_content:
            self._ready.append(chunk)

    def _failure_of(self, library: Library, error: Exception) -> Failure:
        """What an exception means. What came over the wire counts, before what LiteLLM calls it."""
        if isinstance(error, Failure):
            return error
        if self._witness.failure is not None:
            return self._witness.failure
        status, is_late = library.complaint(error)
        if is_late:
            return Failure(Kind.TIMEOUT, WORDS[Kind.TIMEOUT])
        if self._witness.status is not None:
            return Failure(Kind.BROKEN, "The model's answer was cut off.")
        if self._witness.has_asked:
            return Failure(Kind.UNREACHABLE, "The model's server cannot be reached.")
        return self._backend.complaint(status, str(error))
