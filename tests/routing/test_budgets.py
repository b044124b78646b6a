"""Calls are taken from budgets before they are made; what is short is not asked twice."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from scalix_free.core.budget import (
    FOREVER_MS,
    Act,
    Allowance,
    Extent,
    Finding,
    Short,
    Take,
    Taken,
    Verdict,
    Why,
    Window,
    unpack,
    used,
)
from scalix_free.core.chat import Call, Chunk, Usage
from scalix_free.core.errors import Failure, Kind
from scalix_free.routing.attempts import Exhausted, Patience
from scalix_free.routing.budgets import Days
from scalix_free.routing.catalogue import Account, Model
from scalix_free.routing.claim import Claim
from tests.core.held_clock import NOON, HeldClock
from tests.routing.routers import PATIENCE, Arithmetic, attempts
from tests.routing.scripted import ScriptedBackend, model

CALL = Call(rid=bytes(16), messages=[], stream=True, output_tokens=100, prompt_tokens=50)
STOP = Chunk(finish="stop", usage=Usage(40, 7))
UTC = ZoneInfo("UTC")


def limited(
    name: str, *steps: Chunk | Failure, account: str = "acme", **limits: int | None
) -> Model:
    whose = Account(name=account, zone=UTC)
    backend = ScriptedBackend(*(steps or (Chunk("Hi"), STOP)))
    return replace(model(name, backend), account=whose, allowance=Allowance(**limits))  # type: ignore[arg-type]


class Desk:
    def __init__(self, *models: Model, patience: Patience = PATIENCE) -> None:
        self.clock = HeldClock()
        self.clock.now_ms = NOON
        self.budgets = Arithmetic(self.clock)
        self.models = models
        self.attempts = attempts(patience, clock=self.clock, budgets=self.budgets)
        self.asked = 0

    async def ask(self, claim: Claim | None = None) -> str:
        """Who answered."""
        self.asked += 1
        call = CALL._replace(rid=self.asked.to_bytes(16, "big"))
        opened = self.attempts.open(call, self.models, *([claim] if claim else []))
        async with opened as reply:
            while await reply.read():
                pass
            return reply.answered_by

    def used(self, key: str, window: Window) -> int:
        return used(unpack(self.budgets.kept.get(key)), window)


async def test_who_has_nothing_left_is_passed_over_without_being_asked() -> None:
    first, second = limited("acme/a", rpm=2), limited("acme/b", rpm=9)
    desk = Desk(first, second)
    assert [await desk.ask() for _ in range(4)] == ["acme/a", "acme/a", "acme/b", "acme/b"]
    assert isinstance(first.backend, ScriptedBackend)
    assert len(first.backend.calls) == 2
    shorts = sum(len(ask.scopes) and ask.scopes[1].key == "acme/a" for ask in desk.budgets.asked)
    assert shorts == 3  # two that were taken and one that was not; the fourth knew


async def test_when_all_have_nothing_left_it_is_told_until_when() -> None:
    desk = Desk(limited("acme/a", rpm=1), limited("acme/b", rpd=1))
    await desk.ask()
    await desk.ask()
    with pytest.raises(Exhausted) as raised:
        await desk.ask()
    assert raised.value.failures == []
    assert {short.why for short in raised.value.shorts} == {Why.RPM, Why.RPD}
    assert raised.value.until_ms is not None
    assert NOON + 60_000 < raised.value.until_ms <= NOON + 62_000
    desk.clock.advance(raised.value.until_ms - NOON)
    assert await desk.ask() == "acme/a"


async def test_tokens_are_reserved_and_then_corrected() -> None:
    desk = Desk(limited("acme/a", tpm=1_000, rpd=9))
    await desk.ask()
    assert desk.budgets.asked[0].tokens == 150
    assert desk.used("acme/a", Window.TPM) == 47
    assert desk.budgets.ended[0].verdict is Verdict.SUCCESS


async def test_the_cap_is_lowered_to_what_a_minute_has() -> None:
    one = limited("acme/a", tpm=120)
    await Desk(one).ask()
    assert isinstance(one.backend, ScriptedBackend)
    assert one.backend.calls[0].output_tokens == 70


async def test_what_a_failure_tells_is_noted_and_the_next_is_asked() -> None:
    rests = Finding(Extent.ACCOUNT, Act.REST, NOON + 30_000)
    spent = Failure(Kind.RATE_LIMITED, "Spent.", findings=[rests])
    bad = limited("acme/a", spent, account="acme", rpm=9)
    sister = limited("acme/b", account="acme", rpm=9)
    other = limited("else/c", account="else", rpm=9)
    desk = Desk(bad, sister, other)
    assert await desk.ask() == "else/c"
    assert desk.budgets.ended[0].findings == ((0, rests),)
    assert await desk.ask() == "else/c"
    assert isinstance(sister.backend, ScriptedBackend)
    assert sister.backend.calls == []


@pytest.mark.parametrize("act", [Act.REST, Act.RETIRE])
async def test_what_befalls_one_model_does_not_bench_its_siblings(act: Act) -> None:
    found = Failure(Kind.GONE, "Gone.", findings=[Finding(Extent.MODEL, act, NOON + 30_000)])
    bad, sibling = limited("acme/a", found, rpm=9), limited("acme/b", rpm=9)
    desk = Desk(bad, sibling)
    assert [await desk.ask() for _ in range(3)] == ["acme/b"] * 3
    assert isinstance(bad.backend, ScriptedBackend)
    assert len(bad.backend.calls) == 1


async def test_what_is_retired_is_heard_of_here_and_by_every_other_replica() -> None:
    retired: list[tuple[str, int]] = []
    gone = Failure(Kind.GONE, "Gone.", findings=[Finding(Extent.MODEL, Act.RETIRE, NOON + 90_000)])
    desk = Desk(limited("acme/a", gone, rpm=9))
    other = attempts(clock=desk.clock, budgets=desk.budgets)
    for one in (desk.attempts, other):
        one.spending._retire = lambda model, until_ms: retired.append((model, until_ms))
    with pytest.raises(Exhausted):
        await desk.ask()
    desk.attempts = other
    with pytest.raises(Exhausted):
        await desk.ask()
    assert retired == [("acme/a", NOON + 90_000)] * 2
    assert len(desk.budgets.ended) == 1


async def test_a_key_that_is_refused_retires_no_model() -> None:
    retired: list[str] = []
    refused = Failure(
        Kind.REFUSED_KEY, "No.", findings=[Finding(Extent.ACCOUNT, Act.RETIRE, NOON + 90_000)]
    )
    desk = Desk(limited("acme/a", refused, rpm=9), limited("acme/b", rpm=9))
    desk.attempts.spending._retire = lambda model, until_ms: retired.append(model)
    for _ in range(2):
        with pytest.raises(Exhausted):
            await desk.ask()
    assert retired == []


async def test_a_rest_until_the_day_ends_gets_its_moment() -> None:
    spent = Failure(Kind.RATE_LIMITED, "Spent.", findings=[Finding(Extent.MODEL, Act.REST)])
    desk = Desk(limited("acme/a", spent, rpm=9))
    with pytest.raises(Exhausted):
        await desk.ask()
    ((_, found),) = desk.budgets.ended[0].findings
    assert found.until_ms == Days().end_ms(UTC, NOON)


def tells(*found: Finding, **limits: int | bool | None) -> Model:
    """A model whose answers tell this in their headers."""
    backend = ScriptedBackend(Chunk("Hi"), STOP, findings=found)
    allowance = Allowance(**limits)  # type: ignore[arg-type]
    return replace(limited("acme/a"), backend=backend, allowance=allowance)


async def served_by(desk: Desk) -> int:
    """How many calls it answers until it has nothing left."""
    for served in range(12):
        try:
            await desk.ask()
        except Exhausted:
            return served
    return 12


@pytest.mark.parametrize(
    ("firm", "told", "served"), [(True, 9, 4), (True, 2, 2), (False, 9, 9), (False, 2, 2)]
)
async def test_a_limit_that_an_answer_tells_raises_none_that_an_operator_wrote(
    firm: bool, told: int, served: int
) -> None:
    found = Finding(Extent.MODEL, Act.LIMIT, 0, Window.RPM, told)
    assert await served_by(Desk(tells(found, rpm=4, firm=firm))) == served


async def test_what_an_answer_says_is_left_is_all_there_is() -> None:
    desk = Desk(tells(Finding(Extent.MODEL, Act.LEFT, NOON + 9_000, Window.RPM, 0), rpm=50))
    await desk.ask()
    with pytest.raises(Exhausted) as raised:
        await desk.ask()
    assert raised.value.until_ms == NOON + 9_000
    desk.clock.advance(9_000)
    await desk.ask()


async def test_what_was_left_is_old_when_it_has_returned_since() -> None:
    desk = Desk(tells(Finding(Extent.MODEL, Act.LEFT, NOON + 9_000, Window.RPM, 0), rpm=50))
    async with desk.attempts.open(CALL, desk.models) as reply:
        while await reply.read():
            pass
        desk.clock.advance(9_000)
    assert [end.findings for end in desk.budgets.ended] == [()]
    await desk.ask()


async def test_pro_callers_have_their_share_of_the_day() -> None:
    desk = Desk(limited("acme/a", rpd=10))
    pro = Claim(pro=True)
    for _ in range(5):
        await desk.ask(pro)
    with pytest.raises(Exhausted) as raised:
        await desk.ask(pro)
    assert raised.value.shorts[0].key == "acme/a#pro"
    for _ in range(5):
        await desk.ask()
    with pytest.raises(Exhausted):
        await desk.ask()


async def test_a_model_without_limits_costs_the_store_nothing() -> None:
    desk = Desk(limited("acme/a"))
    await desk.ask()
    assert not desk.budgets.asked
    assert not desk.budgets.ended


async def test_a_model_that_fails_again_and_again_rests_and_proves_itself() -> None:
    sick = limited("acme/a", Failure(Kind.BROKEN, "Broken."))
    desk = Desk(sick, limited("else/b", account="else"))
    for _ in range(8):
        assert await desk.ask() == "else/b"
    assert isinstance(sick.backend, ScriptedBackend)
    assert len(sick.backend.calls) == 2
    sick.backend.steps = (Chunk("Hi"), STOP)
    desk.clock.advance(30_000)
    assert [await desk.ask() for _ in range(3)] == ["acme/a"] * 3
    assert len(sick.backend.calls) == 5


async def test_who_finds_all_busy_waits_until_a_call_has_ended() -> None:
    desk = Desk(limited("acme/a", concurrent=1), patience=replace(PATIENCE, queue_s=60.0))
    async with desk.attempts.open(CALL, desk.models) as first:
        waiting = asyncio.create_task(desk.ask(Claim(owner=b"ann")))
        while not len(desk.attempts.queue):
            await asyncio.sleep(0)
        assert not waiting.done()
        while await first.read():
            pass
    assert await waiting == "acme/a"
    assert not len(desk.attempts.queue)


async def test_who_leaves_the_queue_leaves_nothing_behind() -> None:
    desk = Desk(limited("acme/a", concurrent=1), patience=replace(PATIENCE, queue_s=60.0))
    async with desk.attempts.open(CALL, desk.models):
        waiting = asyncio.create_task(desk.ask(Claim(owner=b"ann")))
        while not len(desk.attempts.queue):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert not len(desk.attempts.queue)
    assert (desk.attempts.retries.requests, desk.attempts.retries.retries) == (0, 0)


async def test_what_is_left_of_a_day_is_the_account_s_or_its_models_together() -> None:
    day = Account(name="acme", allowance=Allowance(rpd=10), zone=UTC)
    loose = replace(limited("acme/d"), account=day)
    desk = Desk(
        replace(limited("acme/a", rpd=2), account=day),
        limited("two/b", account="two", rpd=5),
        limited("two/c", account="two", rpd=1),
        limited("three/e", account="three", rpd=5),
        limited("three/f", account="three", rpm=5),
    )

    async def left(*more: Model) -> Mapping[str, int]:
        return await desk.attempts.spending.left_today([*desk.models, *more])

    assert await left() == {"acme": 2, "two": 6}
    assert await left(loose) == {"acme": 10, "two": 6}
    await desk.ask()
    assert (await left(), await left(loose)) == ({"acme": 1, "two": 6}, {"acme": 9, "two": 6})


async def test_a_model_that_is_gone_has_nothing_left() -> None:
    gone = Failure(Kind.GONE, "Gone.", findings=[Finding(Extent.MODEL, Act.RETIRE, FOREVER_MS)])
    desk = Desk(limited("acme/a", gone, rpd=7), limited("acme/b", rpd=5))
    await desk.ask()
    assert await desk.attempts.spending.left_today(desk.models) == {"acme": 4}


class Distant(Arithmetic):
    """Budgets that are taken some turns of the loop before that is known."""

    async def take(self, ask: Take) -> Taken | Short:
        taken = await super().take(ask)
        for _ in range(3):
            await asyncio.sleep(0)
        return taken


@pytest.mark.parametrize("turns", range(1, 6))
async def test_whoever_leaves_while_it_is_being_taken_gives_the_slot_back(turns: int) -> None:
    budgets = Distant()
    attempting = attempts(budgets=budgets).open(CALL, [limited("acme/a", concurrent=1)])
    asking = asyncio.create_task(attempting.__aenter__())
    for _ in range(turns):
        await asyncio.sleep(0)
    was_asked = bool(budgets.asked)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
        await attempting.__aexit__(None, None, None)
    assert was_asked
    assert unpack(budgets.kept["acme/a"]).slots == []


async def test_what_will_not_be_free_in_time_is_not_waited_for() -> None:
    desk = Desk(limited("acme/a", rpm=1), patience=replace(PATIENCE, queue_s=5.0))
    await desk.ask()
    with pytest.raises(Exhausted):
        await desk.ask()
    assert not len(desk.attempts.queue)


def test_days_end_at_midnight_of_their_zone() -> None:
    days, zone = Days(), ZoneInfo("America/Los_Angeles")
    morning = 1_795_680_000_000  # 2026-11-26T08:00:00Z is midnight there
    assert days.end_ms(zone, morning - 1) == morning
    assert days.end_ms(zone, morning) == morning + 86_400_000
    assert days.end_ms(None, morning) == 0
    spring = 1_805_011_200_000  # 2027-03-14T08:00:00Z: that day has 23 hours
    assert days.end_ms(zone, spring) == spring + 23 * 3_600_000


async def test_an_empty_answer_rests_nobody_since_whoever_asks_can_bring_it_about() -> None:
    empty = limited("acme/a", Chunk(finish="stop"))
    desk = Desk(empty, limited("else/b", account="else"))
    for _ in range(4):
        assert await desk.ask() == "else/b"
    assert isinstance(empty.backend, ScriptedBackend)
    assert len(empty.backend.calls) == 4
