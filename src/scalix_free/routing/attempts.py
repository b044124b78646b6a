"""One candidate after the other until the caller has seen something; from then on committed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, NoReturn, Protocol

from scalix_free.core.budget import WHOLE, Finding, Short, Verdict, Why
from scalix_free.core.cache import CacheUse
from scalix_free.core.chat import Call, Chunk
from scalix_free.core.errors import Failure, Kind, StoreUnavailable
from scalix_free.core.ports import Clock, Reply
from scalix_free.routing.attempt import Attempt, Learning, adapted
from scalix_free.routing.budgets import Spending, Spent
from scalix_free.routing.catalogue import Model
from scalix_free.routing.claim import UNBOUNDED, Claim
from scalix_free.routing.hedge import Race
from scalix_free.routing.queue import UNKNOWN_S, Place, Queue

SLOW_TOKENS: Final = 256
"""What the slowest usable model says within the time allowed for a first token."""

FINAL: Final = frozenset({Kind.BAD_REQUEST, Kind.FILTERED})
"""Failures that lie in the request: another model would be asked in vain."""

PASSING: Final = frozenset({Why.BUSY, Why.PROBED, Why.SCARCE})
"""Shortages that may pass at any moment."""

RESERVE: Final = 100
"""A model whose day is not so far behind the clock, in thousandths, is spared while others soon
have something. Chosen by simulation: ``benchmarks/results/scarcity.md``."""

LATE: Final = Failure(Kind.TIMEOUT, "Another model began to answer sooner.")

RETRY_SHARE: Final = 0.2
LEAST_RETRIES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long a request tries. Seconds."""

    attempts: int
    first_token_s: float
    idle_s: float
    queue_s: float = 0.0
    hedge: bool = False
    """Whether the next candidate is begun beside one whose first token is late."""

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


