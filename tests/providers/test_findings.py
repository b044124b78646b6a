"""What a refusal tells about limits: each provider's own shapes, as captured from them."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

import pytest

from scalix_free.core.budget import DAY_MS, FOREVER_MS, Act, Extent, Finding, Window
from scalix_free.providers.failures import failure_of
from scalix_free.providers.findings import DAY_END, KEY_REST_MS, duration_ms

NOW_MS: Final = 1_795_430_400_000
MODEL, ACCOUNT = Extent.MODEL, Extent.ACCOUNT
Told = tuple[int, Mapping[str, str], object]


def gemini(quota: str, value: str, *, message: str = "", delay: str = "48s") -> object:
    """Gemini's refusal, as its compatible endpoint wraps it: in a list of one."""
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        "quotaId": quota,
        "quotaDimensions": {"location": "global", "model": "gemini-3.5-flash"},
        "quotaValue": value,
    }
    details = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    ]
    error = {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}
    return [{"error": error}]


def groq(window: str, again: str) -> object:
    message = (
        f"Rate limit reached for model `openai/gpt-oss-20b` on tokens per day ({window}): "
        f"Limit 200000, Used 197050, Requested 3619. Please try again in {again}. Need more?"
    )
    return {"error": {"message": message, "type": "tokens", "code": "rate_limit_exceeded"}}


def openrouter(message: str, **metadata: object) -> object:
    return {"error": {"message": message, "code": 429, "metadata": metadata}}


def rest(extent: Extent, ms: int) -> Finding:
    return Finding(extent, Act.REST, NOW_MS + ms)


def until_day_end(extent: Extent) -> Finding:
    return Finding(extent, Act.REST, DAY_END)


def retire(extent: Extent, ms: int) -> Finding:
    return Finding(extent, Act.RETIRE, min(NOW_MS + ms, FOREVER_MS))


RESET: Final = str(NOW_MS + 9 * 3_600_000)
PER_DAY, PER_MINUTE = (
    f"GenerateRequestsPer{span}PerProjectPerModel-FreeTier" for span in ("Day", "Minute")
)

