"""One candidate after the other until the caller has seen something; from then on committed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NoReturn

from scalix_free.core.budget import Finding, Short, Why
from scalix_free.core.chat import Call, Chunk
from scalix_free.core.errors import Failure, Kind
from scalix_free.core.ports import Clock
from scalix_free.routing.attempt import Attempt, Learning, adapted
from scalix_free.routing.budgets import Spending, Spent
from scalix_free.routing.catalogue import Model
from scalix_free.routing.claim import UNBOUNDED, Claim
from scalix_free.routing.queue import UNKNOWN_S, Place, Queue

SLOW_TOKENS: Final = 256
"""What the slowest usable model says within the time allowed for a first token."""

FINAL: Final = frozenset({Kind.BAD_REQUEST, Kind.FILTERED})
"""Failures that lie in the request: another model would be asked in vain."""

PASSING: Final = frozenset({Why.BUSY, Why.PROBED, Why.SCARCE})
"""Shortages that may pass at any moment."""

RETRY_SHARE: Final = 0.2
LEAST_RETRIES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long a request tries. Seconds."""

    attempts: int
    first_token_s: float
    idle_s: float
    queue_s: float = 0.0

    def begin_s(self, call: Call) -> float:
        """How long a candidate may take until it has given enough to commit to it.

        Of an answer that comes whole the first token cannot be seen: it may take as long again for
        every 256 tokens that it may have, a pace which every provider beats that works at all.
        """
        if call.stream:
            return self.first_token_s
        return self.first_token_s * (1 + (call.output_tokens or 0) / SLOW_TOKENS)


