"""Providers' limits shared by replicas: never exceeded together, and used up nearly whole."""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

import pytest

from scalix_free.core.budget import WHOLE, Allowance, Scope, Take, Taken
from scalix_free.core.clock import MINUTE_MS
from scalix_free.storage.redis_budgets import RedisBudgets
from scalix_free.storage.redis_ledger import RedisLedger
from tests.core.held_clock import NOON, HeldClock
from tests.laws.test_budget_laws import worst_within
from tests.storage.servers import Running

REPLICAS: Final = 8
STEP_MS: Final = 250
MINUTES: Final = 10


@pytest.mark.parametrize("rolling", [False, True])
async def test_eight_replicas_never_exceed_a_limit_and_waste_little(
    valkey: Running, rolling: bool
) -> None:
    valkey.empty()
    clock = HeldClock()
    clock.now_ms = NOON
    allowance = Allowance(rpm=30, tpm=6_000, rpd=250, tpd=10**6)
    end_ms = 0 if rolling else NOON + 43_200_000
    scopes = (
        Scope("acme", Allowance(rpm=40), end_ms),
        Scope("acme/a", allowance, end_ms),
    )
    sent: list[tuple[int, int]] = []
    async with AsyncExitStack() as stack:
        replicas = []
        for _ in range(REPLICAS):
            ledger = RedisLedger(valkey.url, held_clock=clock, command_s=5.0)
            await ledger.open()
            stack.push_async_callback(ledger.close)
            replicas.append(RedisBudgets(ledger))
        for step in range(MINUTES * MINUTE_MS // STEP_MS):
            tokens = 100 + step % 150
            asks = [
                Take(b"%017d" % (step * REPLICAS + n), scopes, tokens, WHOLE)
                for n in range(REPLICAS)
            ]
            taken = await asyncio.gather(*map(RedisBudgets.take, replicas, asks))
            sent += [(clock(), tokens) for one in taken if isinstance(one, Taken)]
            clock.advance(STEP_MS)

    assert worst_within(sent, MINUTE_MS, 0) <= 30
    assert worst_within(sent, MINUTE_MS, 1) <= 6_000
    assert len(sent) <= 250
    assert len(sent) >= 0.9 * 250
