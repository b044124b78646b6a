"""Ask a model on somebody's behalf: from the visitor to the settled charge."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, TypeAlias

from scalix_free.admission.content import ContentRules
from scalix_free.admission.grant import Grant
from scalix_free.admission.refusals import refusal as refusal_of
from scalix_free.core.budget import WHOLE
from scalix_free.core.cache import CacheUse
from scalix_free.core.caller import Caller, Visitor
from scalix_free.core.chat import Call, Chunk, Usage
from scalix_free.core.errors import Code, Failure, Kind, Refusal, StoreUnavailable
from scalix_free.core.funnel import Trigger
from scalix_free.core.ledger import Admitted, Ask, Level, Subject
from scalix_free.core.outcome import NOBODY, Outcome, Result
from scalix_free.core.ports import Clock, Ledger, Listener, Reply
from scalix_free.core.standing import Standing
from scalix_free.growth.prompts import Prompts
from scalix_free.identity.identify import ANONYMOUS, PRO, REGISTERED
from scalix_free.routing.attempts import Asked, Exhausted
from scalix_free.routing.catalogue import Catalogue, Model
from scalix_free.routing.claim import Claim
from scalix_free.routing.plan import too_long
from scalix_free.routing.router import Router
from scalix_free.wire.answer import Collected

log = logging.getLogger(__name__)

Identify: TypeAlias = Callable[[Visitor], Caller | Refusal | Awaitable[Caller | Refusal]]
"""Says who a visitor is; what comes at once costs no turn of the event loop."""

SessionOf: TypeAlias = Callable[[Caller, str], Subject | None]
"""The book of a caller's session of that id; None where sessions have no limit."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The end of a request that was not served. ``standing`` is None for a stranger."""

    refusal: Refusal
    standing: Standing | None
    session_id: str | None = None
    cache: CacheUse = CacheUse.BYPASS


@dataclass(frozen=True, kw_only=True)
class Service:
    """What the service can do. Built once, in ``app.py``.

    ``counts_whole_prompt`` is the accounting: all tokens, or only those of the newest message.
    ``prompts`` says which prompt an answer carries, if it may carry any.
    """

    identify: Identify
    session_of: SessionOf
    content: ContentRules
    ledger: Ledger
    router: Router
    listeners: Sequence[Listener]
    clock: Clock
    counts_whole_prompt: bool = True
    prompts: Prompts | None = None

    def answer(self, visitor: Visitor, call: Call | Refusal, rid: bytes) -> Answering:
        """Ask a model on somebody's behalf.

        A context: entering gives an ``Answer`` whose first content is in hand, or a ``Refused``;
        leaving gives back whatever was taken, however the request ended.
        """
        return Answering(self, visitor, call, rid)

    async def is_pro(self, visitor: Visitor) -> bool:
        """Whether this is a pro caller, by a credential that holds."""
        caller = await self._caller(visitor)
        return isinstance(caller, Caller) and caller.tier.name == PRO

    async def _caller(self, visitor: Visitor) -> Caller | Refusal:
        found = self.identify(visitor)
        return found if isinstance(found, Caller | Refusal) else await found

    async def limits(self, visitor: Visitor) -> Standing | Refused:
        """How far somebody's limits are used. Reads, never counts."""
        caller = await self._caller(visitor)
        if isinstance(caller, Refusal):
            return Refused(caller, None)
        try:
            return await self.standing(caller)
        except StoreUnavailable:
            return Refused(STORE_UNAVAILABLE, None)

    async def standing(self, caller: Caller) -> Standing:
        """What is left for a caller. Raises ``StoreUnavailable``."""
        levels = await self.ledger.peek(caller.subjects[0])
        return Standing(caller.tier, levels, self.clock())

    @property
    def catalogue(self) -> Catalogue:
        """The models that there are."""
        return self.router.catalogue

    def models(self) -> Sequence[Model]:
        """The models that a caller may name."""
        return tuple(self.catalogue)

    def tell(self, outcome: Outcome) -> None:
        """Let every listener know how a request ended."""
        for listener in self.listeners:
            try:
                listener.hear(outcome)
            except Exception:
                log.exception("a listener failed")


