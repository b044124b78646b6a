"""Requests that somebody else answers, such as LiteLLM's proxy: admitted here, and settled here.

Which worker admits a request and which one hears of its end is chance, and either may have been
restarted between. So whoever answers keeps what the end needs: a *grant*, signed by us, in which
stand whose limits the request counts against and when it came. Everything is told by request id,
and may be told any number of times.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from scalix_free.admission.refusals import refusal as refusal_of
from scalix_free.core.caller import Caller, Visitor
from scalix_free.core.chat import Usage
from scalix_free.core.clock import DAY_MS
from scalix_free.core.errors import Code, Refusal, StoreUnavailable
from scalix_free.core.ledger import Admitted, Ask, Entry, Subject, tag_of
from scalix_free.core.outcome import Outcome, Result
from scalix_free.core.ports import Once
from scalix_free.core.standing import Standing
from scalix_free.identity.identify import ANONYMOUS, Limits
from scalix_free.identity.seal import Seal
from scalix_free.routing.plan import too_long
from scalix_free.serve.answering import STORE_UNAVAILABLE, Refused, Service
from scalix_free.serve.callers import Callers

TOLD_MS: Final = 2 * DAY_MS
"""How long it is remembered that an end was told of; longer than any window reaches back."""
MOST_NAMES: Final = 100
"""Names of models that are not ours; more of them would be more labels than a metric may have."""
UNNAMED: Final = "litellm"

CHARGED: Final = frozenset({Result.ANSWERED, Result.ABANDONED})
"""Who got an answer pays for it, and who did not wait for it."""

CALLERS_FAULT: Final = frozenset({400, 404, 413, 422})
FAILURES: Final = {
    408: Code.UPSTREAM_TIMEOUT,
    429: Code.NO_FREE_MODEL,
    503: Code.NO_FREE_MODEL,
    504: Code.UPSTREAM_TIMEOUT,
}


class Arrival(NamedTuple):
    """A request that wants to be admitted; the figures are the answering side's estimates.

    ``output_tokens`` is the most the answer may have, None where the request does not say.
    """

    rid: bytes
    visitor: Visitor
    prompt_tokens: int
    newest_tokens: int
    output_tokens: int | None = None
    session_id: str | None = None
    turn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """An admission. ``output_tokens`` is what the answer may have; ``user_id`` names no person."""

    rid: bytes
    grant: str
    user_id: str
    output_tokens: int
    session_id: str | None
    standing: Standing


class End(NamedTuple):
    """How a request ended, or how it goes while ``result`` is None.

    Where nobody could be asked for a grant, ``visitor`` is who came, at ``at_ms``. ``let_down`` are
    the models that failed on the way, ``model`` the one that answered. Durations in ms.
    """

    rid: bytes
    result: Result | None
    grant: str | None = None
    visitor: Visitor | None = None
    at_ms: int = 0
    model: str | None = None
    usage: Usage = Usage(0, 0)
    code: Code | None = None
    attempts: int = 1
    let_down: tuple[str, ...] = ()
    first_token_ms: float | None = None
    total_ms: float = 0.0


def failure(status: int) -> tuple[Result, Code]:
    """What a status means with which a proxy gave up."""
    if status in CALLERS_FAULT:
        return Result.REFUSED, Code.INVALID_REQUEST
    return Result.FAILED, FAILURES.get(status, Code.UPSTREAM_ERROR)


class Report(NamedTuple):
    """What became of a report: how many ends were new, and which ids meant nothing here."""

    new: int
    unknown: tuple[str, ...]


class _Grant(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """What a grant says. ``subjects`` are kinds and keys in hexadecimal, the caller's own first.

    It knows whether the request was ``spared``: whoever hears of its end did not admit it.
    """

    rid: str
    at_ms: int
    tier: str
    owner: str | None
    newest_tokens: int
    subjects: list[tuple[str, str]]
    spared: bool = False


@dataclass(frozen=True, kw_only=True)
class Proxied:
    """Admits requests that are answered elsewhere, and hears how they ended."""

    service: Service
    callers: Callers
    limits: Limits
    once: Once
    seal: Seal
    names: set[str] = field(default_factory=set)

    # ── Admitting ───────────────────────────────────────────────────────────────────────────

    async def admit(self, arrival: Arrival) -> Granted | Refused:
        """Ask for a request. The same id again gives the same answer, and counts once."""
        caller = await self.callers.caller(arrival.visitor)
        if isinstance(caller, Refusal):
            return self._refused(arrival, None, caller, None)
        tier = caller.tier
        if arrival.prompt_tokens > tier.context_tokens:
            refusal = too_long(arrival.prompt_tokens, tier.context_tokens)
            return self._refused(arrival, caller, refusal, None)
        session_id = arrival.session_id or caller.session_id
        subjects = self._subjects(caller, session_id)
        try:
            verdict = await self.service.ledger.admit(
                Ask(
                    rid=arrival.rid,
                    subjects=subjects,
                    prompt_tokens=self._price(arrival.prompt_tokens, arrival.newest_tokens),
                    output_tokens=min(
                        arrival.output_tokens or tier.default_output_tokens, tier.max_output_tokens
                    ),
                    turn=_turn(caller, arrival.turn),
                )
            )
        except StoreUnavailable:
            return self._refused(arrival, caller, STORE_UNAVAILABLE, None)
        standing = Standing(tier, verdict.levels, verdict.now_ms)
        if not isinstance(verdict, Admitted):
            return self._refused(arrival, caller, refusal_of(verdict), standing)
        return Granted(
            rid=arrival.rid,
            grant=self._grant(arrival, caller, subjects, verdict),
            user_id=caller.owner or f"addr_{caller.subjects[0].key.hex()}",
            output_tokens=verdict.output_tokens,
            session_id=session_id,
            standing=standing,
        )

    def _subjects(self, caller: Caller, session_id: str | None) -> tuple[Subject, ...]:
        if session_id is None:
            return caller.subjects
        session = self.service.session_of(caller, session_id)
        return caller.subjects if session is None else (*caller.subjects, session)

    def _grant(
        self, arrival: Arrival, caller: Caller, subjects: Sequence[Subject], admitted: Admitted
    ) -> str:
        said = _Grant(
            arrival.rid.hex(),
            admitted.now_ms,
            caller.tier.name,
            caller.owner,
            arrival.newest_tokens,
            [(subject.policy.kind, subject.key.hex()) for subject in subjects],
            admitted.spared,
        )
        return self.seal.write(msgspec.json.encode(said))

    def _refused(
        self, arrival: Arrival, caller: Caller | None, refusal: Refusal, standing: Standing | None
    ) -> Refused:
        failed = refusal.code is Code.STORE_UNAVAILABLE
        self.service.tell(
            Outcome(
                request_id=f"req_{arrival.rid.hex()}",
                result=Result.FAILED if failed else Result.REFUSED,
                tier="none" if caller is None else caller.tier.name,
                code=refusal.code,
                at_ms=self.service.clock(),
                subjects=() if caller is None else caller.subjects,
                owner=None if caller is None else caller.owner,
            )
        )
        return Refused(refusal, standing, arrival.session_id)

    # ── Hearing how they ended ──────────────────────────────────────────────────────────────

    async def hear(self, ends: Sequence[End]) -> Report:
        """Settle what ended and keep alive what runs; each end counts once.

        Raises ``StoreUnavailable``: then all of them should be told again.
        """
        by_request: dict[bytes, list[End]] = {}
        for end in ends:
            by_request.setdefault(end.rid, []).append(end)
        heard = await asyncio.gather(*map(self._hear, by_request.values()))
        unknown = (rid for rid, new in zip(by_request, heard, strict=True) if new is None)
        return Report(
            sum(new for new in heard if new is not None),
            tuple(f"req_{rid.hex()}" for rid in unknown),
        )

    async def _hear(self, ends: Sequence[End]) -> int | None:
        """What is told of one request, in order; how many ends were new, None where it is not ours.

        Requests wait for the store together, which writes once for all of them.
        """
        new = 0
        for end in ends:
            known = await self._known(end)
            if known is None:
                return None
            if end.result is None:
                spent = self._price(end.usage.prompt_tokens, known.newest_tokens)
                await self.service.ledger.beat(
                    known.subjects[0], end.rid, spent + end.usage.completion_tokens
                )
            else:
                new += await self._end(end, end.result, known)
        return new

    async def _known(self, end: End) -> _Known | None:
        """Whose request it was; None where neither a grant of ours nor a visitor says so."""
        if end.grant is not None:
            return self._granted(end.grant, end.rid)
        if end.visitor is None:
            return None
        caller = await self.callers.caller(end.visitor)
        if isinstance(caller, Refusal):
            if caller.code is Code.STORE_UNAVAILABLE:
                raise StoreUnavailable("accounts cannot be asked")
            # Whoever showed what is no key of ours was let in all the same: by their address.
            found = await self.callers.caller(Visitor(end.visitor.address))
            assert isinstance(found, Caller)
            caller = found
        now_ms = self.service.clock()
        at_ms = min(max(end.at_ms, now_ms - DAY_MS), now_ms)
        newest = end.usage.prompt_tokens
        return _Known(at_ms, caller.tier.name, caller.owner, newest, caller.subjects, entered=True)

    def _granted(self, grant: str, rid: bytes) -> _Known | None:
        payload = self.seal.read(grant)
        if payload is None:
            return None
        try:
            said = msgspec.json.decode(payload, type=_Grant)
        except msgspec.DecodeError:  # one of another version
            return None
        tier = self.limits.tiers.get(said.tier, self.limits.tiers[ANONYMOUS])
        policies = {
            policy.kind: policy
            for policy in (
                tier.policy,
                self.limits.address,
                self.limits.network,
                self.limits.session,
            )
        }
        if said.rid != rid.hex() or not said.subjects:
            return None
        subjects = tuple(
            Subject(bytes.fromhex(key), policies[kind])
            for kind, key in said.subjects
            if kind in policies
        )
        return _Known(
            said.at_ms, said.tier, said.owner, said.newest_tokens, subjects, spared=said.spared
        )

    async def _end(self, end: End, result: Result, known: _Known) -> bool:
        """Settle one; whether it was told for the first time."""
        tokens = self._price(end.usage.prompt_tokens, known.newest_tokens)
        tokens += end.usage.completion_tokens
        counts = result in CHARGED
        if not counts and not end.usage.completion_tokens:
            tokens = 0
        ledger = self.service.ledger
        if known.entered:
            if counts:
                entry = Entry(
                    rid=end.rid,
                    at_ms=known.at_ms,
                    charge=tokens,
                    spent=tokens,
                    user_tag=tag_of(known.subjects[0].key),
                )
                await ledger.enter(known.subjects, entry)
        elif tokens or counts:
            subjects = known.subjects[:1] if counts else known.subjects
            await ledger.settle(subjects, end.rid, tokens, counts=counts)
        else:
            await ledger.refund(known.subjects, end.rid)
        key = hashlib.blake2b(b"proxied:" + end.rid, digest_size=16).digest()
        if not await self.once.claim(key, self.service.clock() + TOLD_MS):
            return False
        self._tell(end, result, known, tokens, counts=counts)
        return True

    def _tell(self, end: End, result: Result, known: _Known, tokens: int, *, counts: bool) -> None:
        answered = result in CHARGED
        places = [each for each in known.subjects if each.policy.kind != self.limits.session.kind]
        self.service.tell(
            Outcome(
                request_id=f"req_{end.rid.hex()}",
                result=result,
                tier=known.tier,
                model=None if end.model is None or not answered else self._name(end.model),
                code=None if answered else end.code,
                attempts=end.attempts,
                usage=end.usage if answered else None,
                first_token_ms=end.first_token_ms,
                total_ms=end.total_ms,
                at_ms=known.at_ms,
                subjects=tuple(places),
                owner=known.owner,
                charged_tokens=tokens,
                counts=counts,
                let_down=tuple(self._name(model) for model in end.let_down),
                spared=known.spared,
            )
        )

    def _name(self, model: str) -> str:
        """A model as it is written down: ours by its id, others by name while these are few."""
        if self.service.catalogue.get(model) is not None:
            return model
        name = f"{UNNAMED}/{model}"
        if name not in self.names:
            if len(self.names) >= MOST_NAMES:
                return UNNAMED
            self.names.add(name)
        return name

    def _price(self, prompt_tokens: int, newest_tokens: int) -> int:
        if self.service.counts_whole_prompt:
            return prompt_tokens
        return min(prompt_tokens, newest_tokens)


class _Known(NamedTuple):
    """Whose request it was, and since when. What is ``entered`` was admitted without us."""

    at_ms: int
    tier: str
    owner: str | None
    newest_tokens: int
    subjects: tuple[Subject, ...]
    entered: bool = False
    spared: bool = False


def _turn(caller: Caller, turn: str | None) -> bytes:
    """The turn that a call belongs to; neighbours who share an address share no turns."""
    if turn is None or caller.owner is None:
        return b""
    return hashlib.blake2b(turn.encode(), digest_size=8).digest()
