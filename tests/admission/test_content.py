"""Long messages and unwanted words."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.admission.content import ContentRules, normalised
from scalix_free.core.errors import Code

WORDS = ("harmful", "ill egal", "c++", "naïve", "\u0432\u0440\u0435\u0434")
RULES = ContentRules(most_chars=200, denied=WORDS, flagged=["odd"])


def code(text: str, rules: ContentRules = RULES) -> Code | None:
    refusal = rules.refusal(text)
    return None if refusal is None else refusal.code


@pytest.mark.parametrize(
    "text",
    [
        "harmful",
        "Is this HARMFUL?",
        "a harmful, thing",
        "(harmful)",
        "harm\u200bful",
        "hárm\u0301fúl",
        "\uff48\uff41\uff52\uff4d\uff46\uff55\uff4c",
        "ill egal",
        "ill \n\t egal",
        "I write C++.",
        "NAIVE",
        "naïve",
        "\u0412\u0420\u0415\u0414",
    ],
)
def test_words_are_found_however_they_are_written(text: str) -> None:
    assert code(text) is Code.CONTENT_BLOCKED


@pytest.mark.parametrize(
    "text", ["", "unharmful", "harmfulness", "harm ful", "illegal", "ill, egal", "c+", "Hello"]
)
def test_only_whole_words_count(text: str) -> None:
    assert code(text) is None


def test_the_word_is_named_and_the_field_too() -> None:
    refusal = RULES.refusal("so HARMFUL")
    assert refusal is not None
    assert "“harmful”" in refusal.message
    assert refusal.param == "messages"


@pytest.mark.parametrize(("chars", "found"), [(200, None), (201, Code.PROMPT_TOO_LONG)])
def test_a_message_has_so_many_characters_and_no_more(chars: int, found: Code | None) -> None:
    assert code("\u0436" * chars) is found


def test_the_length_is_told_before_the_words() -> None:
    assert code("harmful " * 100) is Code.PROMPT_TOO_LONG


def test_without_rules_anything_can_be_asked() -> None:
    rules = ContentRules(most_chars=None)
    assert code("harmful " * 100_000, rules) is None
    assert not rules.is_flagged("odd")


def test_a_flagged_word_is_no_refusal() -> None:
    assert code("How odd.") is None
    assert RULES.is_flagged("How odd.")
    assert not RULES.is_flagged("How odder.")


@given(st.text(max_size=60), st.sampled_from(WORDS), st.text(max_size=60))
def test_a_word_between_spaces_is_always_found(before: str, word: str, after: str) -> None:
    text = f"{before} {word} {after}"
    assert ContentRules(most_chars=None, denied=WORDS).refusal(text) is not None


@given(st.text(max_size=60))
def test_what_is_normalised_stays_as_it_is(text: str) -> None:
    once = normalised(text)
    assert normalised(unicodedata.normalize("NFC", once)) == normalised(once)
