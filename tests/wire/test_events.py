"""The reader of event streams: what it reads, and that no cut of the bytes changes it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scalix_free.wire.events import MOST_EVENT_BYTES, EventReader, EventTooLargeError


def read(*pieces: bytes) -> list[bytes]:
    """The data of all events, also of one that the stream ended in the middle of."""
    reader = EventReader()
    found = [data for piece in pieces for data in reader.feed(piece)]
    rest = reader.rest()
    return [*found, rest] if rest else found


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"", []),
        (b"data: a\n\n", [b"a"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),  # one space is the syntax's, the second the sender's
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\n\r\ndata: b\r\n\n", [b"a", b"b"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a:b\n\n", [b"a:b"]),
        (b"\n\n\n\ndata: a\n\n\n", [b"a"]),
        (b": comment\n\n", []),
        (b": comment\ndata: a\n\n", [b"a"]),
        (b":\n\ndata: a\n\n", [b"a"]),
        (b"id: 7\nretry: 10\ndata: a\n\n", [b"a"]),
        (b"event: ping\n\n", []),
        (b'event: error\ndata: {"error":{}}\n\n', [b'{"error":{}}']),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data: a\n\ndata: b", [b"a", b"b"]),
        (b"data: a\n\ndata: b\n", [b"a", b"b"]),
        (b"data: \xc3\xa9\n\n", [b"\xc3\xa9"]),
        (b'[{"error":{"code":503}}]', [b'[{"error":{"code":503}}]']),
        (b'data: a\n\n{"error":{}}\n\n', [b"a", b'{"error":{}}']),
    ],
)
def test_what_is_read(stream: bytes, events: list[bytes]) -> None:
    assert read(stream) == events


def test_an_event_is_given_as_soon_as_it_is_whole() -> None:
    reader = EventReader()
    assert reader.feed(b"data: a\n") == []
    assert reader.feed(b"\ndata: b") == [b"a"]
    assert reader.feed(b"\n\n") == [b"b"]
    assert not reader.rest()


def test_an_endless_event_is_refused() -> None:
    reader = EventReader()
    assert reader.feed(b"data: " + bytes(MOST_EVENT_BYTES // 2)) == []
    with pytest.raises(EventTooLargeError):
        reader.feed(bytes(MOST_EVENT_BYTES // 2))


LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
DATA = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=6).map(
    str.encode
)
LINES = st.one_of(
    DATA.map(lambda data: b"data: " + data),
    DATA.map(lambda data: b"data:" + data),
    st.sampled_from([b": comment", b":", b"event: error", b"id: 1", b"retry: 3", b'{"error": 1}']),
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Blocks of lines, with a line end of its own for each line."""
    mark = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    blocks = draw(st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=5))
    lines = [line for block in blocks for line in [*block, b""]]
    text = b"".join([line + draw(LINE_ENDS) for line in lines])
    return mark + text + draw(st.sampled_from([b"", b"\n", b"\r", b"\r\n", b"data: torn"]))


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    stream = draw(streams())
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    return stream, [
        stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
    ]


@given(cut_streams())
@example((b"\xef\xbb\xbfdata: a\n\n", [b"\xef", b"\xbb\xbfdata: a\n\n"]))
@example((b"\xef\xbb\xbfdata: a\n\n", [b"", b"\xef\xbb\xbfdata: a\n\n"]))
@example((b"data: a\r\n\r\ndata: b\r\n\r\n", [b"data: a\r", b"\n\r", b"\ndata: b\r\n\r", b"\n"]))
def test_no_cut_changes_the_events(case: tuple[bytes, list[bytes]]) -> None:
    stream, pieces = case
    assert b"".join(pieces) == stream
    assert read(*pieces) == read(stream)


@given(streams())
def test_no_single_byte_cut_changes_the_events(stream: bytes) -> None:
    assert read(*[stream[i : i + 1] for i in range(len(stream))]) == read(stream)


@given(st.lists(st.lists(DATA, min_size=1, max_size=3), max_size=5), LINE_ENDS)
def test_what_was_written_is_read(events: list[list[bytes]], end: bytes) -> None:
    stream = b"".join(
        [b"".join([b"data: " + line + end for line in lines]) + end for lines in events]
    )
    assert read(stream) == [b"\n".join(lines) for lines in events]


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_no_bytes_break_it(pieces: list[bytes]) -> None:
    assert all(read(*pieces))
