"""What the headers of answers tell of limits: each provider's own names and forms."""

from collections.abc import Mapping, Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from scalix_free.core.budget import MOST, Act, Extent, Finding, Window
from scalix_free.providers.limits_told import IN_HEADERS, allows_nothing, told_by_headers

NOW_MS: Final = 1_795_430_400_000
RPM, RPD, TPM, TPD = Window


def limit(window: Window, amount: int) -> Finding:
    return Finding(Extent.MODEL, Act.LIMIT, 0, window, amount)


def left(window: Window, amount: int, for_ms: int | None = None) -> Finding:
    until_ms = 0 if for_ms is None else NOW_MS + for_ms
    return Finding(Extent.MODEL, Act.LEFT, until_ms, window, amount)


def read(provider: str, headers: Mapping[str, str]) -> list[Finding]:
    return [*told_by_headers(IN_HEADERS.get(provider, ()), CIMultiDict(headers), NOW_MS)]


USUAL: Final = {
    "X-RateLimit-Limit-Requests": "1000",
    "x-ratelimit-limit-tokens": "8000",
    "x-ratelimit-remaining-requests": "999",
    "x-ratelimit-remaining-tokens": "7890",
    "x-ratelimit-reset-requests": "1m26.4s",
    "x-ratelimit-reset-tokens": "825ms",
}
CAPTURED: Final[dict[str, tuple[Mapping[str, str], Sequence[Finding]]]] = {
    "groq": (
        USUAL,
        [limit(RPD, 1_000), left(RPD, 999, 86_400), limit(TPM, 8_000), left(TPM, 7_890, 825)],
    ),
    "openai": (
        USUAL,  # its request limit is the minute's: no longer than that
        [limit(RPM, 1_000), left(RPM, 999, 60_000), limit(TPM, 8_000), left(TPM, 7_890, 825)],
    ),
    "cerebras": (
        {
            "x-ratelimit-limit-requests-day": "14400",
            "x-ratelimit-limit-tokens-minute": "60000",
            "x-ratelimit-remaining-requests-day": "13693",
            "x-ratelimit-remaining-tokens-minute": "60000",
            "x-ratelimit-reset-requests-day": "11726.284",
            "x-ratelimit-reset-tokens-minute": "26.28409242630005",
        },
        [
            *(limit(RPD, 14_400), left(RPD, 13_693, 11_726_284)),
            *(limit(TPM, 60_000), left(TPM, 60_000, 26_284)),
        ],
    ),
    "mistral": (
        {
            "x-ratelimit-limit-req-minute": "60",
            "x-ratelimit-remaining-req-minute": "59",
            "x-ratelimit-limit-tokens-minute": "50000",
            "x-ratelimit-remaining-tokens-minute": "47196",
            "x-ratelimit-tokens-query-cost": "2804",
        },
        [
            *(limit(RPM, 60), left(RPM, 59, 60_000)),
            *(limit(TPM, 50_000), left(TPM, 47_196, 60_000)),
        ],
    ),
    "sambanova": (
        {"x-ratelimit-limit-requests-day": "20", "x-ratelimit-remaining-requests-day": "3"},
        [limit(RPD, 20), left(RPD, 3)],
    ),
}


def test_every_provider_that_tells_is_tried() -> None:
    assert CAPTURED.keys() == IN_HEADERS.keys()


@pytest.mark.parametrize("provider", CAPTURED)
def test_headers_tell_limits_and_what_is_left(provider: str) -> None:
    headers, expected = CAPTURED[provider]
    assert read(provider, headers) == expected
    assert read(provider, {}) == []
    assert read("nobody", headers) == []


@pytest.mark.parametrize("text", ["", "-1", "many", "1e9", "0.5", str(MOST + 1), "9" * 40, "²"])
def test_an_absurd_amount_tells_nothing(text: str) -> None:
    assert read("mistral", {"x-ratelimit-limit-req-minute": text}) == []
    assert read("mistral", {"x-ratelimit-remaining-req-minute": text}) == []


def test_more_left_than_allowed_tells_nothing() -> None:
    headers = {"x-ratelimit-limit-req-minute": "2", "x-ratelimit-remaining-req-minute": "3"}
    assert read("mistral", headers) == []


def test_a_limit_of_none_is_for_refusals() -> None:
    """An answer that was given contradicts it."""
    headers = {"x-ratelimit-limit-req-minute": "0", "x-ratelimit-remaining-req-minute": "0"}
    assert read("mistral", headers) == []
    assert allows_nothing(IN_HEADERS["mistral"], headers)
    assert not allows_nothing(IN_HEADERS["mistral"], {"x-ratelimit-limit-req-minute": "1"})


@given(st.sampled_from(sorted(IN_HEADERS)), st.text(max_size=12), st.text(max_size=12))
def test_no_text_breaks_it(provider: str, amount: str, reset: str) -> None:
    for one in IN_HEADERS[provider]:
        headers = {one.limit: amount, one.left: amount, one.reset: reset}
        for found in read(provider, headers):
            assert 0 <= found.amount <= MOST
            assert found.until_ms == 0 or found.until_ms > NOW_MS
