"""Providers' limits while their server is away."""

from typing import Final

import pytest

from scalix_free.core.budget import (
    Allowance,
    Close,
    Scope,
    Short,
    Take,
    Taken,
    Verdict,
    Window,
    used,
)
from scalix_free.core.errors import StoreUnavailable
from scalix_free.storage.outage import OnOutage
from scalix_free.storage.outage_budgets import OutageBudgets
from tests.core.held_clock import NOON, HeldClock
from tests.routing.routers import Arithmetic

SCOPE: Final = Scope("acme", Allowance(rpd=20), NOON + 43_200_000)


class Desk:
    def __init__(self, on_outage: OnOutage = "degrade", shares: int = 3) -> None:
        self.clock = HeldClock()
        self.clock.now_ms = NOON
        self.server = Arithmetic(self.clock)
        self.budgets = OutageBudgets(
            self.server, on_outage=on_outage, clock=self.clock, shares=lambda: shares
        )
        self.count = 0

    async def take(self) -> Taken | Short:
        self.count += 1
        return await self.budgets.take(Take(b"%017d" % self.count, (SCOPE,), 1))

    async def taken(self, most: int = 100) -> int:
        """How many can be taken before it says no."""
        for n in range(most):
            if isinstance(await self.take(), Short):
                return n
        return most


async def test_each_worker_spends_its_part_of_what_was_left() -> None:
    desk = Desk()
    for _ in range(8):
        await desk.take()
    await desk.budgets.look_now()
    desk.server.is_away = True
    assert await desk.taken() == (20 - 8) // 3


async def test_back_again_the_server_s_word_counts_alone() -> None:
    desk = Desk()
    await desk.take()
    desk.server.is_away = True
    await desk.taken()
    desk.server.is_away = False
    assert await desk.taken() == 19
    (budget,) = await desk.budgets.look([SCOPE])
    assert used(budget, Window.RPD) == 20


async def test_whoever_denies_in_an_outage_refuses() -> None:
    desk = Desk("deny")
    desk.server.is_away = True
    with pytest.raises(StoreUnavailable):
        await desk.take()


async def test_whoever_allows_does_not_count() -> None:
    desk = Desk("allow")
    desk.server.is_away = True
    assert await desk.taken(50) == 50


async def test_a_call_may_end_while_the_server_is_away() -> None:
    desk = Desk()
    taken = await desk.take()
    assert isinstance(taken, Taken)
    desk.server.is_away = True
    end = Close(b"%017d" % 1, (SCOPE,), taken.at_ms, 1, 9, Verdict.SUCCESS)
    await desk.budgets.close(end)
    await desk.budgets.beat((SCOPE,), end.rid)
