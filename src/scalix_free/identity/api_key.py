"""Keys of accounts: ``scalix_key_``, 30 random characters and 6 of a checksum, all base 62.

The checksum lets a typo, and most of what somebody makes up, be refused without a look-up.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Final

PREFIX: Final = "scalix_key_"
RANDOM_CHARS: Final = 30
CHECKSUM_CHARS: Final = 6
SHOWN_CHARS: Final = 4
MOST_KEYS: Final = 3
"""Of one account; its limits are the account's, so that more of them would give nothing."""

KEY_ID: Final = re.compile(r"key_[0-9a-f]{16}", re.ASCII)
ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def new_key(choose: Callable[[str], str]) -> str:
    """A new key; ``choose`` picks one character, as ``secrets.choice`` does."""
    key = PREFIX + "".join([choose(ALPHABET) for _ in range(RANDOM_CHARS)])
    return key + _checksum(key)


def is_well_formed(key: str) -> bool:
    """Whether this may be a key at all."""
    return (
        len(key) == len(PREFIX) + RANDOM_CHARS + CHECKSUM_CHARS
        and key.startswith(PREFIX)
        and key.isascii()
        and _checksum(key[:-CHECKSUM_CHARS]) == key[-CHECKSUM_CHARS:]
    )


def new_key_id(random: Callable[[int], bytes]) -> str:
    """A name for a new key."""
    return f"key_{random(8).hex()}"


def is_key_id(text: str) -> bool:
    """Whether this may name a key."""
    return KEY_ID.fullmatch(text) is not None


def shown(key: str) -> str:
    """As much of a key as may be shown again: enough to tell three of them apart."""
    return key[: len(PREFIX) + SHOWN_CHARS]


def _checksum(text: str) -> str:
    value, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_CHARS):
        value, digit = divmod(value, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