class Answer:
    """A served request: chunks as they come, and at the end what is left for the caller."""

    def __init__(self, call: Call, reply: Reply, standing: Standing, answering: Answering) -> None:
        self.call = call
        self.collected = Collected()
        self.standing = standing
        self.trigger: Trigger | None = None
        self._reply = reply
        self._answering = answering

    @property
    def answered_by(self) -> str:
        """The model that answers."""
        return self._reply.answered_by

    @property
    def attempts(self) -> int:
        """How many upstream calls it took."""
        return self._reply.attempts

    @property
    def cache(self) -> CacheUse:
        """Whether it was given before, or is given to somebody else at the same time."""
        return self._answering.cache

    @property
    def session_id(self) -> str | None:
        """The session it belongs to."""
        return self._answering.session_id

    @property
    def usage(self) -> Usage:
        """Tokens of the exchange: the provider's count, or our own where it gave none."""
        return self.collected.usage or Usage(self.call.prompt_tokens, self.collected.output_tokens)

    async def read(self) -> Sequence[Chunk]:
        """The next chunks; none at the end, when the request is settled.

        Raises ``Failure`` when the answer broke in the middle.
        """
        chunks = await self._reply.read()
        self.collected.add(chunks)
        if not chunks or chunks[-1].finish is not None:
            self.standing = await self._answering.finish()
        return chunks


