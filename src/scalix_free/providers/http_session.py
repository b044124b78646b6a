"""Connections to providers: what a completion needs of HTTP/1.1, and nothing else.

Session    the connections of one worker process, kept for as long as they are fresh
Link       one connection, which asks one question after the other
Target     where a question goes

A client library's request and response cost more than all our checks together (see
docs/decisions/0021). What is asked seldom goes through aiohttp all the same: ``Session.get``.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Final, NamedTuple, cast

import aiohttp
from aiohappyeyeballs import start_connection
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from multidict import CIMultiDict
from yarl import URL

CONNECT_S: Final = 5.0
"""For the name, the connection and TLS together."""
NEXT_ADDRESS_S: Final = 0.25
"""How long one address of a name is waited for before the next is tried beside it (RFC 8305)."""
KEPT_S: Final = 15.0
"""How long a connection waits for its next question; servers wait longer."""
MOST_HEAD_BYTES: Final = 65_536
MOST_UNREAD_BYTES: Final = 2**18
"""With more than that unread the provider has to wait."""


class LinkError(Exception):
    """No answer, or no whole one."""


class UnansweredError(LinkError):
    """A connection ended before the first byte of an answer."""


class NotConnectedError(LinkError):
    """No connection came about: nothing was sent."""


class Target(NamedTuple):
    """Where a question goes: the origin, and the request up to its length."""

    origin: tuple[str, int, bool]
    head: bytes

    @classmethod
    def post(cls, url: URL, headers: Mapping[str, str]) -> Target:
        """POST to this place, with these headers."""
        lines = [f"POST {url.raw_path_qs} HTTP/1.1", f"Host: {url.host_port_subcomponent}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if url.user is not None and "Authorization" not in headers:
            login = aiohttp.encode_basic_auth(url.user, url.password or "", "utf-8")
            lines.append(f"Authorization: {login}")
        # A line end in a key, of a file that ends with one, must not become one here.
        shown = ["".join(filter(str.isprintable, line)) + "\r\n" for line in lines]
        origin = url.raw_host or "", url.port or 80, url.scheme == "https"
        return cls(origin, "".join(shown).encode() + b"Content-Length: ")


class Session:
    """The connections of one worker process. A context: leaving it closes them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._kept: dict[tuple[str, int, bool], list[Link]] = {}
        self._links: set[Link] = set()
        self._tls: ssl.SSLContext | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._seldom = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self.get = self._seldom.get

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        for link in tuple(self._links):
            link.close()
        await self._seldom.close()

    async def post(self, target: Target, body: bytes) -> Link:
        """Ask, on a kept connection if there is one; gives it with the head of the answer.

        A server may close a kept connection at the very moment of its next use. Whoever then gets
        no answer asks again, until it is a new connection that fails. Raises ``LinkError``.
        """
        question = b"%b%d\r\n\r\n%b" % (target.head, len(body), body)
        was_sent = False
        while (link := self._take(target.origin)) is not None:
            with contextlib.suppress(UnansweredError):
                await link.ask(question)
                return link
            was_sent = True
        try:
            link = await self._dial(target.origin)
        except NotConnectedError as error:
            if was_sent:
                raise UnansweredError("no connection again") from error
            raise
        await link.ask(question)
        return link

    # ── Connections ─────────────────────────────────────────────────────────────────────────

    def _take(self, origin: tuple[str, int, bool]) -> Link | None:
        kept = self._kept.get(origin)
        while kept:
            link = kept.pop()
            if not link.lost and link.kept_until > self._loop.time():
                return link
            link.close()
        return None

    async def _dial(self, origin: tuple[str, int, bool]) -> Link:
        host, port, secure = origin
        try:
            async with asyncio.timeout(CONNECT_S):
                tls = await self._client_tls() if secure else None
                found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                end = await start_connection(
                    found, happy_eyeballs_delay=NEXT_ADDRESS_S, interleave=1, loop=self._loop
                )
                end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                _, link = await self._loop.create_connection(
                    lambda: Link(self, origin),
                    sock=end,
                    ssl=tls,
                    server_hostname=host.rstrip(".") if secure else None,
                )
        except (OSError, ValueError) as error:  # a TimeoutError is an OSError
            raise NotConnectedError("no connection") from error
        return link

    async def _client_tls(self) -> ssl.SSLContext:
        if self._tls is None:
            tls = await asyncio.to_thread(ssl.create_default_context)  # reads all authorities
            tls.set_alpn_protocols(["http/1.1"])
            self._tls = tls
        return self._tls

    def _opened(self, link: Link) -> None:
        self._links.add(link)

    def _ended(self, link: Link) -> None:
        self._links.discard(link)

    def _keep(self, link: Link) -> None:
        link.kept_until = self._loop.time() + KEPT_S
        self._kept.setdefault(link.origin, []).append(link)
        if self._sweep is None:
            self._sweep = self._loop.call_later(KEPT_S, self._close_stale)

    def _close_stale(self) -> None:
        """Close what nobody has used for long; look again while there is something."""
        self._sweep, now = None, self._loop.time()
        for origin, kept in tuple(self._kept.items()):
            fresh = [link for link in kept if not link.lost and link.kept_until > now]
            for link in set(kept).difference(fresh):
                link.close()
            if fresh:
                self._kept[origin] = fresh
            else:
                del self._kept[origin]
        if self._kept:
            self._sweep = self._loop.call_later(KEPT_S, self._close_stale)


