"""States that only time or luck brings about: what they say."""

import re
from html import unescape

import pytest

from tests.web.made import MADE, made
from tests.web.page import Page

SAYS = {
    "usage-none": ["Nothing used yet."],
    "usage-near-day": ["Almost out of free requests", "4 left of 20", "Running low"],
    "usage-at-hour": ["Upgrade to continue using Scalix", "Requests This Hour: 5 of 5 used."],
    "usage-at-day": ["Upgrade to continue using Scalix", "Requests Today: 20 of 20 used."],
    "usage-at-tokens": ["Upgrade to continue using Scalix", "Tokens Used: 5,000 of 5,000 used."],
    "usage-few-tokens": ["4,950 of 5,000 used, too few are left for an answer."],
    "usage-at-calls": ["Running at Once", "Used up"],
    "usage-just-reset": ["Reset Time: N/A", "Plenty left"],
    "usage-pace": ["At this rate the requests of this hour run out at"],
    "usage-of-an-address": ["the sums of your address", "Single requests are shown to whoever"],
    "usage-from-outside": ["Show my own"],
    "usage-of-a-key": ["This is the usage of your key.", "All that is kept of your account"],
    "usage-pro": ["Requests Today Included Not limited, and so not counted here.", "3 / 10"],
    "usage-unknown": ["This key or token is not valid."],
    "status-good": ["All good.", "100 % answered", "no hour in which"],
    "status-degraded": ["Degraded", "of 28 were answered"],
    "status-quiet": ["Nobody asked in the last two hours.", "0 % of 9 were answered"],
    "status-away": ["The log does not answer."],
    "welcome-demonstration": ["A demonstration model answers here."],
    "welcome-nobody": ["Nobody can answer at the moment."],
    "chat-few-tokens": ["50 of 5,000 tokens left today", "You ask with your key."],
    "chat-first": ["Welcome! Try Scalix Free", "You have 20 requests a day; 19 are left."],
    "chat-let-down": ["Get better responses with Pro", "3 models had to be asked."],
    "chat-all-busy": ["No answer came. Nothing was charged.", "Try again"],
    "chat-broken-off": ["The answer broke off"],
    "privacy-many": ["may train on them", "does not train on them", "EEA, CH, GB", "This machine"],
    "privacy-nobody": ["nobody reads along"],
}


@pytest.mark.parametrize("name", MADE)
def test_what_it_says(name: str) -> None:
    html = made(name)
    Page(html)

    text = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", html)))
    for words in SAYS[name]:
        assert words in text


def test_calls_at_once_are_no_reason_to_buy() -> None:
    assert "Upgrade to continue" not in made("usage-at-calls")


def test_who_has_no_limit_is_sold_nothing() -> None:
    html = made("usage-pro")
    assert "Upgrade to Unlimited Usage" not in html
    assert "More for an e-mail address" not in html
