"""What single providers write when they refuse, to the letter, as the research notes have it.

``{reset}`` stands for a moment nine hours ahead, in milliseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.world.frame import dump

RESET_S = 9 * 3600


@dataclass(frozen=True, slots=True)
class Captured:
    """One refusal of one provider, by the catalogue's name of it."""

    of: str
    about: str
    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)

    def written(self, at_s: float) -> tuple[bytes, dict[str, str]]:
        """The body and the headers, as they are sent at that moment."""
        reset = str(int((at_s + RESET_S) * 1000))
        headers = {name: text.replace("{reset}", reset) for name, text in self.headers.items()}
        return dump(self.body).replace(b"{reset}", reset.encode()), headers


def _gemini(code: int, status: str, message: str, *details: object) -> object:
    """Gemini's error, as its compatible endpoint wraps it: in a list of one."""
    error = {"code": code, "message": message, "status": status, "details": list(details)}
    return [{"error": error}]


def _gemini_quota(quota: str, limit: int, delay: str) -> object:
    message = (
        "You exceeded your current quota, please check your plan and billing details. \n"
        f"* Quota exceeded for metric: x/generate_requests, limit: {limit}, model: org_world"
    )
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        "quotaId": quota,
        "quotaDimensions": {"location": "global", "model": "org_world"},
        "quotaValue": str(limit),
    }
    failure = {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [violation],
    }
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    return _gemini(429, "RESOURCE_EXHAUSTED", message, failure, retry)


def _openrouter(code: int, message: str, **metadata: object) -> object:
    error = {"message": message, "code": code, "metadata": metadata}
    return {"error": error, "user_id": "user_world"}


def _groq(message: str, code: str = "rate_limit_exceeded") -> object:
    return {"error": {"message": message, "type": "tokens", "code": code}}


def _groq_limit(window: str, limit: int, again: str) -> object:
    return _groq(
        "Rate limit reached for model `world` in organization `org_world` service tier `on_demand`"
        f" on x per y ({window}): Limit {limit}, Used {limit}, Requested 19. Please try again in"
        f" {again}. Need more tokens? Upgrade to Dev Tier today"
    )


_GROQ_HEADERS = {
    "x-ratelimit-limit-requests": "1000",
    "x-ratelimit-limit-tokens": "8000",
    "x-ratelimit-remaining-requests": "500",
    "x-ratelimit-remaining-tokens": "8000",
    "x-ratelimit-reset-requests": "2m59.56s",
    "x-ratelimit-reset-tokens": "7.66s",
}
_OPENROUTER_DAY = {
    "X-RateLimit-Limit": "50",
    "X-RateLimit-Remaining": "0",
    "X-RateLimit-Reset": "{reset}",
}

_PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
_PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"

