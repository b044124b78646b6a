"""The right to ask once: taken at admission, kept alive while it is used, given back once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ledger import BEAT_MS, Admitted, Ask, Denied, Level, Subject
from scalix_free.core.ports import Ledger


class Grant:
    """One request's admission, from the moment it is asked for.

    Once admitted it is kept alive, and ends in exactly one of ``settle`` and ``refund``; refunding
    what was not admitted does nothing. ``spent`` says, whenever it is asked, how many tokens the
    request has taken so far; the store hears it with every beat, so that a crash leaves the last
    known charge.
    """

    def __init__(
        self,
        ledger: Ledger,
        subjects: tuple[Subject, ...],
        rid: bytes,
        *,
        spent: Callable[[], int],
    ) -> None:
        self._ledger = ledger
        self._subjects = subjects
        self._rid = rid
        self._spent = spent
        self._timer: asyncio.TimerHandle | None = None
        self._beating: asyncio.Task[None] | None = None

    async def take(self, ask: Ask) -> Admitted | Denied:
        """Ask for it."""
        verdict = await self._ledger.admit(ask)
        if isinstance(verdict, Admitted):
            self._beat_later()
        return verdict

    async def settle(self, tokens: int, *, counts: bool = True) -> Sequence[Level]:
        """Close at the real price; ``counts=False`` gives the request back and keeps the tokens."""
        self._stop()
        subjects = self._subjects[:1] if counts else self._subjects
        return await self._ledger.settle(subjects, self._rid, tokens, counts=counts)

    async def refund(self) -> Sequence[Level]:
        """Give everything back."""
        self._stop()
        return await self._ledger.refund(self._subjects, self._rid)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _beat_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(BEAT_MS / 1000, self._beat)

    def _beat(self) -> None:
        self._beat_later()
        self._beating = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        # The next beat tries again; two may fail before the lease passes.
        with contextlib.suppress(StoreUnavailable):
            await self._ledger.beat(self._subjects[0], self._rid, self._spent())
