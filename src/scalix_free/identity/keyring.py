"""Keys made from the server's secret, one for each purpose, over its generations."""

from __future__ import annotations

import hmac
from typing import Final

GENERATION_CHARS: Final = 4


class Keyring:
    """Digests and signing keys under the server's secret.

    The secret may hold several, newest first, separated by commas: what is made is made under the
    newest, what was made under any of them is still known. A generation is named by a digest of
    its secret, so that its name stays when a newer one is put before it.
    """

    def __init__(self, secret: bytes) -> None:
        self._secrets = tuple(part for each in secret.split(b",") if (part := each.strip()))
        if not self._secrets:
            raise ValueError("an empty secret")
        self.signing: dict[str, bytes] = {
            _digest(part, "generation", "").hex()[:GENERATION_CHARS]: _digest(part, "sign", "")
            for part in reversed(self._secrets)
        }
        """Name of a generation → its signing key; the newest stands last."""
        self.newest = next(reversed(self.signing))

    def subject(self, kind: str, who: str) -> bytes:
        """The key of somebody's book in the ledger: 16 bytes that tell nothing of them."""
        return self.digest(kind, who)[:16]

    def digest(self, purpose: str, what: str) -> bytes:
        """32 bytes under the newest secret."""
        return _digest(self._secrets[0], purpose, what)

    def digests(self, purpose: str, what: str) -> tuple[bytes, ...]:
        """The same under each secret, newest first."""
        return tuple(_digest(part, purpose, what) for part in self._secrets)


def _digest(secret: bytes, purpose: str, what: str) -> bytes:
    text = f"{purpose}:{what}".encode(errors="surrogatepass")
    return hmac.digest(secret, text, "sha256")