SHAPES: Final[dict[str, tuple[Told, Sequence[Finding]]]] = {
    "gemini, the day: its wait is not believed": (
        (429, {}, gemini(PER_DAY, "20")),
        [until_day_end(MODEL), Finding(MODEL, Act.LIMIT, 0, Window.RPD, 20)],
    ),
    "gemini, the minute": (
        (429, {}, gemini(PER_MINUTE, "5", delay="12.5s")),
        [rest(MODEL, 12_500), Finding(MODEL, Act.LIMIT, 0, Window.RPM, 5)],
    ),
    "gemini, not on the free tier": (
        (429, {}, gemini(PER_DAY, "0", message="... limit: 0, model: gemini-2.5-pro")),
        [retire(MODEL, FOREVER_MS)],
    ),
    "gemini, a bad key": (
        (400, {}, [{"error": {"message": "Please pass a valid API key"}}]),
        [retire(ACCOUNT, KEY_REST_MS)],
    ),
    "openrouter, the day of the account": (
        (429, {"X-RateLimit-Reset": RESET}, openrouter("Rate limit exceeded: free-models-per-day")),
        [rest(ACCOUNT, 9 * 3_600_000)],
    ),
    "openrouter, the day without a reset": (
        (429, {}, openrouter("Rate limit exceeded: free-models-per-day-high-balance")),
        [until_day_end(ACCOUNT)],
    ),
    "openrouter, the minute": (
        (429, {}, openrouter("Rate limit exceeded: free-models-per-min")),
        [rest(ACCOUNT, 60_000)],
    ),
    "openrouter, a pool that is shared with everybody": (
        (
            429,
            {},
            openrouter("Provider returned error", limit_source="upstream_provider_shared_pool"),
        ),
        [rest(MODEL, 60_000)],
    ),
    "openrouter, too much in flight": (
        (402, {"Retry-After": "3"}, {"error": {"message": "in flight"}}),
        [rest(ACCOUNT, 3_000)],
    ),
    "openrouter, no credit": (
        (402, {}, {"error": {"message": "Insufficient credits"}}),
        [retire(ACCOUNT, KEY_REST_MS)],
    ),
    "openrouter, the model is gone": (
        (404, {}, {"error": {"message": "No endpoints found for x.", "code": 404}}),
        [retire(MODEL, DAY_MS)],
    ),
    "openrouter, none of its servers can call tools": (
        (404, {}, {"error": {"message": "No endpoints found that support tool use."}}),
        [],
    ),
    "openrouter, closed to this key": (
        (403, {}, {"error": {"message": "gated", "metadata": {"model_slug": "x"}}}),
        [retire(MODEL, DAY_MS)],
    ),
    "openrouter, the prompt was flagged": (
        (403, {}, {"error": {"metadata": {"reasons": ["x"], "flagged_input": "y"}}}),
        [],
    ),
    "groq, the day": (
        (429, {"Retry-After": "578"}, groq("TPD", "9m38.016s")),
        [until_day_end(MODEL)],
    ),
    "groq, the minute: the longer wait": (
        (429, {"Retry-After": "4"}, groq("TPM", "7.66s")),
        [rest(MODEL, 7_660)],
    ),
    "groq, too large": ((413, {}, groq("TPM", "0s")), []),
    "mistral, not on this plan": (
        (429, {"x-ratelimit-limit-req-minute": "0"}, {"message": "Rate limit exceeded"}),
        [retire(MODEL, FOREVER_MS)],
    ),
    "cloudflare, the day's neurons": (
        (429, {}, {"errors": [{"code": 4006, "message": "daily free allocation"}]}),
        [until_day_end(ACCOUNT)],
    ),
    "cohere, the month": (
        (429, {}, {"message": "limited to 1000 API calls / month."}),
        [rest(ACCOUNT, DAY_MS)],
    ),
    "z.ai, no money": (
        (429, {}, '{"error":{"code":"1113","message":"Insufficient balance"}}'),
        [retire(MODEL, FOREVER_MS)],
    ),
    "anybody, with a time": ((429, {"Retry-After": "7"}, {}), [rest(MODEL, 7_000)]),
    "anybody, without one": ((429, {}, {}), [Finding(MODEL, Act.BACK_OFF)]),
    "anybody, gone": ((410, {}, {"title": "Gone"}), [retire(MODEL, DAY_MS)]),
    "anybody, a bad key": ((401, {}, {}), [retire(ACCOUNT, KEY_REST_MS)]),
    "anybody, overloaded until then": ((503, {"Retry-After": "5"}, {}), [rest(MODEL, 5_000)]),
    "anybody, broken": ((500, {}, {}), []),
    "nvidia, a sick server": ((400, {}, {"detail": "DEGRADED function cannot be invoked"}), []),
    "the caller's fault": ((400, {}, {"error": {"message": "temperature"}}), []),
}


@pytest.mark.parametrize("name", SHAPES)
def test_what_a_provider_says_has_one_meaning(name: str) -> None:
    (status, headers, body), expected = SHAPES[name]
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    assert list(failure_of(status, headers, raw, NOW_MS).findings) == expected


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        *((b"250ms", 250), (b"7.66s", 7_660), (b"2m59.56s", 179_560), (b"5h0m0s", 18_000_000)),
        *((b"", 0), (b"soon", 0), (b"9m38.016s", 578_016)),
    ],
)
def test_durations(text: bytes, ms: int) -> None:
    assert duration_ms(text) == ms


@pytest.mark.parametrize("reset", ["", "tomorrow", "-1", "0", "99999999999999999999"])
def test_a_reset_that_cannot_be_waited_for_is_not_believed(reset: str) -> None:
    body = json.dumps(openrouter("free-models-per-day")).encode()
    found = failure_of(429, {"X-RateLimit-Reset": reset}, body, NOW_MS).findings
    assert list(found) == [until_day_end(ACCOUNT)]
