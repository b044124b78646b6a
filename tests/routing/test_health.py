"""When a model should rest, and how long its first token may take."""

import pytest

from scalix_free.routing.health import LEAST_SAMPLES, LEAST_WAIT_S, WINDOW_MS, Breaker, FirstToken


def trips(outcomes: str, *, every_ms: int = 1_000) -> list[int]:
    """After which of these calls it trips; ``x`` is a failure."""
    breaker = Breaker()
    return [
        n
        for n, outcome in enumerate(outcomes, 1)
        if breaker.hear(n * every_ms, failed=outcome == "x")
    ]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        *(("x", []), ("xx", [2]), ("xxxxx", [2, 4]), ("x.x.x", [5])),
        *((".x.x.x", [6]), ("....x", []), ("..xx.x", [4]), (".....", [])),
    ],
)
def test_of_few_two_in_a_row_are_enough_or_half_of_five(outcomes: str, expected: list[int]) -> None:
    assert trips(outcomes) == expected


def test_of_many_it_takes_five_in_a_row_or_half_of_them() -> None:
    assert trips("." * 15 + "xxxx", every_ms=100) == []
    assert trips("." * 15 + "xxxxx", every_ms=100) == [20]
    assert trips("." * 5 + "xx.xx.x", every_ms=100) == []
    assert trips("." * 3 + "xx.xx", every_ms=100) == [8]


def test_one_that_hung_counts_as_two() -> None:
    assert Breaker().hear(0, failed=True, hung=True)
    assert not Breaker().hear(0, failed=True)


def test_what_is_long_past_is_forgotten() -> None:
    assert trips("x.x.x.x.x.x.", every_ms=WINDOW_MS) == []


def test_a_first_token_is_waited_for_as_long_as_it_usually_takes_and_then_some() -> None:
    first = FirstToken()
    for _ in range(LEAST_SAMPLES - 1):
        first.hear(1.0)
    assert first.patience_s(20.0) == 20.0
    first.hear(1.0)
    steady = first.patience_s(20.0)
    assert LEAST_WAIT_S <= steady < 10.0
    for took_s in (0.1, 6.0, 0.1, 6.0):
        first.hear(took_s)
    assert steady < first.patience_s(60.0) <= 60.0
    assert first.patience_s(4.0) == 4.0
