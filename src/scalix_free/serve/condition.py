"""How the service does, from what became of real requests. Nothing is asked for the sake of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from scalix_free.core.clock import HOUR_MS
from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.outcome import Ended
from scalix_free.core.ports import Clock, Traffic
from scalix_free.routing.catalogue import Catalogue

DAY_HOURS: Final = 24
MONTH_HOURS: Final = 30 * DAY_HOURS
GOOD: Final = 0.99
"""The part that has to be answered; the plan's target is more than 99 %."""
INCIDENT: Final = 0.9
"""An hour in which less was answered is told as an incident."""
LOOKED_MS: Final = 60_000
"""For how long one look at the log is good: it counts a month."""
AWAY_MS: Final = 5_000
"""For how long a log that did not answer is left alone, so that pages do not wait for it."""

State: TypeAlias = Literal["good", "degraded", "down", "quiet", "no data"]
"""That of the last two hours: ``quiet`` where nobody asked in them, ``no data`` where nobody did
in a month."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many requests were answered, and how many failed; what callers did wrong is neither."""

    answered: int = 0
    failed: int = 0

    @property
    def asked(self) -> int:
        """Both together."""
        return self.answered + self.failed

    @property
    def ratio(self) -> float | None:
        """The part that was answered; None where nobody asked."""
        return self.answered / self.asked if self.asked else None


@dataclass(frozen=True, slots=True)
class Family:
    """Models of one name, whoever runs them. Their share is of answers that had begun."""

    name: str
    models: tuple[str, ...]
    day: Share
    month: Share


@dataclass(frozen=True, slots=True)
class Incident:
    """Hours in a row in which many requests failed. Milliseconds since the epoch."""

    from_ms: int
    until_ms: int
    share: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is known. ``hours`` are the last 24 with their beginnings, the present one last."""

    state: State
    day: Share
    month: Share
    hours: Sequence[tuple[int, Share]]
    families: Sequence[Family]
    incidents: Sequence[Incident]
    at_ms: int


class Conditions:
    """Looks at the log, at most once a minute: one look serves all who ask meanwhile."""

    def __init__(self, traffic: Traffic, catalogue: Catalogue, clock: Clock) -> None:
        self._traffic = traffic
        self._catalogue = catalogue
        self._clock = clock
        self._looking = asyncio.Lock()
        self._looked_ms: int | None = None
        self._found: Condition | None = None

    async def now(self) -> Condition | None:
        """How the service does; None while the log does not answer."""
        async with self._looking:
            now_ms = self._clock()
            good_ms = LOOKED_MS if self._found else AWAY_MS
            if self._looked_ms is None or not 0 <= now_ms - self._looked_ms < good_ms:
                self._found = await self._look(now_ms)
                self._looked_ms = self._clock()
            return self._found

    async def _look(self, now_ms: int) -> Condition | None:
        since_ms = (now_ms // HOUR_MS - MONTH_HOURS + 1) * HOUR_MS
        try:
            found = await self._traffic.ended(since_ms)
        except StoreUnavailable:
            return None
        return judge(found, [model.id for model in self._catalogue], now_ms)


def judge(ended: Sequence[Ended], models: Sequence[str], now_ms: int) -> Condition:
    """What follows from how the requests of a month ended, and from the models that there are."""
    this_hour = now_ms // HOUR_MS
    first = (this_hour - DAY_HOURS + 1) * HOUR_MS
    hours = [
        (at_ms, _share(one for one in ended if one.hour_ms == at_ms))
        for at_ms in range(first, (this_hour + 1) * HOUR_MS, HOUR_MS)
    ]
    lately = _share(one for one in ended if one.hour_ms >= (this_hour - 1) * HOUR_MS)
    return Condition(
        state=_state(lately, _share(ended), models),
        day=_share(one for one in ended if one.hour_ms >= first),
        month=_share(ended),
        hours=hours,
        families=list(_families(ended, models, first)),
        incidents=list(_incidents(ended))[::-1],
        at_ms=now_ms,
    )


def family_of(model_id: str) -> str:
    """The name that models have in common: of ``groq/llama-3.3-70b`` it is ``llama``."""
    name = model_id.rpartition("/")[2].lower()
    found = re.match(r"[a-z]+", name)
    return found[0] if found else name


def _state(lately: Share, month: Share, models: Sequence[str]) -> State:
    if not models:
        return "down"
    if lately.ratio is None:
        return "quiet" if month.asked else "no data"
    if not lately.answered:
        return "down"
    return "good" if lately.ratio >= GOOD else "degraded"


def _share(ended: Iterable[Ended]) -> Share:
    answered = failed = 0
    for one in ended:
        answered += one.answered
        failed += one.failed
    return Share(answered, failed)


def _families(ended: Sequence[Ended], models: Sequence[str], since_ms: int) -> Iterable[Family]:
    answering = {one.model for one in ended if one.model is not None}
    names = sorted({family_of(model) for model in (*models, *answering)})
    for name in names:
        of = [one for one in ended if one.model is not None and family_of(one.model) == name]
        yield Family(
            name=name,
            models=tuple(model for model in models if family_of(model) == name),
            day=_share(one for one in of if one.hour_ms >= since_ms),
            month=_share(of),
        )


def _incidents(ended: Sequence[Ended]) -> Iterable[Incident]:
    """Bad hours, those in a row as one, oldest first."""
    found: list[Incident] = []
    for at_ms in sorted({one.hour_ms for one in ended}):
        share = _share(one for one in ended if one.hour_ms == at_ms)
        if share.ratio is None or share.ratio >= INCIDENT:
            continue
        if found and found[-1].until_ms == at_ms:
            last = found.pop()
            share = Share(last.share.answered + share.answered, last.share.failed + share.failed)
            found.append(Incident(last.from_ms, at_ms + HOUR_MS, share))
        else:
            found.append(Incident(at_ms, at_ms + HOUR_MS, share))
    return found
