"""What people do about what they are offered: a prompt seen or followed, an address left."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Trigger(enum.StrEnum):
    """Why somebody is shown a prompt. The first four stand in answers, the next in offers.

    ``PRICE_PAGE`` is no prompt: somebody looks at the price by themselves.
    """

    FIRST_REQUEST = "FIRST_REQUEST"
    NEAR_LIMIT = "NEAR_LIMIT"
    AT_LIMIT = "AT_LIMIT"
    QUALITY_ISSUE = "QUALITY_ISSUE"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    QUALITY_UPGRADE = "QUALITY_UPGRADE"
    FEATURE_UPGRADE = "FEATURE_UPGRADE"
    PRICE_PAGE = "PRICE_PAGE"


class Action(enum.StrEnum):
    """What somebody did about a prompt."""

    IMPRESSION = "impression"
    CLICK = "click"
    DISMISS = "dismiss"


class Step(enum.StrEnum):
    """How far somebody came on the way to paying."""

    INTERESTED = "interested"
    TRIAL = "trial"
    PAYING = "paying"


class Lead(NamedTuple):
    """An address that somebody left, and consented to be written to at that moment.

    ``mailbox`` is the address in its one form (see ``core.account``). ``owner`` is the account or
    the minted identity that it was left with, or None; ``source`` where, in the caller's words.
    """

    email: str
    mailbox: str
    consent_ms: int
    source: str | None = None
    owner: str | None = None


class Reaction(NamedTuple):
    """What somebody did about one prompt. ``message_id`` tells apart what it said.

    ``own`` is the key that the ledger counts them under, ``owner`` as in ``Lead``.
    """

    at_ms: int
    own: bytes
    owner: str | None
    tier: str
    trigger: Trigger
    action: Action
    message_id: str
