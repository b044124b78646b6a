"""One's own usage: what was charged on which day, and the last requests one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scalix_free.core import ports
from scalix_free.core.caller import Visitor
from scalix_free.core.clock import DAY_MS
from scalix_free.core.errors import Refusal, StoreUnavailable
from scalix_free.core.outcome import Day, Receipt
from scalix_free.core.standing import Standing
from scalix_free.serve.answering import STORE_AWAY, Service
from scalix_free.serve.callers import Callers

RECEIPTS: Final = 20


@dataclass(frozen=True, slots=True)
class Used:
    """What somebody used. ``days`` are all of them, oldest first, the last one today.

    ``receipts`` come newest first. Who showed no credential is an address, and ``shared`` with
    neighbours: of it there are sums only.
    """

    standing: Standing
    days: Sequence[Day]
    receipts: Sequence[Receipt]
    shared: bool


@dataclass(frozen=True, kw_only=True)
class OwnUsage:
    """What a caller can learn of their own usage."""

    callers: Callers
    service: Service
    usage_log: ports.UsageLog
    clock: ports.Clock

    async def of(self, visitor: Visitor, days: int) -> Used | Refusal:
        """The last so many UTC days, today among them. Reads, never counts."""
        caller = await self.callers.caller(visitor)
        if isinstance(caller, Refusal):
            return caller
        today = self.clock() // DAY_MS
        first = today - days + 1
        try:
            standing = await self.service.standing(caller)
            found = await self.usage_log.days(caller.subjects[0].key, first * DAY_MS)
            receipts: Sequence[Receipt] = ()
            if caller.owner is not None:
                receipts = await self.usage_log.receipts(caller.owner, most=RECEIPTS)
        except StoreUnavailable:
            return STORE_AWAY
        known = {day.day: day for day in found}
        whole = [known.get(day, Day(day, 0, 0)) for day in range(first, today + 1)]
        return Used(standing, whole, receipts, shared=caller.owner is None)
