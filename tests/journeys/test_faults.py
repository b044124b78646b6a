"""Every fault of the world, whole and streamed, through the service: one meaning each."""

from collections.abc import Mapping
from typing import Final

import pytest

from tests.failures_page import PAGE, page
from tests.fault_run import GOOD, Ended, Run, alone, every_fault, then_good
from tests.world import FAULTS

ANSWERED: Final = "answered"
ERROR: Final = "502 `upstream_error`"
TIMEOUT: Final = "504 `upstream_timeout`"
HUNG: Final = "model rests for 30 s"
SPENT: Final = "503 `no_free_model_available`"
TOO_LONG: Final = "400 `context_length_exceeded`"
INVALID: Final = "400 `invalid_request`"
BLOCKED: Final = "400 `content_blocked`"
CUT: Final = "cut off: `upstream_error`"
CUT_LATE: Final = "cut off: `upstream_timeout`"

OF_THE_REQUEST: Final = {INVALID, BLOCKED}
"""What another model would be asked in vain."""

EXPECTED: Final[Mapping[str, tuple[str, ...]]] = {
    "normal": (ANSWERED, ANSWERED),
    "slow": (ANSWERED, ANSWERED),
    "hang": (TIMEOUT, TIMEOUT, HUNG),
    "hang-head": (TIMEOUT, TIMEOUT, HUNG),
    "stall": (TIMEOUT, CUT_LATE, HUNG),
    "reset": (ERROR, ERROR),
    "cut": (ERROR, CUT),
    "cut-reset": (ERROR, CUT),
    "cut-clean": (ERROR, CUT),
    "400-context": (TOO_LONG, TOO_LONG),
    "401": (ERROR, ERROR, "account retired for 1 h"),
    "402": (ERROR, ERROR, "account retired for 1 h"),
    "403": (ERROR, ERROR, "account retired for 1 h"),
    "404-model": (ERROR, ERROR, "model retired for 24 h"),
    "410": (ERROR, ERROR, "model retired for 24 h"),
    "413": (TOO_LONG, TOO_LONG),
    "422": (INVALID, INVALID),
    "429": (SPENT, SPENT, "model rests for 7 s"),
    "429-bare": (SPENT, SPENT, "model rests for 10 s, longer each time"),
    "500": (ERROR, ERROR),
    "504": (TIMEOUT, TIMEOUT, HUNG),
    "503": (ERROR, ERROR),
    "gemini-day": (SPENT, SPENT, "model rests until its day ends", "model has 20 requests a day"),
    "gemini-minute": (SPENT, SPENT, "model rests for 12.5 s", "model has 5 requests a minute"),
    "gemini-never": (SPENT, SPENT, "model retired for good"),
    "gemini-key": (ERROR, ERROR, "account retired for 1 h"),
    "gemini-region": (ERROR, ERROR, "account retired for 1 h"),
    "gemini-gone": (ERROR, ERROR, "model retired for 24 h"),
    "gemini-overload": (ERROR, ERROR, "model rests for 10 s, longer each time"),
    "openrouter-day": (SPENT, SPENT, "account rests for 9 h"),
    "openrouter-minute": (SPENT, SPENT, "account rests for 1 min"),
    "openrouter-pool": (SPENT, SPENT, "model rests for 1 min"),
    "openrouter-credit": (ERROR, ERROR, "account retired for 1 h"),
    "openrouter-in-flight": (SPENT, SPENT, "account rests for 3 s"),
    "openrouter-gone": (ERROR, ERROR, "model retired for 24 h"),
    "openrouter-tools": (ERROR, ERROR),
    "openrouter-privacy": (ERROR, ERROR, "model retired for 24 h"),
    "openrouter-gated": (ERROR, ERROR, "model retired for 24 h"),
    "openrouter-flagged": (BLOCKED, BLOCKED),
    "groq-minute": (
        SPENT,
        SPENT,
        "model rests for 7.66 s",
        "model has 1,000 requests a day",
        "model has 8,000 tokens a minute",
    ),
    "groq-day": (
        SPENT,
        SPENT,
        "model rests for 578.016 s",
        "model has 1,000 requests a day",
        "model has 8,000 tokens a minute",
        "model has 200,000 tokens a day",
    ),
    "groq-too-large": (
        SPENT,
        SPENT,
        "model has 1,000 requests a day",
        "model has 8,000 tokens a minute",
    ),
    "groq-gone": (ERROR, ERROR, "model retired for 24 h"),
    "mistral-minute": (SPENT, SPENT, "model rests for 1 min", "model has 2 requests a minute"),
    "mistral-never": (SPENT, SPENT, "model retired for good"),
    "mistral-busy": (SPENT, SPENT, "model rests for 10 s, longer each time"),
    "cerebras-minute": (SPENT, SPENT, "model rests for 12 s", "model has 30,000 tokens a minute"),
    "cerebras-gone": (ERROR, ERROR, "model retired for 24 h"),
    "nvidia-minute": (SPENT, SPENT, "account rests for 1 min"),
    "nvidia-gone": (ERROR, ERROR, "model retired for 24 h"),
    "nvidia-sick": (ERROR, ERROR, "model rests for 10 s, longer each time"),
    "cloudflare-day": (SPENT, SPENT, "account rests until its day ends"),
    "cloudflare-busy": (SPENT, SPENT, "model rests for 1 min"),
    "cloudflare-paid": (ERROR, ERROR, "model retired for 24 h"),
    "cloudflare-context": (TOO_LONG, TOO_LONG),
    "huggingface-credit": (ERROR, ERROR, "account retired for 1 h"),
    "cohere-month": (SPENT, SPENT, "account rests for 24 h"),
    "cohere-minute": (SPENT, SPENT, "model rests for 1 min"),
    "zai-busy": (SPENT, SPENT, "model rests for 10 s, longer each time"),
    "zai-crowded": (SPENT, SPENT, "model rests for 1 min"),
    "zai-never": (SPENT, SPENT, "model retired for good"),
    "ollama-busy": (ERROR, ERROR),
    "html-error": (ERROR, ERROR),
    "status": (ERROR, ERROR),
    "error-openai": (ERROR, CUT),
    "error-openrouter": (ERROR, CUT),
    "error-groq": (ERROR, CUT),
    "error-gemini": (ERROR, CUT, "model rests for 10 s, longer each time"),
    "error-openai-first": (ERROR, ERROR),
    "error-openrouter-first": (ERROR, ERROR),
    "error-groq-first": (ERROR, ERROR),
    "error-gemini-first": (ERROR, ERROR, "model rests for 10 s, longer each time"),
    "finish-error": (ERROR, CUT),
    "malformed": (ERROR, CUT),
    "malformed-first": (ERROR, ERROR),
    "no-done": (ANSWERED, ANSWERED),
    "nothing": (ERROR, ERROR),
    "html": (ERROR, ERROR),
    "comments": (ANSWERED, ANSWERED),
    "split": (ANSWERED, ANSWERED),
    "joined": (ANSWERED, ANSWERED),
    "crlf": (ANSWERED, ANSWERED),
    "tight": (ANSWERED, ANSWERED),
    "huge": (ANSWERED, ERROR),
    "usage-missing": (ANSWERED, ANSWERED),
    "usage-always": (ANSWERED, ANSWERED),
    "usage-in-finish": (ANSWERED, ANSWERED),
    "usage-negative": (ANSWERED, ANSWERED),
    "usage-float": (ANSWERED, ANSWERED),
    "usage-huge": (ANSWERED, ANSWERED),
    "limits-true": (
        ANSWERED,
        ANSWERED,
        "model has 1,000 requests a day",
        "model has 8,000 tokens a minute",
    ),
    "limits-wrong": (ANSWERED, ANSWERED),
    "limits-absurd": (ANSWERED, ANSWERED),
    "empty": (ERROR, ERROR),
    "role-first": (ANSWERED, ANSWERED),
    "no-choices-first": (ANSWERED, ANSWERED),
    "tools": (ANSWERED, ANSWERED),
    "reasoning": (ANSWERED, ANSWERED),
    "reasoning-openrouter": (ANSWERED, ANSWERED),
    "length": (ANSWERED, ANSWERED),
    "content-filter": (ANSWERED, ANSWERED),
}
"""Fault → how it ends whole and streamed for whoever has no other model, and what follows."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Run]:
    return every_fault(tmp_path_factory.mktemp("faults"))


def test_every_fault_of_the_world_is_expected() -> None:
    assert list(EXPECTED) == list(FAULTS)


@pytest.mark.parametrize("fault", EXPECTED)
def test_a_fault_has_one_meaning_for_the_caller_and_for_the_budgets(
    runs: Mapping[str, Run], fault: str
) -> None:
    run = runs[fault]
    whole, streamed, *follows = EXPECTED[fault]
    assert (str(run.alone[False]), str(run.alone[True])) == (whole, streamed)
    assert list(run.follows) == follows
    for is_stream, ended in run.alone.items():
        begun = ended.broken or ended.code is None
        assert (ended.model, ended.attempts) == (alone(fault, is_stream) if begun else None, 1)


@pytest.mark.parametrize("fault", EXPECTED)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_another_takes_over_unless_something_was_shown_or_the_request_is_at_fault(
    runs: Mapping[str, Run], fault: str, streamed: bool
) -> None:
    ended, by_itself = runs[fault].then_good[streamed], runs[fault].alone[streamed]
    if by_itself.broken or by_itself.code is None:
        model = then_good(fault, streamed)
        assert ended == Ended(200, by_itself.code, model, 1, broken=by_itself.broken)
    elif str(by_itself) in OF_THE_REQUEST:
        assert ended == by_itself
    else:
        assert ended == Ended(200, None, GOOD, 2)


def test_the_page_of_failures_shows_what_was_run(runs: Mapping[str, Run]) -> None:
    assert PAGE.read_text() == page(runs), "run: python -m tests.failures_page"