class Asked(Reply, Protocol):
    """The context of one request, and its reply. What it took is told after its end, too.

    Once left, ``let_down`` names the models that the caller would rather not have asked.
    """

    cache: CacheUse

    @property
    def let_down(self) -> Sequence[str]: ...

    @property
    def standing(self) -> tuple[int, float] | None:
        """The place in the queue, and the seconds until it is expected to be tried."""
        ...

    async def __aenter__(self) -> Reply: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Asker(Protocol):
    """Whoever has calls answered by candidates."""

    def open(self, call: Call, candidates: Sequence[Model], claim: Claim) -> Asked:
        """Begin to answer, as ``core.ports.Backend`` does."""
        ...


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
        # Where something comes back by itself, pace is kept by waiting; else by refusing.
        self._sparing = claim.is_paced and any(model.renews for model in candidates)
        self._claim = claim.unpaced() if self._sparing else claim
        self._spared = False
        self._tried: set[str] = set()
        self._attempt: Attempt | None = None
        self._place: Place | None = None
        self._retries = 0
        self._lost: set[str] = set()
        self._left = False
        self._failures: list[Failure] = []
        self.let_down: list[str] = []
        self.answered_by = ""
        self.attempts = 0
        self.findings: Sequence[Finding] = ()
        self.cache = CacheUse.BYPASS

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
        """Try the candidates; where all of them have nothing, wait for those that soon will.

        Models whose day is scarce are spared until nothing else comes back in time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._all.patience.queue_s
        is_first = not self._all.queue.is_before(self._claim)
        if not is_first and not await self._queue(loop.time(), deadline):
            self._spend_all(())
        while (shorts := await self._try_each()) is not None:
            is_over = self._failures or not shorts
            if is_over or not await self._queue(self._due(shorts), deadline):
                self._spend_all(shorts)

    def _spend_all(self, shorts: Sequence[Short]) -> None:
        """Spare nothing from now on. Raises ``Exhausted`` where nothing was spared."""
        if not self._sparing or (shorts and not self._spared):
            self._give_up(shorts)
        self._sparing = False

    async def _try_each(self) -> Sequence[Short] | None:
        """None once a candidate has begun to answer; else those that had nothing to spend."""
        shorts: list[Short] = []
        waiting = [model for model in self._candidates if model.id not in self._tried]
        while waiting:
            model = waiting.pop(0)
            if (short := self._all.spending.short(model, self._claim)) is not None:
                shorts.append(short)
                continue
            if self._sparing and self._all.spending.spare(model) < RESERVE:
                self._spared = True
                continue
            if self.attempts >= self._all.patience.attempts or not self._may_retry():
                break
            call = adapted(self._call, model)
            spent = await self._take(model, call)
            if isinstance(spent, Short):
                shorts.append(spent)
                continue
            self._leave_queue()
            if await self._try(model, call, spent, waiting):
                return None
            failed = self._failures[-1].kind
            if failed in FINAL:
                self._give_up(shorts)
            if failed is Kind.LOST and model.id not in self._lost:
                self._lost.add(model.id)  # asked again, once, by another of its instances
                self._tried.discard(model.id)
                waiting.insert(0, model)
        return shorts

    async def _take(self, model: Model, call: Call, claim: Claim | None = None) -> Spent | Short:
        tokens = call.prompt_tokens
        if model.account is None or model.account.counts_answers:
            tokens += call.output_tokens or 0
        rid = b"%s%c" % (call.rid, self.attempts)
        return await self._all.spending.take(model, claim or self._claim, rid, tokens)

    async def _try(self, model: Model, call: Call, spent: Spent, waiting: list[Model]) -> bool:
        self.attempts += 1
        self._tried.add(model.id)
        attempt = Attempt(model, call, spent)
        if self._all.patience.hedge and call.stream:
            late_s = self._all.learning.health.first_token(model.id).late_s
            if late_s is not None:
                return await self._race(attempt, late_s, waiting)
        try:
            await attempt.begin(self._patience_s(model, call), self._all.patience.idle_s)
        except Failure as failure:
            await self._lose(attempt, failure)
            return False
        except BaseException as error:
            await self._end(attempt, error)
            raise
        self._win(attempt)
        return True

    def _win(self, attempt: Attempt) -> None:
        self._attempt, self.answered_by = attempt, attempt.model.id

    async def _lose(self, attempt: Attempt, failure: Failure) -> None:
        await self._end(attempt, failure)
        self._failures.append(failure.with_traceback(None))  # which would hold this very list

    async def _race(self, first: Attempt, late_s: float, waiting: list[Model]) -> bool:
        """Try one, and the next beside it if it is late; who comes second is closed at once."""
        race = Race(self._begin_one)
        race.enter(first)
        try:
            if await race.is_late(late_s):
                with contextlib.suppress(StoreUnavailable):  # one is under way
                    await self._hedge(race, waiting)
            won = await self._decide(race)
        except BaseException as error:
            await race.stop(partial(self._end, error=error))
            raise
        await race.stop(
            lambda one: self._end(one, LATE if one is first and one.is_silent else None)
        )
        return won

    async def _decide(self, race: Race) -> bool:
        """Whether somebody begins to answer before all have failed."""
        while (done := await race.next()) is not None:
            attempt, error = done
            if error is None:
                self._win(attempt)
                return True
            if not isinstance(error, Failure):
                await self._end(attempt, error)
                raise error
            await self._lose(attempt, error)
            if error.kind in FINAL:
                return False
        return False

    async def _hedge(self, race: Race, waiting: list[Model]) -> None:
        """Begin the next candidate, if nothing that it touches is used by more than half.

        That is what scarce budgets give to a caller who has received everything already.
        """
        if not waiting or self.attempts >= self._all.patience.attempts:
            return
        model, claim = waiting[0], self._claim._replace(received=WHOLE)
        if self._all.spending.short(model, claim) is not None or not self._may_retry():
            return
        call = adapted(self._call, model)
        spent = await self._take(model, call, claim)
        if isinstance(spent, Short):
            return
        if race.is_decided:  # meanwhile
            await spent.close(tokens=0, verdict=Verdict.NEUTRAL)
            return
        waiting.pop(0)
        self.attempts += 1
        self._tried.add(model.id)
        race.enter(Attempt(model, call, spent))

    async def _begin_one(self, attempt: Attempt) -> None:
        patience_s = self._patience_s(attempt.model, self._call)
        await attempt.begin(patience_s, self._all.patience.idle_s)

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
        """Whether the retry budget allows one more attempt; the first is none.

        Nor is one that follows a lost instance: the others are no worse for it.
        """
        if self.attempts <= self._retries + len(self._lost):
            return True
        if not self._all.retries.take():
            return False
        self._retries += 1
        return True

    def _give_up(self, shorts: Sequence[Short]) -> NoReturn:
        untried = len(self._candidates) > self.attempts + len(shorts)
        raise Exhausted(self._failures, untried=untried, shorts=shorts)

    # ── Waiting ─────────────────────────────────────────────────────────────────────────────

    async def _queue(self, due: float | None, deadline: float) -> bool:
        """Wait for a turn; False where there is none in time, or no place to wait in."""
        queue = self._all.queue
        if due is None or due > deadline:
            return False
        if self._place is None:
            self._place = queue.join(self._claim, due)
        else:
            queue.again(self._place, due)
        if self._place is not None and await queue.turn(self._place, deadline):
            return True
        self._leave_queue()
        return False

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
