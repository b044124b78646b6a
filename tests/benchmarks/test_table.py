import pytest

from benchmarks.table import Verdict, markdown, verdict


def test_columns_are_even_and_numbers_stand_to_the_right() -> None:
    assert markdown(["what", "µs"], [["a hop", "9.1"], ["two", "112.0"]]).splitlines() == [
        "| what  |    µs |",
        "| ----- | ----: |",
        "| a hop |   9.1 |",
        "| two   | 112.0 |",
    ]


@pytest.mark.parametrize(
    ("value", "target", "said"),
    [(2.004, 2.0, "met"), (2.01, 2.0, "missed"), (9.9, None, None)],
)
def test_a_verdict_is_as_precise_as_what_is_shown(
    value: float, target: float | None, said: Verdict
) -> None:
    assert verdict(value, target) == said
