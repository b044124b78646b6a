"""Which models somebody has had bad experiences with: those come last for them.

A Listener: who was let down by a model (see ``core.outcome``) is steered away from it, and so is
who said that an answer was bad. Of what is known of one model the newest counts, in whatever order
it is heard.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeAlias

from scalix_free.core.outcome import Outcome
from scalix_free.core.rating import Opinion

MOST_AVOIDED: Final = 8
"""Whoever dislikes more than that dislikes them all."""

Notice: TypeAlias = Callable[[bool], None]


class Preferences:
    """Bad experiences by caller, for ``ttl_ms`` after the last; the oldest are forgotten first.

    ``notice`` hears of each caller who is asked for whether anything was known of them.
    """

    def __init__(self, ttl_ms: int, max_size: int, *, notice: Notice = lambda known: None) -> None:
        self._ttl_ms = ttl_ms
        self._max_size = max_size
        self._notice = notice
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    # ── Learning ────────────────────────────────────────────────────────────────────────────

    def hear(self, outcome: Outcome) -> None:
        """Note by whom a caller was let down."""
        for model_id in outcome.let_down:
            ended_ms = outcome.at_ms + int(outcome.total_ms)
            self.avoid(outcome.subjects[0].key, model_id, ended_ms)

    def learn(self, opinions: Iterable[Opinion], now_ms: int) -> None:
        """Note what people said, oldest first; what was noted before changes nothing."""
        for caller, model_id, rating, at_ms in opinions:
            if at_ms + self._ttl_ms <= now_ms:
                continue
            if rating < 0:
                self.avoid(caller, model_id, at_ms)
            else:
                self.forgive(caller, model_id, at_ms)

    def avoid(self, owner: bytes, model_id: str, at_ms: int) -> None:
        """Note a bad experience."""
        known = self._known.get(owner)
        moments = {} if known is None else known.moments
        if at_ms <= moments.get(model_id, -1):
            return
        moments[model_id] = at_ms
        if len(moments) > MOST_AVOIDED:
            del moments[min(moments, key=lambda avoided: moments[avoided])]
        until_ms = max(at_ms + self._ttl_ms, 0 if known is None else known.until_ms)
        self._known[owner] = _Known(until_ms, moments)
        self._known.move_to_end(owner)
        if len(self._known) > self._max_size:
            self._known.popitem(last=False)

    def forgive(self, owner: bytes, model_id: str, at_ms: int) -> None:
        """Note a good one with a model that was avoided."""
        known = self._known.get(owner)
        if known is not None and known.moments.get(model_id, at_ms) < at_ms:
            del known.moments[model_id]

    # ── Asking ──────────────────────────────────────────────────────────────────────────────

    def avoided(self, owner: bytes, now_ms: int) -> frozenset[str] | None:
        """The models to ask last; None where nothing is known of this caller."""
        known = self._known.get(owner)
        if known is not None and known.until_ms <= now_ms:
            del self._known[owner]
            known = None
        self._notice(known is not None)
        return None if known is None else frozenset(known.moments)

    def is_let_down(self, owner: bytes, now_ms: int) -> bool:
        """Whether somebody has had a bad experience of late."""
        known = self._known.get(owner)
        return known is not None and known.until_ms > now_ms and bool(known.moments)


class _Known(NamedTuple):
    """Models by the moment of the last bad experience with them, and until when that counts."""

    until_ms: int
    moments: dict[str, int]
