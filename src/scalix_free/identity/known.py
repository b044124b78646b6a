"""Keys that were looked up a moment ago."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from scalix_free.core.account import ApiKey
from scalix_free.core.caller import Caller
from scalix_free.core.ports import Clock

KNOWN_MS: Final = 30_000
"""How long a key that was removed elsewhere may still work."""
MOST_KNOWN: Final = 16_384


class KnownKeys:
    """Whose keys are, by their digests, for ``KNOWN_MS``; of many, the latest used."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: OrderedDict[bytes, tuple[Caller, ApiKey, int]] = OrderedDict()

    def get(self, digest: bytes) -> Caller | None:
        """Whose key this was, if that is not too long ago."""
        found = self._found.get(digest)
        if found is None:
            return None
        caller, _, until_ms = found
        if until_ms <= self._clock():
            del self._found[digest]
            return None
        self._found.move_to_end(digest)
        return caller

    def put(self, digest: bytes, caller: Caller, key: ApiKey) -> None:
        """Remember whose key this is."""
        self._found[digest] = (caller, key, self._clock() + KNOWN_MS)
        if len(self._found) > MOST_KNOWN:
            self._found.popitem(last=False)

    def forget(self, *, account_id: str, key_id: str | None = None) -> None:
        """Know a removed key no longer, or all keys of an account."""
        for digest, (_, key, _) in list(self._found.items()):
            if key.account_id == account_id and key_id in {None, key.id}:
                del self._found[digest]
