import json

import pytest

from benchmarks import http1
from benchmarks.answer import CHECKS, REFUSAL, TEXT, WORDS, Kind
from benchmarks.upstream import Upstream


def asked(body: dict[str, object], line: bytes = b"POST /v1/chat/completions") -> http1.Message:
    answer = http1.read(
        Upstream().answer(http1.Message(line + b" HTTP/1.1", json.dumps(body).encode(), 0))
    )
    assert answer is not None
    return answer


def frames(body: bytes) -> list[dict[str, object]]:
    *lines, done, _ = body.decode().split("\n\n")
    assert done == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_a_whole_answer_is_whole() -> None:
    answer = asked({"stream": False})
    assert json.loads(answer.body)["usage"]["completion_tokens"] == len(WORDS) == 22
    assert CHECKS["unstreamed"](200, answer.body, True) is None


def test_a_stream_has_22_frames_a_finish_and_an_end() -> None:
    answer = asked({"stream": True})
    assert len(frames(answer.body)) == 22 + 1
    assert CHECKS["stream"](200, answer.body, True) is None


def test_a_stream_counts_when_asked() -> None:
    answer = asked({"stream": True, "stream_options": {"include_usage": True}})
    last = frames(answer.body)[-1]
    assert (last["choices"], "usage" in last) == ([], True)
    assert CHECKS["stream"](200, answer.body, True) is None


def test_other_questions_get_the_models() -> None:
    assert json.loads(asked({}, b"GET /v1/models").body)["data"][0]["id"] == "instant"


STREAM = asked({"stream": True}).body
WHOLE = asked({}).body
FRAME = STREAM[: STREAM.index(b"\n\n") + 2]


@pytest.mark.parametrize(
    ("kind", "status", "body", "fault"),
    [
        ("unstreamed", 500, WHOLE, "status 500"),
        ("unstreamed", 200, b"{", "unreadable answer"),
        ("unstreamed", 200, b'{"choices": []}', "not the upstream's text"),
        ("unstreamed", 200, WHOLE.replace(TEXT.encode(), b"Hello"), "not the upstream's text"),
        ("stream", 429, b"no", "status 429"),
        ("stream", 200, STREAM.removesuffix(b"data: [DONE]\n\n"), "without its end"),
        ("stream", 200, STREAM.replace(FRAME, b""), "22 frames instead of 23"),
        ("stream", 200, STREAM.replace(b" hop", b" hip"), "not the upstream's text"),
        ("stream", 200, STREAM.replace(b'"stop"', b"null"), "without a finish reason"),
        ("stream", 200, STREAM.replace(b'{"id"', b'{id"'), "unreadable frame"),
        ("refused", 200, WHOLE, "status 200"),
        ("refused", 429, b"slow down", "unreadable refusal"),
        ("refused", 429, b'{"error": {"code": "ip_rate_limit"}}', "ip_rate_limit"),
    ],
)
def test_a_wrong_answer_is_told(kind: Kind, status: int, body: bytes, fault: str) -> None:
    assert fault in (CHECKS[kind](status, body, True) or "")


def test_a_refusal_names_its_limit() -> None:
    assert CHECKS["refused"](429, b'{"error": {"code": "%b"}}' % REFUSAL.encode(), True) is None