class Answering:
    """The context of one request, from the visitor to the settled charge.

    ``standing`` is known from admission on, while a model is still being waited for. Whoever sends
    the answer sets ``abandoned`` when the caller has left.
    """

    def __init__(
        self, service: Service, visitor: Visitor, call: Call | Refusal, rid: bytes
    ) -> None:
        self._service = service
        self._visitor = visitor
        self._call = call
        self._rid = rid
        self.standing: Standing | None = None
        self.abandoned = False
        self._caller: Caller | None = None
        self._grant: Grant | None = None
        self._asked: Asked | None = None
        self._looked: CacheUse | None = None
        self._let_down: Sequence[str] = ()
        self._answer: Answer | None = None
        self._refused: Refusal | None = None
        self._finished = False
        self._charged = 0
        self._counts = self._spared = False
        self._admitted_ms: int | None = None
        self._began = time.perf_counter()
        self._first_token_ms: float | None = None

    async def __aenter__(self) -> Answer | Refused:
        try:
            return await self._enter()
        except BaseException as error:  # left, or shut down: what was taken goes back all the same
            await self.__aexit__(type(error), error, error.__traceback__)
            raise

    async def _enter(self) -> Answer | Refused:
        identified = self._service.identify(self._visitor)
        if not isinstance(identified, Caller | Refusal):
            identified = await identified
        if isinstance(identified, Refusal):
            self._refused = identified
            return Refused(identified, None)
        self._caller = identified
        try:
            begun = await self._begin(identified)
        except StoreUnavailable:
            self._grant = None  # nothing was written
            begun = STORE_UNAVAILABLE
        if isinstance(begun, Answer):
            self._answer = begun
            if begun.call.stream:
                self._first_token_ms = (time.perf_counter() - self._began) * 1000
            return begun
        self._refused = begun
        return await self._refuse(identified, begun)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._asked is not None:
                await self._asked.__aexit__(kind, error, trace)
        finally:
            try:
                await self._give_back()
            finally:
                self._tell(error)
                self._answer = None  # it knows us too: cycles are left to the collector, at a price

    @property
    def session_id(self) -> str | None:
        """The session that the call names, or else that of the caller."""
        named = self._call.session_id if isinstance(self._call, Call) else None
        if named is None and self._caller is not None:
            return self._caller.session_id
        return named

    @property
    def queued(self) -> tuple[int, float] | None:
        """The place among those who wait for a model, and the seconds it is expected to take."""
        return None if self._asked is None else self._asked.standing

    @property
    def cache(self) -> CacheUse:
        """What the cache of answers has done for it so far."""
        return self._looked_up() or CacheUse.BYPASS

    @property
    def charged_tokens(self) -> int:
        """What it cost, once it has ended."""
        return self._charged

    async def finish(self) -> Standing:
        """Charge a whole answer at its real price; afterwards the limits say what is left."""
        assert self._caller is not None
        assert self._answer is not None
        if self._finished or self._grant is None:
            return self._answer.standing
        self._finished = True
        grant, self._grant = self._grant, None
        self._charged, self._counts = self._price(self._answer.usage), True
        try:
            levels = await grant.settle(self._charged)
        except StoreUnavailable:  # what was reserved stays charged: the safe side
            return self._answer.standing
        standing = Standing(self._caller.tier, levels, self._service.clock())
        prompts = self._service.prompts
        if prompts is not None and (
            due := prompts.due(self._caller, self._answer.call, standing, self._answer.attempts)
        ):
            self._answer.trigger = await prompts.first_of(due)
        return standing

    # ── Beginning ───────────────────────────────────────────────────────────────────────────

    async def _begin(self, caller: Caller) -> Answer | Refusal:
        call = self._call
        if isinstance(call, Refusal):
            return call
        tier = caller.tier
        if call.advanced and self._service.prompts is not None:
            self._service.prompts.want_feature(caller)
        if (refusal := self._judged(call)) is not None:
            return refusal
        if call.prompt_tokens > tier.context_tokens:
            return too_long(call.prompt_tokens, tier.context_tokens)
        candidates = self._service.router.plan(call, caller.subjects[0].key, pays=tier.name == PRO)
        if isinstance(candidates, Refusal):
            return candidates
        subjects = self._subjects(caller)
        self._grant = Grant(self._service.ledger, subjects, self._rid, spent=self._spent)
        verdict = await self._grant.take(
            Ask(
                rid=self._rid,
                subjects=subjects,
                prompt_tokens=self._prompt_price(call.prompt_tokens),
                output_tokens=min(
                    call.output_tokens or tier.default_output_tokens, tier.max_output_tokens
                ),
                report=call.stream or self._service.router.is_metered,
                turn=_turn(caller, call),
            )
        )
        if not isinstance(verdict, Admitted):
            self._grant = None
            self.standing = Standing(tier, verdict.levels, verdict.now_ms)
            return refusal_of(verdict)
        self._admitted_ms, self._spared = verdict.now_ms, verdict.spared
        self.standing = Standing(tier, verdict.levels, verdict.now_ms)
        tokens = self._prompt_price(call.prompt_tokens) + verdict.output_tokens
        claim = claim_of(caller, self.standing, tokens)
        asked = call._replace(
            output_tokens=verdict.output_tokens,
            session_id=self.session_id,
            caller=caller.subjects[0].key,
            free=tier.name != PRO,
        )
        return await self._ask(asked, candidates, claim)

    def _judged(self, call: Call) -> Refusal | None:
        content = self._service.content
        if content.is_flagged(call.newest_text):
            log.warning("%s contains a word that is flagged", call.request_id)
        return content.refusal(call.newest_text)

    def _subjects(self, caller: Caller) -> tuple[Subject, ...]:
        """All whose limits the request counts against."""
        if (session_id := self.session_id) is None:
            return caller.subjects
        session = self._service.session_of(caller, session_id)
        return caller.subjects if session is None else (*caller.subjects, session)

    async def _ask(self, call: Call, candidates: Sequence[Model], claim: Claim) -> Answer | Refusal:
        assert self.standing is not None
        self._asked = asked = self._service.router.open(call, candidates, claim)
        try:
            reply = await asked.__aenter__()
        except Exhausted as exhausted:
            self._forget(asked)
            return _refusal_of_failures(exhausted, call, asked.attempts, self._service.clock())
        except StoreUnavailable:
            self._forget(asked)
            return STORE_UNAVAILABLE
        return Answer(call, reply, self.standing, self)

    def _forget(self, asked: Asked) -> None:
        """Keep what it tells; there is nothing to leave."""
        self._asked, self._looked, self._let_down = None, asked.cache, asked.let_down

    async def _refuse(self, caller: Caller, refusal: Refusal) -> Refused:
        """Give back what was taken, so that the refusal can say what is really left."""
        session_id = self.session_id
        if self.standing is not None and self._grant is None:
            return Refused(refusal, self.standing, session_id, self.cache)
        levels: Sequence[Level] = ()
        try:
            if self._grant is not None:
                grant, self._grant = self._grant, None
                levels = await grant.refund()
            else:
                levels = await self._service.ledger.peek(caller.subjects[0])
        except StoreUnavailable:
            levels = ()
        standing = Standing(caller.tier, levels, self._service.clock())
        return Refused(refusal, standing, session_id, self.cache)

    # ── Ending ──────────────────────────────────────────────────────────────────────────────

    async def _give_back(self) -> None:
        """End a grant that did not end with a whole answer.

        A caller who left pays for the request and what was relayed, and nothing if no model had
        been asked and no answer was there. What failed for another reason gives the request back
        and keeps what was relayed, if anything was.
        """
        grant, self._grant = self._grant, None
        if grant is None or self._caller is None:
            return
        try:
            asked = self._asked is not None and self._asked.attempts > 0
            if self._answer is None and not (asked and self.abandoned):
                levels = await grant.refund()
            else:
                self._charged, self._counts = self._spent(), self.abandoned
                levels = await grant.settle(self._charged, counts=self._counts)
        except StoreUnavailable:
            return  # the lease passes by itself
        self.standing = Standing(self._caller.tier, levels, self._service.clock())

    def _tell(self, error: BaseException | None) -> None:
        answer, caller, at_ms = self._answer, self._caller, self._admitted_ms
        code = None if self._refused is None else self._refused.code
        if isinstance(error, Failure):
            code = BROKEN_CODES.get(error.kind, Code.UPSTREAM_ERROR)
        elif code is None and self._result(error) is Result.FAILED:
            code = (
                Code.DRAINING if isinstance(error, asyncio.CancelledError) else Code.INTERNAL_ERROR
            )
        self._service.tell(
            Outcome(
                request_id=f"req_{self._rid.hex()}",
                result=self._result(error),
                tier=caller.tier.name if caller else NOBODY,
                model=answer.answered_by if answer else None,
                code=code,
                attempts=self._attempts(),
                usage=answer.usage if answer else None,
                first_token_ms=self._first_token_ms,
                total_ms=(time.perf_counter() - self._began) * 1000,
                at_ms=self._service.clock() if at_ms is None else at_ms,
                subjects=caller.subjects if caller else (),
                owner=caller.owner if caller else None,
                charged_tokens=self._charged,
                counts=self._counts,
                cache=self._looked_up(),
                let_down=tuple(self._let_down if self._asked is None else self._asked.let_down),
                spared=self._spared,
            )
        )

    def _looked_up(self) -> CacheUse | None:
        return self._looked if self._asked is None else self._asked.cache

    def _attempts(self) -> int:
        if self._answer is not None:
            return self._answer.attempts
        return self._refused.attempts if self._refused is not None else 0

    def _result(self, error: BaseException | None) -> Result:
        if self._refused is not None:
            return Result.FAILED if self._refused.code in FAILURES else Result.REFUSED
        if self._finished:
            return Result.ANSWERED
        broke = isinstance(error, Failure)
        return Result.ABANDONED if self.abandoned and not broke else Result.FAILED

    # ── Prices ──────────────────────────────────────────────────────────────────────────────

    def _prompt_price(self, prompt_tokens: int) -> int:
        assert isinstance(self._call, Call)
        if self._service.counts_whole_prompt:
            return prompt_tokens
        return min(prompt_tokens, self._call.newest_tokens)

    def _price(self, usage: Usage) -> int:
        return self._prompt_price(usage.prompt_tokens) + usage.completion_tokens

    def _spent(self) -> int:
        """Tokens so far, by our own count: the prompt, and what was relayed."""
        assert isinstance(self._call, Call)
        relayed = 0 if self._answer is None else self._answer.collected.output_tokens
        return self._prompt_price(self._call.prompt_tokens) + relayed


