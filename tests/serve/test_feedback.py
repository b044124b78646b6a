"""Feedback: taken once, from whoever got the answer, and known to every worker."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from scalix_free.core.caller import Caller
from scalix_free.core.errors import Code, Refusal, StoreUnavailable
from scalix_free.core.outcome import Outcome
from scalix_free.core.ports import Ratings
from scalix_free.core.rating import Kept, Opinion, Rating
from scalix_free.routing.preferences import Preferences
from scalix_free.routing.quality import Qualities
from scalix_free.serve.feedback import LISTENED_MS, LOOKS_S, REFRESH_S, Feedback, Given
from scalix_free.storage.database import Database
from scalix_free.storage.ratings import SqlRatings
from scalix_free.storage.usage_log import SqlUsageLog
from tests.contracts.ratings import NEAR, somebody
from tests.contracts.usage_log import outcome
from tests.core.held_clock import NOON, HeldClock
from tests.routing.scripted import model

ONE = model("world/one")
HOUR_MS = 3_600_000


@dataclass
class Desk:
    """A database, and as many workers on it as are asked for."""

    database: Database
    clock: HeldClock
    waits_s: list[float] = field(default_factory=list)
    late: list[Outcome] = field(default_factory=list)

    def worker(self, ratings: Ratings | None = None) -> Feedback:
        return Feedback(
            ratings=ratings or SqlRatings(self.database),
            qualities=Qualities(),
            preferences=Preferences(HOUR_MS, 100),
            clock=self.clock,
            pause=self.pause,
        )

    async def pause(self, wait_s: float) -> None:
        """Nobody waits: what would be written in the meantime is."""
        self.waits_s.append(wait_s)
        if wait_s and self.late:
            await SqlUsageLog(self.database).write(self.late)

    async def answer(self, number: int, name: str = "near") -> str:
        """An answer that somebody without a credential got; its id."""
        one = outcome(number, None, name)
        await SqlUsageLog(self.database).write([one])
        return one.request_id


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    database = Database(":memory:")
    await database.open()
    yield Desk(database, HeldClock())
    await database.close()


def refusal(given: Given | Refusal) -> Code:
    assert isinstance(given, Refusal)
    return given.code


def avoided(worker: Feedback, caller: Caller = NEAR) -> frozenset[str]:
    return worker.preferences.avoided(caller.subjects[0].key, worker.clock()) or frozenset()


async def test_a_rating_moves_the_model_and_steers_the_caller_alone(desk: Desk) -> None:
    worker = desk.worker()
    before = worker.qualities.of(ONE).score(NOON)
    request_id = await desk.answer(1)

    given = await worker.give(NEAR, request_id, -1, None)
    assert given == Given(request_id, -1)
    assert worker.qualities.of(ONE).score(NOON) < before
    assert worker.qualities.satisfaction == 0.0
    assert avoided(worker) == {"world/one"}
    assert avoided(worker, somebody(None, "else")) == frozenset()

    desk.clock.advance(1)
    liked = await worker.give(NEAR, await desk.answer(2), 1, None)
    assert isinstance(liked, Given)
    assert avoided(worker) == frozenset()
    assert worker.qualities.of(ONE).score(NOON) > before


async def test_an_answer_is_known_by_its_own_id_too(desk: Desk) -> None:
    request_id = await desk.answer(1)
    by_answer = request_id.replace("req_", "free_cmp_")

    assert await desk.worker().give(NEAR, by_answer, 1, None) == Given(request_id, 1)


async def test_the_same_again_changes_nothing_and_the_opposite_is_refused(desk: Desk) -> None:
    worker, request_id = desk.worker(), await desk.answer(1)
    for _ in range(3):
        assert await worker.give(NEAR, request_id, -1, None) == Given(request_id, -1)
    assert refusal(await worker.give(NEAR, request_id, 1, None)) is Code.ALREADY_RATED
    assert avoided(worker) == {"world/one"}
    assert len(await worker.ratings.opinions(0, most=9)) == 1


async def test_what_is_no_id_is_not_looked_for(desk: Desk) -> None:
    for written in ("", "req_", "req_" + "g" * 32, "x" + "req_" + "0" * 32, "req_" + "0" * 33):
        assert refusal(await desk.worker().give(NEAR, written, 1, None)) is Code.NOT_FOUND
    assert desk.waits_s == []


async def test_an_answer_that_is_not_written_down_yet_is_waited_for(desk: Desk) -> None:
    late = outcome(1, None, "near")
    desk.late = [late]

    assert isinstance(await desk.worker().give(NEAR, late.request_id, 1, None), Given)
    assert desk.waits_s == list(LOOKS_S[:2])


async def test_an_answer_of_somebody_else_or_of_nobody_is_not_found(desk: Desk) -> None:
    request_id = await desk.answer(1, "else")
    for written in (request_id, "req_" + "0" * 32):
        desk.waits_s.clear()
        assert refusal(await desk.worker().give(NEAR, written, 1, None)) is Code.NOT_FOUND
        assert desk.waits_s == list(LOOKS_S)
    assert sum(LOOKS_S) > 1.1  # the log is written within a second


async def test_other_workers_and_later_ones_know_it_too(desk: Desk) -> None:
    worker, other = desk.worker(), desk.worker()
    await worker.give(NEAR, await desk.answer(1), -1, None)
    assert avoided(other) == frozenset()

    for reader in (other, desk.worker()):
        await reader.refresh()
        await reader.refresh()
        assert avoided(reader) == {"world/one"}
        score = reader.qualities.of(ONE).score(NOON)
        assert score == worker.qualities.of(ONE).score(NOON)

    desk.clock.advance(HOUR_MS)
    await other.refresh()
    assert avoided(other) == frozenset()
    assert other.qualities.satisfaction == 0.0
    desk.clock.advance(LISTENED_MS)
    await other.refresh()
    assert other.qualities.satisfaction is None


async def test_a_comment_loses_what_no_database_takes(desk: Desk) -> None:
    worker = desk.worker()
    for number, (written, kept) in enumerate(
        ((" a \0 b\n", "a  b"), (" \0 ", None), ("", None)), start=1
    ):
        await worker.give(NEAR, await desk.answer(number), 1, written)
        async with desk.database.transaction(reads=True) as connection:
            query = "SELECT comment FROM ratings ORDER BY rid DESC LIMIT 1"
            assert (await connection.exec_driver_sql(query)).scalar() == kept


class Away:
    """Ratings whose store comes back after so many calls."""

    def __init__(self, ratings: Ratings, failures: int) -> None:
        self.ratings = ratings
        self.failures = failures

    async def answered(self, caller: Caller, rid: bytes) -> str | None:
        raise StoreUnavailable("away")

    async def rate(self, caller: Caller, rating: Rating) -> Kept | None:
        raise StoreUnavailable("away")

    async def opinions(self, since_ms: int, *, most: int) -> list[Opinion]:
        self.failures -= 1
        if self.failures >= 0:
            raise StoreUnavailable("away")
        return list(await self.ratings.opinions(since_ms, most=most))


async def test_while_the_store_is_away_it_says_so_and_goes_on_reading(desk: Desk) -> None:
    request_id = await desk.answer(1)
    await desk.worker().give(NEAR, request_id, -1, None)
    worker = desk.worker(Away(SqlRatings(desk.database), failures=3))
    assert refusal(await worker.give(NEAR, request_id, 1, None)) is Code.STORE_UNAVAILABLE

    waits_s: list[float] = []

    async def pause(wait_s: float) -> None:
        waits_s.append(wait_s)
        if len(waits_s) == 5:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await replace(worker, pause=pause).keep_fresh()
    assert waits_s == [REFRESH_S] * 5
    assert avoided(worker) == {"world/one"}
