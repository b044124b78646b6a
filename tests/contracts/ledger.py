"""What every ``Ledger`` keeps, whatever it is made of: examples, and one law.

The law is that a ledger, or several on one store, answer step by step what ``core.ledger`` answers.
A subclass of ``LedgerContract`` says how ledgers are opened.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalix_free.core import ledger as arithmetic
from scalix_free.core.ledger import (
    LEASE_MS,
    Admitted,
    Ask,
    Book,
    Denied,
    Entry,
    Level,
    Limit,
    Policy,
    Subject,
    Unit,
    pack,
    unpack,
)
from scalix_free.core.ports import Clock, Ledger
from scalix_free.storage.redis_ledger import RedisLedger
from tests.core.held_clock import NOON, HeldClock

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR

PERSON: Final = Policy(
    "person",
    (
        Limit("requests_hour", Unit.REQUESTS, 3, HOUR),
        Limit("requests_day", Unit.REQUESTS, 5, DAY),
        Limit("tokens_day", Unit.TOKENS, 2_000, DAY),
        Limit("concurrent", Unit.CALLS, 2),
    ),
)
ADDRESS: Final = Policy("address", (Limit("address_hour", Unit.REQUESTS, 4, HOUR),), leased=False)
NETWORK: Final = Policy(
    "network",
    (
        Limit("network_hour", Unit.REQUESTS, 1_500, HOUR),
        Limit("network_day", Unit.REQUESTS, 20, DAY),
    ),
    leased=False,
)


def subject(name: str, policy: Policy = PERSON) -> Subject:
    return Subject(hashlib.sha256(name.encode()).digest()[:16], policy)


def rid(n: int) -> bytes:
    return n.to_bytes(16, "little")


ANN: Final = subject("Ann")
HOME: Final = subject("home", ADDRESS)
ISP: Final = subject("network", NETWORK)
ALL: Final = (ANN, HOME, ISP)


def asking(n: int, *subjects: Subject, prompt: int = 10, output: int = 90) -> Ask:
    return Ask(rid(n), subjects or ALL, prompt, output)


def used(levels: Sequence[Level]) -> list[int]:
    return [level.used for level in levels]


# ── The law ──────────────────────────────────────────────────────────────────────────────────


class Arithmetic:
    """``core.ledger`` with nothing around it: books are bytes in a dict."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._blobs: dict[bytes, bytes] = {}

    def book(self, subject: Subject) -> Book:
        blob = self._blobs.get(subject.key)
        return unpack(blob, subject.policy) if blob else Book(subject.policy)

    def _keep(self, subjects: Sequence[Subject], books: Sequence[Book]) -> None:
        for subject, book in zip(subjects, books, strict=True):
            self._blobs[subject.key] = pack(book)

    def admit(self, ask: Ask) -> Admitted | Denied:
        books = [self.book(subject) for subject in ask.subjects]
        verdict = arithmetic.admit(books, ask, self._clock())
        if isinstance(verdict, Admitted):
            self._keep(ask.subjects, books)
        return verdict

    def settle(
        self, subjects: Sequence[Subject], rid: bytes, tokens: int, *, counts: bool
    ) -> tuple[Level, ...]:
        books = [self.book(subject) for subject in subjects]
        arithmetic.settle(books, rid, tokens, self._clock(), counts=counts)
        self._keep(subjects, books)
        return self.peek(subjects[0])

    def enter(self, subjects: Sequence[Subject], entry: Entry) -> bool:
        books = [self.book(subject) for subject in subjects]
        entered = arithmetic.enter(books, entry, self._clock())
        self._keep(subjects, books)
        return entered

    def beat(self, subject: Subject, rid: bytes, spent: int) -> None:
        book = self.book(subject)
        arithmetic.beat(book, rid, spent, self._clock())
        self._keep([subject], [book])

    def refund(self, subjects: Sequence[Subject], rid: bytes) -> tuple[Level, ...]:
        books = [self.book(subject) for subject in subjects]
        arithmetic.refund(books, rid)
        self._keep(subjects, books)
        return self.peek(subjects[0])

    def peek(self, subject: Subject) -> tuple[Level, ...]:
        return arithmetic.levels(self.book(subject), self._clock())


Act: TypeAlias = Literal["ask", "ask again", "settle", "give back", "refund", "beat", "peek"]


@dataclass(frozen=True)
class Step:
    """What one caller does: who, from where, with which of their requests, and how many tokens."""

    act: Act
    who: int
    where: int
    which: int
    tokens: int


