"""Accounts: entered by mail, once for each link or code; at most three keys."""

import asyncio
import logging

import pytest

from scalix_free.core.caller import Visitor
from scalix_free.core.errors import Code, Refusal, StoreUnavailable
from scalix_free.identity.api_key import MOST_KEYS, PREFIX, is_well_formed
from scalix_free.serve import NewKey, Verified
from scalix_free.serve.accounts import MOST_TRIES, SIGN_IN_MS
from tests.serve.conftest import HERE, Desk

ANN = "ann@example.org"
HOUR = 3_600_000
DAY = 24 * HOUR


async def ask(desk: Desk, email: str = ANN, visitor: Visitor = HERE) -> Refusal | None:
    return await desk.accounts.sign_in(visitor, email)


def is_refused(found: object, code: Code = Code.INVALID_REQUEST) -> bool:
    return isinstance(found, Refusal) and found.code is code


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


# ── Signing in ───────────────────────────────────────────────────────────────────────────────


async def test_the_mail_has_a_link_and_a_code_and_either_is_enough(desk: Desk) -> None:
    await ask(desk)
    ((to, subject, text),) = desk.mail.sent
    assert to == ANN
    assert "Scalix Free" in subject
    assert "15 minutes" in text
    by_link = await desk.accounts.verify_token(desk.mail.token)

    await ask(desk)
    by_code = await desk.accounts.verify_code(ANN, desk.mail.code)

    assert isinstance(by_link, Verified)
    assert isinstance(by_code, Verified)
    assert by_link.account == by_code.account
    assert (by_link.account.email, by_link.account.tier) == (ANN, "registered")
    assert by_link.account.id.startswith("acc_")
    assert len({by_link.new_key.key, by_code.new_key.key}) == 2


async def test_both_are_used_up_by_either(desk: Desk) -> None:
    await ask(desk)
    token, code = desk.mail.token, desk.mail.code

    assert isinstance(await desk.accounts.verify_code(ANN, f" {code} "), Verified)
    assert is_refused(await desk.accounts.verify_code(ANN, code))
    assert is_refused(await desk.accounts.verify_token(token))


async def test_of_many_at_once_one_gets_in(desk: Desk) -> None:
    await ask(desk)
    token, code = desk.mail.token, desk.mail.code

    found = await asyncio.gather(
        *(desk.accounts.verify_token(token) for _ in range(10)),
        *(desk.accounts.verify_code(ANN, code) for _ in range(3)),
    )

    assert sum(isinstance(each, Verified) for each in found) == 1


async def test_they_end_after_fifteen_minutes(desk: Desk) -> None:
    await ask(desk)
    token, code = desk.mail.token, desk.mail.code

    desk.clock.advance(SIGN_IN_MS)
    assert is_refused(await desk.accounts.verify_token(token))
    assert is_refused(await desk.accounts.verify_code(ANN, code))

    await ask(desk)
    desk.clock.advance(SIGN_IN_MS - 1)
    assert isinstance(await desk.accounts.verify_token(desk.mail.token), Verified)


async def test_a_newer_mail_takes_the_place_of_the_one_before(desk: Desk) -> None:
    await ask(desk)
    token = desk.mail.token
    await ask(desk)

    assert is_refused(await desk.accounts.verify_token(token))
    assert isinstance(await desk.accounts.verify_token(desk.mail.token), Verified)


async def test_a_code_may_be_guessed_five_times(desk: Desk) -> None:
    await ask(desk)
    for _ in range(MOST_TRIES - 1):
        assert is_refused(await desk.accounts.verify_code(ANN, wrong(desk.mail.code)))
    assert isinstance(await desk.accounts.verify_code(ANN, desk.mail.code), Verified)

    await ask(desk)
    for _ in range(MOST_TRIES):
        assert is_refused(await desk.accounts.verify_code(ANN, wrong(desk.mail.code)))
    assert is_refused(await desk.accounts.verify_code(ANN, desk.mail.code))
    assert is_refused(await desk.accounts.verify_token(desk.mail.token))


async def test_a_code_is_good_for_its_mailbox_alone(desk: Desk) -> None:
    await ask(desk)
    await ask(desk, "bob@example.org")
    code = desk.mail.code

    assert is_refused(await desk.accounts.verify_code(ANN, code))
    assert isinstance(await desk.accounts.verify_code("bob@example.org", code), Verified)


