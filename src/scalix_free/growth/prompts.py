"""Keeps prompts rare: each is shown once in its time, whichever worker answers.

What this worker knows to have been shown it need not ask the store for. What it has noticed of
people who would be better served by Pro it knows alone, and for a day.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, TypeVar

from scalix_free.core.caller import Caller
from scalix_free.core.chat import Call
from scalix_free.core.clock import DAY_MS
from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.funnel import Trigger
from scalix_free.core.ports import Clock, Once
from scalix_free.core.standing import Standing
from scalix_free.growth.triggers import DEPTH, Due, due, is_in_the_middle, quality_issue

MOST_KNOWN: Final = 10_000
"""People, and prompts, that one worker remembers."""


K = TypeVar("K")
V = TypeVar("V")


class Prompts:
    """Which prompt an answer carries. ``tiers`` are those to whom Pro is offered."""

    def __init__(self, once: Once, clock: Clock, tiers: Sequence[str]) -> None:
        self._once = once
        self._clock = clock
        self._tiers = frozenset(tiers)
        self._shown: OrderedDict[bytes, int] = OrderedDict()
        self._again: OrderedDict[bytes, tuple[int, int]] = OrderedDict()
        self._wanted: OrderedDict[tuple[bytes, Trigger], int] = OrderedDict()

    def due(self, caller: Caller, call: Call, standing: Standing, attempts: int) -> Sequence[Due]:
        """What a whole answer calls for and was not shown of late, as far as is known here."""
        if caller.tier.name not in self._tiers:
            return ()
        own, now_ms = caller.subjects[0].key, standing.now_ms
        regenerations = 0
        if call.fresh or own in self._again:
            regenerations = self._regenerated(own, call)
        elif attempts <= DEPTH and is_in_the_middle(standing):
            return ()
        found = due(standing, own, attempts=attempts, regenerations=regenerations)
        return [one for one in found if self._shown.get(one.key, 0) <= now_ms]

    async def first_of(self, due: Sequence[Due]) -> Trigger | None:
        """The first of them that was not shown yet: from now on it was."""
        now_ms = self._clock()
        for one in due:
            if one.trigger is Trigger.QUALITY_ISSUE:
                _remember(self._wanted, (one.key, Trigger.QUALITY_UPGRADE), now_ms + DAY_MS)
            try:
                is_first = await self._once.claim(b"prompt:" + one.key, now_ms + one.for_ms)
            except StoreUnavailable:  # rather too few than too many
                return None
            _remember(self._shown, one.key, now_ms + one.for_ms)
            if is_first:
                return one.trigger
        return None

    async def disliked(self, caller: Caller) -> Trigger | None:
        """The prompt of somebody who rated an answer as bad."""
        if caller.tier.name not in self._tiers:
            return None
        return await self.first_of([quality_issue(caller.subjects[0].key)])

    def want_feature(self, caller: Caller) -> None:
        """Note that somebody tried what only Pro has."""
        key = (caller.subjects[0].key, Trigger.FEATURE_UPGRADE)
        _remember(self._wanted, key, self._clock() + DAY_MS)

    def wants(self, caller: Caller) -> Trigger | None:
        """What Pro would give somebody, by what they tried or met with in the last day."""
        own, now_ms = caller.subjects[0].key, self._clock()
        for key, trigger in (
            (quality_issue(own).key, Trigger.QUALITY_UPGRADE),
            (own, Trigger.FEATURE_UPGRADE),
        ):
            if self._wanted.get((key, trigger), 0) > now_ms:
                return trigger
        return None

    def _regenerated(self, own: bytes, call: Call) -> int:
        """How many times in a row the same question was asked for another answer."""
        asked, times = self._again.pop(own, (0, 0))
        if not call.fresh:
            return 0
        digest = hash(call.newest_text)
        times = times + 1 if digest == asked else 1
        _remember(self._again, own, (digest, times))
        return times


def _remember(known: OrderedDict[K, V], key: K, value: V) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > MOST_KNOWN:
        known.popitem(last=False)
