"""What every ``Accounts`` keeps, whatever it is made of, also while several processes use it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import pytest

from scalix_free.core.account import Account, ApiKey, Session, SignIn, fingerprint
from scalix_free.core.ports import Accounts
from scalix_free.core.rating import Rating
from tests.contracts.ratings import somebody
from tests.contracts.usage_log import outcome, rid, subjects
from tests.core.held_clock import NOON
from tests.storage.stores import Stores, opened_stores

LATER: Final = NOON + 900_000
ANN: Final = Account(
    id="acc_" + "a1" * 12,
    email="Ann.Other@Mail.example",
    mailbox="annother@mail.example",
    tier="registered",
    created_ms=NOON,
)
BOB: Final = Account(
    id="acc_" + "b2" * 12, email="bob@x.example", mailbox="bob@x.example", tier="pro", created_ms=5
)


def sign_in(name: str = "one", account: Account = ANN, expires_ms: int = LATER) -> SignIn:
    return SignIn(
        email=account.email,
        mailbox=account.mailbox,
        token_digest=f"the link {name}".encode(),
        code_digest=f"the digits {name}".encode(),
        expires_ms=expires_ms,
    )


def key(number: int, account: Account = ANN) -> ApiKey:
    """Later numbers were made earlier."""
    return ApiKey(
        id=f"key_{account.id[4:8]}{number}",
        account_id=account.id,
        shown=f"scalix_key_{number}",
        created_ms=NOON - number,
    )


def digest(of: ApiKey) -> bytes:
    return f"digest of {of.id}".encode()


def session(name: str = "u", expires_ms: int = LATER) -> Session:
    return Session(
        user_id=f"usr_{name}",
        session_id=f"ses_{name}",
        created_ms=NOON,
        expires_ms=expires_ms,
        user_agent=f"a browser of {name}",
        address_hash=f"the hash of {name}".encode(),
    )


class AccountsContract:
    """The contract; a subclass has the fixture ``place``, a database with tables."""

    @pytest.fixture
    async def stores(self, place: str) -> AsyncIterator[Stores]:
        async with opened_stores(place) as stores:
            yield stores

    @pytest.fixture
    def accounts(self, stores: Stores) -> Accounts:
        return stores.accounts[0]

    # ── Sign-ins ────────────────────────────────────────────────────────────────────────────

    async def test_a_link_is_good_once_and_in_time(self, accounts: Accounts) -> None:
        pending = sign_in()
        await accounts.expect(pending)

        assert await accounts.redeem_token(b"another", NOON) is None
        assert await accounts.redeem_token(pending.token_digest, LATER) is None
        assert await accounts.redeem_token(pending.token_digest, LATER - 1) == pending
        assert await accounts.redeem_token(pending.token_digest, NOON) is None
        assert await redeem(accounts, pending) is None  # its digits are used up as well

    async def test_digits_are_good_once_in_time_and_for_their_mailbox(
        self, accounts: Accounts
    ) -> None:
        pending = sign_in()
        await accounts.expect(pending)

        assert await redeem(accounts, replace(pending, mailbox=BOB.mailbox)) is None
        assert await redeem(accounts, pending, now_ms=LATER) is None
        assert await redeem(accounts, pending, now_ms=LATER - 1) == pending
        assert await redeem(accounts, pending) is None
        assert await accounts.redeem_token(pending.token_digest, NOON) is None

    async def test_the_newest_sign_in_of_a_mailbox_is_the_only_one(
        self, accounts: Accounts
    ) -> None:
        old, new, other = sign_in("old"), sign_in("new"), sign_in("other", BOB)
        for pending in (old, other):
            await accounts.expect(pending)
        for _ in range(2):
            assert await redeem(accounts, replace(old, code_digest=b"wrong"), tries=3) is None
        await accounts.expect(new)

        assert await accounts.redeem_token(old.token_digest, NOON) is None
        for _ in range(2):  # it has tries of its own
            assert await redeem(accounts, old, tries=3) is None
        assert await redeem(accounts, new, tries=3) == new
        assert await accounts.redeem_token(other.token_digest, NOON) == other

    async def test_after_so_many_wrong_digits_the_right_ones_and_the_link_are_void(
        self, accounts: Accounts
    ) -> None:
        pending = sign_in()
        await accounts.expect(pending)
        for _ in range(3):
            assert await redeem(accounts, replace(pending, code_digest=b"wrong"), tries=3) is None

        assert await redeem(accounts, pending, tries=3) is None
        assert await accounts.redeem_token(pending.token_digest, NOON) is None

    async def test_fewer_tries_hold_for_what_is_pending_already(self, accounts: Accounts) -> None:
        pending = sign_in()
        await accounts.expect(pending)
        for _ in range(2):
            await redeem(accounts, replace(pending, code_digest=b"wrong"), tries=5)

        assert await redeem(accounts, pending, tries=2) is None

    async def test_the_last_try_may_be_the_right_one(self, accounts: Accounts) -> None:
        pending = sign_in()
        await accounts.expect(pending)
        for _ in range(2):
            await redeem(accounts, replace(pending, code_digest=b"wrong"), tries=3)

        assert await redeem(accounts, pending, tries=3) == pending

    async def test_expired_sign_ins_do_not_pile_up(self, stores: Stores) -> None:
        day = 86_400_000
        for n in range(3):
            of_somebody = replace(ANN, mailbox=f"{n}@x.example")
            await stores.accounts[0].expect(sign_in(f"{n}", of_somebody, LATER + n))
        await stores.accounts[0].expect(sign_in("late", BOB, LATER + 2 + day))

        mailboxes = {value for _, column, value in await stores.everything() if column == "mailbox"}
        assert mailboxes == {"2@x.example", BOB.mailbox}

    # ── Accounts and keys ───────────────────────────────────────────────────────────────────

    async def test_a_mailbox_has_one_account(self, accounts: Accounts) -> None:
        assert await accounts.account(ANN.id) is None
        assert await accounts.enrol(ANN) == ANN
        again = replace(ANN, id="acc_" + "c3" * 12, email="annother@mail.example", tier="pro")
        assert await accounts.enrol(again) == ANN
        assert await accounts.enrol(BOB) == BOB
        assert await accounts.account(ANN.id) == ANN
        assert await accounts.account(again.id) is None

    async def test_keys_are_found_by_their_digest_and_listed_oldest_first(
        self, accounts: Accounts
    ) -> None:
        for account in (ANN, BOB):
            await accounts.enrol(account)
        one, two, of_bob = key(1), key(2), key(3, BOB)
        for each in (one, two, of_bob):
            assert await accounts.add_key(each, digest(each), most=3)

        assert await accounts.keys(ANN.id) == [two, one]
        assert await accounts.by_key(digest(two)) == (ANN, two)
        assert await accounts.by_key(digest(of_bob)) == (BOB, of_bob)
        assert await accounts.by_key(b"another") is None

    async def test_an_account_has_so_many_keys_at_most(self, accounts: Accounts) -> None:
        await accounts.enrol(ANN)
        added = [await accounts.add_key(key(n), digest(key(n)), most=2) for n in range(4)]
        assert added == [True, True, False, False]
        assert await accounts.remove_key(ANN.id, key(1).id)
        assert await accounts.add_key(key(3), digest(key(3)), most=2)
        assert {each.id for each in await accounts.keys(ANN.id)} == {key(0).id, key(3).id}
        assert not await accounts.add_key(key(1, BOB), b"of nobody", most=2)

    async def test_only_its_own_account_removes_a_key(self, accounts: Accounts) -> None:
        for account in (ANN, BOB):
            await accounts.enrol(account)
        await accounts.add_key(key(1), digest(key(1)), most=3)

        assert not await accounts.remove_key(BOB.id, key(1).id)
        assert await accounts.remove_key(ANN.id, key(1).id)
        assert not await accounts.remove_key(ANN.id, key(1).id)
        assert await accounts.by_key(digest(key(1))) is None

    async def test_the_last_use_of_a_key_never_goes_back(self, accounts: Accounts) -> None:
        await accounts.enrol(ANN)
        await accounts.add_key(key(1), digest(key(1)), most=3)
        seen = []
        for moment in (NOON, NOON - 1, NOON + 1):
            await accounts.note_key_used(key(1).id, moment)
            (kept,) = await accounts.keys(ANN.id)
            seen.append(kept.used_ms)

        assert seen == [NOON, NOON, NOON + 1]

    # ── Sessions ────────────────────────────────────────────────────────────────────────────

    async def test_a_session_is_kept_as_it_began(self, accounts: Accounts) -> None:
        assert await accounts.session("usr_u") is None
        await accounts.begin_session(session())
        await accounts.begin_session(replace(session(), user_agent="another"))
        assert await accounts.session("usr_u") == session()

    async def test_who_is_revoked_is_listed_until_they_expire(self, accounts: Accounts) -> None:
        for name in ("u", "v", "w"):
            await accounts.begin_session(session(name, LATER + (name == "v")))
        assert await accounts.revoked(NOON) == frozenset()
        for name in ("u", "v"):
            assert await accounts.revoke(f"usr_{name}")
        assert not await accounts.revoke("usr_nobody")

        assert await accounts.revoked(NOON) == {"usr_u", "usr_v"}
        assert await accounts.revoked(LATER) == {"usr_v"}
        assert await accounts.session("usr_u") == replace(session(), revoked=True)

    async def test_who_is_erased_stays_revoked_by_what_is_left(self, accounts: Accounts) -> None:
        for name in ("u", "v"):
            await accounts.begin_session(session(name))
        await accounts.enrol(ANN)
        await accounts.revoke("usr_u")
        for owner in ("usr_u", "usr_v", "usr_nobody", ANN.id):
            await accounts.erase(owner)
            await accounts.erase(owner)
        left = {fingerprint("usr_u"), fingerprint("usr_v")}
        assert await accounts.revoked(NOON) == left
        assert not any("usr_" in each for each in left)
        assert await accounts.revoked(LATER) == frozenset()

        await accounts.begin_session(session("u"))
        await accounts.erase("usr_u")
        assert await accounts.revoked(NOON) == left

    async def test_expired_sessions_do_not_pile_up(self, accounts: Accounts) -> None:
        await accounts.begin_session(session("old", NOON + 1))
        await accounts.begin_session(replace(session("new"), created_ms=NOON + 1))
        assert await accounts.session("usr_old") is not None
        await accounts.begin_session(replace(session("newer"), created_ms=NOON + 2))
        assert await accounts.session("usr_old") is None
        assert await accounts.session("usr_new") is not None

    # ── Many at once ────────────────────────────────────────────────────────────────────────

    async def test_of_many_with_one_link_exactly_one_gets_it(self, stores: Stores) -> None:
        pending = sign_in()
        await stores.accounts[0].expect(pending)
        got = await asyncio.gather(
            *(each.redeem_token(pending.token_digest, NOON) for each in stores.accounts * 4)
        )
        assert sorted(got, key=lambda one: one is None) == [pending] + [None] * (len(got) - 1)

    async def test_of_many_guesses_at_once_only_so_many_are_compared(self, stores: Stores) -> None:
        """The right digits come after the wrong ones: whoever is beyond the tries has no luck."""
        for attempt in range(4):
            pending = sign_in(f"{attempt}")
            await stores.accounts[0].expect(pending)
            wrong = replace(pending, code_digest=b"wrong")
            guesses = [redeem(each, wrong, tries=3) for each in stores.accounts * 3]
            await asyncio.gather(*guesses)
            assert await redeem(stores.accounts[0], pending, tries=3) is None

    async def test_of_many_with_the_right_digits_exactly_one_gets_it(self, stores: Stores) -> None:
        pending = sign_in()
        await stores.accounts[0].expect(pending)
        got = await asyncio.gather(
            *(redeem(each, pending, tries=100) for each in stores.accounts * 4)
        )
        assert [one for one in got if one is not None] == [pending]

    async def test_many_who_enrol_one_mailbox_get_one_account(self, stores: Stores) -> None:
        got = await asyncio.gather(
            *(
                each.enrol(replace(ANN, id=f"acc_{n:024x}"))
                for n, each in enumerate(stores.accounts * 4)
            )
        )
        assert len({account.id for account in got}) == 1
        assert await stores.accounts[0].account(got[0].id) == got[0]

    async def test_many_keys_at_once_do_not_become_too_many(self, stores: Stores) -> None:
        await stores.accounts[0].enrol(ANN)
        added = await asyncio.gather(
            *(
                each.add_key(key(n), digest(key(n)), most=3)
                for n, each in enumerate(stores.accounts * 4)
            )
        )
        assert added.count(True) == 3
        assert len(await stores.accounts[0].keys(ANN.id)) == 3

    # ── One's own data ──────────────────────────────────────────────────────────────────────

    async def test_an_account_gets_its_own_rows_and_nobody_else_s(self, stores: Stores) -> None:
        await self._fill(stores)
        exported = await stores.accounts[0].export(ANN.id)

        assert exported.keys() == {"accounts", "api_keys", "sign_ins", "ratings", "usage"}
        assert [row["email"] for row in exported["accounts"]] == [ANN.email]
        assert [row["shown"] for row in exported["api_keys"]] == [key(1).shown]
        assert [row["expires_ms"] for row in exported["sign_ins"]] == [LATER]
        (request,) = exported["usage"]
        assert request["request_id"] == outcome(1).request_id
        assert (request["charged_tokens"], request["model"]) == (30, "world/one")
        assert exported["ratings"] == [
            {
                "request_id": outcome(1).request_id,
                "at_ms": LATER,
                "rating": -1,
                "comment": "a word of ann",
            }
        ]
        values = [v for rows in exported.values() for row in rows for v in row.values()]
        assert not [value for value in values if isinstance(value, bytes)]
        assert "digest" not in str(exported)

    async def test_a_minted_identity_gets_its_own(self, stores: Stores) -> None:
        await self._fill(stores)
        exported = await stores.accounts[0].export("usr_u")

        assert exported.keys() == {"sessions", "ratings", "usage"}
        (row,) = exported["sessions"]
        assert (row["user_agent"], row["requests_today"]) == ("a browser of u", 1)
        assert "address_hash" not in row
        assert await stores.accounts[0].export("usr_nobody") == {}

    @pytest.mark.parametrize("owner", [ANN.id, "usr_u"])
    async def test_who_is_erased_leaves_no_trace_and_others_all_of_theirs(
        self, stores: Stores, owner: str
    ) -> None:
        await self._fill(stores, owner)
        traces = traces_of(owner)
        before = await stores.everything()
        assert {trace for trace in traces if any(holds(value, trace) for *_, value in before)} == (
            traces
        )
        others = await self._of_others(stores, owner)

        assert await stores.accounts[1].erase(owner)
        # What ended before and is only now written down, and what ends later.
        late = [outcome(n, f"{owner}", "late") for n in (1, 8)]
        await stores.logs[2].write([*late, outcome(9, BOB.id, "neighbour")])

        after = await stores.everything()
        assert [place for *place, value in after for t in traces if holds(value, t)] == []
        assert not [place for *place, value in after if holds(value, b"late")]
        assert any(holds(value, b"neighbour") for *_, value in after)
        assert await self._of_others(stores, owner) == others
        assert not await stores.accounts[0].erase(owner)

    async def test_while_requests_end_an_erasure_is_whole(self, stores: Stores) -> None:
        await stores.accounts[0].enrol(ANN)
        await stores.accounts[0].begin_session(session())
        for owner in (ANN.id, "usr_u"):
            batches = [[outcome(100 * n + m, owner) for m in range(10)] for n in range(9)]
            writes = [log.write(batch) for log, batch in zip(stores.logs * 3, batches, strict=True)]
            await asyncio.gather(*writes[:5], stores.accounts[1].erase(owner), *writes[5:])
            assert [value for *_, value in await stores.everything() if value == owner] == []

    async def _fill(self, stores: Stores, owner: str = ANN.id) -> None:
        accounts = stores.accounts[0]
        for account, n in ((ANN, 1), (BOB, 2)):
            await accounts.enrol(account)
            await accounts.expect(sign_in(f"{n}", account))
            await accounts.add_key(key(n, account), digest(key(n, account)), most=3)
        for name in ("u", "v"):
            await accounts.begin_session(session(name))
        await stores.logs[0].write(
            [
                outcome(1, ANN.id, "ann"),
                outcome(2, BOB.id, "bob"),
                outcome(3, "usr_u", "u"),
                outcome(4, "usr_v", "v"),
            ]
        )
        for number, owner_of, name in (
            *((1, ANN.id, "ann"), (2, BOB.id, "bob")),
            *((3, "usr_u", "u"), (4, "usr_v", "v")),
        ):
            said = Rating(rid(number), -1, LATER, f"a word of {name}")
            assert await stores.ratings[0].rate(somebody(owner_of, name), said)

    async def _of_others(self, stores: Stores, owner: str) -> list[object]:
        everybody = {ANN.id, BOB.id, "usr_u", "usr_v"}
        kept: list[object] = [
            await stores.accounts[0].export(other) for other in sorted(everybody - {owner})
        ]
        for row in kept:
            assert isinstance(row, dict)
            row["usage"] = [one for one in row["usage"] if one["request_id"][-2:] != "09"]
        return kept


def traces_of(owner: str) -> set[str | bytes]:
    """All by which somebody could be known."""
    if owner == ANN.id:
        mine, pending = key(1), sign_in("1")
        return {
            *(ANN.id, mine.id, digest(mine), mine.shown),
            *(pending.email, pending.mailbox, pending.token_digest, pending.code_digest),
            *(one.key for one in subjects("ann")),
            "a word of ann",
        }
    of_session = session("u")
    return {
        of_session.user_id,
        of_session.session_id,
        of_session.user_agent,
        of_session.address_hash,
        *(one.key for one in subjects("u")),
        "a word of u",
    }


def holds(value: object, trace: str | bytes) -> bool:
    """Whether a column has a trace in it, in whatever form."""
    sought = trace.encode() if isinstance(trace, str) else trace
    held = bytes(value) if isinstance(value, bytes) else str(value).encode()
    return sought in held or sought.hex().encode() in held


async def redeem(
    accounts: Accounts, pending: SignIn, *, now_ms: int = NOON, tries: int = 100
) -> SignIn | None:
    return await accounts.redeem_code(pending.mailbox, pending.code_digest, now_ms, tries=tries)
