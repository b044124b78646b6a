"""All we need from the world, on one page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from scalix_free.core.chat import Call, Chunk
from scalix_free.core.ledger import Admitted, Ask, Denied, Level, Subject
from scalix_free.core.outcome import Outcome

Clock: TypeAlias = Callable[[], int]
"""Milliseconds since the epoch."""


class Reply(Protocol):
    """An answer on its way. Belongs to the context that gave it."""

    answered_by: str
    attempts: int

    async def read(self) -> Sequence[Chunk]:
        """The chunks that have arrived, at least one; none once the answer is whole.

        Raises ``Failure`` when it cannot become whole.
        """
        ...


class Backend(Protocol):
    """Anything that answers a call: provider, router, cache, budget, a test's script."""

    def open(self, call: Call) -> AbstractAsyncContextManager[Reply]:
        """Begin to answer. Entering raises ``Failure``; leaving closes what was opened."""
        ...


class Ledger(Protocol):
    """People's limits, kept. All of it raises ``StoreUnavailable``.

    Every method is one atomic act; the arithmetic is ``core.ledger``.
    """

    async def admit(self, ask: Ask) -> Admitted | Denied:
        """Judge all limits of a request at once; nothing is written on a denial."""
        ...

    async def settle(
        self, subjects: Sequence[Subject], rid: bytes, tokens: int, *, counts: bool = True
    ) -> tuple[Level, ...]:
        """Close a request at its real price and say how far the caller's own limits are used."""
        ...

    async def beat(self, subject: Subject, rid: bytes, spent: int) -> None:
        """Renew the lease of a running request; ``spent`` is its tokens so far."""
        ...

    async def refund(self, subjects: Sequence[Subject], rid: bytes) -> tuple[Level, ...]:
        """Undo an admission."""
        ...

    async def peek(self, subject: Subject) -> tuple[Level, ...]:
        """How far a subject's limits are used; writes nothing."""
        ...


class Listener(Protocol):
    """Whoever wants to know how requests end. Must not block."""

    def hear(self, outcome: Outcome) -> None:
        """Take note of one ended request."""
        ...
