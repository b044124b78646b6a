"""Connections to Redis and Valkey servers, one server or a cluster of them.

Commands of one turn of the event loop go out in one write, and answers come back in their order, on
one connection to each server. A command that is not answered in time costs the connection, since
nothing else can be told of what comes after it; the next command opens a new one.
"""

from __future__ import annotations

import asyncio
import ssl
from binascii import crc_hqx
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final, NamedTuple, TypeAlias, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import hiredis

from scalix_free.core.errors import StoreUnavailable

PORT: Final = 6379
SLOTS: Final = 16_384
CONNECT_S: Final = 0.2
"""Or as long as an answer may take, where that is longer."""
COMMAND_S: Final = 0.1
START_S: Final = 2.0
"""How long an answer may take while the service starts."""
GRACE_S: Final = 0.002
PAUSE_S: Final = 0.1
"""After a connection could not be made, commands fail at once for so long."""
MARK: Final = b"scalix:1:epoch:{%d}"
MOVES: Final = 4
"""How often a command may be sent on to another server."""

SAYS: Final = "the server says"

Word: TypeAlias = bytes | str | int
Said: TypeAlias = object
"""What a server said; an error of its own is a ``hiredis.ReplyError``."""


class Server(NamedTuple):
    """Where a server listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How servers of one URL are entered."""

    username: str | None
    password: str | None = field(repr=False)
    database: int
    tls: ssl.SSLContext | None


def read_url(url: str) -> tuple[Server, Access]:
    """Read a ``redis://`` or ``rediss://`` URL. Raises ``ValueError``, which shows none of it.

    The path is the number of a database. Of a query ``ssl_ca_certs`` (a file) and
    ``ssl_cert_reqs`` (``required`` or ``none``) are known. What stands before the host is unquoted.
    """
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        access = Access(
            username=_unquoted(parts.username),
            password=_unquoted(parts.password),
            database=int(parts.path.strip("/") or 0),
            tls=_tls(options) if parts.scheme == "rediss" else None,
        )
        server = Server(parts.hostname or "", parts.port or PORT)
    except (OSError, ValueError):
        raise ValueError("a part of this URL cannot be used") from None
    if options or not server.host or parts.fragment:
        raise ValueError("a part of this URL has no meaning")
    return server, access


def _unquoted(text: str | None) -> str | None:
    return unquote(text) if text else None


