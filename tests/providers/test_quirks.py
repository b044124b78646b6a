"""What a refusal tells about limits: each provider's own shapes, as captured from them."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

import pytest
from multidict import CIMultiDict

from scalix_free.core.budget import FOREVER_MS, Act, Extent, Finding, Window
from scalix_free.core.clock import DAY_MS
from scalix_free.core.errors import Kind
from scalix_free.providers.failures import DAY_END, dialect_of, failure_inside, failure_of
from scalix_free.providers.quirks import KEY_REST_MS, PROXY

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


GROQ: Final = {
    "x-ratelimit-limit-requests": "1000",
    "x-ratelimit-limit-tokens": "8000",
    "x-ratelimit-remaining-requests": "500",
    "x-ratelimit-remaining-tokens": "10",
    "x-ratelimit-reset-requests": "2m59.56s",
    "x-ratelimit-reset-tokens": "7.66s",
}
TOO_LARGE: Final = (
    "Request too large for model `openai/gpt-oss-20b` in organization `org_01k` on tokens per "
    "minute (TPM): Limit 8000, Requested 12328, please reduce your message size and try again."
)
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
    "gemini, the tokens of a minute": (
        (
            429,
            {},
            gemini("GenerateContentInputTokensPerModelPerMinute-FreeTier", "250000", delay="9s"),
        ),
        [rest(MODEL, 9_000), Finding(MODEL, Act.LIMIT, 0, Window.TPM, 250_000)],
    ),
    "gemini, several limits: the worst": (
        (
            429,
            {},
            [{"error": [gemini(PER_MINUTE, "5", delay="2s"), gemini(PER_DAY, "20", delay="2s")]}],
        ),
        [
            until_day_end(MODEL),
            Finding(MODEL, Act.LIMIT, 0, Window.RPM, 5),
            Finding(MODEL, Act.LIMIT, 0, Window.RPD, 20),
        ],
    ),
    "gemini, without details": (
        (429, {}, [{"error": {"message": "limit: 20, model: x\nPlease retry in 48.109618264s."}}]),
        [rest(MODEL, 48_109)],
    ),
    "gemini, high demand": (
        (503, {}, [{"error": {"code": 503, "status": "UNAVAILABLE"}}]),
        [Finding(MODEL, Act.BACK_OFF)],
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
    "openrouter, such a pool with a wait: a minute at least": (
        (
            429,
            {},
            openrouter("x is temporarily rate-limited upstream.", retry_after_seconds=5),
        ),
        [rest(MODEL, 60_000)],
    ),
    "openrouter, the day with its headers in the body": (
        (
            429,
            {},
            openrouter(
                "Rate limit exceeded: free-models-per-day",
                headers={"X-RateLimit-Limit": "50", "X-RateLimit-Reset": RESET},
            ),
        ),
        [rest(ACCOUNT, 9 * 3_600_000), Finding(ACCOUNT, Act.LIMIT, 0, Window.RPD, 50)],
    ),
    "openrouter, a setting of the account closes the model": (
        (404, {}, openrouter("No endpoints available matching your guardrail and data policy.")),
        [retire(MODEL, DAY_MS)],
    ),
    "openrouter, too much in flight": (
        (
            402,
            {"Retry-After": "3"},
            openrouter("in flight", limit_source="openrouter_in_flight_budget"),
        ),
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
    "groq, the day: its wait is true, the longer of two": (
        (429, {"Retry-After": "578"}, groq("TPD", "9m38.016s")),
        [rest(MODEL, 578_016), Finding(MODEL, Act.LIMIT, 0, Window.TPD, 200_000)],
    ),
    "groq, the day without a wait": (
        (429, {}, groq("RPD", "")),
        [until_day_end(MODEL), Finding(MODEL, Act.LIMIT, 0, Window.RPD, 200_000)],
    ),
    "groq, the minute: the longer wait": (
        (429, {"Retry-After": "4"}, groq("TPM", "7.66s")),
        [rest(MODEL, 7_660), Finding(MODEL, Act.LIMIT, 0, Window.TPM, 200_000)],
    ),
    "groq, what its headers tell beside it": (
        (429, {"Retry-After": "4", **GROQ}, groq("RPM", "2s")),
        [
            rest(MODEL, 4_000),
            Finding(MODEL, Act.LIMIT, 0, Window.RPM, 200_000),
            Finding(MODEL, Act.LIMIT, 0, Window.RPD, 1_000),
            Finding(MODEL, Act.LEFT, NOW_MS + 179_560, Window.RPD, 500),
            Finding(MODEL, Act.LIMIT, 0, Window.TPM, 8_000),
            Finding(MODEL, Act.LEFT, NOW_MS + 7_660, Window.TPM, 10),
        ],
    ),
    "groq, larger than the minute": (
        (413, {}, {"error": {"message": TOO_LARGE, "code": "rate_limit_exceeded"}}),
        [Finding(MODEL, Act.LIMIT, 0, Window.TPM, 8_000)],
    ),
    "mistral, not on this plan": (
        (429, {"x-ratelimit-limit-req-minute": "0"}, {"message": "Rate limit exceeded"}),
        [retire(MODEL, FOREVER_MS)],
    ),
    "mistral, the minute": (
        (
            429,
            {"x-ratelimit-limit-req-minute": "2", "x-ratelimit-remaining-req-minute": "0"},
            {"object": "error", "message": "Rate limit exceeded", "code": "1300"},
        ),
        [
            rest(MODEL, 60_000),
            Finding(MODEL, Act.LIMIT, 0, Window.RPM, 2),
            Finding(MODEL, Act.LEFT, NOW_MS + 60_000, Window.RPM, 0),
        ],
    ),
    "mistral, too many of everybody's": (
        (429, {}, {"message": "Service tier capacity exceeded for this model.", "code": "3505"}),
        [Finding(MODEL, Act.BACK_OFF)],
    ),
    "cloudflare, a paid model": (
        (403, {}, {"errors": [{"message": "This model needs Workers Paid"}]}),
        [retire(MODEL, DAY_MS)],
    ),
    "cloudflare, too many of everybody's": (
        (429, {}, {"errors": [{"code": 3040, "message": "Capacity temporarily exceeded"}]}),
        [rest(MODEL, 60_000)],
    ),
    "cloudflare, the day's neurons by the other code": (
        (429, {}, {"errors": [{"code": 3036}]}),
        [until_day_end(ACCOUNT)],
    ),
    "cloudflare, the day's neurons": (
        (429, {}, {"errors": [{"code": 4006, "message": "daily free allocation"}]}),
        [until_day_end(ACCOUNT)],
    ),
    "cohere, the month": (
        (429, {}, {"message": "limited to 1000 API calls / month."}),
        [rest(ACCOUNT, DAY_MS)],
    ),
    "cohere, the minute": (
        (429, {}, {"message": "limited to 20 API calls / minute."}),
        [rest(MODEL, 60_000)],
    ),
    "nvidia_nim, the minute of all models": (
        (429, {}, {"status": 429, "title": "Too Many Requests"}),
        [rest(ACCOUNT, 60_000)],
    ),
    "nvidia_nim, a sick server": (
        (400, {}, {"detail": "Function id 'x': DEGRADED function cannot be invoked"}),
        [Finding(MODEL, Act.BACK_OFF)],
    ),
    "cerebras, a model that went": (
        (402, {}, {"type": "model_archived_error", "code": "model_archived"}),
        [retire(MODEL, DAY_MS)],
    ),
    "zai, too many of ours": (
        (429, {}, '{"error":{"code":"1302"}}'),
        [Finding(MODEL, Act.BACK_OFF)],
    ),
    "zai, too many of everybody's": ((429, {}, '{"error":{"code":"1305"}}'), [rest(MODEL, 60_000)]),
    "zai, no money": (
        (429, {}, '{"error":{"code":"1113","message":"Insufficient balance"}}'),
        [retire(MODEL, FOREVER_MS)],
    ),
    "anybody, with a time": ((429, {"Retry-After": "7"}, {}), [rest(MODEL, 7_000)]),
    "anybody, without one": ((429, {}, {}), [Finding(MODEL, Act.BACK_OFF)]),
    "anybody, gone": ((410, {}, {"title": "Gone"}), [retire(MODEL, DAY_MS)]),
    "anybody, a bad key": ((401, {}, {}), [retire(ACCOUNT, KEY_REST_MS)]),
    "anybody, overloaded until then": ((503, {"Retry-After": "5"}, {}), [rest(MODEL, 5_000)]),
    "anybody, broken": ((500, {}, {}), []),
    "anybody, a sick server": ((400, {}, {"detail": "DEGRADED function cannot be invoked"}), []),
    "anybody, the caller's fault": ((400, {}, {"error": {"message": "temperature"}}), []),
}


@pytest.mark.parametrize("name", SHAPES)
def test_what_a_provider_says_has_one_meaning(name: str) -> None:
    (status, headers, body), expected = SHAPES[name]
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    dialect = dialect_of(name.partition(",")[0])
    found = failure_of(status, CIMultiDict(headers), raw, NOW_MS, dialect).findings
    assert list(found) == expected


@pytest.mark.parametrize("reset", ["", "tomorrow", "-1", "0", "99999999999999999999"])
def test_a_reset_that_cannot_be_waited_for_is_not_believed(reset: str) -> None:
    body = json.dumps(openrouter("free-models-per-day")).encode()
    found = failure_of(429, {"X-RateLimit-Reset": reset}, body, NOW_MS).findings
    assert list(found) == [until_day_end(ACCOUNT)]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, b"(RPD)"),
        (429, b'{"code": 4006}'),
        (429, b'{"code": "1113"}'),
        (429, b"limit: 0, or so"),
        (429, b"capacity exceeded"),
    ],
)
@pytest.mark.parametrize("provider", ["", "my own", "openrouter"])
def test_words_that_could_be_anybody_s_mean_that_of_their_provider_alone(
    provider: str, status: int, body: bytes
) -> None:
    found = failure_of(status, {}, body, NOW_MS, dialect_of(provider)).findings
    assert list(found) == [Finding(MODEL, Act.BACK_OFF)]


def test_words_that_can_only_be_one_s_are_believed_of_a_provider_under_another_name() -> None:
    (status, headers, body), (until, *_) = SHAPES["gemini, the day: its wait is not believed"]
    found = failure_of(status, headers, json.dumps(body).encode(), NOW_MS, dialect_of("mine"))
    assert list(found.findings) == [until]


def litellm(kind: str, said: str, code: str) -> object:
    """As LiteLLM 1.106.2 passes on what a provider has said."""
    message = (
        f"litellm.{kind}: {kind}: OpenAIException - {said}\n\nLiteLLM: model group 'm' failed with "
        "the error above. No fallback was attempted."
    )
    return {"error": {"message": message, "type": None, "param": None, "code": code}}


RESTS_FOR_5_S: Final = {
    "error": {
        "message": "No deployments available for selected model, Try again in 5 seconds. "
        "Passed model=m.",
        "type": "throttling_error",
        "code": "429",
    }
}
BY_PROXY: Final[Mapping[str, tuple[int, object, Kind, Sequence[Finding]]]] = {
    "a key of a provider's": (
        401,
        litellm("AuthenticationError", "Incorrect API key provided: sk-x.", "401"),
        Kind.REFUSED_KEY,
        [retire(MODEL, KEY_REST_MS)],
    ),
    "the master key": (
        401,
        {"error": {"message": "Authentication Error, Invalid proxy server token", "code": "401"}},
        Kind.REFUSED_KEY,
        [retire(ACCOUNT, KEY_REST_MS)],
    ),
    "the master key, without a database": (
        400,
        {"error": {"message": "No connected db.", "type": "no_db_connection", "code": "400"}},
        Kind.REFUSED_KEY,
        [retire(ACCOUNT, KEY_REST_MS)],
    ),
    "no such model": (
        400,
        {"error": {"message": "/chat/completions: Invalid model name passed in model=m."}},
        Kind.GONE,
        [retire(MODEL, DAY_MS)],
    ),
    "a rest of its own": (429, RESTS_FOR_5_S, Kind.RATE_LIMITED, [rest(MODEL, 5_000)]),
    "a budget of its own": (
        429,
        {"error": {"message": "Budget has been exceeded!", "type": "budget_exceeded"}},
        Kind.RATE_LIMITED,
        [rest(ACCOUNT, 3_600_000)],
    ),
    "a limit of somebody's": (
        429,
        litellm("RateLimitError", "Rate limit reached.", "429"),
        Kind.RATE_LIMITED,
        [Finding(MODEL, Act.BACK_OFF)],
    ),
    "an account's day, of which it may have more": (
        429,
        litellm("RateLimitError", "Rate limit exceeded: free-models-per-day.", "429"),
        Kind.RATE_LIMITED,
        [until_day_end(MODEL)],
    ),
    "a context": (
        400,
        litellm("ContextWindowExceededError", "maximum context length is 8192 tokens", "400"),
        Kind.TOO_LONG,
        [],
    ),
}


@pytest.mark.parametrize("name", BY_PROXY)
def test_what_a_proxy_passes_on_benches_the_model_and_what_it_says_itself_the_account(
    name: str,
) -> None:
    status, body, kind, expected = BY_PROXY[name]
    failure = failure_of(status, {}, json.dumps(body).encode(), NOW_MS, dialect_of(PROXY))
    assert failure.kind is kind
    assert list(failure.findings) == expected


def test_no_time_is_told_that_is_not_believed() -> None:
    body = json.dumps(gemini(PER_DAY, "20")).encode()
    assert failure_of(429, {}, body, NOW_MS, dialect_of("gemini")).retry_after_ms is None
    body = json.dumps(gemini(PER_MINUTE, "20")).encode()
    assert failure_of(429, {}, body, NOW_MS, dialect_of("gemini")).retry_after_ms == 48_000


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (b'{"code":429,"message":"x"}', Kind.RATE_LIMITED),
        (b'{"code":"503"}', Kind.BROKEN),
        (b'[{"error":{"code": 404,"status":"NOT_FOUND"}}]', Kind.GONE),
        (b'{"code":"rate_limit_exceeded"}', Kind.RATE_LIMITED),
        (b'{"code":"context_length_exceeded"}', Kind.TOO_LONG),
        (b'{"code":4006,"message":"neurons"}', Kind.BROKEN),  # no status of HTTP
        (b'{"code":"1113"}', Kind.BROKEN),
        (b'{"code":null}', Kind.BROKEN),
        (b'{"message":"x"}', Kind.BROKEN),
    ],
)
def test_an_error_inside_a_success_means_what_its_code_says(error: bytes, kind: Kind) -> None:
    assert failure_inside(error, NOW_MS).kind is kind


def test_too_large_for_a_minute_is_not_the_caller_s_fault() -> None:
    body = TOO_LARGE.encode()
    assert failure_of(413, {}, body, NOW_MS, dialect_of("groq")).kind is Kind.RATE_LIMITED
    assert failure_of(413, {}, body, NOW_MS).kind is Kind.TOO_LONG
