"""What every ``UsageLog`` keeps, whatever it is made of."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import pytest

from scalix_free.core.account import Account, Session
from scalix_free.core.cache import CacheUse
from scalix_free.core.chat import Usage
from scalix_free.core.errors import Code
from scalix_free.core.ledger import Policy, Subject
from scalix_free.core.outcome import Charge, Day, Outcome, Receipt, Result
from scalix_free.core.ports import UsageLog
from tests.core.held_clock import NOON
from tests.storage.stores import Stores, opened_stores

DAY: Final = 86_400_000
POLICY: Final = Policy("anybody", ())


def subjects(name: str) -> tuple[Subject, ...]:
    """A caller's own, their address and their network, with keys that can be searched for."""
    return tuple(
        Subject(f"{kind} {name}".ljust(16).encode()[:16], POLICY) for kind in ("own", "adr", "net")
    )


def rid(number: int) -> bytes:
    return number.to_bytes(16, "big")


def outcome(number: int, owner: str | None = None, name: str = "ann", at_ms: int = NOON) -> Outcome:
    """A whole answer that cost 30 tokens."""
    return Outcome(
        request_id=f"req_{rid(number).hex()}",
        result=Result.ANSWERED,
        tier="anonymous",
        model="world/one",
        attempts=1,
        usage=Usage(10, 20),
        first_token_ms=5.5,
        total_ms=20.0,
        at_ms=at_ms,
        subjects=subjects(name),
        owner=owner,
        charged_tokens=30,
        counts=True,
        cache=CacheUse.MISS,
    )


