"""What somebody is offered, and what they do about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from scalix_free.admission.refusals import refusal as refusal_of
from scalix_free.core import ports
from scalix_free.core.caller import Caller, Visitor
from scalix_free.core.clock import DAY_MS
from scalix_free.core.errors import Code, Refusal, StoreUnavailable
from scalix_free.core.funnel import Action, Lead, Reaction, Step, Trigger
from scalix_free.core.ledger import Admitted, Ask, Policy, Subject
from scalix_free.core.ports import Clock, Ledger, Once
from scalix_free.core.standing import Standing
from scalix_free.growth.messages import Message, Messages, called, is_at_limit
from scalix_free.growth.pricing import (
    LOOKED_AT_DAYS,
    Facts,
    Price,
    Rates,
    annual,
    is_busy,
    is_moved,
    monthly,
)
from scalix_free.growth.prompts import Prompts
from scalix_free.growth.triggers import DEPTH
from scalix_free.identity.address import address_bucket, network_bucket
from scalix_free.identity.identify import PRO
from scalix_free.identity.keyring import Keyring
from scalix_free.identity.mailbox import mailbox_of, parse_email
from scalix_free.serve.accounts import NO_EMAIL
from scalix_free.serve.answering import STORE_AWAY, Service
from scalix_free.serve.callers import Callers
from scalix_free.serve.own_usage import RECEIPTS

INTERESTED_MS: Final = 30 * DAY_MS
"""Who showed interest counts once in so long."""


@dataclass(frozen=True, kw_only=True)
class PostLimits:
    """How much may be left with us, by the address and the network of a visitor."""

    leads: tuple[Policy, Policy]
    events: tuple[Policy, Policy]


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A prompt and a price. ``notice`` is there where something personal moved the price."""

    trigger: Trigger | None
    message: Message
    texts: dict[str, str]
    currency: str
    monthly: Price
    annual: Price
    notice: str | None