@pytest.mark.parametrize("nothing", ["", "nobody", "a@b", "ann@example.org\nbcc:x@y.org"])
async def test_what_is_no_address_is_refused(desk: Desk, nothing: str) -> None:
    asked = await ask(desk, nothing)

    assert is_refused(asked)
    assert isinstance(asked, Refusal)
    assert asked.param == "email"
    assert is_refused(await desk.accounts.verify_code(nothing, "123456"))
    assert desk.mail.sent == []


@pytest.mark.parametrize("token", ["", "x", "ü", "\ud800", "a" * 300])
async def test_no_token_makes_it_stumble(desk: Desk, token: str) -> None:
    assert is_refused(await desk.accounts.verify_token(token))
    assert is_refused(await desk.accounts.verify_code(ANN, token))


async def test_a_mailbox_is_one_account_but_entered_by_its_own_spelling_alone(desk: Desk) -> None:
    """Whoever reads another spelling's mail need not be the same person."""
    known = await desk.registered("ann@example.org")
    again = await desk.registered("ANN@Example.org")
    assert again.account == known.account

    await ask(desk, "ann+stranger@example.org", Visitor("5.6.7.8"))
    refused = await desk.accounts.verify_token(desk.mail.token)

    assert is_refused(refused)
    assert len(await desk.store.keys(known.account.id)) == 2


async def test_a_mailbox_for_minutes_gets_what_anonymous_callers_get(desk: Desk) -> None:
    verified = await desk.registered("ann@eu.thrown.example")

    assert verified.account.tier == "anonymous"
    assert (await desk.caller(verified.new_key.key)).tier.name == "anonymous"


# ── How many mails ───────────────────────────────────────────────────────────────────────────


async def test_a_mailbox_gets_three_an_hour_and_nobody_can_tell(desk: Desk) -> None:
    for n in range(5):
        assert await ask(desk, visitor=Visitor(f"10.{n}.0.1")) is None
    assert len(desk.mail.sent) == 3

    assert isinstance(await desk.accounts.verify_token(desk.mail.token), Verified)
    desk.clock.advance(HOUR)
    await ask(desk)
    assert len(desk.mail.sent) == 4


async def test_spellings_of_a_mailbox_are_one(desk: Desk) -> None:
    for n, email in enumerate(
        ("a.nn@gmail.com", "ann+1@gmail.com", "ANN@googlemail.com", "a.n.n@gmail.com")
    ):
        assert await ask(desk, email, Visitor(f"10.{n}.0.1")) is None

    assert [to for to, _, _ in desk.mail.sent] == [
        "a.nn@gmail.com",
        "ann+1@gmail.com",
        "ANN@googlemail.com",
    ]


async def test_an_address_may_cause_five_and_a_network_twenty(desk: Desk) -> None:
    found = [await ask(desk, f"somebody{n}@example.org") for n in range(6)]
    assert found[:5] == [None] * 5
    assert isinstance(found[5], Refusal)
    assert (found[5].code, found[5].window) == (Code.IP_RATE_LIMIT, "address_mails")

    for n in range(15):
        visitor = Visitor(f"1.2.3.{100 + n}")
        assert await ask(desk, f"other{n}@example.org", visitor) is None
    last = await ask(desk, "last@example.org", Visitor("1.2.3.200"))
    assert isinstance(last, Refusal)
    assert last.window == "network_mails"
    assert len(desk.mail.sent) == 20


async def test_known_and_unknown_are_asked_for_by_the_same_steps(desk: Desk) -> None:
    """The store is not even asked whether there is an account."""
    await desk.registered(ANN)
    asked: list[str] = []

    class Watched:
        def __getattr__(self, name: str) -> object:
            asked.append(name)
            return getattr(desk.store, name)

    object.__setattr__(desk.accounts, "store", Watched())
    steps = []
    for email in (ANN, "stranger@example.org"):
        assert await ask(desk, email) is None
        steps.append(list(asked))
        asked.clear()

    assert steps == [["expect"], ["expect"]]


