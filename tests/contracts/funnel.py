"""What every ``Funnel`` keeps, whatever it is made of."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from scalix_free.core.account import Account
from scalix_free.core.funnel import Action, Lead, Reaction, Trigger
from tests.core.held_clock import NOON
from tests.storage.stores import Stores, opened_stores

DAY = 86_400_000
ANN = Lead("Ann@example.org", "ann@example.org", NOON, "upgrade", "usr_1")
SEEN = Reaction(
    at_ms=NOON,
    own=b"somebody's key..",
    owner="usr_1",
    tier="anonymous",
    trigger=Trigger.NEAR_LIMIT,
    action=Action.IMPRESSION,
    message_id="near_limit-1",
)


class FunnelContract:
    """The contract; a subclass has the fixture ``place``, a database with tables."""

    @pytest.fixture
    async def stores(self, place: str) -> AsyncIterator[Stores]:
        async with opened_stores(place) as stores:
            yield stores

    async def rows(self, stores: Stores, table: str) -> dict[str, list[object]]:
        columns: dict[str, list[object]] = {}
        for name, column, value in await stores.everything():
            if name == table and column != "id":
                columns.setdefault(column, []).append(value)
        return columns

    async def test_an_address_is_kept_with_its_consent(self, stores: Stores) -> None:
        assert await stores.funnels[0].keep_lead(ANN)
        assert await self.rows(stores, "leads") == {
            "mailbox": ["ann@example.org"],
            "owner": ["usr_1"],
            "email": ["Ann@example.org"],
            "source": ["upgrade"],
            "consent_ms": [NOON],
        }

    async def test_the_first_consent_stands_for_each_owner(self, stores: Stores) -> None:
        later = ANN._replace(consent_ms=NOON + 1, source=None, email="ann@example.org")
        leads = [later._replace(owner=None), later._replace(owner="usr_2"), later]
        assert await stores.funnels[0].keep_lead(ANN)
        kept = await asyncio.gather(
            *(funnel.keep_lead(lead) for funnel in stores.funnels for lead in leads)
        )

        assert sum(kept) == 2
        rows = await self.rows(stores, "leads")
        assert dict(zip(rows["owner"], rows["consent_ms"], strict=True)) == {
            "usr_1": NOON,
            "usr_2": NOON + 1,
            "": NOON + 1,
        }

    async def test_what_somebody_did_is_kept_each_time(self, stores: Stores) -> None:
        clicked = SEEN._replace(action=Action.CLICK, at_ms=NOON + 1, owner=None)
        for reaction in (SEEN, SEEN, clicked):
            await stores.funnels[0].note(reaction)
        rows = await self.rows(stores, "reactions")
        assert sorted(map(str, rows["action"])) == ["click", "impression", "impression"]
        assert set(rows["trigger"]) == {"NEAR_LIMIT"}
        assert set(rows["own"]) == {SEEN.own}
        assert set(rows["owner"]) == {"usr_1", None}

    async def test_what_is_old_goes_when_something_new_comes(self, stores: Stores) -> None:
        funnel = stores.funnels[0]
        for n in range(3):
            await funnel.note(SEEN._replace(at_ms=NOON + n))
        await funnel.note(SEEN._replace(at_ms=NOON + 90 * DAY + 2))
        rows = await self.rows(stores, "reactions")
        assert sorted(map(str, rows["at_ms"])) == [str(NOON + 2), str(NOON + 90 * DAY + 2)]

    async def test_all_of_it_is_shown_and_erased_with_its_person(self, stores: Stores) -> None:
        funnel, accounts = stores.funnels[0], stores.accounts[0]
        await accounts.enrol(
            Account(
                id="acc_1",
                email="ann@example.org",
                mailbox="ann@example.org",
                tier="registered",
                created_ms=NOON,
            )
        )
        bob = ANN._replace(email="bob@example.org", mailbox="bob@example.org")
        for lead in (ANN, bob, ANN._replace(owner=None), bob._replace(owner="usr_2")):
            await funnel.keep_lead(lead)
        for owner in ("usr_1", "usr_2", "acc_1", None):
            await funnel.note(SEEN._replace(owner=owner))

        shown = await accounts.export("usr_1")
        assert [row["mailbox"] for row in shown["leads"]] == ["ann@example.org", "bob@example.org"]
        assert [row["trigger"] for row in shown["reactions"]] == ["NEAR_LIMIT"]
        assert set(shown["reactions"][0]).isdisjoint({"id", "own"})

        assert await accounts.erase("usr_1")
        rows = await self.rows(stores, "leads")
        assert set(zip(rows["mailbox"], rows["owner"], strict=True)) == {
            ("ann@example.org", ""),
            ("bob@example.org", "usr_2"),
        }
        # An account's own mailbox is its own, whoever left it.
        assert await accounts.erase("acc_1")
        assert (await self.rows(stores, "leads"))["mailbox"] == ["bob@example.org"]
        assert set((await self.rows(stores, "reactions"))["owner"]) == {"usr_2", None}
