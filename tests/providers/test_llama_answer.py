"""What the local model reads and writes: laws of the cutter, the request, and the answer."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.providers.llama_answer import (
    EXAMPLES,
    AnswerError,
    Frames,
    Head,
    Piece,
    Reader,
    RepeatCutter,
    completion,
    prompt_tokens,
    read_request,
)

# ---------------------------------------------------------------------------- the cutter

letters = "abcde"
words = st.text(letters, min_size=1, max_size=8)
# Few letters and few separators, so that loops are common.
texts = st.one_of(
    st.text("ab .\n-1", max_size=120),
    st.builds(
        lambda start, loop, times: start + loop * times,
        st.text("abc \n", max_size=30),
        st.text("abc ,.\n", min_size=1, max_size=40),
        st.integers(0, 15),
    ),
)


def cut(*pieces: str) -> str:
    cutter = RepeatCutter()
    return "".join([cutter.feed(piece) for piece in pieces])


@given(texts, st.data())
def test_the_result_does_not_depend_on_the_pieces(text: str, data: st.DataObject) -> None:
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]

    assert cut(*pieces) == cut(text) == cut(*text)


@given(texts, texts)
def test_an_answer_is_a_beginning_of_what_was_said_and_nothing_follows_a_cut(
    text: str, more: str
) -> None:
    cutter = RepeatCutter()
    said = cutter.feed(text)

    assert text.startswith(said)
    if cutter.cut:
        assert cutter.feed(more) == ""
        assert cutter.cut
    else:
        assert said == text


@given(st.lists(words, unique=True, max_size=60), st.data())
def test_a_text_without_repeats_passes_unchanged(said: list[str], data: st.DataObject) -> None:
    gaps = data.draw(st.lists(st.sampled_from(" \n"), min_size=len(said), max_size=len(said)))
    text = "".join(word + gap for word, gap in zip(said, gaps, strict=True))

    assert cut(text) == text


@given(st.text("abc ,.", min_size=1, max_size=40), st.integers(0, 30))
def test_a_line_ends_the_answer_when_it_comes_for_the_third_time_in_a_row(
    line: str, extra: int
) -> None:
    text = f"{line}\n" * (3 + extra)
    said = cut(text)

    if any(char.isalnum() for char in line):
        assert len(said) <= len(f"{line}\n" * 3)
    else:
        assert said == text


@given(st.text(letters + " ", min_size=12, max_size=200), st.integers(0, 3))
def test_a_phrase_ends_the_answer_when_it_comes_three_times_in_a_row(
    phrase: str, extra: int
) -> None:
    text = "Well: " + phrase * (3 + extra)
    said = cut(text)

    if any(char.isalnum() for char in phrase):
        assert len(said) <= len("Well: " + phrase * 3)
    else:
        assert said == text


@pytest.mark.parametrize(
    "text",
    [
        "a = [\n    1,\n    2,\n]\nb = [\n    3,\n]\nc = [\n]\nd = [\n]\n",
        "if a:\n    pass\nelse:\n    pass\nif b:\n    pass\nelse:\n    pass\n",
        "| a | b |\n| --- | --- |\n| 1 | 2 |\n" + "-" * 120 + "\n\n\n\n",
        "row, row, row your boat\nha ha ha\n",
        "    " * 30 + "deep\n" + "=" * 80,
    ],
)
def test_code_tables_and_rules_are_no_loops(text: str) -> None:
    assert cut(text) == text


@pytest.mark.parametrize(
    ("loop", "said"),
    [
        ("yes\n" * 9, "yes\nyes\nyes"),
        ("1. Be.\n2. Be.\n3. Be.\n4. Be.\n", "1. Be.\n2. Be.\n3. Be."),
        (
            "A long enough line.\nYes.\n" * 9,
            "A long enough line.\nYes.\n" * 2 + "A long enough line.",
        ),
        ("The sky is blue. " * 9, "The sky is blue. The sky is blue. The sky is blue. "),
        ("ha " * 40, "ha " * 12),
    ],
)
def test_the_third_copy_is_the_last_thing_said(loop: str, said: str) -> None:
    assert cut(loop) == said


# ---------------------------------------------------------------------------- the request


def ask(
    fields: Mapping[str, object], *, examples: bool = False, longest: int | None = None
) -> Mapping[str, object]:
    body = json.dumps({"messages": [{"role": "user", "content": "Hi"}], **fields}).encode()
    return read_request(body, examples=examples, longest=longest).prompt


def test_only_known_fields_reach_the_model() -> None:
    known = {
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["x"],
        "seed": 7,
        "response_format": {"type": "json_object"},
    }
    unknown = {"model": "x", "tools": [], "id_slot": 1, "n_predict": 9, "user_id": "u"}
    own = set(ask({}))
    prompt = ask({**known, **unknown})

    assert {name: prompt[name] for name in known} == known
    assert set(prompt) == own | set(known)


def test_the_model_is_greedy_unless_the_caller_names_a_temperature() -> None:
    assert ask({})["temperature"] == 0
    assert ask({"temperature": None})["temperature"] == 0
    assert ask({"temperature": 1})["temperature"] == 1


@pytest.mark.parametrize(
    ("fields", "longest", "tokens"),
    [
        ({}, 256, 256),
        ({"max_tokens": 5}, 256, 5),
        ({"max_tokens": 9999}, 256, 256),
        ({"max_tokens": 9, "max_completion_tokens": 7}, 256, 7),
        ({"max_completion_tokens": 999}, None, 999),
        ({}, None, None),
    ],
)
def test_the_shortest_limit_holds(
    fields: dict[str, object], longest: int | None, tokens: int | None
) -> None:
    assert ask(fields, longest=longest).get("max_tokens") == tokens


def test_example_turns_stand_between_the_callers_instructions_and_the_rest() -> None:
    lead = [{"role": "system", "content": "a"}, {"role": "system", "content": "b"}]
    rest = [
        {"role": "user", "content": "c"},
        {"role": "system", "content": "d"},
        {"role": "user", "content": "e"},
    ]

    def told(*messages: object, examples: bool) -> object:
        return ask({"messages": messages}, examples=examples)["messages"]

    assert told(*lead, *rest, examples=True) == [*lead, *EXAMPLES, *rest]
    assert told(*lead, *rest, examples=False) == [*lead, *rest]
    assert told(*rest, examples=True) == [*EXAMPLES, *rest]


def test_text_parts_become_one_text_and_developers_become_the_system() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]

    assert ask({"messages": [{"role": "developer", "content": parts}]})["messages"] == [
        {"role": "system", "content": "a\nb"}
    ]


@pytest.mark.parametrize(
    ("stop", "kept"), [("x", ["x"]), (["x", ""], ["x"]), ("", None), ([], None)]
)
def test_an_empty_stop_does_not_end_every_answer(stop: object, kept: object) -> None:
    assert ask({"stop": stop}).get("stop") == kept


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []},
        {"messages": "Hi"},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        {"max_tokens": 0},
        {"max_completion_tokens": "5"},
        {"temperature": -1},
        {"top_p": 2},
        {"seed": "x"},
        {"stop": [1]},
        {"response_format": {"type": "xml"}},
    ],
)
def test_what_the_model_cannot_take_is_400(fields: dict[str, object]) -> None:
    with pytest.raises(AnswerError) as refused:
        ask(fields)
    assert refused.value.status == 400
    assert refused.value.body["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"messages": [{"role": "\xff"}]}'])
def test_a_body_that_is_no_request_is_400(body: bytes) -> None:
    with pytest.raises(AnswerError) as refused:
        read_request(body, examples=False, longest=None)
    assert refused.value.status == 400


# ---------------------------------------------------------------------------- the answer


def said(text: str | None, tokens: int, finish: str | None = None) -> dict[str, object]:
    return {
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}],
        "timings": {"cache_n": 100, "prompt_n": 20, "predicted_n": tokens},
        "model": "/a/path/to/a.gguf",
    }


ROLE: dict[str, object] = {
    "choices": [{"delta": {"role": "assistant", "content": None}, "finish_reason": None}]
}


def test_an_answer_is_read_piece_by_piece_without_the_example_turns() -> None:
    reader = Reader(uncounted=102, cut_repeats=True)
    chunks = [ROLE, said("Hello", 1), said(None, 2), said(" you", 3), said(None, 4, "length")]

    assert [piece for chunk in chunks if (piece := reader.read(chunk))] == [
        Piece("Hello", None, 18, 1),
        Piece(" you", None, 18, 3),
        Piece("", "length", 18, 4),
    ]


def test_usage_is_never_less_than_one() -> None:
    piece = Reader(uncounted=500, cut_repeats=False).read(said("x", 1))
    assert piece is not None
    assert piece.prompt_tokens == 1


def test_a_loop_finishes_with_stop() -> None:
    reader = Reader(uncounted=0, cut_repeats=True)
    pieces = [reader.read(said("no\n", n)) for n in (1, 2, 3)]
    assert pieces[-1] == Piece("no", "stop", 120, 3)


def test_another_model_may_repeat_itself() -> None:
    reader = Reader(uncounted=0, cut_repeats=False)
    pieces = [reader.read(said("no\n", n)) for n in range(1, 9)]
    assert {piece.finish for piece in pieces if piece} == {None}


def test_a_prompt_that_is_too_long_is_told_in_the_callers_own_tokens() -> None:
    error = {
        "code": 400,
        "type": "exceed_context_size_error",
        "message": "/a/path/to/a.gguf: too long",
        "n_prompt_tokens": 3031,
        "n_ctx": 2048,
    }
    with pytest.raises(AnswerError) as refused:
        Reader(uncounted=31, cut_repeats=True).read({"error": error})

    assert refused.value.status == 400
    assert refused.value.body["error"] == {
        "message": "This model reads at most 2017 tokens of messages; these are 3000.",
        "type": "invalid_request_error",
        "code": "context_length_exceeded",
    }


@pytest.mark.parametrize(("code", "status"), [(400, 400), (404, 400), (500, 500), (503, 500)])
def test_other_errors_are_told_in_our_own_words(code: int, status: int) -> None:
    with pytest.raises(AnswerError) as refused:
        Reader(uncounted=0, cut_repeats=True).read({"error": {"code": code, "message": "/a/path"}})
    assert refused.value.status == status
    assert "/a/path" not in str(refused.value.body)


def test_a_prompt_is_counted_from_the_last_thing_told() -> None:
    start = {"choices": [], "timings": {"cache_n": 9, "prompt_n": 0, "predicted_n": 0}}
    assert prompt_tokens([start, ROLE, said("x", 1)]) == 120
    with pytest.raises(ValueError, match="no token counts"):
        prompt_tokens([ROLE])


# ---------------------------------------------------------------------------- the OpenAI shapes

HEAD = Head("chatcmpl-1", 1700000000, "scalix-demo")


def test_a_stream_has_a_role_pieces_a_finish_and_a_usage_frame() -> None:
    frames = Frames(HEAD, include_usage=True)
    all_frames = [
        frames.first(),
        *frames.of(Piece("Hi", None, 3, 1)),
        *frames.of(Piece("!", "stop", 3, 2)),
    ]

    def choice(delta: dict[str, object], finish: str | None = None) -> list[object]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]

    assert [(frame["choices"], frame["usage"]) for frame in all_frames] == [
        (choice({"role": "assistant", "content": "", "refusal": None}), None),
        (choice({"content": "Hi"}), None),
        (choice({"content": "!"}), None),
        (choice({}, "stop"), None),
        ([], {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}),
    ]
    assert {frame["object"] for frame in all_frames} == {"chat.completion.chunk"}


def test_no_frame_speaks_of_usage_unless_asked() -> None:
    frames = Frames(HEAD, include_usage=False)
    assert all(
        "usage" not in frame for frame in [frames.first(), *frames.of(Piece("x", "stop", 1, 1))]
    )


def test_a_completion_tells_why_it_ended_and_what_it_took() -> None:
    whole = completion(HEAD, "Hi!", Piece("!", "length", 3, 2))
    assert whole["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi!", "refusal": None},
            "logprobs": None,
            "finish_reason": "length",
        }
    ]
    assert whole["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
