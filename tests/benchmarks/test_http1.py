import pytest

from benchmarks import http1

SIMPLE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n7;name=value\r\n, wor\r\n\r\n2\r\nld\r\n0\r\n\r\n"
)
BARE = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "body"), [(SIMPLE, b"hello"), (CHUNKED, b"hello, wor\r\nld"), (BARE, b"")]
)
def test_a_message_is_whole_with_its_last_byte_and_not_before(data: bytes, body: bytes) -> None:
    assert [http1.read(data[:cut]) for cut in range(len(data))] == [None] * len(data)
    message = http1.read(data)
    assert message is not None
    assert (message.body, message.size) == (body, len(data))


def test_what_follows_a_message_is_left_alone() -> None:
    message = http1.read(SIMPLE + BARE)
    assert message is not None
    assert (SIMPLE + BARE)[message.size :] == BARE


def test_a_length_is_a_header_of_its_own() -> None:
    message = http1.read(b"HTTP/1.1 204 No Content\r\nX-Content-Length: 9\r\n\r\n")
    assert message is not None
    assert not http1.is_framed(message)


@pytest.mark.parametrize(
    "chunks", [b"five\r\nhello\r\n0\r\n\r\n", b"4\r\nhello\r\n0\r\n\r\n", b"\r\nhello\r\n"]
)
def test_chunks_that_lie_are_malformed(chunks: bytes) -> None:
    with pytest.raises(http1.MalformedError):
        http1.read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks)


def test_the_status_is_that_of_an_http_response() -> None:
    assert http1.status(SIMPLE) == 200
    with pytest.raises(http1.MalformedError, match="not an HTTP"):
        http1.status(b"SSH-2.0")
