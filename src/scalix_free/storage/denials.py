"""Denials that only time can change, remembered in the process, so that the store is spared."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from scalix_free.core.ledger import Denied, Policy, Subject
from scalix_free.core.ports import Clock


class _Remembered(NamedTuple):
    """A denial, under which limits, and between which times of the own clock it holds."""

    denied: Denied
    policy: Policy
    from_ms: int
    until_ms: int


class Denials:
    """The denials of at most so many callers, each until it is over or forgotten."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._by_key: OrderedDict[bytes, _Remembered] = OrderedDict()

    def remember(self, subject: Subject, denied: Denied) -> None:
        """Keep a denial if it lasts. What it says of the other limits has to stay true as well."""
        if not denied.lasting or denied.retry_ms is None:
            return
        resets = [at for level in denied.levels if (at := level.resets_at_ms) is not None]
        lasts_ms = min(denied.retry_ms, *(at - denied.now_ms for at in resets))
        now_ms = self._clock()
        self._by_key[subject.key] = _Remembered(denied, subject.policy, now_ms, now_ms + lasts_ms)
        while len(self._by_key) > self._most:
            self._by_key.popitem(last=False)

    def find(self, subject: Subject) -> Denied | None:
        """The denial of this caller as it is now."""
        remembered = self._by_key.get(subject.key)
        if remembered is None:
            return None
        denied, policy, from_ms, until_ms = remembered
        now_ms = self._clock()
        if policy is not subject.policy or not from_ms <= now_ms < until_ms:
            del self._by_key[subject.key]
            return None
        assert denied.retry_ms is not None
        passed_ms = now_ms - from_ms
        return denied._replace(
            retry_ms=denied.retry_ms - passed_ms, now_ms=denied.now_ms + passed_ms
        )

    def forget(self, key: bytes) -> None:
        """Something has changed for this caller."""
        self._by_key.pop(key, None)

    def clear(self) -> None:
        """Forget all of them."""
        self._by_key.clear()
