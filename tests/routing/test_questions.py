"""How answers to questions with one right answer are judged."""

import pytest

from scalix_free.quality import questions
from scalix_free.routing.questions import JUDGES, Check, Question

ALL = questions()
each = pytest.mark.parametrize("question", ALL, ids=[one.answer[:12] for one in ALL])


@each
def test_the_right_answer_is_right_and_the_question_is_none(question: Question) -> None:
    assert question.is_right(question.answer)
    for wrong in ("", question.ask, f"You said: {question.ask}", "I cannot tell.", "null", "0"):
        assert not question.is_right(wrong)


@each
def test_a_question_is_short_and_its_answer_too(question: Question) -> None:
    assert len(question.ask) < 160
    assert len(question.answer) < 160


def test_there_is_something_of_everything() -> None:
    assert {one.kind for one in ALL} == {"arithmetic", "code", "json", "language", "instructions"}
    assert {one.check for one in ALL} == set(JUDGES)
    assert len({one.ask for one in ALL}) == len(ALL) == 12


@pytest.mark.parametrize(
    ("check", "right", "said", "is_right"),
    [
        ("number", "437", "23 times 19 is **437**.", True),
        ("number", "1437", "That makes 1,437", True),
        ("number", "10", "1 + 9 = 10.0", True),
        ("number", "10", "It is 10, from 1 and 9", False),
        ("number", "3", "v1.2.3", True),
        ("number", "10", "-10", False),
        ("says", "16:25", "It arrives at 16:25.", True),
        ("says", "16:25", "It arrives at 16.52, or 25 past 4", False),
        ("says", "pop", "`list.pop()`", True),
        ("says", "pop", "popitem", False),
        ("says", "mice", "MICE", True),
        ("words", "blue white red", "Blue, white, red.", True),
        ("words", "blue white red", "The colours: blue, white, red", False),
        ("words", "1 2 3", "1,2,3", True),
        ("words", "1 2 3", "1, 3, 2", False),
        ("json", '{"a": 1}', '{ "a":1 }', True),
        ("json", '{"a": 1}', '```json\n{"a": 1}\n```\n', True),
        ("json", '{"a": 1}', 'Here: {"a": 1}', False),
        ("json", '{"a": 1}', '{"a": "1"}', False),
        ("json", "[1, 2]", "[2, 1]", False),
        ("json", "[1]", "[" * 5_000, False),
    ],
)
def test_how_it_is_judged(check: Check, right: str, said: str, is_right: bool) -> None:
    question = Question(kind="any", ask="?", check=check, answer=right)

    assert question.is_right(said) is is_right
