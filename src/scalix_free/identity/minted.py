"""Minted anonymous identities: tokens that are verified by their signature alone.

    scalix_free_ generation, 4 characters · payload and signature in URL-safe base64

    payload     version u8 · tier u16 · issued u32 · expires u32 · id 16 B · session 16 B
    signature   HMAC-SHA-256 of prefix, generation and payload, 32 B

Times are seconds since the epoch, big-endian.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from scalix_free.identity.keyring import GENERATION_CHARS, Keyring

PREFIX: Final = "scalix_free_"
LIFETIME_S: Final = 30 * 86_400
TIERS: Final = ("anonymous",)
"""A tier's number in a token is its place here."""

_PAYLOAD: Final = struct.Struct(">BHII16s16s")  # with the signature a multiple of 3: no padding
_VERSION: Final = 1
_SIGNATURE_BYTES: Final = 32
TOKEN_CHARS: Final = len(PREFIX) + GENERATION_CHARS + (_PAYLOAD.size + _SIGNATURE_BYTES) // 3 * 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """An anonymous identity as its token tells it."""

    user_id: str
    session_id: str
    tier: str
    issued_ms: int
    expires_ms: int


class Mint:
    """Makes tokens under the newest signing key, and reads those of all keys."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def new(self, now_ms: int, random: Callable[[int], bytes]) -> tuple[str, Minted]:
        """A new identity and its token."""
        issued_s = now_ms // 1000
        generation = self._keyring.newest
        payload = _PAYLOAD.pack(
            _VERSION, 0, issued_s, issued_s + LIFETIME_S, random(16), random(16)
        )
        body = base64.urlsafe_b64encode(payload + self._sign(generation, payload))
        return f"{PREFIX}{generation}{body.decode()}", _minted(payload)

    def read(self, token: str) -> Minted | None:
        """Whose token this is, whatever the time; None where it was not made here."""
        if len(token) != TOKEN_CHARS or not token.startswith(PREFIX):
            return None
        generation = token[len(PREFIX) : len(PREFIX) + GENERATION_CHARS]
        if generation not in self._keyring.signing:
            return None
        text = token[len(PREFIX) + GENERATION_CHARS :]
        try:
            body = base64.urlsafe_b64decode(text)
        except (binascii.Error, ValueError):
            return None
        if base64.urlsafe_b64encode(body).decode() != text:  # one identity, one token
            return None
        payload, signature = body[: _PAYLOAD.size], body[_PAYLOAD.size :]
        if not hmac.compare_digest(signature, self._sign(generation, payload)):
            return None
        version, tier, *_ = _PAYLOAD.unpack(payload)
        return _minted(payload) if version == _VERSION and tier < len(TIERS) else None

    def _sign(self, generation: str, payload: bytes) -> bytes:
        key = self._keyring.signing[generation]
        return hmac.digest(key, (PREFIX + generation).encode() + payload, "sha256")


def _minted(payload: bytes) -> Minted:
    _, tier, issued_s, expires_s, user, session = _PAYLOAD.unpack(payload)
    return Minted(
        user_id=f"anon_{user.hex()}",
        session_id=f"ses_{session.hex()}",
        tier=TIERS[tier],
        issued_ms=issued_s * 1000,
        expires_ms=expires_s * 1000,
    )
