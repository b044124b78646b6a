"""Who stands behind a peer: itself, or whom a trusted proxy names."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from scalix_free.identity.address import Network, honest_address, is_trusted
from scalix_free.identity.identify import KNOWN_ADDRESSES

log = logging.getLogger(__name__)

MOST_FORWARDED_CHARS: Final = 500
"""What strangers write is remembered only where it is as short as it should be."""


class Peers:
    """Remembers the addresses behind peers, and warns once of a proxy that nobody has named."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = trusted
        self._known = lru_cache(KNOWN_ADDRESSES)(self._told)
        self._has_warned = False

    def honest(self, peer: str, forwarded: str) -> str:
        """The caller's address; ``forwarded`` is all of ``X-Forwarded-For`` in one line."""
        is_short = len(forwarded) <= MOST_FORWARDED_CHARS
        return (self._known if is_short else self._told)(peer, forwarded)

    def _told(self, peer: str, forwarded: str) -> str:
        if forwarded and not self._has_warned and not is_trusted(peer, self._trusted):
            self._has_warned = True
            log.warning(
                "requests carry X-Forwarded-For, but come from a peer that is not trusted: their "
                "address counts as the caller's. If it is your proxy, name it in "
                "server.trusted_proxies."
            )
        return honest_address(peer, forwarded, self._trusted)
