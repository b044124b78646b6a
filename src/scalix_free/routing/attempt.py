"""One upstream call: its budget, its connection, what it has said, and what is learned from it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

from scalix_free.core.budget import Act, Extent, Finding, Verdict
from scalix_free.core.chat import Call, Chunk, Usage
from scalix_free.core.errors import Failure, Kind
from scalix_free.core.ledger import LEAST_OUTPUT_TOKENS
from scalix_free.core.ports import Reply
from scalix_free.routing.budgets import Spent
from scalix_free.routing.catalogue import Model
from scalix_free.routing.deadline import Deadline
from scalix_free.routing.health import Health
from scalix_free.routing.quality import Qualities, Sample

SICK: Final = frozenset({Kind.UNREACHABLE, Kind.TIMEOUT, Kind.BROKEN})
"""Failures that speak against a model's health; a limit or a request that it does not take do not,
nor does an empty answer, which whoever asks can bring about."""
POOR: Final = SICK | {Kind.EMPTY}
"""Failures that speak against what a model's answers are worth."""

UNSPENT: Final = frozenset(
    {
        Kind.UNREACHABLE,
        Kind.RATE_LIMITED,
        Kind.REFUSED_KEY,
        Kind.GONE,
        Kind.BAD_REQUEST,
        Kind.TOO_LONG,
    }
)
"""Failures that took no tokens. The request is spent all the same."""

CUT_SHORT: Final = 0.9
"""An answer that ends for its length below this part of its cap was cut by the model's own."""

CHARS_PER_TOKEN: Final = 3.5


class Learning:
    """What all calls teach about models: their health, and what their answers are worth.

    A model that ``is_alone`` never rests for its failures: nobody could answer in its place.
    """

    def __init__(self, health: Health, qualities: Qualities, *, is_alone: bool = False) -> None:
        self.health = health
        self.qualities = qualities
        self._is_alone = is_alone

    def hear(
        self, model: Model, verdict: Verdict, sample: Sample, now_ms: int, *, hung: bool = False
    ) -> bool:
        """Note how a call ended; whether the model should rest now."""
        self.qualities.of(model).hear(sample, now_ms)
        if verdict is Verdict.NEUTRAL:
            return False
        failed = verdict is Verdict.FAILURE
        trips = self.health.breaker(model.id).hear(now_ms, failed=failed, hung=hung)
        if sample.first_token_ms is not None:
            self.health.first_token(model.id).hear(sample.first_token_ms / 1000)
        return trips and not self._is_alone


