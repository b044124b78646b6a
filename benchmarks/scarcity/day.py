"""The day: providers with their limits, what goes wrong with them, and when.

Only the standard library and our own arithmetic are imported here: rivals read it too. Seconds
count from midnight in California, where the people of the day live and Gemini's day begins.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from scalix_free.core.budget import Allowance

BEGIN_S: Final = datetime(2027, 1, 12, 8, tzinfo=UTC).timestamp()
DAY_S: Final = 86_400
HOUR_S: Final = 3_600
MINUTE_S: Final = 60
UNLIMITED: Final = Allowance()
PACIFIC: Final = 0
UTC_DAY: Final = 16 * HOUR_S
"""When a provider's day ends first, in seconds of the day: 16:00 in California is 00:00 UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model: its own limits, what its answers are worth (0 to 1), how long they take."""

    name: str
    quality: float
    allowance: Allowance = UNLIMITED
    first_s: float
    token_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An account: limits of all its models together, and its day.

    ``day_end_s`` is the first end of its day, counted as above; None where the day is rolling.
    ``counts_failures`` says whether an answer 503 is counted as a request of the day.
    """

    name: str
    zone: str
    models: tuple[Model, ...]
    allowance: Allowance = UNLIMITED
    day_end_s: int | None = UTC_DAY
    counts_failures: bool = False


class Trouble(enum.Enum):
    """What can be wrong with a provider for a while."""

    OVERLOADED = enum.auto()  # 503
    BROKEN = enum.auto()  # 500
    HANGS = enum.auto()  # takes the request and says nothing
    BUSY = enum.auto()  # 429 without a word about when
    SLOW = enum.auto()  # answers, eight times as slowly
    WRONG_HEADERS = enum.auto()  # answers, and says that nothing is left


SLOWER: Final = 8
HANG_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Spell:
    """A time during which a provider has trouble."""

    provider: str
    trouble: Trouble
    begin_s: int
    minutes: int

    def covers(self, at_s: float) -> bool:
        """Whether it is that time."""
        return self.begin_s <= at_s < self.begin_s + self.minutes * MINUTE_S


PROVIDERS: Final = (
    Provider(
        name="gemini",
        zone="America/Los_Angeles",
        day_end_s=DAY_S,
        counts_failures=True,
        models=(
            Model(
                name="flash",
                quality=0.95,
                allowance=Allowance(rpm=5, rpd=20, tpm=250_000),
                first_s=2.0,
                token_s=0.006,
            ),
            Model(
                name="flash-lite",
                quality=0.75,
                allowance=Allowance(rpm=15, rpd=500, tpm=250_000),
                first_s=0.8,
                token_s=0.004,
            ),
        ),
    ),
    Provider(
        name="groq",
        zone="rolling",
        day_end_s=None,
        models=(
            Model(
                name="gpt-oss-120b",
                quality=0.85,
                allowance=Allowance(rpm=30, rpd=1000, tpm=8_000, tpd=200_000),
                first_s=0.5,
                token_s=0.002,
            ),
        ),
    ),
    Provider(
        name="openrouter",
        zone="UTC",
        allowance=Allowance(rpm=20, rpd=50),
        models=(
            Model(name="nemotron-ultra", quality=0.85, first_s=4.0, token_s=0.02),
            Model(name="gemma-31b", quality=0.72, first_s=3.0, token_s=0.015),
        ),
        counts_failures=True,
    ),
    Provider(
        name="mistral",
        zone="UTC",
        allowance=Allowance(rpm=2, tpm=500_000),
        models=(Model(name="small", quality=0.7, first_s=1.0, token_s=0.01),),
    ),
    Provider(
        name="cloudflare",
        zone="UTC",
        allowance=Allowance(tpd=40_000),  # its 10,000 neurons
        models=(Model(name="scout", quality=0.6, first_s=1.5, token_s=0.012),),
    ),
    Provider(
        name="cohere",
        zone="UTC",
        allowance=Allowance(rpm=20, rpd=33),  # its 1,000 a month
        models=(Model(name="command-a", quality=0.72, first_s=2.0, token_s=0.015),),
    ),
)

SPELLS: Final = (
    Spell("groq", Trouble.WRONG_HEADERS, 7 * HOUR_S, 40),
    Spell("cloudflare", Trouble.BROKEN, 8 * HOUR_S, 60),
    Spell("mistral", Trouble.BUSY, 9 * HOUR_S + 1800, 15),
    Spell("gemini", Trouble.OVERLOADED, 11 * HOUR_S, 40),
    Spell("mistral", Trouble.SLOW, 13 * HOUR_S, 45),
    Spell("openrouter", Trouble.WRONG_HEADERS, 17 * HOUR_S, 30),
    Spell("groq", Trouble.OVERLOADED, 19 * HOUR_S, 25),
    Spell("mistral", Trouble.HANGS, 21 * HOUR_S, 15),
)


def trouble(provider: str, at_s: float) -> Trouble | None:
    """What is wrong with a provider at a moment of the day."""
    for spell in SPELLS:
        if spell.provider == provider and spell.covers(at_s):
            return spell.trouble
    return None


def offered() -> tuple[tuple[Provider, Model], ...]:
    """All models, each with its provider."""
    return tuple((provider, model) for provider in PROVIDERS for model in provider.models)
