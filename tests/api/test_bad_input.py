"""Whatever comes in, what goes out is an answer or the envelope: never a 5xx, never a trace."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalix_free.api.routes import COMPLETIONS as NAMES
from tests.api.caller import COMPLETIONS, Caller, question
from tests.api.envelope import read_envelope, refused
from tests.api.raw import Raw
from tests.service import RunningService
from tests.wire.openai_shapes import read_completion
from tests.wire.test_request import BODIES, FIELDS, MESSAGES, NOT_JSON, nested

JSON = {"content-type": "application/json"}


def send(caller: Caller, body: bytes, path: str = COMPLETIONS) -> httpx.Response:
    return caller.request("POST", path, content=body, headers=JSON)


def is_sound(response: httpx.Response) -> bool:
    """An answer in OpenAI's shape, or a refusal in ours."""
    assert response.status_code < 500, response.text
    assert "Traceback" not in response.text
    if response.status_code == 200:
        if "event-stream" in response.headers["content-type"]:
            return response.text.endswith("data: [DONE]\n\n")
        return bool(read_completion(response.content))
    error = read_envelope(response.content)
    return error.request_id == response.headers["x-request-id"]


def is_page(headers: Mapping[str, str]) -> bool:
    """Whether an answer is for people: the start page says in its own way what it did not take."""
    return headers["content-type"].startswith("text/html")


# ── Bodies ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", NAMES)
@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_no_json_object(caller: Caller, path: str, body: bytes) -> None:
    refused(send(caller, body, path), 400, "invalid_request")


@pytest.mark.parametrize(("name", "value"), FIELDS)
def test_a_bad_field(caller: Caller, name: str, value: object) -> None:
    body = json.dumps({**question(), name: value}).encode()
    assert refused(send(caller, body), 400, "invalid_request").param == name


@pytest.mark.parametrize("message", [message for message, _ in MESSAGES])
def test_a_bad_message(caller: Caller, message: object) -> None:
    body = json.dumps({"messages": [message]}).encode()
    assert refused(send(caller, body), 400, "invalid_request").param == "messages"


def test_a_refusal_of_a_stream_is_json_too(caller: Caller) -> None:
    refused(caller.ask(stream=True, n=7), 400, "invalid_request")


def test_ten_megabytes(caller: Caller) -> None:
    body = json.dumps(question("x" * 10_000_000)).encode()
    error = refused(send(caller, body), 413, "body_too_large")
    assert "1048576" in error.message


@pytest.mark.parametrize(("size", "status"), [(1_048_576, 400), (1_048_577, 413)])
def test_the_bound_of_a_body_is_exact(caller: Caller, size: int, status: int) -> None:
    body = json.dumps(question("x")).encode().ljust(size - 1) + b"!"
    assert send(caller, body).status_code == status


def test_deep_nesting_everywhere(caller: Caller) -> None:
    for name in ("messages", "tools", "tool_choice", "response_format", "stop", "model", "x"):
        for depth in (100, 900, 1500, 20_000):
            body = b'{"messages":[{"role":"user","content":"x"}],"%s":' % name.encode()
            assert is_sound(send(caller, body + b"[" * depth + b"]" * depth + b"}"))
            assert is_sound(send(caller, body + b'{"a":' * depth + b"1" + b"}" * depth + b"}"))
    assert is_sound(caller.ask(metadata=nested(500)))


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "1" * 5000, "-" + "9" * 400, "0.1e-999", "1E+2", "01", "+1", "1."]
)
@pytest.mark.parametrize("name", ["max_tokens", "seed", "temperature", "n", "x"])
def test_strange_numbers(caller: Caller, name: str, number: str) -> None:
    body = b'{"messages":[{"role":"user","content":"x"}],"%s":%s}'
    assert is_sound(send(caller, body % (name.encode(), number.encode())))


def test_the_same_key_twice(caller: Caller) -> None:
    body = b'{"messages":[],"messages":[{"role":"user","content":"x"}],"n":2,"n":1}'
    assert is_sound(send(caller, body))


@pytest.mark.parametrize(
    "text",
    ["\x00", "\u2028\u2029", "\ufeff", "\U0010ffff", "\x7f\x80", "a\u0301" * 50, "data: x\n\n"],
)
def test_strange_letters_come_back_as_they_were(caller: Caller, text: str) -> None:
    said = caller.answer(text)["choices"][0]["message"]["content"]
    assert said == f"You said: {text}"
    assert caller.stream(text).content == f"You said: {text}"


