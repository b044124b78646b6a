"""A body becomes a ``Call``, or a refusal that names the field; nothing else ever comes out."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.core.chat import IMAGE_TOKENS, OWN_MODEL, Call
from scalix_free.core.errors import Code, Refusal
from scalix_free.wire.request import FORWARDED, MOST_DEPTH, parse_call

RID = bytes(range(16))
USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


def parse(**fields: object) -> Call | Refusal:
    return parse_call(json.dumps({"messages": [USER], **fields}).encode(), RID)


def call_of(**fields: object) -> Call:
    call = parse(**fields)
    assert isinstance(call, Call), call
    return call


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


# ── Good bodies ──────────────────────────────────────────────────────────────────────────────


def test_the_least_that_can_be_asked() -> None:
    call = call_of()
    assert call == Call(
        rid=RID,
        messages=[USER],
        model=OWN_MODEL,
        prompt_tokens=call.prompt_tokens,
        newest_tokens=call.newest_tokens,
        newest_text="hi",
    )
    assert 0 < call.newest_tokens <= call.prompt_tokens


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({"model": "a/b"}, "model", "a/b"),
        ({"model": None}, "model", OWN_MODEL),
        ({"model": ""}, "model", OWN_MODEL),
        ({"stream": True}, "stream", True),
        ({"stream": None}, "stream", False),
        ({"stream": True, "stream_options": {"include_usage": True}}, "include_usage", True),
        ({"stream": True, "stream_options": {"include_usage": None}}, "include_usage", False),
        ({"stream_options": None}, "include_usage", False),
        ({"max_tokens": 7}, "output_tokens", 7),
        ({"max_tokens": 7, "max_completion_tokens": 9}, "output_tokens", 9),
        ({"max_tokens": 2**40}, "output_tokens", 2**40),
        ({"n": 1}, "output_tokens", None),
        ({"session_id": "s"}, "session_id", "s"),
        ({"user": "u", "user_id": "v"}, "parameters", {}),
        ({"logit_bias": {"1": 2}, "logprobs": True, "metadata": {}}, "parameters", {}),
        ({"scalix_options": {"deep": [1]}}, "parameters", {}),
    ],
)
def test_a_field_is_understood(fields: dict[str, object], name: str, value: object) -> None:
    assert getattr(call_of(**fields), name) == value


def test_a_cap_beyond_any_ceiling_is_a_cap() -> None:
    """Clamped, says the contract, not refused."""
    assert (call_of(max_tokens=10**30).output_tokens or 0) > 10**6


PARAMETERS: dict[str, object] = {
    "tools": [TOOL],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}},
    "stop": ["a", "b"],
    "seed": -5,
    "temperature": 0.0,
    "top_p": 1.0,
    "presence_penalty": -2.0,
    "frequency_penalty": 2.0,
    "reasoning_effort": "none",
}


def test_what_the_contract_forwards_is_forwarded() -> None:
    assert set(PARAMETERS) == set(FORWARDED)
    assert call_of(**PARAMETERS).parameters == PARAMETERS


def test_a_null_is_as_if_it_were_not_there() -> None:
    assert call_of(**dict.fromkeys(PARAMETERS)).parameters == {}


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({}, {}),
        ({"tools": [TOOL]}, {"tools": "tools"}),
        ({"tools": []}, {}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"json": "response_format"}),
        ({"response_format": {"type": "json_schema"}}, {"json": "response_format"}),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, {"images": "messages"}),
    ],
)
def test_what_a_model_must_be_able_to(fields: dict[str, object], needs: dict[str, str]) -> None:
    assert call_of(**fields).needs == needs


@pytest.mark.parametrize(
    "message",
    [
        {"role": "system", "content": "x"},
        {"role": "developer", "content": "x"},
        {"role": "user", "content": ""},
        {"role": "user", "content": [{"type": "text", "text": "x"}, IMAGE]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
        {"role": "user", "content": [{"type": "file", "file": {}}]},
        {"role": "assistant", "content": "x", "tool_calls": None},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {}}]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
        {"role": "function", "name": "f", "content": None},
        {"role": "user", "content": "x\u0000y\u2028😀", "name": "n", "reasoning_content": "hm"},
    ],
)
def test_a_message_comes_through_as_it_is(message: dict[str, object]) -> None:
    assert call_of(messages=[message, USER]).messages == [message, USER]


def test_unknown_fields_may_be_nested_deeply() -> None:
    assert isinstance(parse(metadata=nested(MOST_DEPTH + 50)), Call)


# Estimates.


def test_a_longer_prompt_is_estimated_longer_and_the_newest_alone_is_told() -> None:
    old, new = {"role": "user", "content": "x" * 3500}, {"role": "user", "content": "y" * 350}
    answer = {"role": "assistant", "content": "z" * 3500}
    call = call_of(messages=[old, answer, new])
    assert 100 <= call.newest_tokens <= 150
    assert 2000 <= call.prompt_tokens <= 2500


@pytest.mark.parametrize(
    ("more", "least"),
    [
        ({"messages": [{"role": "user", "content": [IMAGE, IMAGE]}]}, 2 * IMAGE_TOKENS),
        ({"tools": [TOOL] * 50}, 50 * 20),
        ({"messages": [{"role": "user", "content": "日本語" * 100}]}, 300),
    ],
)
def test_images_tools_and_other_scripts_have_their_price(
    more: dict[str, object], least: int
) -> None:
    assert call_of(**more).prompt_tokens >= least


# ── Bad bodies ───────────────────────────────────────────────────────────────────────────────

MESSAGES: list[tuple[object, str]] = [
    ({"content": "x"}, "role"),
    ({"role": "robot", "content": "x"}, "role"),
    ({"role": ["user"], "content": "x"}, "role"),
    ({"role": None, "content": "x"}, "role"),
    ({"role": "user"}, "content"),
    ({"role": "user", "content": None}, "content"),
    ({"role": "user", "content": 7}, "content"),
    ({"role": "user", "content": {}}, "content"),
    ({"role": "user", "content": []}, "content"),
    ({"role": "user", "content": ["x"]}, "content[0]"),
    ({"role": "user", "content": [{"type": "text"}]}, "text"),
    ({"role": "user", "content": [{"type": "text", "text": 7}]}, "text"),
    ({"role": "user", "content": [{"type": ["text"], "text": "x"}]}, "type"),
    ({"role": "user", "content": [{"type": "video", "text": "x"}]}, "type"),
    ({"role": "user", "content": [{"type": "image_url", "image_url": "u"}]}, "image_url"),
    ({"role": "tool", "content": "x"}, "tool_call_id"),
    ({"role": "tool", "tool_call_id": 7, "content": "x"}, "tool_call_id"),
    ({"role": "assistant", "content": "x", "tool_calls": {}}, "tool_calls"),
    (7, "messages"),
    (None, "messages"),
]


@pytest.mark.parametrize(("message", "named"), MESSAGES)
def test_a_bad_message_is_refused_by_name(message: object, named: str) -> None:
    refusal = parse(messages=[USER, message])
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.param) == (Code.INVALID_REQUEST, "messages")
    assert named in refusal.message


FIELDS: list[tuple[str, object]] = [
    ("messages", []),
    ("messages", None),
    ("messages", "hi"),
    ("messages", {}),
    ("model", 7),
    ("model", "x" * 257),
    ("stream", "yes"),
    ("stream", 1),
    ("stream_options", True),
    ("max_tokens", 0),
    ("max_tokens", -1),
    ("max_tokens", 1.5),
    ("max_tokens", "7"),
    ("max_tokens", True),
    ("max_completion_tokens", 0),
    ("max_completion_tokens", []),
    ("n", 0),
    ("n", 2),
    ("n", "1"),
    ("temperature", 2.1),
    ("temperature", -0.1),
    ("temperature", "hot"),
    ("top_p", 1.1),
    ("presence_penalty", 3),
    ("frequency_penalty", -3),
    ("seed", 1.5),
    ("seed", 10**30),
    ("stop", 7),
    ("stop", ["a"] * 5),
    ("stop", [7]),
    ("tools", {}),
    ("tools", ["f"]),
    ("tools", [{}]),
    ("tools", [{"type": "function"}]),
    ("tools", [{"type": "function", "function": {}}]),
    ("tools", [{"type": ["function"]}]),
    ("tools", [TOOL] * 129),
    ("tool_choice", 7),
    ("parallel_tool_calls", "no"),
    ("response_format", "json"),
    ("response_format", {}),
    ("response_format", {"type": "xml"}),
    ("response_format", {"type": []}),
    ("response_format", {"type": {}}),
    ("reasoning_effort", 7),
    ("user", 7),
    ("user_id", {}),
    ("session_id", "x" * 257),
]


@pytest.mark.parametrize(("name", "value"), FIELDS)
def test_a_bad_field_is_refused_by_name(name: str, value: object) -> None:
    refusal = parse(**{name: value})
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.param) == (Code.INVALID_REQUEST, name)
    assert name in refusal.message


def test_a_body_without_messages_names_them() -> None:
    refusal = parse_call(b"{}", RID)
    assert isinstance(refusal, Refusal)
    assert refusal.param == "messages"


@pytest.mark.parametrize(
    "field",
    [
        {"messages": [{"role": "user", "content": "x", "more": nested(MOST_DEPTH)}]},
        {"tools": [{**TOOL, "more": nested(MOST_DEPTH)}]},
        {"tool_choice": {"more": nested(MOST_DEPTH)}},
        {"response_format": {"type": "text", "more": nested(MOST_DEPTH)}},
    ],
    ids=["messages", "tools", "tool_choice", "response_format"],
)
def test_what_is_passed_on_may_not_be_nested_deeply(field: dict[str, object]) -> None:
    refusal = parse(**field)
    assert isinstance(refusal, Refusal)
    assert "nested" in refusal.message


NOT_JSON = {
    "nothing": b"",
    "text": b"hello",
    "torn": b'{"messages": [',
    "more after it": b'{"messages": [{"role": "user", "content": "x"}]} x',
    "single quotes": b"{'messages': []}",
    "NaN": b'{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
    "Infinity": b'{"messages": [{"role": "user", "content": "x"}], "top_p": -Infinity}',
    "invalid UTF-8": b'{"messages": [{"role": "user", "content": "\xff"}]}',
    "half a UTF-8 letter": b'{"messages": [{"role": "user", "content": "\xc3"}]}',
    "UTF-16": '{"messages": []}'.encode("utf-16"),
    "a lone surrogate": b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
    "a raw NUL": b'{"messages": [{"role": "user", "content": "\x00"}]}',
    "a byte order mark": b'\xef\xbb\xbf{"messages": []}',
    "an array": b"[]",
    "null": b"null",
    "a number": b"7",
    "100,000 brackets": b"[" * 100_000,
    "100,000 objects": b'{"a":' * 100_000,
    "brackets in messages": b'{"messages":' + b"[" * 100_000,
    "brackets in an unknown field": b'{"x":' + b"[" * 100_000,
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_no_json_object_is_refused_in_words(body: bytes) -> None:
    refusal = parse_call(body, RID)
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.INVALID_REQUEST
    assert " is not valid" in refusal.message
    assert refusal.message.isprintable()


# ── Laws ─────────────────────────────────────────────────────────────────────────────────────

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**18)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["user", "tool", "function", "text", "image_url", "json_object", ""])
)
NAMES = st.sampled_from(
    [
        "role",
        "content",
        "type",
        "text",
        "image_url",
        "function",
        "name",
        "tool_calls",
        "tool_call_id",
        "refusal",
        "x",
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(NAMES, below, max_size=4),
    max_leaves=12,
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system", "function"])},
    optional={"content": VALUES, "tool_calls": VALUES, "tool_call_id": VALUES},
)
BODIES = st.fixed_dictionaries(
    {"messages": st.lists(MESSAGE, max_size=3) | VALUES},
    optional=dict.fromkeys([*FORWARDED, *(name for name, _ in FIELDS[4:])], VALUES),
)


def is_sound(result: object) -> bool:
    return isinstance(result, Call) or (
        isinstance(result, Refusal) and result.code is Code.INVALID_REQUEST and bool(result.message)
    )


@given(st.binary(max_size=200))
def test_no_bytes_raise(body: bytes) -> None:
    assert is_sound(parse_call(body, RID))


@given(VALUES)
def test_no_json_raises(value: object) -> None:
    assert is_sound(parse_call(json.dumps(value).encode(), RID))


@given(BODIES)
def test_nothing_like_a_request_raises(body: dict[str, object]) -> None:
    assert is_sound(parse_call(json.dumps(body).encode(), RID))


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([{"role": "user", "content": "a"}], "a"),
        ([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], "b"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "a"),
        ([{"role": "system", "content": "a"}], ""),
        (
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "a"},
                        {"type": "image_url", "image_url": {"url": "data:"}},
                        {"type": "text", "text": "b"},
                    ],
                }
            ],
            "a\nb",
        ),
    ],
)
def test_the_newest_text_is_the_user_s(messages: list[dict[str, object]], text: str) -> None:
    call = parse_call(json.dumps({"messages": messages}).encode(), bytes(16), "t")
    assert isinstance(call, Call)
    assert (call.newest_text, call.turn) == (text, "t")
