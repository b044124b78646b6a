"""A backend that plays a script, and says afterwards what became of it."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Final, TypeAlias

from scalix_free.core.budget import Finding
from scalix_free.core.chat import Call, Chunk
from scalix_free.core.ports import Reply
from scalix_free.routing.catalogue import Model

Step: TypeAlias = Sequence[Chunk] | Chunk | BaseException | asyncio.Event | float
"""Chunks that arrive together, something raised, something waited for, a pause in seconds."""

SILENCE: Final = 3_600.0


class ScriptedBackend:
    """Plays the same steps for every call; those of ``entering`` before the context is open.

    ``findings`` are what the headers of its answers tell.
    """

    def __init__(
        self, *steps: Step, entering: Sequence[Step] = (), findings: Sequence[Finding] = ()
    ) -> None:
        self.steps = steps
        self.entering = entering
        self.findings = findings
        self.calls: list[Call] = []
        self.entered = 0
        self.left: list[BaseException | None] = []

    def open(self, call: Call) -> "ScriptedReply":
        self.calls.append(call)
        return ScriptedReply(self)

    @property
    def balanced(self) -> bool:
        """Whether every context that was entered has been left."""
        return self.entered == len(self.left)


class ScriptedReply:
    def __init__(self, backend: ScriptedBackend) -> None:
        self._backend = backend
        self._steps = list(backend.steps)
        self._open = False
        self.answered_by = "scripted"
        self.attempts = 1
        self.findings = backend.findings

    async def __aenter__(self) -> Reply:
        await self._play(list(self._backend.entering))
        self._backend.entered += 1
        self._open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._open, "left without having been entered, or twice"
        self._open = False
        self._backend.left.append(error)

    async def read(self) -> Sequence[Chunk]:
        assert self._open, "read outside of its context"
        return await self._play(self._steps)

    async def _play(self, steps: list[Step]) -> Sequence[Chunk]:
        while steps:
            step = steps[0]
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, float):
                await asyncio.sleep(step)
            steps.pop(0)  # only now: a read that is cancelled loses nothing
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, Chunk):
                return [step]
            if not isinstance(step, asyncio.Event | float):
                return step
        return ()


def model(
    name: str,
    backend: ScriptedBackend | None = None,
    *,
    priority: int = 100,
    context_tokens: int | None = None,
    max_output_tokens: int | None = None,
    abilities: Sequence[str] | None = None,
    fallbacks: Sequence[str] = (),
    hidden_tokens: int | None = None,
) -> Model:
    return Model(
        id=name,
        provider="scripted",
        backend=backend or ScriptedBackend(),
        priority=priority,
        context_tokens=context_tokens,
        max_output_tokens=max_output_tokens,
        abilities=None if abilities is None else frozenset(abilities),
        fallbacks=tuple(fallbacks),
        hidden_tokens=hidden_tokens,
    )
