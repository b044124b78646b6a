"""Proof of work: what a new identity costs, and puzzles whose solution pays for it.

The one file that knows ALTCHA. A puzzle names its counter beforehand (ALTCHA's fixed-counter mode):
the work has bounds, and a solution is checked by two HMACs, without deriving a key.
"""

from __future__ import annotations

import binascii
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from altcha import Payload, create_challenge, verify_solution

from scalix_free.core.ports import Clock
from scalix_free.identity.keyring import Keyring

Mode = Literal["auto", "always", "never"]

FREE_IDENTITIES: Final = 2
"""Of an address in a day, where the mode is ``auto``."""
MOST_DOUBLINGS: Final = 20
"""Past this a price would leave the counter's range; it takes hours long before."""

ALGORITHM: Final = "PBKDF2/SHA-256"
COST: Final = 1_000
"""Rounds a try takes. Making a puzzle takes as many, here; see docs/decisions/0013."""
BASE_TRIES: Final = 500
"""At the base price a solution is found after as many tries, or at most twice as many."""
LIFETIME_S: Final = 300
MOST_PAYLOAD_CHARS: Final = 4_096

Challenge = Mapping[str, object]
"""A puzzle as ALTCHA's widgets read it."""


def price(
    mode: Mode,
    *,
    of_address: int,
    of_network: int,
    address_most: int | None,
    network_most: int | None,
) -> int | None:
    """What an identity costs: how often the base price is doubled, None where it is free.

    It is the ``of_address``-th of its address and the ``of_network``-th of its network within a
    day. Past the figures of either the price doubles with each one more.
    """
    if mode == "never":
        return None
    past = max(_past(of_address, address_most), _past(of_network, network_most))
    if mode == "auto" and of_address <= FREE_IDENTITIES and not past:
        return None
    return min(past, MOST_DOUBLINGS)


def _past(nth: int, most: int | None) -> int:
    return 0 if most is None else max(0, nth - most)


@dataclass(frozen=True, slots=True)
class Solved:
    """A puzzle that was solved. Good once: ``nonce`` is to be claimed until ``expires_ms``."""

    nonce: bytes
    expires_ms: int


class Puzzles:
    """Sets puzzles and checks their solutions; remembers nothing."""

    def __init__(
        self, keyring: Keyring, clock: Clock, *, below: Callable[[int], int] = secrets.randbelow
    ) -> None:
        self._clock = clock
        self._below = below
        self._keyring = keyring

    def set(self, action: str, bucket: bytes, doublings: int) -> Challenge:
        """A puzzle for one action of one address, at a price."""
        tries = BASE_TRIES << doublings
        challenge = create_challenge(
            ALGORITHM,
            COST,
            counter=tries + self._below(tries),
            expires_at=self._clock() // 1000 + LIFETIME_S,
            data={"action": action, "for": bucket.hex(), "doublings": doublings},
            hmac_secret=self._keyring.digest("puzzle", "challenge"),
            hmac_key_secret=self._keyring.digest("puzzle", "key"),
        )
        return challenge.to_dict()

    def check(self, payload: str, action: str, bucket: bytes, doublings: int) -> Solved | None:
        """What a solution pays for; None where it is none, or for something else, or too cheap."""
        if len(payload) > MOST_PAYLOAD_CHARS:
            return None
        try:
            parameters = Payload.from_base64(payload).challenge.parameters
            found = verify_solution(
                payload,
                self._keyring.digest("puzzle", "challenge"),
                hmac_key_secret=self._keyring.digest("puzzle", "key"),
            )
        except (binascii.Error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        if not found.verified:
            return None
        data, expires_s = parameters.data, parameters.expires_at
        assert data is not None
        assert expires_s is not None
        if expires_s * 1000 <= self._clock() or data["doublings"] < doublings:
            return None
        if (data["action"], data["for"]) != (action, bucket.hex()):
            return None
        return Solved(bytes.fromhex(parameters.nonce), expires_s * 1000)
