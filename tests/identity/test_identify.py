"""Who a visitor is."""

import os
import secrets
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.admission.quotas import (
    address_policy,
    network_policy,
    session_policy,
    tier_policy,
)
from scalix_free.core.account import Account
from scalix_free.core.caller import Caller, Tier, Visitor
from scalix_free.core.errors import Code, Refusal
from scalix_free.identity.api_key import new_key
from scalix_free.identity.identify import Identifier, Limits, Shown
from scalix_free.identity.keyring import Keyring
from scalix_free.identity.minted import LIFETIME_S, Mint
from tests.core.held_clock import NOON, HeldClock


def tier(name: str, per_hour: int) -> Tier:
    return Tier(
        name=name,
        policy=tier_policy(
            name,
            requests_per_hour=per_hour,
            requests_per_day=20,
            tokens_per_day=5_000,
            concurrent=2,
        ),
        max_output_tokens=2_048,
        default_output_tokens=1_024,
        context_tokens=32_768,
    )


LIMITS = Limits(
    tiers={name: tier(name, n) for n, name in enumerate(("anonymous", "registered", "pro"), 5)},
    address=address_policy(per_minute=30, per_hour=100, per_day=200),
    network=network_policy(per_hour=300, per_day=1_000),
    session=session_policy(100),
)
ANONYMOUS = LIMITS.tiers["anonymous"]
KEYRING = Keyring(b"a secret")
TOKEN, IDENTITY = Mint(KEYRING).new(NOON, os.urandom)
identify = Identifier(LIMITS, KEYRING, HeldClock())


def caller(address: str, credential: str | None = None) -> Caller:
    found = identify(Visitor(address, credential))
    assert isinstance(found, Caller)
    return found


def keys(address: str) -> list[bytes]:
    return [subject.key for subject in caller(address).subjects]


@pytest.mark.parametrize(
    "credential",
    [
        *(None, "", " ", "free", "Bearer", "Bearer ", "Bearer free", "Bearer sk-anything"),
        *("Bearer null", "Bearer undefined", "Basic c2NhbGl4X2tleV8=", "Token abc", "a b c"),
        *("Bearer my_scalix_key_1", "Bearer sk-scalix_free_1", "scalix", "Bearer scalix_keys"),
    ],
)
def test_whoever_shows_nothing_of_ours_is_anonymous(credential: str | None) -> None:
    assert caller("1.2.3.4", credential) == caller("1.2.3.4")
    assert caller("1.2.3.4", credential).tier is ANONYMOUS
    assert caller("1.2.3.4", credential).owner is None


@pytest.mark.parametrize(
    "ours", ["scalix_key_", "scalix_key_abc", "scalix_free_", "scalix_free_x.y"]
)
@pytest.mark.parametrize(
    "spelling", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", " Bearer {} ", "{}", "  {}"]
)
def test_a_key_of_ours_that_does_not_verify_is_refused(ours: str, spelling: str) -> None:
    refused = identify(Visitor("1.2.3.4", spelling.format(ours)))

    assert isinstance(refused, Refusal)
    assert refused.code is Code.INVALID_API_KEY
    assert "free" in refused.message


@given(st.text())
def test_no_credential_raises_nor_makes_anybody_more_than_anonymous(credential: str) -> None:
    found = identify(Visitor("1.2.3.4", credential))

    assert isinstance(found, Refusal) or found == caller("1.2.3.4")


def test_a_request_counts_against_the_caller_the_address_and_the_network() -> None:
    own, address, network = caller("1.2.3.4").subjects

    assert own.policy is ANONYMOUS.policy
    assert address.policy is LIMITS.address
    assert network.policy is LIMITS.network


def test_no_two_subjects_have_a_key_in_common() -> None:
    found = [*keys("1.2.3.4"), *keys("1.2.4.4"), *keys("a socket"), *keys("")]

    assert len(set(found)) == len(found) == 12
    assert {len(key) for key in found} == {16}


@pytest.mark.parametrize(
    ("address", "neighbour", "shared"),
    [
        ("1.2.3.4", "1.2.3.4", 3),
        ("1.2.3.4", "1.2.3.5", 1),
        ("1.2.3.4", "1.2.4.4", 0),
        ("2001:db8:1:2::3", "2001:db8:1:2:ffff::", 3),
        ("2001:db8:1:2::3", "2001:db8:1:3::3", 1),
        ("2001:db8:1:2::3", "2001:db8:2:2::3", 0),
    ],
)
def test_neighbours_share_what_is_theirs(address: str, neighbour: str, shared: int) -> None:
    assert len({*keys(address)} & {*keys(neighbour)}) == shared