FAILURES: Final = frozenset(
    {
        Code.UPSTREAM_ERROR,
        Code.UPSTREAM_TIMEOUT,
        Code.NO_FREE_MODEL,
        Code.STORE_UNAVAILABLE,
        Code.DRAINING,
    }
)
"""Refusals for which the caller can do nothing."""

BROKEN_CODES: Final = {Kind.TIMEOUT: Code.UPSTREAM_TIMEOUT}

STORE_UNAVAILABLE: Final = Refusal(
    code=Code.STORE_UNAVAILABLE,
    message="Failed to generate response. The quota store does not answer; try again in a moment.",
    retry_ms=2_000,
)

STORE_AWAY: Final = replace(
    STORE_UNAVAILABLE,
    message="What is kept here cannot be reached at the moment. Try again in a moment.",
)
"""The same of a request that asks no model."""

UPSTREAM_RETRY_MS: Final = 2_000


CLASSES: Final = {
    PRO: (0, WHOLE),
    REGISTERED: (1, 500),
    ANONYMOUS: (3, 200),
    "operator": (0, WHOLE),
}
"""By tier: who goes first, and the headroom in a day's budget. Figures of the research notes on
quotas, section 5.2."""
MINTED_CLASS: Final = (2, 300)
LAST_CLASS: Final = (3, 200)