CAPTURED = {
    "gemini-day": Captured(
        "gemini",
        "the day's limit, with a wait that is not true",
        429,
        _gemini_quota(_PER_DAY, 20, "48s"),
    ),
    "gemini-minute": Captured(
        "gemini", "the minute's limit", 429, _gemini_quota(_PER_MINUTE, 5, "12.5s")
    ),
    "gemini-never": Captured(
        "gemini", "not on the free tier: `limit: 0`", 429, _gemini_quota(_PER_DAY, 0, "32s")
    ),
    "gemini-key": Captured(
        "gemini",
        "a bad key, as a bad request",
        400,
        _gemini(400, "INVALID_ARGUMENT", "Please pass a valid API key"),
    ),
    "gemini-region": Captured(
        "gemini",
        "not in this country",
        400,
        _gemini(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
    ),
    "gemini-gone": Captured(
        "gemini",
        "no longer available",
        404,
        _gemini(404, "NOT_FOUND", "This model is no longer available to new users."),
    ),
    "gemini-overload": Captured(
        "gemini",
        "high demand",
        503,
        _gemini(503, "UNAVAILABLE", "This model is currently experiencing high demand."),
    ),
    "openrouter-day": Captured(
        "openrouter",
        "the account's day, until a moment in milliseconds",
        429,
        _openrouter(
            429,
            "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model "
            "requests per day",
            headers=_OPENROUTER_DAY,
            limit_source="openrouter_free_tier_daily",
        ),
        _OPENROUTER_DAY,
    ),
    "openrouter-minute": Captured(
        "openrouter",
        "the account's minute",
        429,
        _openrouter(429, "Rate limit exceeded: free-models-per-min."),
    ),
    "openrouter-pool": Captured(
        "openrouter",
        "a pool that is shared with everybody",
        429,
        _openrouter(
            429,
            "Provider returned error",
            raw="world is temporarily rate-limited upstream",
            limit_source="upstream_provider_shared_pool",
            retry_after_seconds=5,
        ),
    ),
    "openrouter-credit": Captured(
        "openrouter", "no credit", 402, _openrouter(402, "Insufficient credits. Add more.")
    ),
    "openrouter-in-flight": Captured(
        "openrouter",
        "too much in flight",
        402,
        _openrouter(402, "In flight", limit_source="openrouter_in_flight_budget"),
        {"retry-after": "3"},
    ),
    "openrouter-gone": Captured(
        "openrouter", "nobody serves it", 404, _openrouter(404, "No endpoints found for world.")
    ),
    "openrouter-tools": Captured(
        "openrouter",
        "nobody serves it with tools",
        404,
        _openrouter(404, "No endpoints found that support tool use. To learn more, see our docs."),
    ),
    "openrouter-privacy": Captured(
        "openrouter",
        "the account's settings close it",
        404,
        _openrouter(
            404, "No endpoints available matching your guardrail restrictions and data policy."
        ),
    ),
    "openrouter-gated": Captured(
        "openrouter",
        "one model is closed to this key",
        403,
        _openrouter(403, "Gated to agentic harnesses", model_slug="world"),
    ),
    "openrouter-flagged": Captured(
        "openrouter",
        "the prompt was flagged",
        403,
        _openrouter(403, "Flagged", reasons=["x"], flagged_input="user_world"),
    ),
    "groq-minute": Captured(
        "groq",
        "the minute's tokens, with two waits",
        429,
        _groq_limit("TPM", 8_000, "7.66s"),
        {**_GROQ_HEADERS, "retry-after": "4"},
    ),
    "groq-day": Captured(
        "groq",
        "the day's tokens, with a true wait",
        429,
        _groq_limit("TPD", 200_000, "9m38.016s"),
        {**_GROQ_HEADERS, "retry-after": "578"},
    ),
    "groq-too-large": Captured(
        "groq",
        "larger than a minute's tokens",
        413,
        _groq(
            "Request too large for model `world` in organization `org_world` on tokens per minute "
            "(TPM): Limit 8000, Requested 12328, please reduce your message size"
        ),
        _GROQ_HEADERS,
    ),
    "groq-gone": Captured(
        "groq",
        "decommissioned, as a bad request",
        400,
        _groq("The model `world` has been decommissioned.", "model_decommissioned"),
    ),
    "mistral-minute": Captured(
        "mistral",
        "the minute's limit",
        429,
        {"object": "error", "message": "Rate limit exceeded", "code": "1300"},
        {"x-ratelimit-limit-req-minute": "2", "x-ratelimit-remaining-req-minute": "0"},
    ),
    "mistral-never": Captured(
        "mistral",
        "not on the plan: a limit of 0",
        429,
        {"object": "error", "message": "Rate limit exceeded", "code": "1300"},
        {"x-ratelimit-limit-req-minute": "0", "x-ratelimit-remaining-req-minute": "0"},
    ),
    "mistral-busy": Captured(
        "mistral",
        "no capacity",
        429,
        {"object": "error", "message": "Service tier capacity exceeded.", "code": "3505"},
    ),
    "cerebras-minute": Captured(
        "cerebras",
        "the minute's limit, without an error object",
        429,
        {
            "message": "Requests per minute limit exceeded - too many requests sent.",
            "type": "too_many_requests_error",
            "code": "request_quota_exceeded",
        },
        {"x-ratelimit-limit-tokens-minute": "30000", "retry-after": "12"},
    ),
    "cerebras-gone": Captured(
        "cerebras",
        "archived, as a bill",
        402,
        {"message": "org_world", "type": "model_archived_error", "code": "model_archived"},
    ),
    "nvidia-minute": Captured(
        "nvidia_nim", "the account's minute", 429, {"status": 429, "title": "Too Many Requests"}
    ),
    "nvidia-gone": Captured(
        "nvidia_nim",
        "end of life",
        410,
        {"status": 410, "title": "Gone", "detail": "org_world reached its end of life"},
    ),
    "nvidia-sick": Captured(
        "nvidia_nim",
        "a sick server, as a bad request",
        400,
        {"detail": "Function id 'org_world': DEGRADED function cannot be invoked"},
    ),
    "cloudflare-day": Captured(
        "cloudflare",
        "the day's neurons",
        429,
        {"success": False, "errors": [{"code": 4006, "message": "daily free allocation"}]},
    ),
    "cloudflare-busy": Captured(
        "cloudflare",
        "no capacity",
        429,
        {"success": False, "errors": [{"code": 3040, "message": "Capacity exceeded"}]},
    ),
    "cloudflare-paid": Captured(
        "cloudflare",
        "a paid model",
        403,
        {"success": False, "errors": [{"message": "This model needs Workers Paid"}]},
    ),
    "cloudflare-context": Captured(
        "cloudflare",
        "the context",
        413,
        {"errors": [{"message": "AiError: exceeded this model context window limit (24000)"}]},
    ),
    "huggingface-credit": Captured(
        "huggingface",
        "the month's money",
        402,
        {"error": "You have exceeded your monthly included credits for Inference Providers."},
    ),
    "cohere-month": Captured(
        "cohere",
        "the key's month",
        429,
        {"id": "org_world", "message": "Trial key, limited to 1000 API calls / month."},
    ),
    "cohere-minute": Captured(
        "cohere", "the model's minute", 429, {"message": "limited to 20 API calls / minute."}
    ),
    "zai-busy": Captured("zai", "too many of ours", 429, {"error": {"code": "1302"}}),
    "zai-crowded": Captured("zai", "too many of everybody's", 429, {"error": {"code": "1305"}}),
    "zai-never": Captured(
        "zai", "without money, for good", 429, {"error": {"code": "1113", "message": "Recharge."}}
    ),
    "ollama-busy": Captured(
        "ollama_cloud",
        "its queue is full",
        503,
        {"error": "server busy, please try again.  maximum pending requests exceeded"},
    ),
}
