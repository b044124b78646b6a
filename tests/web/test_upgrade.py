"""The page of prices: what free is for whom, by this server's settings."""

from collections.abc import Mapping

import pytest

from scalix_free.admission.quotas import tier_policy
from scalix_free.core.caller import Tier
from scalix_free.web.upgrade import features
from tests.api.caller import Caller


def tiers(anonymous: int | None, registered: int | None) -> Mapping[str, Tier]:
    def tier(name: str, most: int | None) -> Tier:
        policy = tier_policy(
            name, requests_per_hour=1, requests_per_day=most, tokens_per_day=9_000, concurrent=1
        )
        return Tier(
            name=name,
            policy=policy,
            max_output_tokens=1,
            default_output_tokens=1,
            context_tokens=32_768,
        )

    limits = {"anonymous": anonymous, "registered": registered, "pro": None}
    return {name: tier(name, most) for name, most in limits.items()}


@pytest.mark.parametrize(
    ("anonymous", "registered", "free"),
    [
        (20, 50, "20, signed up 50"),
        (1_000, None, "1,000, signed up Unlimited"),
        (20, 20, "20"),
        (None, 50, "Unlimited"),
    ],
)
def test_free_is_what_one_has_at_once_and_what_an_address_adds(
    anonymous: int | None, registered: int | None, free: str
) -> None:
    requests, tokens, models, *_ = features(tiers(anonymous, registered), 1)
    assert (requests.name, requests.free, requests.pro) == ("Requests/Day", free, "Unlimited")
    assert tokens.free == "9,000"
    assert models.free == "1 free model"


def test_the_way_of_paying_stays_chosen_when_an_address_is_refused(caller: Caller) -> None:
    headers = {"sec-fetch-site": "same-origin"}
    form = {"email": "nobody", "consent": "1"}
    page = caller.request("POST", "/upgrade?interval=year", data=form, headers=headers)
    assert page.status_code == 400
    assert "for the first year" in page.text
    assert 'action="/upgrade?interval=year"' in page.text
    assert 'value="nobody"' in page.text


def test_the_list_price_each_step_and_the_renewal_are_told(caller: Caller) -> None:
    month = caller.request("GET", "/upgrade").text
    for words in (
        "$15.00",
        "then $29.99 a month",
        "List price $29.99.",
        "50 % off the first month.",
    ):
        assert words in month
    year = caller.request("GET", "/upgrade?interval=year").text
    for words in ("$287.90", "then $287.90 a year", "List price $359.88.", "20 % off for a year"):
        assert words in year
