"""The limits as the contract names them."""

import pytest

from scalix_free.admission.quotas import (
    address_policy,
    mail_policy,
    mint_policy,
    network_policy,
    tier_policy,
)
from scalix_free.core.ledger import Limit, Unit

HOUR, DAY = 3_600_000, 86_400_000


def test_a_tier_has_the_contract_s_four_windows() -> None:
    policy = tier_policy(
        "anonymous", requests_per_hour=5, requests_per_day=20, tokens_per_day=5_000, concurrent=2
    )

    assert policy.kind == "anonymous"
    assert policy.leased
    assert policy.limits == (
        Limit("requests_hour", Unit.REQUESTS, 5, HOUR),
        Limit("requests_day", Unit.REQUESTS, 20, DAY),
        Limit("tokens_day", Unit.TOKENS, 5_000, DAY),
        Limit("concurrent", Unit.CALLS, 2),
    )


def test_tokens_of_the_shipped_tiers_are_counted_exactly() -> None:
    policy = tier_policy(
        "registered", requests_per_hour=10, requests_per_day=50, tokens_per_day=10_000, concurrent=2
    )

    assert policy.coarse == ()


def test_addresses_and_networks_count_arrivals_and_addresses_their_callers() -> None:
    address = address_policy(per_minute=30, per_hour=100, per_day=200, users_per_hour=50)
    network = network_policy(per_hour=300, per_day=None)

    assert (address.kind, network.kind) == ("address", "network")
    assert not address.leased
    assert not network.leased
    assert [(limit.most, limit.window_ms) for limit in address.limits] == [
        (30, 60_000),
        (100, HOUR),
        (200, DAY),
        (50, HOUR),
    ]
    assert [(limit.most, limit.window_ms) for limit in network.limits] == [(300, HOUR), (None, DAY)]
    assert address.limits[-1] == Limit("address_users", Unit.USERS, 50, HOUR)
    assert {limit.unit for limit in (*address.limits[:-1], *network.limits)} == {Unit.REQUESTS}


@pytest.mark.parametrize(
    ("figure", "most"), [(None, 1_000), (6, 1_000), (500, 1_000), (800, 1_600)]
)
def test_identities_are_counted_past_the_figure_from_which_they_cost_more(
    figure: int | None, most: int
) -> None:
    policy = mint_policy("address", figure)

    assert policy.limits == (Limit("address_identities", Unit.REQUESTS, most, DAY),)
    assert policy.kind == "mint_address"
    assert (figure or 0) < most


def test_mails_are_bounded_by_whom_they_reach_and_who_causes_them() -> None:
    found = {cause: mail_policy(cause) for cause in ("mailbox", "address", "network")}

    assert {cause: policy.limits for cause, policy in found.items()} == {
        "mailbox": (Limit("mailbox_mails", Unit.REQUESTS, 3, HOUR),),
        "address": (Limit("address_mails", Unit.REQUESTS, 5, HOUR),),
        "network": (Limit("network_mails", Unit.REQUESTS, 20, HOUR),),
    }
    assert not any(policy.leased for policy in found.values())
