"""Which models somebody has had bad experiences with: those come last for them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MOST_AVOIDED: Final = 8
"""Whoever dislikes more than that dislikes them all."""

NOTHING: Final[frozenset[str]] = frozenset()


class Preferences:
    """Bad experiences by caller, for ``ttl_ms`` after the last; the oldest are forgotten first."""

    def __init__(self, ttl_ms: int, max_size: int) -> None:
        self._ttl_ms = ttl_ms
        self._max_size = max_size
        self._avoided: OrderedDict[bytes, tuple[int, tuple[str, ...]]] = OrderedDict()

    def avoid(self, owner: bytes, model_id: str, now_ms: int) -> None:
        """Note a bad experience."""
        _, before = self._avoided.pop(owner, (0, ()))
        kept = [model_id, *(known for known in before if known != model_id)]
        self._avoided[owner] = (now_ms + self._ttl_ms, tuple(kept[:MOST_AVOIDED]))
        if len(self._avoided) > self._max_size:
            self._avoided.popitem(last=False)

    def forgive(self, owner: bytes, model_id: str) -> None:
        """Note a good one with a model that was avoided."""
        if owner in self._avoided:
            until_ms, before = self._avoided[owner]
            kept = tuple(known for known in before if known != model_id)
            self._avoided[owner] = (until_ms, kept)

    def avoided(self, owner: bytes, now_ms: int) -> frozenset[str] | None:
        """The models to ask last; None where nothing is known of this caller."""
        if not self._avoided or (found := self._avoided.get(owner)) is None:
            return None
        until_ms, models = found
        if until_ms <= now_ms:
            del self._avoided[owner]
            return None
        return frozenset(models)