class Link(asyncio.Protocol):
    """One connection. After ``ask``: the head of an answer, and its body as it comes.

    Whoever asked ends it with ``release`` or ``close``.
    """

    def __init__(self, session: Session, origin: tuple[str, int, bool]) -> None:
        self.origin = origin
        self.kept_until = 0.0
        self.lost = False
        self.status = 0
        self.whole = False
        self._session = session
        self._parser = HttpResponseParser(self)
        self._lines: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._unread_bytes = self._head_bytes = 0
        self._paused = False
        self._asking = self._lasts = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    # ── Asking ──────────────────────────────────────────────────────────────────────────────

    async def ask(self, question: bytes) -> None:
        """Send a whole request and wait for the head of its answer; on any failure it is closed."""
        self._asking, self.whole = True, False
        self.status = self._head_bytes = self._unread_bytes = 0
        self._pieces.clear()
        try:
            self._transport.write(question)
            while not self.status:
                if self.lost:
                    raise (LinkError if self._head_bytes else UnansweredError)("no answer")
                await self._wait()
        except BaseException:
            self.close()
            raise

    @property
    def headers(self) -> CIMultiDict[str]:
        """The headers of the answer, by names of any case."""
        return CIMultiDict(
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._lines]
        )

    @property
    def at_eof(self) -> bool:
        """Whether the answer was read to its end."""
        return self.whole and not self._pieces

    async def read(self) -> bytes:
        """What has come of the body, at least a byte; nothing at its end. Raises ``LinkError``."""
        while not self._pieces:
            if self.whole:
                return b""
            if self.lost:
                raise LinkError("cut off") from self._error
            await self._wait()
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._unread_bytes = 0
        if self._paused and not self.lost:
            self._paused = False
            self._transport.resume_reading()
        return data

    def release(self) -> None:
        """The answer was read to its end: the connection can be used again."""
        self._asking = False
        if self.whole and not self.lost and self._lasts:
            self._session._keep(self)
        else:
            self.close()

    def close(self) -> None:
        """Close it now, whatever is under way."""
        if not self.lost:
            self.lost = True
            self._transport.abort()

    async def _wait(self) -> None:
        self._waiter = self._session._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # ── What comes in ───────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._session._opened(self)

    def data_received(self, data: bytes) -> None:
        """Parse, and wake whoever waits. What nobody has asked for ends the connection."""
        if self.lost:
            return
        if not self._asking or self.whole:
            self.close()
            return
        if not self.status:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._fail(error)
            return
        if not self.status:
            if self._head_bytes > MOST_HEAD_BYTES:
                self._fail(LinkError("a head without end"))
            return
        self._unread_bytes += len(data)
        if self._unread_bytes > MOST_UNREAD_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended. A body of unknown length ends with it."""
        if not self.lost and exc is None and self.status and not self._is_framed():
            self.whole = True
        self.lost = True
        self._error = self._error or exc
        self._session._ended(self)
        del self._parser  # it knows us too: cycles are left to the collector, at a price
        self._wake()

    def _fail(self, error: Exception) -> None:
        self._error = error
        self.close()
        self._wake()

    def _is_framed(self) -> bool:
        return any(name.lower() in _FRAMES for name, _ in self._lines)

    # ── What the parser finds ───────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        """A head begins, perhaps an interim one (1xx)."""
        if self.whole:
            raise LinkError("an answer that nobody has asked for")
        self._lines = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of it."""
        self._lines.append((name, value))

    def on_headers_complete(self) -> None:
        """It is whole."""
        status = self._parser.get_status_code()
        if status >= 200:
            self.status = status

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self.status:
            self.whole, self._lasts = True, self._parser.should_keep_alive()


_FRAMES: Final = frozenset({b"content-length", b"transfer-encoding"})
"""Headers that say where a body ends."""
