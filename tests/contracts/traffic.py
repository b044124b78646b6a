"""What every ``Traffic`` tells of what the usage log keeps."""

from collections.abc import AsyncIterator

import pytest

from scalix_free.core.outcome import Ended, Result
from scalix_free.storage.traffic import SqlTraffic
from tests.contracts.usage_log import outcome
from tests.core.held_clock import NOON
from tests.storage.stores import Stores, opened_stores

HOUR = 3_600_000
FULL = NOON - NOON % HOUR


class TrafficContract:
    """The contract; a subclass has the fixture ``place``, a database with tables."""

    @pytest.fixture
    async def stores(self, place: str) -> AsyncIterator[Stores]:
        async with opened_stores(place) as stores:
            yield stores

    async def test_requests_are_summed_by_hour_and_model(self, stores: Stores) -> None:
        rows = [
            outcome(1, at_ms=FULL),
            outcome(2, at_ms=FULL + HOUR - 1),
            outcome(3, at_ms=FULL + HOUR),
            outcome(4, at_ms=FULL)._replace(result=Result.FAILED),
            outcome(5, at_ms=FULL)._replace(result=Result.FAILED, model=None),
            outcome(6, at_ms=FULL)._replace(model="world/two"),
            outcome(7, at_ms=FULL - 1),
            outcome(8, at_ms=FULL + HOUR)._replace(result=Result.REFUSED, model=None),
            outcome(9, at_ms=FULL + HOUR)._replace(result=Result.ABANDONED, model="world/three"),
        ]
        await stores.logs[0].write(rows)

        told = await SqlTraffic(stores.databases[-1]).ended(FULL)

        assert [one.hour_ms for one in told] == sorted(one.hour_ms for one in told)
        assert set(told) == {
            Ended(FULL, "world/one", 2, 1),
            Ended(FULL, None, 0, 1),
            Ended(FULL, "world/two", 1, 0),
            Ended(FULL + HOUR, "world/one", 1, 0),
        }
        assert len(told) == 4

    async def test_where_nobody_asked_nothing_is_told(self, stores: Stores) -> None:
        assert await SqlTraffic(stores.databases[0]).ended(0) == []
