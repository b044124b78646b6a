"""How many messages of the app a day holds."""

import pytest

from scalix_free.admission.sizing import BUILD, AppMessage, messages_a_day


@pytest.mark.parametrize(
    ("requests", "tokens", "context", "whole", "held"),
    [
        (20, 5_000, 32_768, True, 0),
        (50, 10_000, 32_768, True, 1),
        (20, 5_000, 32_768, False, 4),
        (50, 10_000, 32_768, False, 8),
        (50, 1_000_000, 32_768, True, 50),
        (None, 50_000, None, True, 5),
        (7, None, None, True, 7),
        (None, None, None, True, None),
        (50, 1_000_000, 9_000, False, 0),  # the prompt does not fit
    ],
)
def test_a_day_holds_what_its_tightest_limit_does(
    requests: int | None, tokens: int | None, context: int | None, *, whole: bool, held: int | None
) -> None:
    assert held == messages_a_day(
        BUILD,
        requests=requests,
        tokens=tokens,
        context_tokens=context,
        counts_whole_prompt=whole,
    )


def test_a_price_is_what_is_counted() -> None:
    message = AppMessage(prompt=90, typed=7, answer=10)
    assert message.price(counts_whole_prompt=True) == 100
    assert message.price(counts_whole_prompt=False) == 17
