"""What every ``Once`` keeps, whatever it is made of."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

import pytest

from scalix_free.core.ports import Clock, Once
from tests.core.held_clock import HeldClock

MINUTE = 60_000


class OnceContract:
    """Subclass it, and say how two of them are opened on one store."""

    def opened(self, clock: Clock) -> AbstractAsyncContextManager[Sequence[Once]]:
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> HeldClock:
        return HeldClock()

    @pytest.fixture
    async def both(self, clock: HeldClock) -> AsyncIterator[Sequence[Once]]:
        async with self.opened(clock) as both:
            yield both

    async def test_a_key_is_claimed_once(self, both: Sequence[Once], clock: HeldClock) -> None:
        here, there = both
        until = clock() + MINUTE

        assert await here.claim(b"a nonce", until)
        assert not await here.claim(b"a nonce", until)
        assert not await there.claim(b"a nonce", until)
        assert await there.claim(b"another", until)

    async def test_a_claim_is_remembered_until_then_and_no_longer(
        self, both: Sequence[Once], clock: HeldClock
    ) -> None:
        here, there = both
        assert await here.claim(b"a nonce", clock() + MINUTE)
        clock.advance(MINUTE - 1)
        assert not await there.claim(b"a nonce", clock() + MINUTE)
        clock.advance(1)

        assert await there.claim(b"a nonce", clock() + MINUTE)
        assert not await here.claim(b"a nonce", clock() + MINUTE)

    async def test_of_many_who_claim_at_once_one_succeeds(
        self, both: Sequence[Once], clock: HeldClock
    ) -> None:
        until = clock() + MINUTE
        claims = await asyncio.gather(*(both[n % 2].claim(b"a nonce", until) for n in range(50)))

        assert sum(claims) == 1

    async def test_keys_are_any_bytes(self, both: Sequence[Once], clock: HeldClock) -> None:
        for key in (b"", b"{}", b"\x00\xff", bytes(500)):
            assert await both[0].claim(key, clock() + MINUTE)
            assert not await both[1].claim(key, clock() + MINUTE)