def _tls(options: dict[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.pop("ssl_ca_certs", None))
    required = options.pop("ssl_cert_reqs", "required")
    if required == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif required != "required":
        raise ValueError
    return context


def slot_of(key: bytes) -> int:
    """The slot of a cluster that a key belongs to: that of its hash tag, which all ours have."""
    tag = key.partition(b"{")[2].partition(b"}")[0]
    return crc_hqx(tag, 0) % SLOTS


def _packed(words: tuple[Word, ...]) -> bytes:
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub errs
    return packed


async def check_server(url: str) -> None:
    """See whether a server knows functions.

    Raises ``StoreUnavailable`` where it cannot be reached, ``ValueError`` where it cannot be used.
    """
    server, access = read_url(url)
    link = Link(server, access, START_S)
    try:
        for words in (("FUNCTION", "STATS"), ("PING",)):
            said = await link.call(*words)
            if isinstance(said, Exception):
                what = _told(said)
                if "unknown command" in str(said):
                    what = "it has no functions; Redis 7 or newer, or Valkey, is needed"
                elif not what.startswith(SAYS) or what == f"{SAYS} LOADING":
                    raise StoreUnavailable(what)
                raise ValueError(what)
    finally:
        link.close()


class _Wire(asyncio.Protocol):
    """One connection, for as long as it holds."""

    def __init__(self, command_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._command_s = command_s
        self._reader = hiredis.Reader()
        self._sent: deque[tuple[float, asyncio.Future[Said]]] = deque()
        self._due: asyncio.TimerHandle | None = None
        self._late: asyncio.Future[Said] | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def send(self, commands: bytes, answers: Sequence[asyncio.Future[Said]]) -> None:
        """Send commands, each of which is answered."""
        if self._transport is None:
            _fail(answers, "the connection was lost")
            return
        now = self._loop.time()
        self._sent.extend([(now, answer) for answer in answers])
        self._transport.write(commands)
        if self._due is None:
            self._due = self._loop.call_at(now + self._command_s, self._look)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self.connection_lost(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no children of it

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (said := self._reader.gets()) is not False:
                _, answer = self._sent.popleft()
                if not answer.done():
                    answer.set_result(said)
        except (hiredis.ProtocolError, IndexError):
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._due is not None:
            self._due.cancel()
        sent, self._sent = self._sent, deque()
        _fail([answer for _, answer in sent], "the connection was lost")

    def _look(self) -> None:
        """Whether the oldest command has waited too long.

        If it has, what has arrived is read first: it may be our own loop that was late.
        """
        self._due = None
        if not self._sent:
            return
        due, now = self._sent[0][0] + self._command_s, self._loop.time()
        if due > now:
            self._due = self._loop.call_at(due, self._look)
        elif self._sent[0][1] is self._late:
            self.abort()
        else:
            self._late = self._sent[0][1]
            self._due = self._loop.call_at(now + GRACE_S, self._look)


class Link:
    """One server: connected when it is needed, and again after that was lost."""

    def __init__(self, server: Server, access: Access, command_s: float) -> None:
        self.server = server
        self._command_s = command_s
        self._access = access
        self._loop = asyncio.get_running_loop()
        self._wire: _Wire | None = None
        self._waiting: list[tuple[bytes, asyncio.Future[Said]]] = []
        self._scheduled = False
        self._connecting: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self.loading: asyncio.Future[Said] | None = None

    def call(self, *words: Word) -> asyncio.Future[Said]:
        """Ask the server; the answer is ``StoreUnavailable`` (not raised) when there is none."""
        answer: asyncio.Future[Said] = self._loop.create_future()
        self._waiting.append((_packed(words), answer))
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._send)
        return answer

    def close(self) -> None:
        """Give up whatever is under way."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._wire is not None:
            self._wire.abort()
        self._fail_waiting("the connection was closed")

    def _send(self) -> None:
        self._scheduled = False
        if self._wire is not None and self._wire.is_open:
            waiting, self._waiting = self._waiting, []
            commands = b"".join([command for command, _ in waiting])
            self._wire.send(commands, [answer for _, answer in waiting])
        elif self._connecting is None:
            if self._loop.time() < self._not_before:
                self._fail_waiting("the server cannot be reached")
            else:
                self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(max(CONNECT_S, self._command_s)):
                _, wire = await self._loop.create_connection(
                    lambda: _Wire(self._command_s), *self.server, ssl=self._access.tls
                )
            refused = await self._enter(wire)
        except (OSError, TimeoutError, ssl.SSLError):
            refused = "the server cannot be reached"
        finally:
            self._connecting = None
        if refused:
            self._not_before = self._loop.time() + PAUSE_S
            self._fail_waiting(refused)
        else:
            self._wire = wire
            self._send()

    async def _enter(self, wire: _Wire) -> str:
        """Log in and choose the database; why not, where that fails."""
        access, commands = self._access, list[tuple[Word, ...]]()
        if access.password is not None:
            login = (access.username,) if access.username else ()
            commands.append(("AUTH", *login, access.password))
        if access.database:
            commands.append(("SELECT", access.database))
        for command in commands:
            answer: asyncio.Future[Said] = self._loop.create_future()
            wire.send(_packed(command), [answer])
            said = await answer
            if isinstance(said, Exception):
                wire.abort()
                return _told(said)
        return ""

    def _fail_waiting(self, why: str) -> None:
        waiting, self._waiting = self._waiting, []
        _fail([answer for _, answer in waiting], why)


def _fail(answers: Sequence[asyncio.Future[Said]], why: str) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_result(StoreUnavailable(f"the ledger's store failed: {why}"))


def _told(error: Exception) -> str:
    """What may be told of an error: of a server's own only its first word."""
    if isinstance(error, StoreUnavailable):
        return str(error).removeprefix("the ledger's store failed: ")
    return f"{SAYS} {str(error).partition(' ')[0]}"


class Servers:
    """The server of each key. ``open`` before use, ``close`` after.

    ``library`` is loaded into a server that does not know its functions.
    """

    def __init__(self, url: str, library: str, command_s: float = COMMAND_S) -> None:
        self._command_s = command_s
        self._first, self._access = read_url(url)
        self._library = library
        self._links: dict[Server, Link] = {}
        self._slots: list[Server] = []
        self._marks: dict[Server, bytes] = {}
        self._known = False
        self._looking: asyncio.Task[None] | None = None

    @property
    def is_cluster(self) -> bool:
        """Whether keys live on several servers."""
        return bool(self._slots)

    async def ready(self) -> None:
        """Open if that could not be done before. Raises ``StoreUnavailable``."""
        if not self._known:
            await self.open()

    async def open(self) -> None:
        """Find out who holds what. Raises ``StoreUnavailable``."""
        said = await self._link(self._first).call("CLUSTER", "SLOTS")
        if isinstance(said, StoreUnavailable):
            raise said
        if not isinstance(said, Exception):
            self._read_slots(said, self._first)
            if not self._slots:
                raise StoreUnavailable("the ledger's store failed: the cluster holds no slots")
        for server in set(self._slots) or {self._first}:
            said = await self._link(server).call("FUNCTION", "LOAD", self._library)
            is_lost = isinstance(said, StoreUnavailable) and self.is_cluster  # the others are not
            if isinstance(said, Exception) and not is_lost and "already exists" not in str(said):
                raise StoreUnavailable(f"the ledger's store failed: {_told(said)}")
        self._known = True

    async def close(self) -> None:
        """Close all connections."""
        if self._looking is not None:
            self._looking.cancel()
        for link in self._links.values():
            link.close()

    def where(self, key: bytes) -> Link:
        """The link to whoever holds a key."""
        return self._link(self._slots[slot_of(key)] if self._slots else self._first)

    def marks(self) -> set[bytes]:
        """Such a key on every server."""
        firsts = {server: slot for slot, server in enumerate(self._slots)}
        return {self._mark_at(slot) for slot in firsts.values()} or {MARK % 0}

    def mark_beside(self, key: bytes) -> bytes:
        """A key on the same server, always the same one while that holds the same slots."""
        return self._mark_at(slot_of(key)) if self._slots else MARK % 0

    def _mark_at(self, slot: int) -> bytes:
        server = self._slots[slot]
        mark = self._marks.get(server)
        if mark is None or self._slots[slot_of(mark)] != server:
            marks = (MARK % n for n in count())
            mark = next(mark for mark in marks if self._slots[slot_of(mark)] == server)
            self._marks[server] = mark
        return mark

    async def ask(self, key: bytes, *words: Word) -> Said:
        """Ask whoever holds a key. Raises ``StoreUnavailable``."""
        link, asking = self.where(key), False
        for _ in range(MOVES):
            if asking:
                link.call("ASKING")
            said = await link.call(*words)
            if not isinstance(said, Exception):
                return said
            if isinstance(said, StoreUnavailable):
                self._look_again()
                raise said
            what, *rest = str(said).split(" ")
            if what in {"MOVED", "ASK"} and len(rest) == 2:
                host, _, port = rest[1].rpartition(":")
                server, asking = Server(host or link.server.host, int(port)), what == "ASK"
                link = self._link(server)
                if not asking and self._slots:
                    self._slots[int(rest[0])] = server
                    self._look_again()
            elif "Function not found" in str(said):
                await self._load(link)
            else:
                if what in {"READONLY", "CLUSTERDOWN", "LOADING", "MASTERDOWN"}:
                    self._look_again()
                raise StoreUnavailable(f"the ledger's store failed: {_told(said)}")
        raise StoreUnavailable("the ledger's store failed: its keys are on the move")

    def _link(self, server: Server) -> Link:
        link = self._links.get(server)
        if link is None:
            link = self._links[server] = Link(server, self._access, self._command_s)
        return link

    async def _load(self, link: Link) -> None:
        if link.loading is None:
            link.loading = link.call("FUNCTION", "LOAD", "REPLACE", self._library)
        loading = link.loading
        said = await asyncio.shield(loading)
        if link.loading is loading:
            link.loading = None
        if isinstance(said, Exception):
            raise StoreUnavailable(f"the ledger's store failed: {_told(said)}")

    def _look_again(self) -> None:
        if self._slots and self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        """Ask every server that is known, until one tells who holds what."""
        try:
            for server in list(dict.fromkeys([*self._links, self._first])):
                said = await self._link(server).call("CLUSTER", "SLOTS")
                if not isinstance(said, Exception) and self._read_slots(said, server):
                    return
        finally:
            self._looking = None

    def _read_slots(self, said: Said, teller: Server) -> bool:
        """Take down who holds which slots, if all of them are held."""
        slots: list[Server | None] = [None] * SLOTS
        assert isinstance(said, list)
        for first, last, holder, *_ in said:
            host = holder[0].decode() if holder[0] else teller.host
            server = Server(host, int(holder[1]))
            slots[first : last + 1] = [server] * (last + 1 - first)
        held = [server for server in slots if server is not None]
        if len(held) < SLOTS:
            return False
        self._slots = held
        return True
