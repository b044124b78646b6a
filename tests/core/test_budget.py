"""The arithmetic of providers' limits keeps its examples; its laws are in tests/laws."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from scalix_free.core.budget import (
    Act,
    Allowance,
    Budget,
    Extent,
    Finding,
    Scope,
    note,
    pack,
    unpack,
)
from scalix_free.core.ports import Budgets
from tests.contracts.budgets import BudgetExamples
from tests.core.held_clock import NOON, HeldClock
from tests.routing.routers import Arithmetic


class TestArithmetic(BudgetExamples):
    """With nothing around it."""

    @asynccontextmanager
    async def opened(self, clock: HeldClock) -> AsyncIterator[Sequence[Budgets]]:
        yield [Arithmetic(clock)]


@pytest.mark.parametrize("act", [Act.BACK_OFF, Act.TRIP])
def test_any_number_of_failures_in_a_row_can_be_kept(act: Act) -> None:
    budget = Budget()
    for _ in range(2**16 + 1):
        note(budget, Scope("a", Allowance()), Finding(Extent.MODEL, act), NOON)
    assert unpack(pack(budget)) == budget
