"""Who a visitor is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.admission.quotas import address_policy, network_policy, tier_policy
from scalix_free.core.caller import Caller, Tier, Visitor
from scalix_free.core.errors import Code, Refusal
from scalix_free.identity.identify import Limits, identifier

LIMITS = Limits(
    anonymous=Tier(
        name="anonymous",
        policy=tier_policy(
            "anonymous",
            requests_per_hour=5,
            requests_per_day=20,
            tokens_per_day=5_000,
            concurrent=2,
        ),
        max_output_tokens=2_048,
        default_output_tokens=1_024,
        context_tokens=32_768,
    ),
    address=address_policy(per_minute=30, per_hour=100, per_day=200),
    network=network_policy(per_hour=300, per_day=1_000),
)
identify = identifier(LIMITS, b"a secret")


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
    assert caller("1.2.3.4", credential).tier is LIMITS.anonymous


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

    assert own.policy is LIMITS.anonymous.policy
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
    other = identifier(LIMITS, b"another secret")(Visitor("1.2.3.4"))
    assert isinstance(other, Caller)

    assert not {subject.key for subject in other.subjects} & {*keys("1.2.3.4")}
    assert not any(b"1.2.3" in key for key in keys("1.2.3.4"))


def test_who_was_seen_before_is_the_same_to_another_worker() -> None:
    again = identifier(LIMITS, b"a secret")

    assert again(Visitor("1.2.3.4")) == caller("1.2.3.4")