def test_keys_are_of_this_server_s_secret_and_tell_no_address() -> None:
    other = Identifier(LIMITS, Keyring(b"another secret"), HeldClock())(Visitor("1.2.3.4"))
    assert isinstance(other, Caller)

    assert not {subject.key for subject in other.subjects} & {*keys("1.2.3.4")}
    assert not any(b"1.2.3" in key for key in keys("1.2.3.4"))


def test_who_was_seen_before_is_the_same_to_another_worker() -> None:
    again = Identifier(LIMITS, Keyring(b"a secret"), HeldClock())

    assert again(Visitor("1.2.3.4")) == caller("1.2.3.4")


# ── Minted identities ────────────────────────────────────────────────────────────────────────


def test_a_minted_identity_is_counted_by_itself_and_with_its_address_and_network() -> None:
    own, *places = caller("1.2.3.4", f"Bearer {TOKEN}").subjects
    bare, *neighbours = caller("1.2.3.4").subjects

    assert places == neighbours
    assert own.key != bare.key
    assert own.policy is ANONYMOUS.policy
    assert caller("1.2.3.4", TOKEN).owner == IDENTITY.user_id
    assert not caller("1.2.3.4", TOKEN).has_account


def test_it_is_the_same_wherever_it_calls_from() -> None:
    here, there = caller("1.2.3.4", TOKEN), caller("5.6.7.8", TOKEN)

    assert here.subjects[0] == there.subjects[0]
    assert {*here.subjects[1:]}.isdisjoint(there.subjects[1:])


def test_it_ends_with_its_time() -> None:
    clock = HeldClock()
    until = Identifier(LIMITS, KEYRING, clock)
    visitor = Visitor("1.2.3.4", TOKEN)

    clock.advance(LIFETIME_S * 1000 - 1)
    assert isinstance(until(visitor), Caller)
    clock.advance(1)
    assert isinstance(until(visitor), Refusal)


def test_it_ends_with_being_revoked() -> None:
    revoked: set[str] = set()
    until = Identifier(LIMITS, KEYRING, HeldClock(), is_revoked=revoked.__contains__)
    visitor = Visitor("1.2.3.4", TOKEN)

    assert isinstance(until(visitor), Caller)
    revoked.add(IDENTITY.user_id)
    assert isinstance(until(visitor), Refusal)


# ── Accounts ─────────────────────────────────────────────────────────────────────────────────

ACCOUNT = Account(id="acc_1", email="a@b.org", mailbox="a@b.org", tier="registered", created_ms=0)


def test_a_key_has_to_be_looked_up_under_each_generation_of_the_secret() -> None:
    key = new_key(secrets.choice)
    rotated = Identifier(LIMITS, Keyring(b"newer,a secret"), HeldClock())

    shown, later = identify(Visitor("", f"Bearer {key}")), rotated(Visitor("", key))

    assert isinstance(shown, Shown)
    assert isinstance(later, Shown)
    assert shown.digests == later.digests[1:] == KEYRING.digests("api_key", key)


def test_a_typo_in_a_key_is_refused_without_a_look_up() -> None:
    key = new_key(secrets.choice)
    typo = key[:-1] + ("a" if key[-1] != "a" else "b")

    assert isinstance(identify(Visitor("", typo)), Refusal)


def test_an_account_is_counted_by_itself_alone() -> None:
    member = identify.member(ACCOUNT)

    assert (member.owner, member.has_account) == ("acc_1", True)
    assert member.tier is LIMITS.tiers["registered"]
    (own,) = member.subjects
    assert own.policy is LIMITS.tiers["registered"].policy


@pytest.mark.parametrize(
    ("kept", "found"), [("anonymous", "anonymous"), ("pro", "pro"), ("of old", "registered")]
)
def test_an_account_s_tier_is_the_one_kept(kept: str, found: str) -> None:
    account = Account(id="acc_1", email="", mailbox="", tier=kept, created_ms=0)

    assert identify.member(account).tier is LIMITS.tiers[found]


def test_a_session_is_counted_for_its_caller_alone() -> None:
    one, other = caller("1.2.3.4"), caller("1.2.3.5")
    books = {identify.session_of(*which) for which in ((one, "a"), (one, "b"), (other, "a"))}

    assert len(books) == 3
    assert identify.session_of(one, "a") in books


def test_who_pays_has_sessions_without_end() -> None:
    member = identify.member(replace(ACCOUNT, tier="pro"))

    assert identify.session_of(member, "a") is None


def test_a_minted_identity_brings_its_session_along() -> None:
    assert caller("1.2.3.4", TOKEN).session_id == IDENTITY.session_id


def test_long_credentials_of_strangers_are_not_remembered() -> None:
    fresh = Identifier(LIMITS, KEYRING, HeldClock())
    tracemalloc.start()
    try:
        for number in range(50):
            fresh(Visitor("203.0.113.1", f"Bearer scalix_free_{number}{'x' * 60_000}"))
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < 500_000
