"""What lasts a day is spent behind the clock; what comes back each minute is waited for."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from benchmarks.scarcity import virtual
from scalix_free.core.budget import WHOLE, Allowance
from scalix_free.core.chat import Call, Chunk
from scalix_free.core.clock import DAY_MS
from scalix_free.core.errors import Failure, Kind
from scalix_free.routing.attempts import RESERVE, Asked, Exhausted
from scalix_free.routing.catalogue import Account, Catalogue, Model
from scalix_free.routing.claim import UNBOUNDED, Claim
from scalix_free.routing.plan import ALIKE, DAY_AHEAD, LEVEL, Ranking
from scalix_free.routing.quality import Qualities
from tests.core.held_clock import NOON, HeldClock
from tests.routing.routers import PATIENCE, Arithmetic, router
from tests.routing.scripted import ScriptedBackend, model

UTC = ZoneInfo("UTC")
MIDNIGHT = NOON - NOON % DAY_MS
CALL = Call(rid=bytes(16), messages=[], stream=True, output_tokens=10, prompt_tokens=5)
HI = (Chunk("Hi"), Chunk(finish="stop"))
PACED = Claim(order=3, headroom=300, owner=b"ann", address=b"home")


def limited(
    name: str,
    *steps: Chunk | Failure,
    priority: int = 1,
    zone: ZoneInfo | None = UTC,
    **limits: int,
) -> Model:
    one = model(name, ScriptedBackend(*(steps or HI)), priority=priority)
    whose = Account(name=name.partition("/")[0], zone=zone)
    return replace(one, account=whose, allowance=Allowance(**limits))  # type: ignore[arg-type]


class Desk:
    """Somebody who asks at a time of day, in virtual time."""

    def __init__(self, *models: Model, hour: float = 0.0, queue_s: float = 8.0) -> None:
        self.begin_ms = MIDNIGHT + int(hour * 3_600_000)
        patience = replace(PATIENCE, queue_s=queue_s)
        budgets = Arithmetic(self.now_ms)
        self.router = router(models, patience, clock=self.now_ms, budgets=budgets)
        self.asked = 0

    def now_ms(self) -> int:
        try:
            return self.begin_ms + int(asyncio.get_running_loop().time() * 1000)
        except RuntimeError:
            return self.begin_ms

    async def ask(self, claim: Claim = PACED) -> str:
        """Who answered."""
        async with self.open(claim) as reply:
            while await reply.read():
                pass
            return reply.answered_by

    def open(self, claim: Claim = PACED) -> Asked:
        self.asked += 1
        planned = self.router.plan(CALL, claim.owner, pays=False)
        assert isinstance(planned, Sequence)
        return self.router.open(CALL._replace(rid=self.asked.to_bytes(16, "big")), planned, claim)


def lived(main: Callable[[], Coroutine[object, object, None]]) -> Callable[[], None]:
    """A test in virtual time: whoever waits finds the time gone by."""

    def test() -> None:
        virtual.run(main())

    test.__doc__, test.__name__ = main.__doc__, main.__name__
    return test


# ── The order ────────────────────────────────────────────────────────────────────────────────


@lived
async def test_what_is_used_ahead_of_the_clock_gives_way() -> None:
    desk = Desk(limited("day/a", rpd=100), limited("other/b", rpd=9_000, priority=2), hour=12)
    answered = []
    for _ in range(25):
        answered.append(await desk.ask(UNBOUNDED))
        await asyncio.sleep(1)
    # A priority is worth a fifth of a day: with so much more of it used, the other one is asked.
    assert answered == ["day/a"] * 21 + ["other/b"] * 4
    assert WHOLE * LEVEL // DAY_AHEAD == 200


@lived
async def test_as_the_day_passes_it_comes_back() -> None:
    one = limited("day/a", rpd=10)
    desk = Desk(one, limited("min/m", rpm=60, priority=9), hour=12)
    spending = desk.router.attempts.spending
    assert [await desk.ask(UNBOUNDED), spending.spare(one)] == ["min/m", 500]
    await asyncio.sleep(8 * 3_600)  # the lower priority is worth a fifth: 0.8 of the day has passed
    assert await desk.ask(UNBOUNDED) == "day/a"
    assert spending.spare(one) == pytest.approx(733, abs=1)
    await asyncio.sleep(3_600)
    assert await desk.ask(UNBOUNDED) == "min/m"
    await asyncio.sleep(5 * 3_600)  # another day, of which nothing is used
    assert spending.spare(one) == pytest.approx(83, abs=1)


def test_without_a_day_s_limit_priorities_decide_alone() -> None:
    models = [model("c", priority=100), model("a", priority=1), model("b", priority=7)]
    ordered = Ranking(Qualities(), HeldClock()).order(Catalogue(models))
    assert [one.id for one in ordered] == ["a", "b", "c"]


def test_priorities_count_as_they_follow_each_other_not_by_their_numbers() -> None:
    catalogue = Catalogue([model("c", priority=100), model("a", priority=1)])
    places = Ranking(Qualities(), HeldClock()).places(catalogue)
    assert places["a"].value - places["c"].value == LEVEL


def test_of_one_priority_the_better_one_comes_first_of_two_the_better_priority() -> None:
    good, poor = replace(model("good"), quality=900), replace(model("poor"), quality=500)
    first = replace(model("first", priority=1), quality=500)
    catalogue = Catalogue([poor, good, first, replace(model("like"), quality=900 + ALIKE // 2)])
    ordered = Ranking(Qualities(), HeldClock()).order(catalogue)
    assert [one.id for one in ordered] == ["first", "good", "like", "poor"]


@lived
async def test_a_rolling_day_begins_with_its_first_use_and_ends_when_that_comes_back() -> None:
    one = limited("roll/a", rpd=10, zone=None)
    desk = Desk(one)
    spending = desk.router.attempts.spending
    assert spending.spare(one) == 0
    for _ in range(5):
        await desk.ask(UNBOUNDED)
    assert spending.spare(one) == 100 - 500  # the first use was on pace, as far as anybody knows
    await asyncio.sleep(DAY_MS / 2000)
    assert spending.spare(one) == 600 - 250  # half of what is not heard of is taken for back
    await asyncio.sleep(DAY_MS / 1000)
    await desk.ask(UNBOUNDED)
    assert spending.spare(one) == 1000 - 100


# ── Sparing ──────────────────────────────────────────────────────────────────────────────────


@lived
async def test_whoever_can_wait_for_what_comes_back_does_not_spend_a_scarce_day() -> None:
    desk = Desk(limited("min/m", rpm=1, priority=2), limited("day/a", rpd=100), queue_s=90.0)
    assert [await desk.ask(), await desk.ask()] == ["min/m", "min/m"]
    assert 60 < asyncio.get_running_loop().time() < 63


@lived
async def test_nobody_waits_longer_than_they_may_and_then_the_day_is_spent() -> None:
    desk = Desk(limited("min/m", rpm=1, priority=2), limited("day/a", rpd=100), queue_s=8.0)
    loop = asyncio.get_running_loop()
    assert [await desk.ask(), await desk.ask()] == ["min/m", "day/a"]
    assert loop.time() == 0  # it would not have come back in time, so nobody waited
    await asyncio.sleep(55)
    crowd = [PACED._replace(owner=b"%d" % n, address=b"%d" % n) for n in range(3)]
    answered = await asyncio.gather(*map(desk.ask, crowd))
    assert sorted(answered) == ["day/a", "day/a", "min/m"]
    assert 60 < loop.time() <= 63.1
    assert not len(desk.router.attempts.queue)


@lived
async def test_a_day_that_is_behind_the_clock_is_not_spared() -> None:
    day = limited("day/a", rpd=100)
    desk = Desk(limited("min/m", rpm=1, priority=2), day, hour=12, queue_s=90)
    answered = [await desk.ask() for _ in range(42)]
    assert answered == ["min/m"] + ["day/a"] * 41
    assert asyncio.get_running_loop().time() == 0
    assert desk.router.attempts.spending.spare(day) < RESERVE
    assert await desk.ask() == "min/m"
    assert asyncio.get_running_loop().time() > 60


@lived
async def test_who_pays_and_the_operator_wait_for_nothing() -> None:
    desk = Desk(limited("min/m", rpm=1), limited("day/a", rpd=100, priority=2), queue_s=90.0)
    await desk.ask()
    assert await desk.ask(UNBOUNDED) == "day/a"
    assert asyncio.get_running_loop().time() == 0


@lived
async def test_after_a_failure_a_scarce_day_is_spent_at_once() -> None:
    broken = Failure(Kind.BROKEN, "Broken.")
    desk = Desk(limited("min/m", broken, rpm=9), limited("day/a", rpd=100), queue_s=90.0)
    assert await desk.ask() == "day/a"
    assert asyncio.get_running_loop().time() == 0


@lived
async def test_nobody_is_asked_twice_for_one_request() -> None:
    broken = Failure(Kind.BROKEN, "Broken.")
    sick = limited("min/m", broken, rpm=9)
    desk = Desk(sick, limited("day/a", broken, rpd=100))
    with pytest.raises(Exhausted) as raised:
        await desk.ask()
    assert isinstance(sick.backend, ScriptedBackend)
    assert (len(sick.backend.calls), len(raised.value.failures)) == (1, 2)


@lived
async def test_who_finds_no_place_to_wait_spends_the_day() -> None:
    desk = Desk(limited("min/m", rpm=1, priority=2), limited("day/a", rpd=100), queue_s=90.0)
    await desk.ask()
    answered = await asyncio.gather(*(desk.ask() for _ in range(3)))  # two places for one caller
    assert "day/a" in answered
    assert not len(desk.router.attempts.queue)


@lived
async def test_where_all_last_a_day_its_pace_is_kept_by_refusing() -> None:
    desk = Desk(limited("day/a", rpd=100))
    for _ in range(30):  # the headroom of its class
        await desk.ask()
    with pytest.raises(Exhausted) as raised:
        await desk.ask()
    assert raised.value.until_ms is not None


@lived
async def test_where_something_comes_back_pace_refuses_nobody() -> None:
    desk = Desk(limited("min/m", rpm=1, priority=2), limited("day/a", rpd=100))
    for n in range(101):
        await desk.ask(PACED._replace(owner=b"%d" % n, address=b"%d" % n))
    with pytest.raises(Exhausted):
        await desk.ask()