async def test_a_mail_that_cannot_be_taken_is_nobody_s_business_but_the_log_s(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.mail.is_full = True
    with caplog.at_level(logging.INFO):
        assert await ask(desk) is None

    assert "it is full" in caplog.text
    assert ANN not in caplog.text


# ── Keys ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_key_is_told_once_and_kept_as_a_digest(desk: Desk) -> None:
    verified = await desk.registered()
    key = verified.new_key.key

    assert key.startswith(PREFIX)
    assert is_well_formed(key)
    (kept,) = await desk.store.keys(verified.account.id)
    assert key.startswith(kept.shown)
    assert len(kept.shown) < 20
    exported = await desk.store.export(verified.account.id)
    assert key not in str(exported)


async def test_three_keys_and_no_more(desk: Desk) -> None:
    first = await desk.registered()
    caller = await desk.caller(first.new_key.key)
    desk.clock.advance(1)
    made = [await desk.accounts.add_key(caller) for _ in range(3)]

    assert [isinstance(each, NewKey) for each in made] == [True, True, False]
    assert is_refused(made[2])
    keys = await desk.accounts.keys(caller)
    assert not isinstance(keys, Refusal)
    assert len(keys) == MOST_KEYS
    assert keys[0].id == first.new_key.entry.id


async def test_all_keys_are_the_same_caller(desk: Desk) -> None:
    first, second = await desk.registered(), await desk.registered()

    assert await desk.caller(first.new_key.key) == await desk.caller(
        second.new_key.key, address="9.9.9.9"
    )


async def test_signing_in_with_three_replaces_the_stalest(desk: Desk) -> None:
    keys = []
    for _ in range(3):
        keys.append((await desk.registered()).new_key)
        desk.clock.advance(DAY)
    await desk.caller(keys[0].key)  # used last, made first
    desk.clock.advance(HOUR)

    fourth = (await desk.registered()).new_key

    assert fourth.replaced == keys[1].entry.shown
    assert [await desk.is_known(key.key) for key in (*keys, fourth)] == [True, False, True, True]
    assert [key.replaced for key in keys] == [None] * 3


async def test_many_sign_ins_at_once_leave_three_keys(desk: Desk) -> None:
    account = (await desk.registered()).account

    made = await asyncio.gather(*(desk.accounts._key_in_any_case(account.id) for _ in range(6)))

    assert len({each.key for each in made}) == 6
    assert len(await desk.store.keys(account.id)) == MOST_KEYS


async def test_a_removed_key_is_refused_at_once_and_elsewhere_within_thirty_seconds(
    desk: Desk,
) -> None:
    verified = await desk.registered()
    key, elsewhere = verified.new_key.key, desk.beside()
    caller = await desk.caller(key)
    assert await elsewhere.is_known(key)

    assert await desk.accounts.remove_key(caller, verified.new_key.entry.id) is None

    assert not await desk.is_known(key)
    desk.clock.advance(30_000 - 1)
    assert await elsewhere.is_known(key)
    desk.clock.advance(1)
    assert not await elsewhere.is_known(key)


async def test_nobody_removes_a_key_of_somebody_else(desk: Desk) -> None:
    ann = await desk.registered("ann@example.org")
    bob = await desk.caller((await desk.registered("bob@example.org")).new_key.key)

    found = await desk.accounts.remove_key(bob, ann.new_key.entry.id)

    assert is_refused(found, Code.NOT_FOUND)
    assert await desk.is_known(ann.new_key.key)


@pytest.mark.parametrize("key_id", ["", "x", "key_1", "\0", "\ud800", "key_" + "\0" * 16])
async def test_no_name_of_a_key_makes_the_store_stumble(desk: Desk, key_id: str) -> None:
    ann = await desk.caller((await desk.registered()).new_key.key)

    assert is_refused(await desk.accounts.remove_key(ann, key_id), Code.NOT_FOUND)


async def test_keys_are_for_accounts(desk: Desk) -> None:
    token = (await desk.minted()).token
    for credential in ("", token):
        caller = await desk.caller(credential)
        for found in (
            await desk.accounts.keys(caller),
            await desk.accounts.add_key(caller),
            await desk.accounts.remove_key(caller, "key_1"),
        ):
            assert is_refused(found, Code.INVALID_API_KEY)


async def test_a_store_that_is_away_is_said(desk: Desk) -> None:
    caller = await desk.caller((await desk.registered()).new_key.key)

    class Away:
        def __getattr__(self, name: str) -> object:
            async def fail(*args: object, **more: object) -> None:
                raise StoreUnavailable("away")

            return fail

    object.__setattr__(desk.accounts, "store", Away())
    for found in (
        await ask(desk),
        await desk.accounts.verify_token("x"),
        await desk.accounts.verify_code(ANN, "x"),
        await desk.accounts.keys(caller),
        await desk.accounts.add_key(caller),
        await desk.accounts.remove_key(caller, "key_0123456789abcdef"),
    ):
        assert is_refused(found, Code.STORE_UNAVAILABLE)