class UsageLogContract:
    """The contract; a subclass has the fixture ``place``, a database with tables."""

    @pytest.fixture
    async def stores(self, place: str) -> AsyncIterator[Stores]:
        async with opened_stores(place) as stores:
            yield stores

    @pytest.fixture
    def log(self, stores: Stores) -> UsageLog:
        return stores.logs[0]

    async def test_a_request_is_kept_with_all_that_is_known_of_it(self, stores: Stores) -> None:
        refused = outcome(2)._replace(
            result=Result.REFUSED,
            code=Code.HOURLY_LIMIT,
            model=None,
            usage=None,
            first_token_ms=None,
            charged_tokens=0,
            counts=False,
            cache=None,
        )
        await stores.logs[0].write([refused, outcome(1)])

        found = await stores.everything()
        columns: dict[str, list[object]] = {}
        for _, column, value in found:
            columns.setdefault(column, []).append(value)
        own, address, network = (subject.key for subject in subjects("ann"))
        assert columns == {
            "rid": [rid(1), rid(2)],
            "at_ms": [NOON, NOON],
            "own": [own, own],
            "address": [address, address],
            "network": [network, network],
            "owner": [None, None],
            "tier": ["anonymous", "anonymous"],
            "model": ["world/one", None],
            "result": ["answered", "refused"],
            "code": [None, "free_tier_hourly_limit"],
            "attempts": [1, 1],
            "prompt_tokens": [10, None],
            "completion_tokens": [20, None],
            "charged_tokens": [30, 0],
            "counts": [True, False],
            "first_token_ms": [5.5, None],
            "total_ms": [20.0, 20.0],
            "cache": ["miss", None],
            "spared": [False, False],
        }

    async def test_repeats_change_nothing(self, stores: Stores) -> None:
        log = stores.logs[0]
        await log.write([outcome(1), outcome(1), outcome(2)])
        dearer = outcome(1)._replace(charged_tokens=99)
        await asyncio.gather(*(each.write([dearer, outcome(3)]) for each in stores.logs * 3))

        assert await log.recent(subjects("ann")[0].key, 0) == [
            Charge(rid(number), NOON, 30, counts=True) for number in (1, 2, 3)
        ]

    async def test_of_many_at_once_each_is_kept_once(self, stores: Stores) -> None:
        """More than go into one statement, some of them known before."""
        log = stores.logs[0]
        await log.write([outcome(n) for n in range(0, 250, 50)])
        await log.write([outcome(n)._replace(charged_tokens=n) for n in range(250)])

        found = {one.rid: one.tokens for one in await log.recent(subjects("ann")[0].key, 0)}
        assert found == {rid(n): n if n % 50 else 30 for n in range(250)}

    async def test_the_three_subjects_of_a_request_find_it(self, log: UsageLog) -> None:
        alone = outcome(3, name="other")
        alone = alone._replace(subjects=alone.subjects[:1])
        await log.write([outcome(1), outcome(2, name="bob"), alone])

        for subject in subjects("ann"):
            assert [charge.rid for charge in await log.recent(subject.key, 0)] == [rid(1)]
        assert [charge.rid for charge in await log.recent(alone.subjects[0].key, 0)] == [rid(3)]
        assert await log.recent(b"of nobody at all", 0) == []

    async def test_what_is_recent_comes_oldest_first_and_from_its_moment_on(
        self, log: UsageLog
    ) -> None:
        moments = [NOON + 2, NOON, NOON + 1, NOON - 1]
        await log.write([outcome(n, at_ms=moment) for n, moment in enumerate(moments)])
        key = subjects("ann")[1].key

        assert [charge.at_ms for charge in await log.recent(key, NOON)] == sorted(moments)[1:]

    async def test_what_cost_nothing_is_not_recent(self, log: UsageLog) -> None:
        free = outcome(1)._replace(counts=False, charged_tokens=0)
        relayed = outcome(2)._replace(counts=False)
        unpriced = outcome(3)._replace(charged_tokens=0)
        await log.write([free, relayed, unpriced])

        assert await log.recent(subjects("ann")[0].key, 0) == [
            Charge(rid(2), NOON, 30, counts=False),
            Charge(rid(3), NOON, 0, counts=True),
        ]

    async def test_who_was_spared_counts_at_their_address_and_network_alone(
        self, log: UsageLog
    ) -> None:
        spared = outcome(1)._replace(spared=True)
        unpriced = outcome(2)._replace(spared=True, charged_tokens=0)
        broken = outcome(3)._replace(spared=True, counts=False)
        await log.write([spared, unpriced, broken])
        own, *shared = (subject.key for subject in subjects("ann"))

        charged = [(rid(1), 30), (rid(2), 0), (rid(3), 30)]
        found = await log.recent(own, 0)
        assert found == [Charge(one, NOON, tokens, counts=False) for one, tokens in charged]
        for key in shared:
            assert [one.counts for one in await log.recent(key, 0)] == [True, True, False]

    # ── One's own usage ─────────────────────────────────────────────────────────────────────

    async def test_days_are_summed_by_utc_and_only_charges_count(self, log: UsageLog) -> None:
        today = NOON // DAY
        midnight = today * DAY
        await log.write(
            [
                outcome(1),
                outcome(2, at_ms=midnight),
                outcome(3, at_ms=midnight - 1),
                outcome(4, at_ms=midnight - 3 * DAY),
                outcome(5)._replace(counts=False, charged_tokens=7),  # broke off
                outcome(6)._replace(counts=False, charged_tokens=0),  # refused
                outcome(7, name="bob"),
                outcome(8, at_ms=midnight - 2)._replace(spared=True),
            ]
        )
        own, address, _ = (subject.key for subject in subjects("ann"))

        assert await log.days(own, midnight - DAY) == [Day(today - 1, 1, 60), Day(today, 2, 67)]
        assert [day.day for day in await log.days(own, 0)] == [today - 3, today - 1, today]
        assert await log.days(own, NOON + 1) == []
        assert await log.days(address, 0) == []

    async def test_receipts_are_an_owner_s_newest_first_however_they_ended(
        self, stores: Stores
    ) -> None:
        await self._know(stores)
        log = stores.logs[0]
        refused = outcome(2, "usr_1", at_ms=NOON + 2)._replace(
            result=Result.REFUSED,
            code=Code.HOURLY_LIMIT,
            model=None,
            usage=None,
            attempts=0,
            first_token_ms=None,
            charged_tokens=0,
            counts=False,
            cache=None,
        )
        others = [outcome(3), outcome(4, "usr_3"), outcome(5, "acc_1")]
        spared = outcome(7, "usr_1", at_ms=NOON - 1)._replace(spared=True)
        await log.write(
            [outcome(1, "usr_1"), refused, outcome(6, "usr_1", at_ms=NOON + 1), spared, *others]
        )

        whole = Receipt(
            rid=rid(6),
            at_ms=NOON + 1,
            model="world/one",
            attempts=1,
            cache="miss",
            result="answered",
            code=None,
            prompt_tokens=10,
            completion_tokens=20,
            counts=True,
            charged_tokens=30,
            first_token_ms=5.5,
            total_ms=20.0,
        )
        nothing = Receipt(
            rid=rid(2),
            at_ms=NOON + 2,
            model=None,
            attempts=0,
            cache=None,
            result="refused",
            code="free_tier_hourly_limit",
            prompt_tokens=None,
            completion_tokens=None,
            counts=False,
            charged_tokens=0,
            first_token_ms=None,
            total_ms=20.0,
        )
        assert await log.receipts("usr_1", most=2) == [nothing, whole]
        receipts = await log.receipts("usr_1", most=9)
        assert [one.rid for one in receipts] == [rid(2), rid(6), rid(1), rid(7)]
        assert receipts[-1] == whole._replace(rid=rid(7), at_ms=NOON - 1, counts=False)
        assert await log.receipts("nobody", most=9) == []

    async def test_strangers_leave_nothing(self, stores: Stores) -> None:
        await stores.logs[0].write([Outcome("req_" + "0" * 32, Result.REFUSED, "none")])
        await stores.logs[0].write([])
        assert await stores.everything() == []

    async def test_no_number_of_tokens_is_too_large_to_be_kept(self, stores: Stores) -> None:
        absurd = outcome(1)._replace(usage=Usage(10**30, 1), charged_tokens=10**30)
        await stores.logs[0].write([absurd, outcome(2)])
        (first, second) = await stores.logs[0].recent(subjects("ann")[0].key, 0)
        assert (first.tokens, second.tokens) == (2**53, 30)

    async def test_old_requests_are_forgotten_in_steps(self, log: UsageLog) -> None:
        await log.write([outcome(n, at_ms=NOON + n) for n in range(5)])

        assert await log.forget(NOON + 3, most=2) == 2
        assert await log.forget(NOON + 3, most=2) == 1
        assert await log.forget(NOON + 3, most=2) == 0
        kept = await log.recent(subjects("ann")[0].key, 0)
        assert [charge.at_ms for charge in kept] == [NOON + 3, NOON + 4]

    # ── Owners ──────────────────────────────────────────────────────────────────────────────

    async def test_only_requests_of_owners_who_are_known_are_kept(self, stores: Stores) -> None:
        await self._know(stores)
        owners = ["acc_1", "usr_1", "acc_2", "usr_2", None]
        await stores.logs[0].write([outcome(n, owner) for n, owner in enumerate(owners)])

        found = {value for _, column, value in await stores.everything() if column == "owner"}
        assert found == {"acc_1", "usr_1", None}

    async def test_a_session_knows_its_requests_of_today(self, stores: Stores) -> None:
        await self._know(stores)
        log, accounts = stores.logs[0], stores.accounts[0]
        today = NOON // DAY

        async def counted() -> tuple[int | None, int, int]:
            session = await accounts.session("usr_1")
            assert session is not None
            return session.seen_ms, session.day, session.requests_today

        await log.write([outcome(1, "usr_1"), outcome(2, "acc_1"), outcome(3)])
        assert await counted() == (NOON, today, 1)
        await log.write([outcome(1, "usr_1"), outcome(4, "usr_1", at_ms=NOON - 5)])
        assert await counted() == (NOON, today, 2)
        # Late ones of yesterday do not count for today.
        await log.write([outcome(5, "usr_1", at_ms=NOON - DAY)])
        assert await counted() == (NOON, today, 2)
        tomorrow = [outcome(n, "usr_1", at_ms=NOON + DAY + n) for n in (6, 7)]
        await log.write([outcome(8, "usr_1", at_ms=NOON + 1), *tomorrow])
        assert await counted() == (NOON + DAY + 7, today + 1, 2)

    async def test_several_processes_count_a_session_exactly(self, stores: Stores) -> None:
        await self._know(stores)
        logs = stores.logs * 3
        batches = [
            [outcome(10 * n + m, owner) for m, owner in enumerate(("usr_1", "acc_1", "usr_3"))]
            for n in range(len(logs))
        ]
        # Each batch twice: by one process, and replayed by another in another order.
        await asyncio.gather(
            *(log.write(batch) for log, batch in zip(logs, batches, strict=True)),
            *(log.write(batch[::-1]) for log, batch in zip(logs, batches[::-1], strict=True)),
        )

        for user_id in ("usr_1", "usr_3"):
            session = await stores.accounts[0].session(user_id)
            assert session is not None
            assert session.requests_today == len(logs)

    async def _know(self, stores: Stores) -> None:
        await stores.accounts[0].enrol(
            Account(id="acc_1", email="a@x", mailbox="a@x", tier="registered", created_ms=NOON)
        )
        for user_id in ("usr_1", "usr_3"):
            await stores.accounts[0].begin_session(
                Session(
                    user_id=user_id,
                    session_id="ses_1",
                    created_ms=NOON,
                    expires_ms=NOON + DAY,
                    user_agent="curl",
                    address_hash=b"hash",
                )
            )
