"""What the service says, for elements that are fed by a host."""

from typing import Any

RESET = "2099-11-26T15:00:00Z"


def window(name: str, used: int, limit: int | None, unit: str = "requests") -> dict[str, Any]:
    return {
        "name": name,
        "unit": unit,
        "used": used,
        "limit": limit,
        "remaining": None if limit is None else limit - used,
        "resets_at": RESET if used else None,
    }


def limits(
    hour: int = 0, day: int = 0, tokens: int = 0, *, tier: str = "anonymous", free: bool = True
) -> dict[str, Any]:
    """`GET /api/v1/free/limits`, with the limits of anonymous callers or with none."""
    least = min(5 - hour, 20 - day)
    binding = "requests_hour" if 5 - hour < 20 - day else "requests_day"
    near = free and least <= (1 if binding == "requests_hour" else 5)
    return {
        "tier": tier,
        "windows": [
            window("requests_hour", hour, 5 if free else None),
            window("requests_day", day, 20 if free else None),
            window("tokens_day", tokens, 5_000 if free else None, "tokens"),
            window("concurrent", 0, 2, "calls"),
        ],
        "remaining_requests": least if free else None,
        "reset_time": RESET if free and (hour or day) else None,
        "near_limit": near,
        "upgrade_prompt": near,
        "binding": binding if free else None,
    }


def receipt(n: int, **change: object) -> dict[str, Any]:
    return {
        "request_id": f"req_{n}",
        "at": "2026-11-26T12:00:00Z",
        "model": "world/good",
        "attempts": 1,
        "cache": "miss",
        "outcome": "answered",
        "code": None,
        "prompt_tokens": 20,
        "completion_tokens": 180,
        "charged_requests": 1,
        "charged_tokens": 200,
        "first_token_ms": 300.0,
        "total_ms": 1_200.0,
        **change,
    }


def usage(
    receipts: int = 3, *, shared: bool = False, hour: int = 0, day: int = 0, tokens: int = 0
) -> dict[str, Any]:
    """`GET /api/v1/free/usage`."""
    return {
        **limits(hour, day, tokens),
        "days": [
            {"date": f"2026-11-{day:02}", "requests": day % 5, "tokens": day * 100}
            for day in range(13, 27)
        ],
        "receipts": [receipt(n) for n in range(receipts)],
        "shared": shared,
    }


def offer(**change: object) -> dict[str, Any]:
    """`GET /api/v1/free/offer`, near a limit, in the first month."""
    return {
        "trigger": "NEAR_LIMIT",
        "message": "Upgrade to continue your coding session",
        "call_to_action": "Upgrade Now - 50% Off First Month",
        "currency": "USD",
        "monthly": {
            "base": "29.99",
            "price": "13.50",
            "renewal": "29.99",
            "discounts": [
                {
                    "code": "near_limit",
                    "kind": "personal",
                    "percent": 10,
                    "reason": "You are near your free limit",
                    "expires_at": None,
                },
                {
                    "code": "first_month",
                    "kind": "promotion",
                    "percent": 50,
                    "reason": "Your first month",
                    "expires_at": "2026-12-31T00:00:00Z",
                },
            ],
        },
        "annual": {"base": "359.88", "price": "287.90", "renewal": "287.90", "discounts": []},
        "notice": "This price was set by an algorithm using your personal data.",
        **change,
    }
