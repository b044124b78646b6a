"""Statements of ours that somebody else keeps for us: signed, so that they come back as they went.

payload in URL-safe base64 · "." · HMAC-SHA-256 of purpose and that, likewise
"""

from __future__ import annotations

import base64
import binascii
import hmac

from scalix_free.identity.keyring import Keyring


class Seal:
    """Signs under the newest secret, and knows its own hand under all of them.

    Statements of one ``purpose`` are none of another.
    """

    def __init__(self, keyring: Keyring, purpose: str) -> None:
        self._keyring = keyring
        self._purpose = purpose

    def write(self, payload: bytes) -> str:
        """A payload as text, signed. It can be read by anybody."""
        text = base64.urlsafe_b64encode(payload).decode()
        return f"{text}.{_text(self._keyring.digest(self._purpose, text))}"

    def read(self, statement: str) -> bytes | None:
        """The payload of a statement; None where it was not made here."""
        text, _, signature = statement.partition(".")
        digests = self._keyring.digests(self._purpose, text)
        given = signature.encode(errors="replace")
        if not any(hmac.compare_digest(given, _text(each).encode()) for each in digests):
            return None
        try:
            return base64.urlsafe_b64decode(text)
        except (binascii.Error, ValueError):
            return None


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode()
