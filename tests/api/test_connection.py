"""HTTP itself, byte by byte: bodies in pieces, several requests at once, dribble, nonsense."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.caller import COMPLETIONS, QUESTION, Caller, question
from tests.api.envelope import read_envelope
from tests.api.models import ALL, GOOD, Fresh
from tests.api.raw import Raw, Response
from tests.service import RunningService, provider, running_service, served
from tests.world import RunningWorld

ECHO = f"You said: {QUESTION}"
BODY = json.dumps(question()).encode()
HEADER_S = 0.3


@pytest.fixture
def raw(caller: Caller) -> Iterator[Raw]:
    with Raw(caller.url) as raw:
        yield raw


def ours(caller: Caller) -> str:
    """The header line that makes a request this caller's."""
    return f"x-forwarded-for: {caller.address}\r\n"


def says(response: Response) -> str:
    assert response.status == 200, response
    said = response.json["choices"][0]["message"]["content"]
    assert isinstance(said, str)
    return said


def asking(raw: Raw, caller: Caller, text: str = QUESTION, **fields: object) -> bytes:
    return raw.request(json.dumps(question(text, **fields)).encode(), head=ours(caller))


# ── Bodies ───────────────────────────────────────────────────────────────────────────────────


def chunked(raw: Raw, caller: Caller, *chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    head = (
        f"POST {COMPLETIONS} HTTP/1.1\r\nhost: {raw.host}\r\n{ours(caller)}"
        "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    return head.encode() + b"".join([b"%x\r\n%s\r\n" % (len(c), c) for c in chunks]) + end


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_body_may_come_in_chunks(raw: Raw, caller: Caller, size: int) -> None:
    chunks = [BODY[i : i + size] for i in range(0, len(BODY), size)]
    raw.send(chunked(raw, caller, *chunks))
    assert says(raw.read()) == ECHO


def test_a_chunked_body_is_counted_too(raw: Raw, caller: Caller) -> None:
    raw.send(chunked(raw, caller, *[b" " * 100_000] * 11, end=b""))
    response = raw.read()
    assert response.status == 413
    assert read_envelope(response.body).code == "body_too_large"


def test_a_request_may_come_byte_by_byte(raw: Raw, caller: Caller) -> None:
    for byte in asking(raw, caller, "?"):
        raw.send(bytes([byte]))
    assert says(raw.read()) == "You said: ?"


def test_who_asks_first_is_told_to_go_on(raw: Raw, caller: Caller) -> None:
    request = raw.request(BODY, head=ours(caller) + "expect: 100-continue\r\n")
    raw.send(request.removesuffix(BODY))
    assert raw.read().status == 100
    raw.send(BODY)
    assert says(raw.read()) == ECHO


def test_who_asks_first_is_refused_without_a_body(raw: Raw, caller: Caller) -> None:
    head = f"{ours(caller)}expect: 100-continue\r\ncontent-length: 99999999\r\n"
    raw.send(
        f"POST {COMPLETIONS} HTTP/1.1\r\nhost: {raw.host}\r\n"
        f"{head}content-type: application/json\r\n\r\n".encode()
    )
    assert raw.read().status == 413


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity", "x"])
def test_an_encoded_body_is_not_read(raw: Raw, caller: Caller, encoding: str) -> None:
    raw.send(raw.request(BODY, head=f"{ours(caller)}content-encoding: {encoding}\r\n"))
    response = raw.read()
    assert response.status == 415
    assert read_envelope(response.body).code == "unsupported_media_type"


def test_identity_is_no_encoding(raw: Raw, caller: Caller) -> None:
    raw.send(raw.request(BODY, head=f"{ours(caller)}content-encoding: identity\r\n"))
    assert says(raw.read()) == ECHO


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
def test_json_is_read(caller: Caller, kind: str) -> None:
    headers = {"content-type": kind.upper()}
    response = caller.request("POST", COMPLETIONS, content=BODY, headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/json-patch+json",
        "text/plain; application/json",
        "text/plain, application/json",
        "",
    ],
)
def test_anything_else_is_not(caller: Caller, kind: str) -> None:
    headers = {"content-type": kind}
    response = caller.request("POST", COMPLETIONS, content=BODY, headers=headers)
    assert response.status_code == 415
    assert read_envelope(response.content).code == "unsupported_media_type"
    assert not [name for name in response.headers if name.startswith(("x-scalix", "x-rate"))]


# ── One connection, many requests ────────────────────────────────────────────────────────────


def test_a_connection_is_kept_through_refusals(raw: Raw, caller: Caller) -> None:
    for request, status in [
        (raw.request(b"{}", head=ours(caller)), 400),
        (raw.request(BODY, head=ours(caller) + "authorization: scalix_key_\r\n"), 401),
        (raw.request(BODY, head=ours(caller) + "content-encoding: gzip\r\n"), 415),
        (raw.request(method="GET", path="/nothing"), 404),
        (raw.request(method="GET"), 405),
        (raw.request(b" " * 1_048_577, head=ours(caller)), 413),
        (asking(raw, caller), 200),
        (raw.request(method="GET", path="/health"), 200),
    ]:
        raw.send(request)
        response = raw.read()
        assert response.status == status
        assert "connection" not in response.headers


def test_a_connection_is_kept_through_streams(raw: Raw, caller: Caller) -> None:
    for _ in range(3):
        raw.send(asking(raw, caller, stream=True))
        assert raw.read().body.endswith(b"data: [DONE]\n\n")
    raw.send(asking(raw, caller))
    assert says(raw.read()) == ECHO


def test_a_connection_is_kept_through_a_head_of_a_completion(raw: Raw, caller: Caller) -> None:
    """The answer to HEAD has no body, or the next answer would begin in its middle."""
    raw.send(raw.request(method="HEAD"))
    assert raw.read("HEAD").status == 405
    raw.send(raw.request(method="GET", path="/health"))
    assert raw.read().status == 200


def test_requests_sent_at_once_are_answered_in_order(raw: Raw, caller: Caller) -> None:
    raw.send(b"".join([asking(raw, caller, f"{n}") for n in range(3)]))
    assert [says(raw.read()) for _ in range(3)] == [f"You said: {n}" for n in range(3)]
    assert caller.used()["requests_day"] == 3


def test_so_are_requests_of_different_kinds(raw: Raw, caller: Caller) -> None:
    raw.send(
        asking(raw, caller, stream=True)
        + raw.request(method="GET", path="/health")
        + raw.request(b"{}", head=ours(caller))
        + asking(raw, caller)
        + raw.request(method="GET", path="/v1/models/scalix-free")
    )
    assert raw.read().body.endswith(b"data: [DONE]\n\n")
    assert raw.read().json["status"] == "ok"
    assert raw.read().status == 400
    assert says(raw.read()) == ECHO
    assert raw.read().json["id"] == "scalix-free"


def test_a_request_behind_one_that_waits_waits_too(raw: Raw, caller: Caller, fresh: Fresh) -> None:
    fresh.behave("hang")
    raw.send(asking(raw, caller, "first", model=fresh.id) + asking(raw, caller, "second"))
    fresh.world.at_gate(fresh.name)
    fresh.world.open_gate(fresh.name)
    assert [says(raw.read()), says(raw.read())] == ["You said: first", "You said: second"]


def test_who_leaves_with_requests_waiting_leaves_them_all(caller: Caller, fresh: Fresh) -> None:
    fresh.behave("hang")
    with Raw(caller.url) as raw:
        raw.send(asking(raw, caller, model=fresh.id) + asking(raw, caller, model=fresh.then_good))
        fresh.world.at_gate(fresh.name)
    assert fresh.aborted(within_s=1.0)
    time.sleep(0.05)
    assert caller.used()["requests_day"] == 1


def test_who_wants_to_close_is_let_go(raw: Raw, caller: Caller) -> None:
    raw.send(raw.request(BODY, head=ours(caller) + "connection: close\r\n"))
    response = raw.read()
    assert says(response) == ECHO
    assert response.headers["connection"] == "close"
    assert raw.is_closed()


# ── Older and stranger clients ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("streamed", [False, True])
def test_http_1_0_is_answered_and_closed(raw: Raw, caller: Caller, streamed: bool) -> None:
    request = asking(raw, caller, stream=streamed).replace(b"HTTP/1.1", b"HTTP/1.0")
    raw.send(request)
    response = raw.read()
    assert response.status == 200
    assert "transfer-encoding" not in response.headers
    assert response.headers["connection"] == "close"
    if streamed:
        assert response.body.endswith(b"data: [DONE]\n\n")
    else:
        assert says(response) == ECHO
        assert raw.is_closed()


def test_http_1_0_needs_no_host(raw: Raw) -> None:
    raw.send(b"GET /health HTTP/1.0\r\n\r\n")
    assert raw.read().json["status"] == "ok"


@pytest.mark.parametrize(
    "upgrade",
    ["upgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n", "upgrade: websocket\r\n"],
)
def test_an_upgrade_is_not_taken_up(raw: Raw, caller: Caller, upgrade: str) -> None:
    """Java's own client offers HTTP/2 this way with its first request."""
    connection = "connection: Upgrade, HTTP2-Settings\r\n"
    raw.send(raw.request(BODY, head=ours(caller) + connection + upgrade))
    assert says(raw.read()) == ECHO


def test_the_target_may_be_a_whole_url(raw: Raw) -> None:
    raw.send(f"GET http://{raw.host}/health HTTP/1.1\r\nhost: {raw.host}\r\n\r\n".encode())
    assert raw.read().json["status"] == "ok"


BROKEN = {
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another version": b"GET /health HTTP/7.5\r\n\r\n",
    "no method": b"/health HTTP/1.1\r\n\r\n",
    "an unknown method": b"BREW /health HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "a line that is no header": b"GET /health HTTP/1.1\r\nhost localhost\r\n\r\n",
    "a space before the colon": b"GET /health HTTP/1.1\r\nhost : localhost\r\n\r\n",
    "a NUL in a header": b"GET /health HTTP/1.1\r\nhost: local\x00host\r\n\r\n",
    "a length that is none": b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n",
    "a negative length": b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "a length and chunks": b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n"
    b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk that is none": b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
    b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    "a target that is none": b"GET http://[::1 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "a target without a slash": b"GET health HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "a raw letter in the target": "GET /ü HTTP/1.1\r\nhost: localhost\r\n\r\n".encode(),
    "CONNECT": b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_broken_http_is_refused_in_our_shape(raw: Raw, data: bytes) -> None:
    raw.send(data)
    response = raw.read()
    assert response.status in {400, 404, 405}
    assert read_envelope(response.body).request_id == response.headers["x-request-id"]
    assert response.headers["access-control-allow-origin"] == "*"


def test_headers_without_end_are_not_collected(raw: Raw) -> None:
    """Ten seconds of headers at full speed would be all of a machine's memory."""
    raw.send(b"GET /health HTTP/1.1\r\nhost: localhost\r\n")
    line = b"x: " + b"y" * 4000 + b"\r\n"
    assert raw.is_cut_off(line for _ in range(1000))


# ── Deadlines ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def strict(
    world: RunningWorld, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """A service that waits for headers and bodies for less than half a second."""
    short = {"server.header_timeout_s": HEADER_S, "server.body_timeout_s": 0.2}
    folder = tmp_path_factory.mktemp("strict")
    with running_service(folder, provider(world.base_url, ALL[:1]), short) as running:
        yield running


def dribble(byte: bytes) -> Iterator[bytes]:
    """This byte, fifty times a second, for a while."""
    for _ in range(200):
        time.sleep(0.02)
        yield byte


def closes_within(raw: Raw, low_s: float, high_s: float, began: float) -> None:
    assert raw.is_closed()
    assert low_s <= time.monotonic() - began <= high_s


@pytest.mark.parametrize("said", [b"", b"\r\n", b"POST", b"POST / HTTP/1.1\r\nhost: x\r\nx"])
def test_who_says_nothing_or_half_is_closed(strict: RunningService, said: bytes) -> None:
    began = time.monotonic()
    with Raw(strict.url) as raw:
        raw.send(said)
        closes_within(raw, HEADER_S - 0.05, HEADER_S + 2, began)


def test_dribbled_headers_are_cut_off(strict: RunningService) -> None:
    """The deadline is absolute: no byte extends it."""
    began = time.monotonic()
    with Raw(strict.url) as raw:
        raw.send(b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: ")
        assert raw.is_cut_off(dribble(b"y"))
    assert HEADER_S - 0.05 <= time.monotonic() - began <= HEADER_S + 2


def test_dribbled_headers_of_a_second_request_are_cut_off(strict: RunningService) -> None:
    with Raw(strict.url) as raw:
        raw.send(raw.request(method="GET", path="/health"))
        assert raw.read().status == 200
        time.sleep(HEADER_S + 0.1)  # between requests there is no such hurry
        began = time.monotonic()
        raw.send(b"GET /hea")
        closes_within(raw, HEADER_S - 0.05, HEADER_S + 2, began)


@pytest.mark.parametrize("said", [b"", b"\r\n", b"\r\n\r\n"])
async def test_a_connection_that_is_not_used_again_is_closed(tmp_path: Path, said: bytes) -> None:
    """Also where somebody keeps it warm with line ends that begin no request."""
    nothing = 'local = { use = "never" }'
    short = {"server.header_timeout_s": HEADER_S}
    async with asyncio.timeout(5), served(tmp_path, nothing, short, keep_alive_s=1) as running:
        parts = urlsplit(running.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            await reader.readuntil(b"}")
            writer.write(said)
            assert await asyncio.wait_for(reader.read(), 3) == b""
        finally:
            writer.close()
            await writer.wait_closed()


def test_a_body_that_does_not_come_is_given_up(strict: RunningService) -> None:
    with Raw(strict.url) as raw:
        raw.send(raw.request(BODY).removesuffix(BODY) + BODY[:20])
        response = raw.read()
    assert response.status == 400
    assert "did not arrive" in read_envelope(response.body).message


def test_a_body_of_which_nothing_comes_is_given_up_too(strict: RunningService) -> None:
    began = time.monotonic()
    with Raw(strict.url) as raw:
        raw.send(raw.request(BODY).removesuffix(BODY))
        response = raw.read()
    assert response.status == 400
    assert time.monotonic() - began < 3


def test_dribbled_bodies_are_cut_off(strict: RunningService) -> None:
    began = time.monotonic()
    with Raw(strict.url) as raw:
        raw.send(raw.request(b" " * 10_000).rstrip(b" "))
        assert raw.is_cut_off(dribble(b" "))
    assert time.monotonic() - began <= 2.5


def test_slow_people_do_not_stop_others(strict: RunningService) -> None:
    slow = [Raw(strict.url) for _ in range(50)]
    try:
        for raw in slow:
            raw.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx: y")
        with Raw(strict.url) as raw:
            began = time.monotonic()
            raw.send(raw.request(BODY))
            assert says(raw.read()) == ECHO
            assert time.monotonic() - began < 1
    finally:
        for raw in slow:
            raw.socket.close()


# ── Our own faults ───────────────────────────────────────────────────────────────────────────


async def test_a_fault_of_ours_has_the_envelope_and_no_trace(
    world: RunningWorld,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:

    def broken(*_: object) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr("scalix_free.api.completion.parse_call", broken)
    toml = provider(world.base_url, [{"id": GOOD, "model": "good"}])
    with caplog.at_level(logging.ERROR):
        async with (
            served(tmp_path, toml) as running,
            httpx.AsyncClient(base_url=running.url) as client,
        ):
            response = await client.post(COMPLETIONS, json=question())
    assert response.status_code == 500
    error = read_envelope(response.content)
    assert (error.code, error.type) == ("internal_error", "server_error")
    assert "secret" not in response.text
    assert "a completion failed" in caplog.text