class Retries:
    """The retry budget of a process: at most a fifth of its requests are second attempts.

    Figures: Envoy's retry budget, 20 % of the active requests and at least 3.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.retries = 0

    def take(self) -> bool:
        """Whether one more may be tried."""
        if self.retries >= max(LEAST_RETRIES, self.requests * RETRY_SHARE):
            return False
        self.retries += 1
        return True


class Exhausted(Failure):
    """No candidate gave a first content; ``failures`` are theirs, in order.

    ``untried`` says that there were more candidates than attempts. ``shorts`` are those that had
    nothing to spend; with no failure beside them no model was asked at all.
    """

    def __init__(
        self, failures: Sequence[Failure], *, untried: bool, shorts: Sequence[Short] = ()
    ) -> None:
        last = failures[-1] if failures else Failure(Kind.RATE_LIMITED, "All models are busy.")
        super().__init__(last.kind, last.message)
        self.failures = failures
        self.untried = untried
        self.shorts = shorts

    @property
    def until_ms(self) -> int | None:
        """When the first of those that had nothing will have something; None: nobody knows."""
        known = [short.until_ms for short in self.shorts if short.until_ms is not None]
        return min(known, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """How calls are answered by candidates; ``open`` gives a ``Reply`` as a ``Backend`` does.

    Entering it returns once it is committed to one of them; what that one said by then is kept and
    handed out first. Leaving closes whatever is open.
    """

    spending: Spending
    learning: Learning
    patience: Patience
    queue: Queue
    retries: Retries
    clock: Clock

    def open(self, call: Call, candidates: Sequence[Model], claim: Claim = UNBOUNDED) -> Attempting:
        """Begin with the first candidate."""
        return Attempting(self, candidates, call, claim)


class Attempting:
    """The context of one request and its reply: the first candidate that begins to answer.

    Once left, ``let_down`` names the models that the caller would rather not have asked.
    """

    def __init__(
        self, attempts: Attempts, candidates: Sequence[Model], call: Call, claim: Claim
    ) -> None:
        self._all = attempts
        self._candidates = candidates
        self._call = call
        self._claim = claim
        self._attempt: Attempt | None = None
        self._place: Place | None = None
        self._retries = 0
        self._left = False
        self._failures: list[Failure] = []
        self.let_down: list[str] = []
        self.answered_by = ""
        self.attempts = 0
        self.findings: Sequence[Finding] = ()

    async def __aenter__(self) -> Attempting:
        self._all.retries.requests += 1
        try:
            await self._begin()
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise
        finally:
            self._leave_queue()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._left:
            return
        self._left = True
        self._all.retries.requests -= 1
        self._all.retries.retries -= self._retries
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            await self._end(attempt, error)

    async def read(self) -> Sequence[Chunk]:
        """See ``core.ports.Reply``."""
        assert self._attempt is not None
        return await self._attempt.read(self._all.patience.idle_s)

    @property
    def standing(self) -> tuple[int, float] | None:
        """The place in the queue, and the seconds until it is expected to be tried."""
        return None if self._place is None else self._all.queue.standing(self._place)

    # ── Trying ──────────────────────────────────────────────────────────────────────────────

    async def _begin(self) -> None:
        """Try the candidates; where all of them have nothing, wait for those that soon will."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._all.patience.queue_s
        if self._all.queue.is_before(self._claim):
            await self._queue(loop.time(), deadline, ())
        while (shorts := await self._try_each()) is not None:
            if self._failures or not shorts:
                self._give_up(shorts)
            await self._queue(self._due(shorts), deadline, shorts)

    async def _try_each(self) -> Sequence[Short] | None:
        """None once a candidate has begun to answer; else those that had nothing to spend."""
        shorts: list[Short] = []
        for model in self._candidates:
            if (short := self._all.spending.short(model, self._claim)) is not None:
                shorts.append(short)
                continue
            if self.attempts >= self._all.patience.attempts or not self._may_retry():
                break
            call = adapted(self._call, model)
            spent = await self._take(model, call)
            if isinstance(spent, Short):
                shorts.append(spent)
                continue
            self._leave_queue()
            if await self._try(model, call, spent):
                return None
            if self._failures[-1].kind in FINAL:
                break
        return shorts

    async def _take(self, model: Model, call: Call) -> Spent | Short:
        tokens = call.prompt_tokens
        if model.account is None or model.account.counts_answers:
            tokens += call.output_tokens or 0
        rid = b"%s%c" % (call.rid, self.attempts)
        return await self._all.spending.take(model, self._claim, rid, tokens)

    async def _try(self, model: Model, call: Call, spent: Spent) -> bool:
        self.attempts += 1
        attempt = Attempt(model, call, spent)
        try:
            await attempt.begin(self._patience_s(model, call), self._all.patience.idle_s)
        except Failure as failure:
            await self._end(attempt, failure)
            self._failures.append(failure.with_traceback(None))  # which would hold this very list
            return False
        except BaseException as error:
            await self._end(attempt, error)
            raise
        self._attempt = attempt
        self.answered_by = model.id
        return True

    async def _end(self, attempt: Attempt, error: BaseException | None) -> None:
        if attempt.lets_down(error):
            self.let_down.append(attempt.model.id)
        await attempt.end(error, self._all.learning, self._all.clock())
        self._all.queue.freed()

    def _patience_s(self, model: Model, call: Call) -> float:
        """The time for a first token; less than the most where others could be asked instead."""
        patience = self._all.patience
        most_s = patience.begin_s(call)
        last = self.attempts >= patience.attempts or model is self._candidates[-1]
        if last or not call.stream:
            return most_s
        return self._all.learning.health.first_token(model.id).patience_s(most_s)

    def _may_retry(self) -> bool:
        """Whether the retry budget allows one more attempt; the first is none."""
        if self.attempts <= self._retries:
            return True
        if not self._all.retries.take():
            return False
        self._retries += 1
        return True

    def _give_up(self, shorts: Sequence[Short]) -> NoReturn:
        untried = len(self._candidates) > self.attempts + len(shorts)
        raise Exhausted(self._failures, untried=untried, shorts=shorts)

    # ── Waiting ─────────────────────────────────────────────────────────────────────────────

    async def _queue(self, due: float | None, deadline: float, shorts: Sequence[Short]) -> None:
        """Wait for a turn. Raises ``Exhausted`` where that would be in vain."""
        queue = self._all.queue
        if due is None or due > deadline:
            self._give_up(shorts)
        if self._place is None:
            self._place = queue.join(self._claim, due)
        else:
            queue.again(self._place, due)
        if self._place is None or not await queue.turn(self._place, deadline):
            self._give_up(shorts)

    def _due(self, shorts: Sequence[Short]) -> float | None:
        """The loop's time at which it is worth trying again; None: not for long."""
        now, now_ms = asyncio.get_running_loop().time(), self._all.clock()
        dues = [
            now + UNKNOWN_S if short.until_ms is None else now + (short.until_ms - now_ms) / 1000
            for short in shorts
            if short.until_ms is not None or short.why in PASSING
        ]
        return min(dues, default=None)

    def _leave_queue(self) -> None:
        place, self._place = self._place, None
        if place is not None:
            self._all.queue.leave(place)
