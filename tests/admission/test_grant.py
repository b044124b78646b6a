"""A grant is kept alive while it is used, and ends once."""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence

import pytest

from scalix_free.admission import grant as grant_module
from scalix_free.admission.grant import Grant
from scalix_free.core.caller import Caller, Tier
from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ledger import Admitted, Ask, Denied, Level, Subject
from scalix_free.storage.sqlite_ledger import SqliteLedger
from tests.contracts.ledger import ALL, ANN, PERSON, asking, rid, used
from tests.core.held_clock import HeldClock

CALLER = Caller(
    tier=Tier(
        name="person",
        policy=PERSON,
        max_output_tokens=500,
        default_output_tokens=90,
        context_tokens=1_000,
    ),
    subjects=ALL,
)
BEAT_S = 0.004


class Beaten(SqliteLedger):
    """Says what it was told of running requests, and fails as often as it should."""

    def __init__(self, clock: HeldClock) -> None:
        super().__init__(":memory:", clock=clock)
        self.beats: list[int] = []
        self.beaten: list[Subject] = []
        self.failures = 0

    async def beat(self, subject: Subject, rid: bytes, spent: int) -> None:
        self.beats.append(spent)
        self.beaten.append(subject)
        if self.failures > 0:
            self.failures -= 1
            raise StoreUnavailable
        await super().beat(subject, rid, spent)


@pytest.fixture(autouse=True)
def quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grant_module, "BEAT_MS", BEAT_S * 1_000)


@pytest.fixture
async def ledger() -> AsyncIterator[Beaten]:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: complaints.append(str(context["message"]))
    )
    ledger = Beaten(HeldClock())
    await ledger.open()
    yield ledger
    await ledger.close()
    gc.collect()  # a task that failed unheard complains when it is thrown away
    assert complaints == []


async def taken(ledger: Beaten, spent: Sequence[int] = (10,)) -> Grant:
    words = list(spent)
    grant = Grant(
        ledger, CALLER.subjects, rid(1), spent=lambda: words.pop(0) if words[1:] else words[0]
    )
    assert isinstance(await grant.take(asking(1)), Admitted)
    return grant


async def beaten(ledger: Beaten, times: int) -> None:
    async with asyncio.timeout(2):
        while len(ledger.beats) < times:
            await asyncio.sleep(BEAT_S / 4)


async def silent(ledger: Beaten) -> bool:
    before = len(ledger.beats)
    await asyncio.sleep(3 * BEAT_S)
    return len(ledger.beats) == before


async def test_while_it_is_used_the_store_hears_what_was_spent(ledger: Beaten) -> None:
    grant = await taken(ledger, spent=(10, 25, 40))
    await beaten(ledger, 3)
    await grant.refund()

    assert ledger.beats[:3] == [10, 25, 40]


async def test_only_the_caller_s_own_book_is_beaten(ledger: Beaten) -> None:
    grant = await taken(ledger)
    await beaten(ledger, 2)
    await grant.refund()

    assert {subject.key for subject in ledger.beaten} == {ANN.key}


async def test_a_beat_that_failed_is_followed_by_the_next(ledger: Beaten) -> None:
    ledger.failures = 2
    grant = await taken(ledger)
    await beaten(ledger, 4)

    assert used(await grant.settle(20)) == [1, 1, 20, 0]


async def test_a_settled_grant_is_silent_and_charged(ledger: Beaten) -> None:
    grant = await taken(ledger)
    await beaten(ledger, 1)
    levels: Sequence[Level] = await grant.settle(37)

    assert used(levels) == [1, 1, 37, 0]
    assert await silent(ledger)


async def test_a_request_given_back_is_given_back_by_all_who_counted_it(ledger: Beaten) -> None:
    grant = await taken(ledger)

    assert used(await grant.settle(37, counts=False)) == [0, 0, 37, 0]
    assert [used(await ledger.peek(subject)) for subject in ALL[1:]] == [[0], [0, 0]]
    assert await silent(ledger)


async def test_a_refunded_grant_is_silent_and_free(ledger: Beaten) -> None:
    grant = await taken(ledger)

    assert used(await grant.refund()) == [0, 0, 0, 0]
    assert await silent(ledger)


async def test_what_was_denied_is_not_kept_alive(ledger: Beaten) -> None:
    for n in range(2, 4):
        await ledger.admit(asking(n))
    grant = Grant(ledger, CALLER.subjects, rid(1), spent=lambda: 0)

    assert isinstance(await grant.take(asking(1)), Denied)
    assert await silent(ledger)
    assert used(await grant.refund()) == used(await ledger.peek(ANN)) == [2, 2, 200, 2]


async def test_an_end_that_cannot_be_written_ends_the_beats_all_the_same(ledger: Beaten) -> None:
    grant = await taken(ledger)

    async def fail(*_: object, **__: object) -> tuple[Level, ...]:
        raise StoreUnavailable

    ledger.settle = fail  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        await grant.settle(20)
    assert await silent(ledger)


async def test_refunding_what_was_never_admitted_does_nothing(ledger: Beaten) -> None:
    grant = Grant(ledger, CALLER.subjects, rid(1), spent=lambda: 0)
    ask: Ask = asking(2)
    await ledger.admit(ask)

    assert used(await grant.refund()) == [1, 1, 100, 1]
