"""States that only time or luck brings about, rendered from the values that they are made of.

Everything else is reached by using the service; see `tests/browser/states.py`.
"""

from collections.abc import Mapping, Sequence

from scalix_free import __version__
from scalix_free.admission.quotas import tier_policy
from scalix_free.api.errors import status_of
from scalix_free.core.caller import Tier
from scalix_free.core.errors import Code, Refusal
from scalix_free.core.funnel import Trigger
from scalix_free.core.ledger import Level
from scalix_free.core.outcome import Day, Ended, Receipt
from scalix_free.core.standing import Standing
from scalix_free.routing.catalogue import Terms
from scalix_free.serve import Used
from scalix_free.serve.condition import judge
from scalix_free.web.asking import Asked, Turn
from scalix_free.web.asking import Receipt as AnswerReceipt
from scalix_free.web.frame import open_frame
from scalix_free.web.meters import line
from scalix_free.web.privacy import Reader
from scalix_free.web.static import read_assets
from scalix_free.web.status import told as status_told
from scalix_free.web.usage import told as usage_told
from scalix_free.web.welcome import SAMPLES
from tests.core.held_clock import NOON

HOUR, DAY = 3_600_000, 86_400_000
TODAY = NOON // DAY


def standing(*used: int, tier: str = "anonymous", lifted: bool = False) -> Standing:
    """The four windows, used so far: an hour, a day, tokens, calls at once."""
    policy = tier_policy(
        tier,
        requests_per_hour=None if lifted else 5,
        requests_per_day=None if lifted else 20,
        tokens_per_day=None if lifted else 5_000,
        concurrent=10 if lifted else 2,
    )
    resets = (NOON + HOUR // 2, NOON + 9 * HOUR, NOON + 9 * HOUR, None)
    levels = [
        Level(limit, count, at_ms if count else None)
        for limit, count, at_ms in zip(policy.limits, used, resets, strict=True)
    ]
    whose = Tier(
        name=tier,
        policy=policy,
        max_output_tokens=2_048,
        default_output_tokens=1_024,
        context_tokens=32_768,
    )
    return Standing(whose, levels, NOON)


def used(*counts: int, tier: str = "anonymous", lifted: bool = False, shared: bool = False) -> Used:
    """What somebody used in a fortnight, with a few requests that went well and others."""
    times = 1 if any(counts) else 0
    days = [
        Day(TODAY - n, times * (n * 7 % 20), times * (n * 700 % 5_000)) for n in range(13, -1, -1)
    ]
    return Used(
        standing(*counts, tier=tier, lifted=lifted),
        days,
        () if shared else RECEIPTS,
        shared=shared,
    )


def receipt(number: int, result: str, code: str | None = None, tokens: int = 0) -> Receipt:
    model = None if result == "refused" else "gemini/gemini-3.8-flash-preview"
    return Receipt(
        number.to_bytes(16, "big"),
        NOON - number * 60_000,
        model,
        1,
        None,
        result,
        code,
        10,
        20,
        bool(tokens),
        tokens,
        90.0,
        1_234.5,
    )


RECEIPTS: Sequence[Receipt] = (
    receipt(1, "answered", tokens=1_204),
    receipt(2, "refused", "free_tier_hourly_limit"),
    receipt(3, "failed", "upstream_error"),
    receipt(4, "abandoned", tokens=12),
)

KEY = "scalix_key_made"
TEXTS = {
    "FIRST_REQUEST": "Welcome! Try Scalix Free",
    "NEAR_LIMIT": "Almost out of free requests",
    "AT_LIMIT": "Upgrade to continue using Scalix",
    "QUALITY_ISSUE": "Get better responses with Pro",
}
REFUSED = Refusal(code=Code.INVALID_API_KEY, message="This key or token is not valid.")
QUEUED = Refusal(
    code=Code.NO_FREE_MODEL,
    message="No free models currently available. Please try again later.",
    reset_at_ms=NOON + HOUR,
)


def hours(*of_each: tuple[int, int]) -> list[Ended]:
    """How the last hours went, the present one last."""
    now = NOON - NOON % HOUR
    model = "groq/llama-3.3-70b"
    first = now - (len(of_each) - 1) * HOUR
    return [Ended(first + n * HOUR, model, *each) for n, each in enumerate(of_each)]


def welcome(**other: object) -> Mapping[str, object]:
    return {
        "samples": SAMPLES,
        "most_chars": 10_000,
        "standing": standing(0, 0, 0, 0),
        "line": None,
        "uplift": 50,
        "models": 1,
        "demonstration": False,
        "degraded": False,
        "known": False,
        "asked": Asked(),
        **other,
    }


def answered(trigger: Trigger) -> Mapping[str, object]:
    """An answer that calls for a prompt."""
    receipt = AnswerReceipt("req_1", "groq/llama-3.3-70b", 3, "miss", 1_204, 1.2)
    asked = Asked(turns=(Turn("One", "Two"),), receipt=receipt, trigger=trigger)
    return welcome(line=line(standing(1, 1, 900, 0)), asked=asked)


def usage(
    what: Used, *, overlooked: bool = False, key: str = ""
) -> tuple[str, str, Mapping[str, object]]:
    shown = usage_told(what, overlooked=overlooked, key=key, uplift=50)
    return "/usage", "usage.html", shown


def status(ended: Sequence[Ended] | None) -> tuple[str, str, Mapping[str, object]]:
    condition = None if ended is None else judge(ended, ("groq/llama-3.3-70b",), NOON)
    return "/status", "status.html", status_told(condition)


READERS = (
    Reader(
        "gemini",
        [f"gemini/gemini-{n}" for n in range(7)],
        Terms(
            trains_on_prompts=True,
            human_review=True,
            blocked_regions=("EEA", "CH", "GB"),
            min_age=18,
            says="For work alone.",
        ),
    ),
    Reader("groq", ["groq/llama-3.3-70b"], Terms(trains_on_prompts=False, human_review=False)),
    Reader("local", ["local/demonstration"], Terms()),
)

MADE: dict[str, tuple[str, str, Mapping[str, object]]] = {
    "usage-none": usage(used(0, 0, 0, 0)),
    "usage-near-day": usage(used(0, 16, 900, 0)),
    "usage-at-hour": usage(used(5, 9, 900, 1)),
    "usage-at-day": usage(used(1, 20, 900, 0)),
    "usage-at-tokens": usage(used(2, 9, 5_000, 0)),
    "usage-few-tokens": usage(used(2, 9, 4_950, 0)),
    "usage-at-calls": usage(used(2, 9, 900, 2)),
    "usage-just-reset": usage(used(0, 12, 3_000, 0)),
    "usage-pace": usage(used(4, 9, 900, 0)),
    "usage-of-an-address": usage(used(2, 9, 900, 0, shared=True)),
    "usage-from-outside": usage(used(0, 0, 0, 0, shared=True), overlooked=True),
    "usage-of-a-key": usage(used(2, 9, 900, 0, tier="registered"), key=KEY),
    "usage-pro": usage(used(0, 0, 0, 3, tier="pro", lifted=True), key=KEY),
    "usage-unknown": ("/usage", "usage.html", usage_told(None) | {"refusal": REFUSED}),
    "status-good": status(hours(*[(40, 0)] * 24)),
    "status-degraded": status(hours(*[(40, 0)] * 20, (10, 9), (0, 9), (30, 1), (30, 2))),
    "status-quiet": status(hours(*[(40, 0)] * 20, (0, 9), (0, 0), (0, 0))),
    "status-away": status(None),
    "welcome-demonstration": ("/", "welcome.html", welcome(demonstration=True)),
    "welcome-nobody": ("/", "welcome.html", welcome(models=0)),
    "chat-few-tokens": (
        "/chat",
        "chat.html",
        welcome(line=line(standing(1, 2, 4_950, 0)), asked=Asked(key=KEY)),
    ),
    "chat-first": ("/chat", "chat.html", answered(Trigger.FIRST_REQUEST)),
    "chat-let-down": ("/chat", "chat.html", answered(Trigger.QUALITY_ISSUE)),
    "chat-all-busy": (
        "/chat",
        "chat.html",
        welcome(asked=Asked(turns=(Turn("One", "Two"),), question="Three", refusal=QUEUED)),
    ),
    "chat-broken-off": (
        "/chat",
        "chat.html",
        welcome(asked=Asked(question="Three", cut="The answer broke off: no more came.")),
    ),
    "privacy-many": ("/privacy", "privacy.html", {"readers": READERS}),
    "privacy-nobody": ("/privacy", "privacy.html", {"readers": ()}),
}
"""By name: the address, the template, and what it is given."""


def made(name: str) -> str:
    """One of them as HTML."""
    path, template, shown = MADE[name]
    frame = open_frame(
        read_assets(), "http://127.0.0.1:3001", __version__, texts=TEXTS, status_of=status_of
    )
    return frame.html(path, template, {"refusal": None, **shown})
