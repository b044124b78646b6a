"""The browser's cookie: a token in place of the authorization header, on our own pages alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from litestar.types import HTTPScope

from scalix_free.identity.minted import LIFETIME_S

NAME: Final = "scalix_free"
ATTRIBUTES: Final = "Path=/; HttpOnly; SameSite=Lax"

Headers = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Cookies:
    """Reads and writes the cookie. ``is_valid`` says whether a token is, from an address."""

    public_url: str
    is_valid: Callable[[str, str], bool]

    @property
    def is_secure(self) -> bool:
        """Whether the cookie travels over TLS alone, and is bound to this host by its name."""
        return self.public_url.startswith("https:")

    @property
    def name(self) -> str:
        """What it is called."""
        return f"__Host-{NAME}" if self.is_secure else NAME

    def read(self, scope: HTTPScope, headers: Headers, address: str) -> str | None:
        """The token of a request that comes from our own pages.

        One that is not valid counts as absent, and the answer will clear it.
        """
        line = headers.get(b"cookie")
        if line is None or self.name.encode() not in line or not self.is_own(headers):
            return None
        token = _value(line.decode("latin-1"), self.name)
        if token is None or self.is_valid(token, address):
            return token
        self.clear(scope)
        return None

    def is_shown(self, headers: Headers) -> bool:
        """Whether there is one at all, on whatever way the request came."""
        return _value(headers.get(b"cookie", b"").decode("latin-1"), self.name) is not None

    def give(self, scope: HTTPScope, headers: Headers, token: str) -> None:
        """Let the answer set the cookie, unless a page of somebody else asked for it."""
        foreign = headers.get(b"sec-fetch-site", b"same-origin") not in {b"same-origin", b"none"}
        if not foreign and headers.get(b"origin", self._origin) == self._origin:
            _keep(scope, f"{self.name}={token}; Max-Age={LIFETIME_S}; {self._attributes}")

    def clear(self, scope: HTTPScope) -> None:
        """Let the answer take the cookie away."""
        _keep(scope, f"{self.name}=; Max-Age=0; {self._attributes}")

    def is_own(self, headers: Headers) -> bool:
        """Whether a page of ours sent the request."""
        same_origin = headers.get(b"sec-fetch-site") == b"same-origin"
        return same_origin or headers.get(b"origin") == self._origin

    @property
    def _origin(self) -> bytes:
        return self.public_url.encode()

    @property
    def _attributes(self) -> str:
        return f"{ATTRIBUTES}; Secure" if self.is_secure else ATTRIBUTES


def set_cookie_of(scope: HTTPScope) -> bytes | None:
    """What the answer to this request has to say about the cookie."""
    value: bytes | None = scope["state"].get("set_cookie")
    return value


def _keep(scope: HTTPScope, value: str) -> None:
    scope["state"]["set_cookie"] = value.encode()


def _value(line: str, name: str) -> str | None:
    for part in line.replace(",", ";").split(";"):  # of several headers made one line
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return None
