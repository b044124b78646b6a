"""What every ``Ratings`` keeps, whatever it is made of."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import pytest

from scalix_free.core.account import Account, Session
from scalix_free.core.caller import Caller, Tier
from scalix_free.core.outcome import Result
from scalix_free.core.ports import Ratings
from scalix_free.core.rating import Kept, Opinion, Rating
from tests.contracts.usage_log import POLICY, outcome, rid, subjects
from tests.core.held_clock import NOON
from tests.storage.stores import Stores, opened_stores

TIER: Final = Tier(
    name="anonymous",
    policy=POLICY,
    max_output_tokens=1,
    default_output_tokens=1,
    context_tokens=1,
)
OWNERS: Final = ("usr_ann", "usr_bob")


def somebody(owner: str | None, name: str) -> Caller:
    """Whoever ``usage_log.outcome`` is told of with the same owner and name."""
    return Caller(tier=TIER, subjects=subjects(name), owner=owner)


ANN: Final = somebody("usr_ann", "ann")
NEAR: Final = somebody(None, "near")
"""Without a credential."""


def good(number: int, comment: str | None = None, at_ms: int = NOON) -> Rating:
    return Rating(rid(number), 1, at_ms, comment)


def bad(number: int, comment: str | None = None, at_ms: int = NOON) -> Rating:
    return Rating(rid(number), -1, at_ms, comment)


class RatingsContract:
    """The contract; a subclass has the fixture ``place``, a database with tables."""

    @pytest.fixture
    async def stores(self, place: str) -> AsyncIterator[Stores]:
        """With answers 1 and 2 of Ann's, 3 of Bob's, 4 of somebody without a credential."""
        async with opened_stores(place) as stores:
            for owner in OWNERS:
                await stores.accounts[0].begin_session(
                    Session(
                        user_id=owner,
                        session_id=f"ses_{owner}",
                        created_ms=NOON,
                        expires_ms=NOON + 1,
                        user_agent="a browser",
                        address_hash=b"a hash",
                    )
                )
            refused = outcome(5, "usr_ann")._replace(result=Result.REFUSED, model=None)
            await stores.logs[0].write(
                [
                    *(outcome(1, "usr_ann"), outcome(2, "usr_ann"), refused),
                    outcome(3, "usr_bob", "bob")._replace(model="world/two"),
                    outcome(4, None, "near"),
                ]
            )
            yield stores

    @pytest.fixture
    def ratings(self, stores: Stores) -> Ratings:
        return stores.ratings[0]

    async def test_an_answer_is_its_caller_s_alone(self, ratings: Ratings) -> None:
        assert await ratings.answered(ANN, rid(1)) == "world/one"
        assert await ratings.answered(NEAR, rid(4)) == "world/one"
        for caller, number in (
            *((ANN, 3), (ANN, 4), (ANN, 5), (ANN, 9), (NEAR, 1)),
            *((somebody(None, "ann"), 1), (somebody(None, "bob"), 4)),
        ):
            assert await ratings.answered(caller, rid(number)) is None
            assert await ratings.rate(caller, good(number)) is None
        assert await ratings.opinions(0, most=9) == []

    async def test_who_is_known_by_an_owner_is_known_wherever_they_call_from(
        self, ratings: Ratings
    ) -> None:
        assert await ratings.rate(somebody("usr_ann", "elsewhere"), good(1))

    async def test_the_first_rating_counts(self, ratings: Ratings) -> None:
        assert await ratings.rate(ANN, bad(1)) == Kept(-1, first=True)
        assert await ratings.rate(ANN, bad(1, at_ms=NOON + 9)) == Kept(-1, first=False)
        assert await ratings.rate(ANN, good(1)) == Kept(-1, first=False)
        assert await ratings.rate(ANN, good(2)) == Kept(1, first=True)

        key = ANN.subjects[0].key
        assert sorted(await ratings.opinions(0, most=9)) == [
            Opinion(key, "world/one", -1, NOON),
            Opinion(key, "world/one", 1, NOON),
        ]

    async def test_of_many_at_once_one_is_the_first(self, stores: Stores) -> None:
        kept = await asyncio.gather(
            *(
                each.rate(ANN, rating)
                for each in stores.ratings
                for rating in (good(1), bad(1), good(1))
            )
        )

        assert sum(one is not None and one.first for one in kept) == 1
        assert len({one.rating for one in kept if one is not None}) == 1
        assert len(await stores.ratings[0].opinions(0, most=9)) == 1

    async def test_a_comment_may_follow_once_beside_the_same_rating(self, stores: Stores) -> None:
        for rating in (bad(1), good(1, "of another"), bad(1, "why"), bad(1, "more"), bad(1)):
            await stores.ratings[0].rate(ANN, rating)

        found = await stores.everything()
        assert [value for _, column, value in found if column == "comment"] == ["why"]

    async def test_opinions_are_the_newest_oldest_first(self, ratings: Ratings) -> None:
        bob = somebody("usr_bob", "bob")
        for caller, rating in (
            (NEAR, bad(4, at_ms=NOON + 3)),
            (ANN, good(1, at_ms=NOON)),
            (bob, good(3, at_ms=NOON + 2)),
            (ANN, bad(2, at_ms=NOON + 1)),
        ):
            await ratings.rate(caller, rating)

        found = await ratings.opinions(NOON + 1, most=9)
        assert [opinion.at_ms - NOON for opinion in found] == [1, 2, 3]
        assert found[1] == Opinion(bob.subjects[0].key, "world/two", 1, NOON + 2)
        assert await ratings.opinions(NOON + 1, most=2) == found[1:]

    async def test_they_go_with_the_requests_that_they_are_about(self, stores: Stores) -> None:
        for caller, number in ((ANN, 1), (NEAR, 4)):
            await stores.ratings[0].rate(caller, good(number))
        await stores.logs[0].forget(NOON + 1, most=99)

        assert await stores.ratings[1].opinions(0, most=9) == []
        assert await stores.everything() != []  # the sessions

    async def test_while_people_rate_an_erasure_is_whole(self, stores: Stores) -> None:
        account = Account(
            id="acc_1", email="a@x.example", mailbox="a@x.example", tier="pro", created_ms=NOON
        )
        await stores.accounts[0].enrol(account)
        numbers = range(100, 130)
        await stores.logs[0].write([outcome(number, "acc_1") for number in numbers])
        caller = somebody("acc_1", "ann")
        rates = [
            stores.ratings[number % 3].rate(caller, bad(number, "a word")) for number in numbers
        ]
        await asyncio.gather(*rates, stores.accounts[1].erase("acc_1"))

        assert [value for *_, value in await stores.everything() if value == "a word"] == []
