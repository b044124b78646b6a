"""What the settings allow whom: how much, what may be asked, how many identities."""

from __future__ import annotations

from typing import Final

from scalix_free.admission.content import ContentRules
from scalix_free.admission.quotas import (
    address_policy,
    mint_policy,
    network_policy,
    session_policy,
    tier_policy,
)
from scalix_free.core.caller import Tier
from scalix_free.identity.identify import ANONYMOUS, PRO, REGISTERED, Limits
from scalix_free.serve import Pricing
from scalix_free.settings import FreeTier, ProTier, Settings

UNBOUNDED_TOKENS: Final = 10_000_000
"""What stands for a lifted ceiling of tokens."""

PRO_OUTPUT_TOKENS: Final = 4_096
"""What an answer of the pro tier may have where the caller names no cap."""


def limits_of(settings: Settings) -> Limits:
    """The limits of each tier, of addresses, networks and sessions."""
    tiers, addresses, networks = settings.tiers, settings.addresses, settings.networks
    return Limits(
        tiers={
            ANONYMOUS: _free_tier(ANONYMOUS, tiers.anonymous),
            REGISTERED: _free_tier(REGISTERED, tiers.registered),
            PRO: _pro_tier(tiers.pro),
        },
        address=address_policy(
            per_minute=addresses.requests_per_minute,
            per_hour=addresses.requests_per_hour,
            per_day=addresses.requests_per_day,
            users_per_hour=addresses.users_per_hour,
        ),
        network=network_policy(
            per_hour=networks.requests_per_hour, per_day=networks.requests_per_day
        ),
        session=session_policy(settings.content.max_requests_per_session),
    )


def pricing_of(settings: Settings) -> Pricing:
    """How many identities there are for nothing, and how many at all."""
    of_address = settings.addresses.identities_per_day
    of_network = settings.networks.identities_per_day
    return Pricing(
        mode=settings.identity.proof_of_work,
        address=mint_policy("address", of_address),
        network=mint_policy("network", of_network),
        address_most=of_address,
        network_most=of_network,
    )


def content_of(settings: Settings) -> ContentRules:
    """What may be asked."""
    words = settings.content.blocked_keywords
    return ContentRules(
        most_chars=settings.content.max_prompt_chars,
        denied=[word.word for word in words if word.action == "deny"],
        flagged=[word.word for word in words if word.action == "flag"],
    )


def _free_tier(name: str, tier: FreeTier) -> Tier:
    return Tier(
        name=name,
        policy=tier_policy(
            name,
            requests_per_hour=tier.requests_per_hour,
            requests_per_day=tier.requests_per_day,
            tokens_per_day=tier.tokens_per_day,
            concurrent=tier.concurrent,
        ),
        max_output_tokens=tier.max_output_tokens or UNBOUNDED_TOKENS,
        default_output_tokens=tier.default_output_tokens,
        context_tokens=tier.context_tokens or UNBOUNDED_TOKENS,
    )


def _pro_tier(tier: ProTier) -> Tier:
    return Tier(
        name=PRO,
        policy=tier_policy(
            PRO,
            requests_per_hour=None,
            requests_per_day=None,
            tokens_per_day=None,
            concurrent=tier.concurrent,
        ),
        max_output_tokens=UNBOUNDED_TOKENS,
        default_output_tokens=PRO_OUTPUT_TOKENS,
        context_tokens=tier.context_tokens or UNBOUNDED_TOKENS,
    )