def _turn(caller: Caller, call: Call) -> bytes:
    """The turn that a call belongs to; neighbours who share an address share no turns."""
    if call.turn is None or caller.owner is None:
        return b""
    return hashlib.blake2b(call.turn.encode(), digest_size=8).digest()


def claim_of(caller: Caller, standing: Standing, tokens: int) -> Claim:
    """What a caller may claim of scarce budgets for a request of so many tokens.

    It depends on the tier, and on how much of their limits they have had before.
    """
    order, headroom = CLASSES.get(caller.tier.name, LAST_CLASS)
    if caller.tier.name == ANONYMOUS and caller.owner is not None:
        order, headroom = MINTED_CLASS
    return Claim(
        order=order,
        headroom=headroom,
        received=standing.received(tokens),
        owner=caller.subjects[0].key,
        address=caller.subjects[1].key if len(caller.subjects) > 1 else b"",
        pro=caller.tier.name == PRO,
    )


def _refusal_of_failures(exhausted: Exhausted, call: Call, attempts: int, now_ms: int) -> Refusal:
    """What a caller is told when no candidate began to answer."""
    failures = exhausted.failures
    kinds = {failure.kind for failure in failures}
    if not failures:
        return _all_spent(exhausted.until_ms, attempts, now_ms)
    last = failures[-1]
    if last.kind is Kind.FILTERED:
        return Refusal(
            code=Code.CONTENT_BLOCKED, message=last.message, param="messages", attempts=attempts
        )
    if last.kind is Kind.BAD_REQUEST:
        return Refusal(code=Code.INVALID_REQUEST, message=last.message, attempts=attempts)
    if kinds == {Kind.TOO_LONG}:
        return replace(too_long(call.prompt_tokens, None), attempts=attempts)
    waits = [f.retry_after_ms for f in failures if f.retry_after_ms is not None]
    if kinds == {Kind.RATE_LIMITED} or len(waits) == len(failures):
        ends = [now_ms + wait for wait in waits]
        if exhausted.until_ms is not None:
            ends.append(exhausted.until_ms)
        until_ms = min(ends, default=now_ms + UPSTREAM_RETRY_MS)
        return _all_spent(until_ms, attempts, now_ms)
    timed_out = kinds == {Kind.TIMEOUT}
    return Refusal(
        code=Code.UPSTREAM_TIMEOUT if timed_out else Code.UPSTREAM_ERROR,
        message=f"All free models currently unavailable. {last.message} Nothing was charged.",
        retry_ms=UPSTREAM_RETRY_MS if exhausted.untried else None,
        attempts=attempts,
    )


def _all_spent(until_ms: int | None, attempts: int, now_ms: int) -> Refusal:
    """Every model is busy or has spent its budget, the first of them until then."""
    return Refusal(
        code=Code.NO_FREE_MODEL,
        message="No free models currently available. Please try again later. "
        "All of them are busy, or have spent their budget for now.",
        retry_ms=None if until_ms is None else max(until_ms - now_ms, 0),
        reset_at_ms=until_ms,
        attempts=attempts,
    )
