"""Connections to providers: what of HTTP/1.1 servers may do, and what they had better not."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import uvloop
from yarl import URL

from scalix_free.providers import http_session
from scalix_free.providers.http_session import (
    Link,
    LinkError,
    NotConnectedError,
    Session,
    Target,
    UnansweredError,
)
from tests.providers.canned import CLOSE, WAIT, canned

CERTIFICATE: Final = Path(__file__).parents[1] / "certificate.pem"
WHOLE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Told: 7\r\n\r\nhi"


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with asyncio.timeout(10), Session() as session:
        yield session


async def read_all(link: Link) -> bytes:
    body = b""
    while more := await link.read():
        body += more
    return body


async def ask(session: Session, base_url: str) -> tuple[int, bytes]:
    link = await session.post(Target.post(URL(base_url), {"Accept": "*/*"}), b"{}")
    try:
        return link.status, await read_all(link)
    finally:
        link.release()


# ── Answers ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "pieces",
    [
        (WHOLE,),
        tuple(WHOLE[i : i + 1] for i in range(len(WHOLE))),
        (b"HTTP/1.1 102 Processing\r\nX-Told: 1\r\n\r\n", WHOLE),
        (b"HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n" + WHOLE,),
        (b"HTTP/1.1 200 OK\r\n\r\nh", b"i", CLOSE),
        (b"HTTP/1.0 200 OK\r\n\r\nhi", CLOSE),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\n",
            b"i\r\n0\r\n\r\n",
        ),
    ],
    ids=[
        "whole",
        "byte by byte",
        "interim",
        "interim with a length",
        "until its end",
        "1.0",
        "cut",
    ],
)
async def test_ways_to_say_hi(session: Session, pieces: tuple[object, ...]) -> None:
    async with canned(pieces) as server:
        assert await ask(session, server.base_url) == (200, b"hi")


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", CLOSE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", CLOSE),
        (b"HTTP/1.1 200 OK\r\nContent-Len", CLOSE),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", WAIT),
        (b"SSH-2.0-OpenSSH\r\n", WAIT),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Endless: x\r\n" * 9_000, WAIT),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", WAIT),
    ],
    ids=["cut", "cut chunks", "half a head", "upgrade", "no HTTP", "endless head", "no chunk"],
)
async def test_what_is_no_whole_answer(session: Session, pieces: tuple[object, ...]) -> None:
    async with canned(pieces) as server:
        with pytest.raises(LinkError):
            await ask(session, server.base_url)
        assert len(server.heard) == 1


async def test_headers_are_found_by_names_of_any_case(session: Session) -> None:
    async with canned([WHOLE]) as server:
        link = await session.post(Target.post(URL(server.base_url), {}), b"{}")
        assert link.headers["x-told"] == link.headers["X-TOLD"] == "7"
        link.close()


async def test_who_does_not_read_lets_the_server_wait(session: Session) -> None:
    size = 20_000_000
    sent = asyncio.Event()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head + bytes(size))
        await writer.drain()
        sent.set()

    async with serving(answer) as url:
        link = await session.post(Target.post(URL(url), {}), b"{}")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sent.wait(), 0.2)
        assert len(await read_all(link)) == size
        link.close()


# ── Questions ────────────────────────────────────────────────────────────────────────────────


def test_a_line_end_in_a_key_stays_in_its_line() -> None:
    target = Target.post(URL("http://a.test/v1"), {"Authorization": "Bearer k\r\nX-More: 1\n"})
    assert target.head.split(b"\r\n") == [
        b"POST /v1 HTTP/1.1",
        b"Host: a.test",
        b"Authorization: Bearer kX-More: 1",
        b"Content-Length: ",
    ]


@pytest.mark.parametrize(
    ("url", "origin", "host"),
    [
        ("http://a.test/v1", ("a.test", 80, False), b"a.test"),
        ("https://a.test/v1", ("a.test", 443, True), b"a.test"),
        ("https://a.test:8443/v1", ("a.test", 8443, True), b"a.test:8443"),
        ("http://[::1]:80/v1", ("::1", 80, False), b"[::1]"),
    ],
)
def test_origins(url: str, origin: tuple[str, int, bool], host: bytes) -> None:
    target = Target.post(URL(url), {})
    assert target.origin == origin
    assert b"\r\nHost: " + host + b"\r\n" in target.head


def test_a_login_in_the_address_is_shown() -> None:
    target = Target.post(URL("http://user:word@a.test/v1"), {})
    assert b"\r\nAuthorization: Basic dXNlcjp3b3Jk\r\n" in target.head


# ── Connections ──────────────────────────────────────────────────────────────────────────────


async def test_what_comes_unasked_ends_a_connection(session: Session) -> None:
    async with canned([WHOLE + WHOLE], [WHOLE]) as server:
        for _ in range(2):
            assert await ask(session, server.base_url) == (200, b"hi")
        assert [len(heads) for heads in server.heard] == [1, 1]


async def test_a_server_that_wants_to_close_is_not_asked_again(session: Session) -> None:
    closing = WHOLE.replace(b"X-Told: 7", b"Connection: close")
    async with canned([closing], [WHOLE]) as server:
        for _ in range(2):
            assert await ask(session, server.base_url) == (200, b"hi")
        assert [len(heads) for heads in server.heard] == [1, 1]


async def test_whether_anything_was_sent_is_told(session: Session) -> None:
    """A question that went out on a kept connection was, though no new one comes about."""
    async with canned([WHOLE], [WAIT]) as server:
        assert await ask(session, server.base_url) == (200, b"hi")
        asking = asyncio.create_task(ask(session, server.base_url))
        while len(server.heard[0]) < 2:
            await asyncio.sleep(0.001)
        server.stop()
        with pytest.raises(UnansweredError):
            await asking
    with pytest.raises(NotConnectedError):
        await ask(session, server.base_url)


async def test_a_connection_is_not_kept_for_ever(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_session, "KEPT_S", 0.05)
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(WHOLE)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        ended.set()

    async with serving(answer) as url:
        assert await ask(session, url) == (200, b"hi")
        await asyncio.wait_for(ended.wait(), 1)


async def test_leaving_the_session_closes_all() -> None:
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WHOLE)
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                pass
        ended.set()

    async with serving(answer) as url:
        async with Session() as session:
            assert await ask(session, url) == (200, b"hi")
        await asyncio.wait_for(ended.wait(), 1)


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_certificate_that_is_vouched_for(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    async with serving(_say_hi, tls=True) as url:
        assert await ask(session, url) == (200, b"hi")


async def test_a_certificate_that_nobody_vouches_for(session: Session) -> None:
    async with serving(_say_hi, tls=True) as url:
        with pytest.raises(LinkError):
            await ask(session, url)


def test_the_loop_of_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))

    async def both() -> None:
        for tls in (False, True):
            async with serving(_say_hi, tls=tls) as url, Session() as session:
                for _ in range(2):
                    assert await ask(session, url) == (200, b"hi")
                with pytest.raises(LinkError):
                    await ask(session, "http://127.0.0.1:9/")

    uvloop.run(both())


async def _say_hi(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while await reader.readuntil(b"{}"):
            writer.write(WHOLE)


@asynccontextmanager
async def serving(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    *,
    tls: bool = False,
) -> AsyncIterator[str]:
    """A server of one handler; gives its address."""

    async def handle_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.close()

    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
    server = await asyncio.start_server(handle_and_close, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}/v1"
