"""How the service does, by what became of requests: honest where nobody asked."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.outcome import Ended
from scalix_free.routing.catalogue import Catalogue
from scalix_free.serve.condition import Conditions, Share, family_of, judge
from tests.core.held_clock import NOON, HeldClock

HOUR = 3_600_000
NOW = NOON + HOUR // 2
MODELS = ("groq/llama-3.3-70b", "gemini/gemini-3.8-flash", "openrouter/meta/llama-4")


def ended(hours_ago: int, answered: int, failed: int = 0, model: str | None = MODELS[0]) -> Ended:
    return Ended(NOON - NOON % HOUR - hours_ago * HOUR, model, answered, failed)


@pytest.mark.parametrize(
    ("found", "models", "state"),
    [
        ([], MODELS, "no data"),
        ([], (), "down"),
        ([ended(0, 100)], MODELS, "good"),
        ([ended(0, 99, 1)], MODELS, "good"),
        ([ended(0, 98, 2)], MODELS, "degraded"),
        ([ended(1, 0, 3)], MODELS, "down"),
        ([ended(0, 1), ended(0, 0, 1, None)], MODELS, "degraded"),
        ([ended(5, 0, 3)], MODELS, "quiet"),
        ([ended(2, 100)], MODELS, "quiet"),
    ],
)
def test_its_state_is_that_of_the_last_hours(
    found: list[Ended], models: Sequence[str], state: str
) -> None:
    assert judge(found, models, NOW).state == state


def test_shares_are_of_a_day_and_of_a_month() -> None:
    condition = judge([ended(0, 3, 1), ended(23, 4), ended(24, 8), ended(500, 1, 9)], MODELS, NOW)

    assert condition.day == Share(7, 1)
    assert condition.month == Share(16, 10)
    assert len(condition.hours) == 24
    assert condition.hours[-1] == (NOON - NOON % HOUR, Share(3, 1))
    assert condition.hours[0][1] == Share(4, 0)
    assert condition.hours[1][1].ratio is None


def test_families_are_models_of_one_name_whoever_runs_them() -> None:
    found = [ended(0, 3, 1), ended(30, 5, model=MODELS[2]), ended(2, 7, model="gone/qwen-2")]
    condition = judge([*found, ended(0, 0, 9, None)], MODELS, NOW)

    families = {family.name: family for family in condition.families}
    assert list(families) == ["gemini", "llama", "qwen"]
    assert families["llama"].models == (MODELS[0], MODELS[2])
    assert (families["llama"].day, families["llama"].month) == (Share(3, 1), Share(8, 1))
    assert families["gemini"].month.ratio is None
    assert families["qwen"].models == ()


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("groq/llama-3.3-70b", "llama"),
        ("openrouter/deepseek/deepseek-chat:free", "deepseek"),
        ("local/demonstration", "demonstration"),
        ("x/4o", "4o"),
    ],
)
def test_the_family_of_a_model(model: str, family: str) -> None:
    assert family_of(model) == family


def test_bad_hours_in_a_row_are_one_incident() -> None:
    found = [ended(9, 1, 9), ended(8, 5, 5), ended(7, 99, 1), ended(3, 0, 1)]
    newest, oldest = judge(found, MODELS, NOW).incidents

    assert (oldest.from_ms, oldest.until_ms) == (found[0].hour_ms, found[2].hour_ms)
    assert oldest.share == Share(6, 14)
    assert newest.until_ms - newest.from_ms == HOUR


@dataclass
class CountedTraffic:
    """A log that counts how often it is read."""

    looks: list[int] = field(default_factory=list)
    is_away: bool = False

    async def ended(self, since_ms: int) -> Sequence[Ended]:
        if self.is_away:
            raise StoreUnavailable("away")
        self.looks.append(since_ms)
        await asyncio.sleep(0)
        return [ended(0, 1)]


async def test_the_log_is_read_once_a_minute_and_its_absence_is_told() -> None:
    traffic, clock = CountedTraffic(), HeldClock()
    conditions = Conditions(traffic=traffic, catalogue=Catalogue(()), clock=clock)

    first = await conditions.now()
    assert first is not None
    clock.advance(59_000)
    assert await conditions.now() is first
    assert len(traffic.looks) == 1
    assert clock.now_ms - traffic.looks[0] <= 30 * 86_400_000

    clock.advance(1_000)
    traffic.is_away = True
    assert await conditions.now() is None
    traffic.is_away = False
    assert await conditions.now() is None, "left alone for a while"
    clock.advance(5_000)
    assert await conditions.now() is not None


async def test_one_look_serves_all_who_ask_meanwhile() -> None:
    traffic = CountedTraffic()
    conditions = Conditions(traffic=traffic, catalogue=Catalogue(()), clock=HeldClock())

    found = await asyncio.gather(*(conditions.now() for _ in range(9)))
    assert len(traffic.looks) == 1
    assert all(one is found[0] for one in found)
