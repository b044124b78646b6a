"""Where callers wait while every model that could answer them has nothing left for a moment.

Each class has its share of the turns; within a class the least served goes first, by how much of
their own limits they have used, then by arrival. One at a time tries, so that what was freed goes
to whoever is first; who tried in vain waits until the moment that its budgets named, or until a
call of this process ends. Nobody waits here for longer than a few seconds: what is not free by then
is refused with the exact time.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from scalix_free.routing.claim import Claim
from scalix_free.routing.shares import Shares

MOST_WAITING: Final = 64
MOST_OF_OWNER: Final = 2
MOST_OF_ADDRESS: Final = 4
UNKNOWN_S: Final = 0.5
"""How often is tried where nobody can know when something will be free."""


@dataclass(slots=True, eq=False)
class Place:
    """One caller's place. ``due`` is the loop's time at which it is worth trying."""

    arrival: int
    claim: Claim
    due: float
    called: asyncio.Future[bool] = field(repr=False)


class Queue:
    """The places of one process. Bounded in all, for one caller and for one address."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._places: list[Place] = []
        self._shares = Shares()
        self._owners: Counter[bytes] = Counter()
        self._addresses: Counter[bytes] = Counter()
        self._arrivals = itertools.count()
        self._trying: Place | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._served_at: float | None = None
        self._pace_s = 0.0

    def __len__(self) -> int:
        return len(self._places)

    def is_before(self, claim: Claim) -> bool:
        """Whether somebody waits who goes before a newcomer and could be served now."""
        if not self._places:
            return False
        now = asyncio.get_running_loop().time()
        newcomer = self._place(claim, now)
        for place in self._ordered(newcomer):
            if place is newcomer:
                return False
            if place.due <= now or place is self._trying:
                return True
        return False

    def join(self, claim: Claim, due: float) -> Place | None:
        """Take a place; None where there is none. Whoever is last gives way to the better."""
        if self._owners[claim.owner] >= MOST_OF_OWNER:
            return None
        if self._addresses[claim.address] >= MOST_OF_ADDRESS:
            return None
        place = self._place(claim, due)
        if len(self._places) >= self._most:
            last = self._ordered(place)[-1]
            if last is place:
                return None
            self._drop(last)
        self._shares.enter(claim.order)
        self._places.append(place)
        self._owners[claim.owner] += 1
        self._addresses[claim.address] += 1
        self._call_next()
        return place

    async def turn(self, place: Place, until: float) -> bool:
        """Wait for this place's turn to try; False where it was lost, or ``until`` has passed.

        Whoever has had a turn ends it with ``again`` or ``leave``.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(max(until - loop.time(), 0)):
                return await asyncio.shield(place.called)
        except TimeoutError:
            return place is self._trying

    def again(self, place: Place, due: float) -> None:
        """It was in vain: wait again. What is not due before does not try behind it either."""
        place.due = due
        place.called = asyncio.get_running_loop().create_future()
        if place not in self._places:  # somebody better came meanwhile
            place.called.set_result(False)
        self._trying = None
        self._call_next()

    def leave(self, place: Place) -> None:
        """Give up the place, served or not; the next may try. Leaving twice does nothing."""
        if place in self._places:
            self._drop(place)
        if self._trying is place:
            self._trying = None
            self._shares.charge(place.claim.order)
            self._note_pace()
            self._call_next()

    def freed(self) -> None:
        """Something may be free before the moment that was named: the first may try."""
        if self._places and self._trying is None:
            self._ordered()[0].due = 0.0
            self._call_next()

    def standing(self, place: Place) -> tuple[int, float] | None:
        """Which place it is, from 1, and in how many seconds it is expected to be tried.

        Not before it is due, nor before those in front have gone at the pace of the last ones. None
        where the place was lost.
        """
        if place not in self._places:
            return None
        before = self._ordered().index(place)
        wait_s = place.due - asyncio.get_running_loop().time()
        return before + 1, max(wait_s, before * self._pace_s, 0.0)

    def _place(self, claim: Claim, due: float) -> Place:
        called = asyncio.get_running_loop().create_future()
        return Place(next(self._arrivals), claim, due, called)

    def _ordered(self, *newcomers: Place) -> Sequence[Place]:
        """All places, and who would come, whose turn is next first."""
        places = sorted((*self._places, *newcomers), key=_standing_of)
        return self._shares.interleaved(places, _class_of)

    def _note_pace(self) -> None:
        """Learn how long it takes from one who goes to the next, while somebody waits."""
        now = asyncio.get_running_loop().time()
        if self._served_at is not None:
            took_s = now - self._served_at
            self._pace_s += (took_s - self._pace_s) / 4 if self._pace_s else took_s
        self._served_at = now if self._places else None

    def _drop(self, place: Place) -> None:
        self._places.remove(place)
        self._shares.leave(place.claim.order)
        for counts, key in (
            (self._owners, place.claim.owner),
            (self._addresses, place.claim.address),
        ):
            counts[key] -= 1
            if not counts[key]:
                del counts[key]
        if not place.called.done():
            place.called.set_result(False)

    def _call_next(self) -> None:
        """Let the first who is due try, or set a timer for whoever is due next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._trying is not None or not self._places:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        for place in self._ordered():
            if place.due <= now:
                self._trying = place
                place.called.set_result(True)
                return
        next_due = min(place.due for place in self._places)
        self._timer = loop.call_at(next_due, self._call_next)


def _standing_of(place: Place) -> tuple[int, int]:
    """Within a class: how much they have received, then who came first."""
    return place.claim.received, place.arrival


def _class_of(place: Place) -> int:
    return place.claim.order