class Attempt:
    """One upstream call, from the taken budget to the closed one.

    ``begin`` returns once there is enough to commit to it, and raises ``Failure``; whatever
    happens, ``end`` closes all of it.
    """

    def __init__(self, model: Model, call: Call, spent: Spent) -> None:
        self.model = model
        self._call = call
        self._spent = spent
        self._open: AbstractAsyncContextManager[Reply] | None = None
        self._reply: Reply | None = None
        self._first: list[Chunk] = []
        self._deadline = Deadline()
        self._began = time.perf_counter()
        self._first_token_ms: float | None = None
        self._has_begun = False
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._thought_chars = 0
        self._refused = False

    async def begin(self, patience_s: float, idle_s: float) -> None:
        """Open it and read until there is enough to commit to it.

        A stream is committed to with its first content. Of an answer that is sent whole the caller
        sees nothing before its end, so until then another candidate may take over.
        """
        call = self._call
        context = self.model.backend.open(call)
        try:
            with self._deadline.within(patience_s):
                self._reply = await context.__aenter__()
                self._open = context  # only what was entered is left
                while True:
                    chunks = await self._reply.read()
                    self._first.extend(chunks)
                    self._watch(chunks)
                    if self._has_enough(chunks):
                        break
                    if not chunks or chunks[-1].finish is not None:
                        raise _without_content(self._first)
                    if thought := sum(len(chunk.reasoning) for chunk in chunks):
                        self._thought_chars += thought
                        if call.stream:  # it is at work
                            self._deadline.within(idle_s)
        except TimeoutError:
            raise Failure(Kind.TIMEOUT, "The model did not answer in time.") from None
        self._has_begun = True
        if call.stream:
            self._first_token_ms = (time.perf_counter() - self._began) * 1000

    @property
    def is_silent(self) -> bool:
        """Whether it has said nothing by now, not even a thought."""
        return not self._first

    async def read(self, idle_s: float) -> Sequence[Chunk]:
        """The next chunks; see ``core.ports.Reply``."""
        if self._first:
            first, self._first = self._first, []
            return first
        assert self._reply is not None
        try:
            with self._deadline.within(idle_s):
                chunks = await self._reply.read()
        except TimeoutError:
            raise Failure(Kind.TIMEOUT, "The model fell silent in the middle.") from None
        self._watch(chunks)
        return chunks

    async def end(self, error: BaseException | None, learning: Learning, now_ms: int) -> None:
        """Close it, and pass on what it has taught. Once, whatever became of it."""
        context, self._open = self._open, None
        self._deadline.close()
        try:
            if context is not None:
                await context.__aexit__(type(error) if error else None, error, None)
        finally:
            findings = tuple(self._findings(error))
            verdict = self._verdict(error)
            hung = isinstance(error, Failure) and error.kind is Kind.TIMEOUT
            if (sample := self._sample(error)) is not None and learning.hear(
                self.model, verdict, sample, now_ms, hung=hung
            ):
                findings += (Finding(Extent.MODEL, Act.TRIP),)
            await self._spent.close(tokens=self._tokens(error), verdict=verdict, findings=findings)
            self._reply = None

    def lets_down(self, error: BaseException | None) -> bool:
        """Whether a caller would rather have asked another model.

        Its answer was empty, or broke off after it had begun, or was cut short by the model itself.
        """
        if isinstance(error, Failure):
            return error.kind is Kind.EMPTY or self._has_begun
        return error is None and self._is_truncated

    # ── What was seen ───────────────────────────────────────────────────────────────────────

    def _watch(self, chunks: Sequence[Chunk]) -> None:
        """Finish and usage come last, a refusal first."""
        if not chunks:
            return
        last = chunks[-1]
        if last.finish is not None:
            self._finish = last.finish
        if last.usage is not None:
            self._usage = last.usage
        if chunks[0].refusal:
            self._refused = True

    def _has_enough(self, chunks: Sequence[Chunk]) -> bool:
        """Whether what has just come, after what was there, is enough to commit."""
        if not self._call.stream and not (chunks and chunks[-1].finish is not None):
            return False
        return any(chunk.has_content for chunk in (chunks if self._call.stream else self._first))

    def _findings(self, error: BaseException | None) -> Sequence[Finding]:
        """What its headers told, and how it failed."""
        told = self._reply.findings if self._reply is not None else ()
        return (*told, *error.findings) if isinstance(error, Failure) else told

    def _verdict(self, error: BaseException | None) -> Verdict:
        if isinstance(error, Failure):
            return Verdict.FAILURE if error.kind in SICK else Verdict.NEUTRAL
        return Verdict.SUCCESS if self._finish is not None else Verdict.NEUTRAL

    def _tokens(self, error: BaseException | None) -> int | None:
        """What it took; None where nobody knows, and then it stays at what was reserved."""
        account = self.model.account
        if self._usage is not None:
            counts_answers = account is None or account.counts_answers
            return self._usage.total_tokens if counts_answers else self._usage.prompt_tokens
        if isinstance(error, Failure) and error.kind in UNSPENT:
            return 0
        return None

    @property
    def _is_truncated(self) -> bool:
        cap = self._call.output_tokens
        if self._finish != "length" or cap is None or self._usage is None:
            return False
        return self._usage.completion_tokens < cap * CUT_SHORT

    def _sample(self, error: BaseException | None) -> Sample | None:
        """How it went; None where that tells nothing of the model."""
        if isinstance(error, Failure):
            return Sample(succeeded=False) if error.kind in POOR else None
        if self._finish is None:
            return None
        tokens = 0 if self._usage is None else self._usage.completion_tokens
        took_ms = (time.perf_counter() - self._began) * 1000
        return Sample(
            succeeded=True,
            truncated=self._is_truncated,
            refused=self._refused or self._finish == "content_filter",
            first_token_ms=self._first_token_ms,
            total_ms=took_ms if tokens else self._first_token_ms or 0.0,
            tokens=tokens,
            thought=min(self._thought_chars / CHARS_PER_TOKEN / tokens, 1.0) if tokens else 0.0,
        )


def _without_content(chunks: Sequence[Chunk]) -> Failure:
    if any(chunk.finish == "content_filter" for chunk in chunks):
        return Failure(Kind.FILTERED, "The provider's content filter refused this.")
    return Failure(Kind.EMPTY, "The model gave an empty answer.")


def adapted(call: Call, model: Model) -> Call:
    """The call as this model should get it: its own cap, an allowance for hidden thought.

    Where the tokens of a minute are few, the cap is lowered to what they leave for the answer.
    """
    cap = call.output_tokens
    for most in (model.max_output_tokens, _most_a_minute(model, call.prompt_tokens)):
        if most is not None:
            cap = most if cap is None else min(cap, most)
    if model.hidden_tokens is None:
        return call if cap == call.output_tokens else call.capped(cap or 1)
    cap = None if cap is None else cap + model.hidden_tokens
    effort = {"reasoning_effort": "low"} | dict(call.parameters)
    return call._replace(output_tokens=cap, parameters=effort)


def _most_a_minute(model: Model, prompt_tokens: int) -> int | None:
    account = model.account
    if account is not None and not account.counts_answers:
        return None
    limits = [model.allowance.tpm, None if account is None else account.allowance.tpm]
    known = [limit for limit in limits if limit is not None]
    if not known:
        return None
    # Where not even the least answer has room, the budget says no.
    return max(min(known) - prompt_tokens - (model.hidden_tokens or 0), LEAST_OUTPUT_TOKENS)