@dataclass(frozen=True, kw_only=True)
class Offers:
    """What there is beyond the free tier.

    ``is_let_down`` knows who had a bad answer of late, by the key of their subject;
    ``count_prompt`` and ``count_conversion`` hear what people do.
    """

    callers: Callers
    service: Service
    usage_log: ports.UsageLog
    funnel: ports.Funnel
    ledger: Ledger
    once: Once
    keyring: Keyring
    limits: PostLimits
    prompts: Prompts
    messages: Messages
    rates: Rates
    pro_models: Sequence[str]
    better_models: str
    is_let_down: Callable[[bytes, int], bool]
    count_prompt: Callable[[Trigger, Action], None]
    count_conversion: Callable[[Step], None]
    clock: Clock

    # ── Offers ──────────────────────────────────────────────────────────────────────────────

    async def of(
        self, visitor: Visitor, *, yearly: bool, asked: Trigger | None, plain: bool
    ) -> Offer | Refusal:
        """What somebody is offered, for a month or a year; reads, never counts.

        ``asked`` is the prompt whose words are wanted; where none is, their situation decides.
        ``plain`` asks for the price without anything personal.
        """
        caller = await self.callers.caller(visitor)
        if isinstance(caller, Refusal):
            return caller
        try:
            standing = await self.service.standing(caller)
            facts = await self._facts(caller, standing)
            trigger = asked or await self._situation(caller, standing)
        except StoreUnavailable:
            return STORE_AWAY
        month = monthly(self.rates, facts, plain=plain)
        year = annual(self.rates, facts, plain=plain)
        promoted = not yearly and not facts.is_subscriber
        return Offer(
            trigger=trigger,
            message=self.messages.of(trigger, promoted=promoted, models=self._models()),
            texts=self.messages.displayed(),
            currency=self.rates.currency,
            monthly=month,
            annual=year,
            notice=self.messages.notice if is_moved(month, year) else None,
        )

    async def _facts(self, caller: Caller, standing: Standing) -> Facts:
        """What moves this caller's price; of one without a credential nothing personal does."""
        if caller.tier.name == PRO:
            return Facts(is_subscriber=True)
        if caller.owner is None:
            return Facts()
        near, until_ms, binding = None, None, standing.binding
        if standing.near_limit and binding is not None:
            near = (
                f"{binding.remaining} of your {binding.limit.most} free requests "
                f"{_PER[binding.limit.name]} are left"
            )
            until_ms = binding.resets_at_ms
        today = self.clock() // DAY_MS
        since_ms = (today - LOOKED_AT_DAYS + 1) * DAY_MS
        days = await self.usage_log.days(caller.subjects[0].key, since_ms)
        of_a_day = standing.level("requests_day")
        most = None if of_a_day is None else of_a_day.limit.most
        busy = is_busy((day.requests for day in days), most)
        return Facts(
            near_limit=near,
            near_until_ms=until_ms,
            busy_until_ms=(today + 1) * DAY_MS if busy else None,
        )

    async def _situation(self, caller: Caller, standing: Standing) -> Trigger | None:
        if caller.tier.name == PRO:
            return None
        if is_at_limit(standing):
            return Trigger.LIMIT_EXCEEDED
        wanted = self.prompts.wants(caller)
        if wanted is None and await self._had_bad_answers(caller):
            wanted = Trigger.QUALITY_UPGRADE
        if wanted is None and standing.near_limit:
            wanted = Trigger.NEAR_LIMIT
        return wanted

    async def _had_bad_answers(self, caller: Caller) -> bool:
        now_ms = self.clock()
        if self.is_let_down(caller.subjects[0].key, now_ms):
            return True
        if caller.owner is None:
            return False
        receipts = await self.usage_log.receipts(caller.owner, most=RECEIPTS)
        return any(one.attempts > DEPTH and one.at_ms > now_ms - DAY_MS for one in receipts)

    def _models(self) -> str:
        models = sorted(self.service.models(), key=lambda model: -model.quality)
        ids = [model.id for model in models if not model.demonstration]
        return called(self.pro_models, ids, self.better_models)

    # ── What people do ──────────────────────────────────────────────────────────────────────

    async def leave(
        self, visitor: Visitor, written: str, *, consent: bool, source: str | None
    ) -> Refusal | None:
        """Keep somebody's address; the answer is the same whether it was left before or not."""
        email = parse_email(written)
        if email is None:
            return NO_EMAIL
        if not consent:
            return NO_CONSENT
        caller = await self.callers.caller(visitor)
        if isinstance(caller, Refusal):
            return caller
        lead = Lead(email, mailbox_of(email), self.clock(), source, caller.owner)
        try:
            if (refusal := await self._count(visitor, self.limits.leads)) is not None:
                return refusal
            await self.funnel.keep_lead(lead)
            await self._interested(caller)
        except StoreUnavailable:
            return STORE_AWAY
        return None

    async def react(
        self, visitor: Visitor, trigger: Trigger, action: Action, message_id: str
    ) -> Refusal | None:
        """Keep what somebody did about a prompt."""
        caller = await self.callers.caller(visitor)
        if isinstance(caller, Refusal):
            return caller
        reaction = Reaction(
            at_ms=self.clock(),
            own=caller.subjects[0].key,
            owner=caller.owner,
            tier=caller.tier.name,
            trigger=trigger,
            action=action,
            message_id=message_id,
        )
        try:
            if (refusal := await self._count(visitor, self.limits.events)) is not None:
                return refusal
            await self.funnel.note(reaction)
            self.count_prompt(trigger, action)
            if action is Action.CLICK or trigger is Trigger.PRICE_PAGE:
                await self._interested(caller)
        except StoreUnavailable:
            return STORE_AWAY
        return None

    async def pay(self, visitor: Visitor) -> Refusal:
        """Begin to pay, or look after what one pays: not before there are payments."""
        caller = await self.callers.caller(visitor)
        return caller if isinstance(caller, Refusal) else PAYMENTS_UNAVAILABLE

    async def _interested(self, caller: Caller) -> None:
        if caller.tier.name == PRO:
            return
        key = b"interested:" + caller.subjects[0].key
        if await self.once.claim(key, self.clock() + INTERESTED_MS):
            self.count_conversion(Step.INTERESTED)

    async def _count(self, visitor: Visitor, policies: tuple[Policy, Policy]) -> Refusal | None:
        """Count it against address and network; the refusal where that is too much."""
        subject = self.keyring.subject
        places = (address_bucket(visitor.address), network_bucket(visitor.address))
        books = tuple(
            Subject(subject(policy.kind, place), policy)
            for policy, place in zip(policies, places, strict=True)
        )
        verdict = await self.ledger.admit(Ask(os.urandom(16), books, 0, 0))
        return None if isinstance(verdict, Admitted) else refusal_of(verdict)


_PER: Final = {"requests_hour": "an hour", "requests_day": "a day"}


NO_CONSENT: Final = Refusal(
    code=Code.INVALID_REQUEST,
    message="consent has to be true: without it we keep no address.",
    param="consent",
)
PAYMENTS_UNAVAILABLE: Final = Refusal(
    code=Code.PAYMENTS_UNAVAILABLE,
    message=(
        "Pro cannot be paid for here yet. Leave your address and we tell you when it can: "
        "POST /api/v1/free/leads with {email, consent: true}."
    ),
)