@dataclass(frozen=True)
class Turn:
    """What happens at once, in one process, after a wait."""

    wait_ms: int
    ledger: int
    steps: Sequence[Step]


PEOPLE: Final = (ANN, subject("Bob"), subject("Cid"))
PLACES: Final = (HOME, subject("café", ADDRESS))

acts: st.SearchStrategy[Act] = st.sampled_from(
    ["ask", "ask", "ask", "ask again", "settle", "settle", "give back", "refund", "beat", "peek"]
)
waits = st.one_of(
    st.just(0),
    st.integers(0, 30_000),
    st.integers(0, 2 * HOUR),
    st.sampled_from([1, LEASE_MS - 1, LEASE_MS, HOUR - 1, HOUR, DAY - HOUR, DAY]),
)
steps = st.builds(
    Step, acts, st.integers(0, 2), st.integers(0, 1), st.integers(0, 3), st.integers(0, 900)
)
histories = st.lists(
    st.builds(Turn, waits, st.integers(0, 1), st.lists(steps, min_size=1, max_size=5)),
    min_size=1,
    max_size=12,
)


class History:
    """Acts a history out, in the ledgers and in the arithmetic beside them."""

    def __init__(
        self, clock: HeldClock, ledgers: Sequence[Ledger], *, together: bool = True
    ) -> None:
        self._together = together
        self._clock = clock
        self._ledgers = ledgers
        self._arithmetic = Arithmetic(clock)
        self._asked: list[list[tuple[bytes, Sequence[Subject]]]] = [[] for _ in PEOPLE]
        self._count = 0

    async def act_out(self, turns: Sequence[Turn]) -> None:
        for turn in turns:
            self._clock.advance(turn.wait_ms)
            ledger = self._ledgers[turn.ledger % len(self._ledgers)]
            if self._together:
                await asyncio.gather(*(self._step(ledger, step) for step in turn.steps))
            else:
                for step in turn.steps:
                    await self._step(ledger, step)
            for ledger in self._ledgers:
                if isinstance(ledger, RedisLedger):  # on a cluster some is given back afterwards
                    await ledger.rest()
            for ledger in self._ledgers:
                for one in (*PEOPLE, *PLACES, ISP):
                    assert await ledger.peek(one) == self._arithmetic.peek(one)

    async def _step(self, ledger: Ledger, step: Step) -> None:
        if step.act == "ask":
            subjects: Sequence[Subject] = (PEOPLE[step.who], PLACES[step.where], ISP)
            self._count += 1
            ask = Ask(rid(self._count), tuple(subjects), step.tokens // 8, 1 + step.tokens)
            self._asked[step.who].append((ask.rid, subjects))
            await self._ask(ledger, ask)
            return
        if not (asked := self._asked[step.who]):
            return
        name, subjects = asked[-1 - step.which % len(asked)]
        match step.act:
            case "ask again":
                await self._ask_again(ledger, Ask(name, tuple(subjects), 10, 90))
            case "settle" | "give back":
                counts = step.act == "settle"
                those: Sequence[Subject] = subjects[:1] if counts else subjects
                expected = self._arithmetic.settle(those, name, step.tokens, counts=counts)
                assert await ledger.settle(those, name, step.tokens, counts=counts) == expected
            case "refund":
                expected = self._arithmetic.refund(subjects, name)
                assert await ledger.refund(subjects, name) == expected
            case "beat":
                self._arithmetic.beat(subjects[0], name, step.tokens)
                await ledger.beat(subjects[0], name, step.tokens)
            case "peek":
                expected = self._arithmetic.peek(subjects[0])
                assert await ledger.peek(subjects[0]) == expected

    async def _ask_again(self, ledger: Ledger, ask: Ask) -> None:
        """Only of what is still running a repeat is promised the same answer."""
        row = self._arithmetic.book(ask.subjects[0]).row(ask.rid)
        if row is None or not row.settled:
            await self._ask(ledger, ask)

    async def _ask(self, ledger: Ledger, ask: Ask) -> None:
        expected = self._arithmetic.admit(ask)
        verdict = await ledger.admit(ask)
        if isinstance(verdict, Admitted) or isinstance(expected, Admitted):
            assert verdict == expected
        elif verdict._replace(lasting=expected.lasting) != expected:
            self._assert_true(verdict, expected, ask.subjects[0])

    def _assert_true(self, verdict: Denied, expected: Denied, own: Subject) -> None:
        """A denial out of memory need not be that of the longest wait, but it has to be true."""
        assert verdict.lasting
        assert (verdict.levels, verdict.now_ms) == (expected.levels, expected.now_ms)
        assert verdict.retry_ms is not None

        def is_full(wait_ms: int) -> bool:
            levels = arithmetic.levels(self._arithmetic.book(own), verdict.now_ms + wait_ms)
            return next(level for level in levels if level.limit == verdict.limit).remaining == 0

        assert is_full(0)
        assert is_full(verdict.retry_ms - 1)
        assert not is_full(verdict.retry_ms)


# ── The contract ─────────────────────────────────────────────────────────────────────────────


class LedgerContract:
    """Subclass it, and say how ledgers are opened."""

    shared: ClassVar[int] = 1
    """How many ledgers may be open on one store."""
    orders: ClassVar[bool] = True
    """Whether what is asked at once happens in the order of asking, for all subjects."""

    def opened(self, clock: Clock, count: int = 1) -> AbstractAsyncContextManager[Sequence[Ledger]]:
        """So many ledgers on a new store of their own."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> HeldClock:
        return HeldClock()

    @pytest.fixture
    async def ledger(self, clock: HeldClock) -> AsyncIterator[Ledger]:
        async with self.opened(clock) as (ledger,):
            yield ledger

    @settings(
        max_examples=100,
        deadline=None,
        suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
    )
    @given(histories)
    def test_any_history_is_answered_as_the_arithmetic_answers_it(
        self, turns: Sequence[Turn]
    ) -> None:
        async def main() -> None:
            clock = HeldClock()
            async with self.opened(clock, self.shared) as ledgers:
                await History(clock, ledgers, together=self.orders).act_out(turns)

        asyncio.run(main())

    async def test_who_never_called_has_used_nothing(self, ledger: Ledger) -> None:
        levels = await ledger.peek(ANN)

        assert [level.limit for level in levels] == list(PERSON.limits)
        assert [(level.used, level.resets_at_ms) for level in levels] == [(0, None)] * 4

    async def test_an_admission_reserves_and_reports(
        self, ledger: Ledger, clock: HeldClock
    ) -> None:
        verdict = await ledger.admit(asking(1))

        assert isinstance(verdict, Admitted)
        assert (verdict.output_tokens, verdict.now_ms) == (90, clock())
        assert used(verdict.levels) == used(await ledger.peek(ANN)) == [1, 1, 100, 1]
        assert used(await ledger.peek(HOME)) == [1]
        assert used(await ledger.peek(ISP)) == [1, 1]

    async def test_who_wants_no_report_gets_none(self, ledger: Ledger) -> None:
        verdict = await ledger.admit(asking(1)._replace(report=False))

        assert isinstance(verdict, Admitted)
        assert verdict.levels == ()

    async def test_a_denial_writes_nothing(self, ledger: Ledger) -> None:
        for n in range(4):
            await ledger.admit(asking(n, subject(f"neighbour {n}"), HOME, ISP))
        denied = await ledger.admit(asking(9))

        assert isinstance(denied, Denied)
        assert (denied.limit.name, denied.own, denied.retry_ms) == ("address_hour", False, HOUR)
        assert used(denied.levels) == used(await ledger.peek(ANN)) == [0, 0, 0, 0]
        assert used(await ledger.peek(ISP)) == [4, 4]

    async def test_an_ask_can_be_repeated(self, ledger: Ledger) -> None:
        first = await ledger.admit(asking(1))

        assert await ledger.admit(asking(1)) == first
        assert used(await ledger.peek(ANN)) == [1, 1, 100, 1]

    async def test_a_request_that_is_forgotten_is_new_to_all_when_it_comes_again(
        self, ledger: Ledger, clock: HeldClock
    ) -> None:
        """Also where its row was not yet swept out."""
        await ledger.admit(asking(1))
        clock.advance(DAY)
        await ledger.admit(asking(2, ANN))
        await ledger.admit(asking(1))

        assert used(await ledger.peek(ANN)) == [2, 2, 200, 2]
        assert used(await ledger.peek(HOME)) == [1]
        assert used(await ledger.peek(ISP)) == [1, 1]

    async def test_who_is_spared_is_told_so_also_when_asked_again(self, ledger: Ledger) -> None:
        for n, expected in ((1, False), (2, True), (2, True), (1, False)):
            verdict = await ledger.admit(asking(n)._replace(turn=b"turn"))
            assert isinstance(verdict, Admitted)
            assert (n, verdict.spared) == (n, expected)
        assert used(await ledger.peek(ANN)) == [1, 1, 200, 2]
        await ledger.refund(ALL, rid(1))
        verdict = await ledger.admit(asking(2)._replace(turn=b"turn"))

        assert isinstance(verdict, Admitted)
        assert not verdict.spared, "it is counted in place of the other"
        assert used(await ledger.peek(ANN)) == [1, 1, 100, 1]

    async def test_who_was_spared_elsewhere_counts_where_all_count(self, ledger: Ledger) -> None:
        """What still runs, and what has ended."""
        for n, settled in ((1, False), (2, True)):
            entry = Entry(rid(n), NOON, 100, 10, settled=settled, spared=True)
            for _ in range(2):
                await ledger.enter(ALL, entry)

        assert used(await ledger.peek(ANN)) == [0, 0, 200, 1]
        assert used(await ledger.peek(HOME)) == [2]
        assert used(await ledger.peek(ISP)) == [2, 2]
        again = await ledger.admit(asking(1))
        assert isinstance(again, Admitted)
        assert again.spared
        assert used(await ledger.settle(ALL, rid(1), 7, counts=False)) == [0, 0, 107, 0]
        assert used(await ledger.peek(HOME)) == [1]

    async def test_a_settlement_charges_the_real_price(self, ledger: Ledger) -> None:
        await ledger.admit(asking(1))

        assert used(await ledger.settle(ALL[:1], rid(1), 37)) == [1, 1, 37, 0]
        assert used(await ledger.settle(ALL, rid(1), 99, counts=False)) == [1, 1, 37, 0]

    async def test_a_request_is_given_back_by_all_who_counted_it(self, ledger: Ledger) -> None:
        await ledger.admit(asking(1))

        assert used(await ledger.settle(ALL, rid(1), 37, counts=False)) == [0, 0, 37, 0]
        assert used(await ledger.peek(HOME)) == [0]
        assert used(await ledger.peek(ISP)) == [0, 0]

    async def test_a_refund_undoes_an_admission(self, ledger: Ledger) -> None:
        await ledger.admit(asking(1))

        assert used(await ledger.refund(ALL, rid(1))) == [0, 0, 0, 0]
        assert used(await ledger.peek(HOME)) == [0]
        assert used(await ledger.peek(ISP)) == [0, 0]
        assert used(await ledger.refund(ALL, rid(1))) == [0, 0, 0, 0]

    async def test_what_is_not_known_changes_nothing(self, ledger: Ledger) -> None:
        await ledger.admit(asking(1))
        await ledger.beat(ANN, rid(2), 50)
        await ledger.refund(ALL, rid(2))

        assert used(await ledger.settle(ALL, rid(2), 50, counts=False)) == [1, 1, 100, 1]
        assert used(await ledger.peek(HOME)) == [1]

    async def test_a_silent_caller_loses_the_slot_after_45_seconds(
        self, ledger: Ledger, clock: HeldClock
    ) -> None:
        await ledger.admit(asking(1))
        clock.advance(LEASE_MS - 1)
        assert used(await ledger.peek(ANN)) == [1, 1, 100, 1]
        clock.advance(1)

        assert used(await ledger.peek(ANN)) == [1, 1, 10, 0]

    async def test_beats_keep_the_slot_and_note_what_was_spent(
        self, ledger: Ledger, clock: HeldClock
    ) -> None:
        await ledger.admit(asking(1))
        for spent in (20, 30, 40):
            clock.advance(15_000)
            await ledger.beat(ANN, rid(1), spent)
        clock.advance(LEASE_MS - 1)
        assert used(await ledger.peek(ANN)) == [1, 1, 100, 1]
        clock.advance(1)

        assert used(await ledger.peek(ANN)) == [1, 1, 40, 0]

    async def test_of_many_who_ask_at_once_as_many_come_in_as_there_is_room(
        self, ledger: Ledger
    ) -> None:
        neighbours = [subject(f"neighbour {n}") for n in range(20)]
        verdicts = await asyncio.gather(
            *(ledger.admit(asking(n, one, HOME, ISP)) for n, one in enumerate(neighbours))
        )

        assert [isinstance(verdict, Admitted) for verdict in verdicts] == [True] * 4 + [False] * 16
        assert used(await ledger.peek(HOME)) == [4]
        assert [used(await ledger.peek(one))[0] for one in neighbours] == [1] * 4 + [0] * 16

    async def test_what_is_asked_at_once_happens_in_the_order_of_asking(
        self, ledger: Ledger
    ) -> None:
        if not self.orders:
            return
        _, settled, _, refunded, again, last = await asyncio.gather(
            ledger.admit(asking(1)),
            ledger.settle(ALL[:1], rid(1), 37),
            ledger.admit(asking(2)),
            ledger.refund(ALL, rid(2)),
            ledger.admit(asking(2)),
            ledger.peek(ANN),
        )

        assert used(settled) == used(refunded) == [1, 1, 37, 0]
        assert isinstance(again, Admitted)
        assert used(last) == [2, 2, 137, 1]

    # ── Denials that an implementation may remember ─────────────────────────────────────────

    async def _fill_the_hour(self, ledger: Ledger) -> None:
        for n in range(3):
            await ledger.admit(asking(n))
            await ledger.settle(ALL[:1], rid(n), 20)

    async def test_a_denial_holds_to_the_millisecond_however_often_it_is_asked_for(
        self, ledger: Ledger, clock: HeldClock
    ) -> None:
        await self._fill_the_hour(ledger)
        for wait in (0, 1, HOUR // 2, HOUR // 2 - 2):
            clock.advance(wait)
            denied = await ledger.admit(asking(9))
            assert isinstance(denied, Denied)
            assert (denied.now_ms, denied.retry_ms) == (clock(), NOON + HOUR - clock())
        clock.advance(1)

        assert isinstance(await ledger.admit(asking(9)), Admitted)

    async def test_a_denial_does_not_grow_when_the_clock_goes_back(
        self, ledger: Ledger, clock: HeldClock
    ) -> None:
        await self._fill_the_hour(ledger)
        clock.advance(10_000)
        assert isinstance(await ledger.admit(asking(9)), Denied)
        clock.advance(-15_000)
        denied = await ledger.admit(asking(9))

        assert isinstance(denied, Denied)
        assert (denied.now_ms, denied.retry_ms) == (NOON, HOUR)

    async def test_a_denial_says_what_is_left_now_not_what_was_left_once(
        self, ledger: Ledger, clock: HeldClock
    ) -> None:
        """Tokens return while the hour is still full: every answer has to say so."""
        await ledger.admit(asking(100))
        await ledger.settle(ALL, rid(100), 1_500, counts=False)  # a broken stream
        clock.advance(DAY - HOUR // 2)
        await self._fill_the_hour(ledger)
        first = await ledger.admit(asking(9))
        clock.advance(HOUR // 2)
        second = await ledger.admit(asking(9))

        assert isinstance(first, Denied)
        assert isinstance(second, Denied)
        assert used(first.levels) == [3, 3, 1_560, 0]
        assert second.levels == await ledger.peek(ANN)

    async def test_a_denial_ends_when_a_request_is_given_back(self, ledger: Ledger) -> None:
        await self._fill_the_hour(ledger)
        await ledger.refund(ALL, rid(2))
        assert isinstance(await ledger.admit(asking(9)), Denied), "a settled request stays"
        bob = subject("Bob")
        for n in range(10, 13):
            await ledger.admit(asking(n, bob, ISP))
            await ledger.settle([bob], rid(n), 20) if n < 12 else None
        assert isinstance(await ledger.admit(asking(13, bob, ISP)), Denied)
        await ledger.settle([bob, ISP], rid(12), 20, counts=False)

        assert isinstance(await ledger.admit(asking(13, bob, ISP)), Admitted)

    async def test_a_late_settlement_ends_a_denial(self, ledger: Ledger, clock: HeldClock) -> None:
        for n in range(3):
            await ledger.admit(asking(n))
            if n:
                await ledger.settle(ALL[:1], rid(n), 20)
        clock.advance(LEASE_MS)
        assert isinstance(await ledger.admit(asking(9)), Denied)
        await ledger.settle(ALL, rid(0), 20, counts=False)

        assert isinstance(await ledger.admit(asking(9)), Admitted)

    async def test_a_refund_of_the_newest_lets_the_time_of_a_book_go_back(
        self, ledger: Ledger, clock: HeldClock
    ) -> None:
        """What it answers is what is then read: with the clock put back, an older row counts."""
        await ledger.admit(asking(1))
        await ledger.enter([ANN], Entry(rid(2), NOON - DAY, 9, 0, counts=False, settled=False))
        clock.now_ms -= 1
        levels = await ledger.refund(ALL, rid(1))

        assert used(levels) == used(await ledger.peek(ANN)) == [0, 0, 9, 1]

    async def test_whoever_comes_with_other_limits_is_judged_by_those(self, ledger: Ledger) -> None:
        """The same account, on another tier from now on."""
        await self._fill_the_hour(ledger)
        assert isinstance(await ledger.admit(asking(9)), Denied)
        pro = Subject(ANN.key, Policy("pro", (Limit("requests_hour", Unit.REQUESTS, 9, HOUR),)))

        assert used(await ledger.peek(pro)) == [3]
        verdict = await ledger.admit(asking(9, pro))
        assert isinstance(verdict, Admitted)
        assert [level.remaining for level in verdict.levels] == [5]

    async def test_limits_that_change_within_one_turn_lose_nothing(self, ledger: Ledger) -> None:
        pro = Subject(ANN.key, Policy("pro", (Limit("requests_hour", Unit.REQUESTS, 9, HOUR),)))
        await asyncio.gather(
            *(ledger.admit(asking(n, one)) for n, one in enumerate([ANN, pro, pro]))
        )

        assert used(await ledger.peek(pro)) == [3]
        assert used(await ledger.peek(ANN))[:2] == [3, 3]


class SharedLedgerContract(LedgerContract):
    """A ledger of which several, in several processes, work on one store."""

    shared: ClassVar[int] = 2

    @pytest.fixture
    async def both(self, clock: HeldClock) -> AsyncIterator[Sequence[Ledger]]:
        async with self.opened(clock, 2) as both:
            yield both

    async def test_what_one_has_admitted_the_other_counts(self, both: Sequence[Ledger]) -> None:
        here, there = both
        for n in range(3):
            assert used(await there.peek(ANN)) == [n, n, 20 * n, 0]
            await here.admit(asking(n))
            assert used(await there.peek(ANN)) == [n + 1, n + 1, 20 * n + 100, 1]
            await there.settle(ALL[:1], rid(n), 20)
            assert used(await here.peek(ANN)) == [n + 1, n + 1, 20 * n + 20, 0]

        assert isinstance(await here.admit(asking(9)), Denied)
        assert isinstance(await there.admit(asking(9)), Denied)

    async def test_a_repeated_ask_is_known_to_the_other(self, both: Sequence[Ledger]) -> None:
        here, there = both
        first = await here.admit(asking(1))

        assert await there.admit(asking(1)) == first
        assert used(await here.peek(ANN)) == [1, 1, 100, 1]

    async def test_who_streams_there_is_not_dead_here(
        self, both: Sequence[Ledger], clock: HeldClock
    ) -> None:
        here, there = both
        await here.admit(asking(1))
        for _ in range(4):
            clock.advance(LEASE_MS - 2)
            await there.beat(ANN, rid(1), 50)
            clock.advance(1)
            assert used(await here.peek(ANN)) == [1, 1, 100, 1]
        clock.advance(LEASE_MS - 1)
        assert used(await here.peek(ANN)) == [1, 1, 50, 0]

    async def test_a_refund_there_ends_a_denial_here(
        self, both: Sequence[Ledger], clock: HeldClock
    ) -> None:
        here, there = both
        for n in range(3):
            await there.admit(asking(n))
            if n:
                await there.settle(ALL[:1], rid(n), 20)
        assert isinstance(await here.admit(asking(9)), Denied)
        clock.advance(LEASE_MS)  # its process hangs, and comes back to life
        assert isinstance(await here.admit(asking(9)), Denied)
        await there.refund(ALL, rid(0))

        assert isinstance(await here.admit(asking(9)), Admitted)

    async def test_rooms_of_all_together_are_not_more_than_one_s(
        self, both: Sequence[Ledger]
    ) -> None:
        crowd = [subject(f"neighbour {n}") for n in range(20)]
        verdicts = await asyncio.gather(
            *(both[n % 2].admit(asking(n, one, HOME, ISP)) for n, one in enumerate(crowd))
        )

        assert sum(isinstance(verdict, Admitted) for verdict in verdicts) == 4
        assert [used(await ledger.peek(HOME)) for ledger in both] == [[4], [4]]
