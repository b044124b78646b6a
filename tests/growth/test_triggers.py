"""Which prompt an answer calls for, and how rarely it is shown."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.admission.quotas import tier_policy
from scalix_free.core.caller import Caller, Tier
from scalix_free.core.chat import Call
from scalix_free.core.clock import DAY_MS
from scalix_free.core.errors import Code, StoreUnavailable
from scalix_free.core.funnel import Trigger
from scalix_free.core.ledger import Level, Subject
from scalix_free.core.standing import Standing
from scalix_free.growth.prompts import Prompts
from scalix_free.growth.triggers import EVER_MS, due, is_in_the_middle, of_refusal
from tests.core.held_clock import NOON, HeldClock

HOUR_MS = 3_600_000
POLICY = tier_policy(
    "anonymous", requests_per_hour=5, requests_per_day=20, tokens_per_day=5_000, concurrent=2
)
TIER = Tier(
    name="anonymous",
    policy=POLICY,
    max_output_tokens=1,
    default_output_tokens=1,
    context_tokens=1,
)
OWN = b"ann's own key..."
CALLER = Caller(tier=TIER, subjects=(Subject(OWN, POLICY),))
PRO = Caller(
    tier=Tier(
        name="pro",
        policy=POLICY,
        max_output_tokens=1,
        default_output_tokens=1,
        context_tokens=1,
    ),
    subjects=(Subject(OWN, POLICY),),
)
CALL = Call(rid=bytes(16), messages=[], newest_text="Again?")
FRESH = CALL._replace(fresh=True)


def standing(hour: int, day: int, now_ms: int = NOON) -> Standing:
    """Of somebody who has used that much."""
    used = (hour, day, 10 * day, 0)
    levels = [Level(limit, n, None) for limit, n in zip(POLICY.limits, used, strict=True)]
    return Standing(TIER, levels, now_ms)


def called_for(hour: int, day: int, attempts: int = 1, regenerations: int = 0) -> list[str]:
    found = due(standing(hour, day), OWN, attempts=attempts, regenerations=regenerations)
    return [f"{one.trigger}:{one.key.decode().partition(':')[2].split(':')[0]}" for one in found]


@pytest.mark.parametrize(
    ("hour", "day", "triggers"),
    [
        (1, 1, ["FIRST_REQUEST:ann's own key..."]),
        (1, 2, []),  # the first of this hour, not of the day
        (2, 2, []),
        (3, 3, []),
        (4, 4, ["NEAR_LIMIT:amber"]),  # 1 of 5
        (5, 5, ["NEAR_LIMIT:red"]),
        (0, 14, []),
        (0, 15, ["NEAR_LIMIT:amber"]),  # 5 of 20
        (0, 17, ["NEAR_LIMIT:amber"]),
        (0, 18, ["NEAR_LIMIT:red"]),  # 2 of 20
        (0, 20, ["NEAR_LIMIT:red"]),
    ],
)
def test_by_what_is_left(hour: int, day: int, triggers: list[str]) -> None:
    assert called_for(hour, day) == triggers


@given(st.integers(0, 6), st.integers(0, 21))
def test_in_the_middle_nothing_is_due(hour: int, day: int) -> None:
    found = standing(hour, day)
    if is_in_the_middle(found):
        assert list(due(found, OWN, attempts=1, regenerations=0)) == []


def test_most_answers_are_in_the_middle() -> None:
    policy = tier_policy(
        "wide", requests_per_hour=None, requests_per_day=50, tokens_per_day=None, concurrent=None
    )
    levels = {n: Level(policy.limits[1], n, None) for n in range(51)}
    middle = [n for n, level in levels.items() if is_in_the_middle(Standing(TIER, [level], NOON))]
    assert middle == list(range(2, 45))
    assert is_in_the_middle(Standing(TIER, [], NOON))


def test_by_the_way_to_the_answer() -> None:
    assert called_for(2, 2, attempts=2) == []
    assert called_for(2, 2, attempts=3) == ["QUALITY_ISSUE:ann's own key..."]
    assert called_for(2, 2, regenerations=1) == []
    assert called_for(2, 2, regenerations=2) == ["QUALITY_ISSUE:ann's own key..."]
    assert [one[:5] for one in called_for(4, 4, attempts=3)] == ["NEAR_", "QUALI"]


def test_a_refusal_by_a_limit_of_one_s_own_is_the_limit_s_prompt() -> None:
    at_limit = {code for code in Code if of_refusal(code) is Trigger.AT_LIMIT}
    assert at_limit == {Code.HOURLY_LIMIT, Code.DAILY_LIMIT, Code.TOKEN_LIMIT}


# ── How rarely ───────────────────────────────────────────────────────────────────────────────


@dataclass
class Nonces:
    """Things that may happen once, for all workers."""

    clock: HeldClock
    claimed: dict[bytes, int] = field(default_factory=dict)
    asked: int = 0
    away: bool = False

    async def claim(self, key: bytes, until_ms: int) -> bool:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("it is away")
        if self.claimed.get(key, 0) > self.clock():
            return False
        self.claimed[key] = until_ms
        return True


class Service:
    """Two workers that share a store."""

    def __init__(self) -> None:
        self.clock = HeldClock()
        self.once = Nonces(self.clock)
        self.workers: Sequence[Prompts] = [
            Prompts(self.once, self.clock, ("anonymous", "registered")) for _ in range(2)
        ]

    async def answered(
        self,
        hour: int,
        day: int,
        attempts: int = 1,
        *,
        call: Call = CALL,
        worker: int = 0,
        caller: Caller = CALLER,
    ) -> Trigger | None:
        prompts = self.workers[worker]
        found = prompts.due(caller, call, standing(hour, day, self.clock()), attempts)
        return await prompts.first_of(found) if found else None


@pytest.fixture
def service() -> Service:
    return Service()


async def test_the_first_answer_of_all_is_welcomed_once(service: Service) -> None:
    assert await service.answered(1, 1) is Trigger.FIRST_REQUEST
    service.clock.advance(2 * DAY_MS)  # all windows are empty again
    assert await service.answered(1, 1) is None
    assert await service.answered(1, 1, worker=1) is None
    service.clock.advance(EVER_MS)
    assert await service.answered(1, 1, worker=1) is Trigger.FIRST_REQUEST


async def test_each_threshold_is_told_once_in_its_window(service: Service) -> None:
    told = [
        await service.answered(4, 4),
        await service.answered(4, 4, worker=1),
        await service.answered(5, 5),
        await service.answered(4, 6),  # the window gave one back
        await service.answered(5, 7),
    ]
    assert told == [Trigger.NEAR_LIMIT, None, Trigger.NEAR_LIMIT, None, None]
    service.clock.advance(HOUR_MS)
    assert await service.answered(4, 8) is Trigger.NEAR_LIMIT
    assert await service.answered(0, 16) is Trigger.NEAR_LIMIT  # another window
    service.clock.advance(HOUR_MS)
    assert await service.answered(0, 16, worker=1) is None


async def test_a_bad_answer_is_owned_up_to_once_a_day(service: Service) -> None:
    assert await service.answered(2, 2, 3) is Trigger.QUALITY_ISSUE
    assert await service.answered(3, 3, 3, worker=1) is None
    assert await service.workers[1].disliked(CALLER) is None
    service.clock.advance(DAY_MS)
    assert await service.workers[1].disliked(CALLER) is Trigger.QUALITY_ISSUE


async def test_what_was_shown_already_gives_way_to_what_was_not(service: Service) -> None:
    assert await service.answered(4, 4, worker=1) is Trigger.NEAR_LIMIT
    assert await service.answered(4, 4, 3) is Trigger.QUALITY_ISSUE


async def test_two_regenerations_in_a_row(service: Service) -> None:
    other = FRESH._replace(newest_text="Something else")
    calls = [FRESH, other, FRESH, CALL, FRESH, FRESH]
    told = [await service.answered(2, 2, call=call) for call in calls]
    assert told == [None, None, None, None, None, Trigger.QUALITY_ISSUE]


async def test_the_store_is_asked_for_what_is_due_alone(service: Service) -> None:
    for day in range(2, 4):
        assert await service.answered(day, day) is None
    assert service.once.asked == 0
    for _ in range(3):
        await service.answered(4, 4)
    assert service.once.asked == 1


async def test_while_the_store_is_away_nobody_is_prompted(service: Service) -> None:
    service.once.away = True
    assert await service.answered(1, 1) is None
    service.once.away = False
    assert await service.answered(1, 1) is Trigger.FIRST_REQUEST


async def test_who_pays_is_offered_nothing(service: Service) -> None:
    assert await service.answered(1, 1, 3, caller=PRO) is None
    assert await service.workers[0].disliked(PRO) is None


async def test_what_somebody_tried_is_known_for_a_day(service: Service) -> None:
    prompts = service.workers[0]
    assert prompts.wants(CALLER) is None
    prompts.want_feature(CALLER)
    assert prompts.wants(CALLER) is Trigger.FEATURE_UPGRADE
    await service.answered(2, 2, 3)
    assert prompts.wants(CALLER) is Trigger.QUALITY_UPGRADE
    service.clock.advance(DAY_MS)
    assert prompts.wants(CALLER) is None


async def test_what_is_remembered_is_bounded(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scalix_free.growth.prompts.MOST_KNOWN", 2)
    prompts = service.workers[0]
    people = [Caller(tier=TIER, subjects=(Subject(bytes([n]) * 16, POLICY),)) for n in range(3)]
    for one in people:
        prompts.want_feature(one)
    assert [prompts.wants(one) is not None for one in people] == [False, True, True]