@pytest.mark.parametrize("name", ["model", "session_id", "user", "user_id", "reasoning_effort"])
def test_strange_letters_in_labels(caller: Caller, name: str) -> None:
    response = caller.ask(**{name: "\x00\r\n\u2028😀\x7f"})
    assert response.status_code == 200
    if name == "session_id":
        assert response.json()["free_tier"]["session_id"] == "\x00\r\n\u2028😀\x7f"


# ── Headers and addresses ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-length", b"0"),
        ("accept", b"text/html"),
        ("accept-encoding", b"gzip"),
        ("authorization", b"\xff\xfe"),
        ("authorization", b"Bearer " + b"x" * 10_000),
        ("cookie", b"=;;=\xff" * 100),
        ("x-forwarded-for", b"\xff, , ,"),
        ("x-forwarded-for", b"1.2.3.4," * 500),
        ("x-forwarded-for", b"%00"),
        ("x-forwarded-for", b"1.2.3.4.5"),
        ("x-forwarded-for", b"[::1"),
        ("x-forwarded-for", b"fe80::1%eth0"),
        ("origin", b"null"),
        ("x-request-id", b"mine"),
        ("idempotency-key", b"\xff" * 300),
        ("te", b"trailers"),
        ("range", b"bytes=0-1"),
        ("if-none-match", b"*"),
    ],
)
def test_strange_headers(caller: Caller, name: str, value: bytes) -> None:
    request = caller.client.build_request(
        "POST",
        caller.url + COMPLETIONS,
        content=json.dumps(question()),
        headers=[(b"content-type", b"application/json"), (name.encode(), value)],
    )
    if name != "content-length":
        assert is_sound(caller.client.send(request))


@pytest.mark.parametrize(
    "name", ["\u00e9", "%", "%zz", "%e9", "%00", "x..", "a b", "a;b", "a:b", "{x}", "?", "//"]
)
def test_strange_addresses(caller: Caller, name: str) -> None:
    for path in (f"/{name}", f"/v1/models/{name}", f"/v1/chat/completions/{name}"):
        for method in ("GET", "POST"):
            response = caller.request(method, path)
            assert response.status_code < 500
            if response.status_code >= 400 and not is_page(response.headers):
                read_envelope(response.content)


# ── Anything at all ──────────────────────────────────────────────────────────────────────────

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good request of which some bytes are other bytes."""
    body = bytearray(json.dumps(question(draw(TEXT), stream=False, temperature=1)).encode())
    for _ in range(draw(st.integers(1, 4))):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body)


FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class TestAnything:
    """A few hundred cases over HTTP, each from somebody else."""

    @pytest.fixture
    def anybody(
        self, service: RunningService, client: httpx.Client, addresses: Iterator[str]
    ) -> Iterator[Caller]:
        return (Caller(service.url, client, address) for address in addresses)

    @FUZZ
    @given(body=BODIES | st.fixed_dictionaries({"messages": st.just([])}))
    def test_like_a_request(self, anybody: Iterator[Caller], body: dict[str, Any]) -> None:
        assert is_sound(send(next(anybody), json.dumps(body).encode()))

    @FUZZ
    @given(body=damaged())
    def test_a_damaged_request(self, anybody: Iterator[Caller], body: bytes) -> None:
        assert is_sound(send(next(anybody), body))

    @FUZZ
    @given(body=st.binary(max_size=300))
    def test_bytes(self, anybody: Iterator[Caller], body: bytes) -> None:
        assert is_sound(send(next(anybody), body))

    @FUZZ
    @given(text=TEXT, label=TEXT, streamed=st.booleans())
    def test_a_good_request(
        self, anybody: Iterator[Caller], text: str, label: str, streamed: bool
    ) -> None:
        caller = next(anybody)
        if streamed:
            assert caller.stream(text, model=label).content == f"You said: {text}"
        else:
            answer = caller.answer(text, session_id=label)
            assert answer["choices"][0]["message"]["content"] == f"You said: {text}"
            assert answer["free_tier"]["session_id"] == label

    @FUZZ
    @given(
        target=st.binary(max_size=30),
        method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]),
    )
    def test_an_address(self, service: RunningService, target: bytes, method: str) -> None:
        with Raw(service.url) as raw:
            raw.send(raw.request(method=method).replace(COMPLETIONS.encode(), b"/" + target))
            response = raw.read(method)
        assert response.status < 500
        if response.status >= 400 and response.body and not is_page(response.headers):
            read_envelope(response.body)
