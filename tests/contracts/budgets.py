"""What every store of providers' limits keeps, by examples; step by step all say the same.

The laws of the arithmetic are in tests/laws. A subclass of ``BudgetExamples`` says which stores.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeAlias, TypeVar

import pytest

from scalix_free.core.budget import (
    BACK_OFF_MS,
    DOUBT_MS,
    FOREVER_MS,
    LEARNED_MS,
    MOST,
    MOST_CELLS,
    MOST_IN_A_ROW,
    PROBE_MS,
    TRIP_MS,
    WHOLE,
    Act,
    Allowance,
    Budget,
    Close,
    Extent,
    Finding,
    Scope,
    Short,
    Take,
    Taken,
    Verdict,
    Why,
    Window,
    pack,
    used,
)
from scalix_free.core.clock import DAY_MS, MINUTE_MS
from scalix_free.core.ports import Budgets
from tests.core.held_clock import NOON, HeldClock

T = TypeVar("T")

MIDNIGHT: Final = NOON + DAY_MS // 2

TRIPS: Final = Finding(Extent.MODEL, Act.TRIP)
BACKS_OFF: Final = Finding(Extent.MODEL, Act.BACK_OFF)


def left(window: Window, amount: int, until_ms: int = 0) -> Finding:
    return Finding(Extent.MODEL, Act.LEFT, until_ms, window, amount)


def limit(window: Window, amount: int) -> Finding:
    return Finding(Extent.MODEL, Act.LIMIT, 0, window, amount)


class Desk:
    """One scope in several stores, and a clock that starts at noon."""

    def __init__(
        self, runner: asyncio.Runner, clock: HeldClock, stores: Sequence[Budgets], scope: Scope
    ) -> None:
        clock.now_ms = NOON
        self.scope = scope
        self._runner = runner
        self._clock = clock
        self._stores = stores
        self._count = 0

    @property
    def now_ms(self) -> int:
        return self._clock()

    @now_ms.setter
    def now_ms(self, now_ms: int) -> None:
        self._clock.now_ms = now_ms

    def ask(
        self, tokens: int = 1, headroom: int = WHOLE, received: int = 0
    ) -> tuple[Take, Taken | Short]:
        self._count += 1
        rid = self._count.to_bytes(17, "big")
        ask = Take(rid, (self.scope,), tokens, headroom, received)
        return ask, self._all(lambda store: store.take(ask))

    def take(self, tokens: int = 1) -> tuple[Take, int]:
        ask, taken = self.ask(tokens)
        assert isinstance(taken, Taken), taken
        return ask, taken.at_ms

    def unknown(self) -> tuple[Take, int]:
        """A call that was never taken."""
        return Take(bytes(17), (self.scope,), 1), 0

    def short(self, tokens: int = 1, headroom: int = WHOLE, received: int = 0) -> Short:
        _, short = self.ask(tokens, headroom, received)
        assert isinstance(short, Short)
        return short

    def close(
        self,
        call: tuple[Take, int],
        tokens: int | None = None,
        verdict: Verdict = Verdict.NEUTRAL,
        *found: Finding,
    ) -> None:
        ask, at_ms = call
        told = tuple((0, finding) for finding in found)
        end = Close(ask.rid, ask.scopes, at_ms, ask.tokens, tokens, verdict, told)
        self._all(lambda store: store.close(end))
        assert self.budget is not None  # all keep the same

    def trip(self) -> None:
        """Half open it: trip it, and let its rest pass."""
        self.close(self.take(), 1, Verdict.FAILURE, TRIPS)
        self.now_ms = self.budget.rest_until_ms

    @property
    def budget(self) -> Budget:
        """What is kept of it and still counts."""

        async def look(store: Budgets) -> Budget:
            (budget,) = await store.look([self.scope])
            budget.forget(self.now_ms)
            return budget

        return self._all(look)

    def used(self, window: Window) -> int:
        return used(self.budget, window)

    def _all(self, act: Callable[[Budgets], Awaitable[T]]) -> T:
        """What all of them say, which has to be the same."""

        async def ask(store: Budgets) -> T:
            return await act(store)

        said, *others = [self._runner.run(ask(store)) for store in self._stores]
        assert all(other == said for other in others), others
        return said


Opening: TypeAlias = Callable[..., Desk]


class BudgetExamples:
    """Subclass it, and say how stores are opened."""

    def opened(self, clock: HeldClock) -> AbstractAsyncContextManager[Sequence[Budgets]]:
        raise NotImplementedError

    @pytest.fixture
    def desk_of(self, request: pytest.FixtureRequest) -> Iterator[Opening]:
        """Opens a scope with these limits, and a day that ends in twelve hours or is rolling."""
        clock = HeldClock()
        with asyncio.Runner() as runner:
            opened = self.opened(clock)
            stores = runner.run(opened.__aenter__())

            def desk_of(*, rolling: bool = False, **limits: int) -> Desk:
                allowance = Allowance(**limits)  # type: ignore[arg-type]
                scope = Scope(request.node.name, allowance, 0 if rolling else MIDNIGHT)
                return Desk(runner, clock, stores, scope)

            yield desk_of
            runner.run(opened.__aexit__(None, None, None))

    # ── Pace and scarcity ───────────────────────────────────────────────────────────────────────

    def test_the_pace_is_that_of_the_day_to_the_last_token(self, desk_of: Opening) -> None:
        desk = desk_of(tpd=10**9)
        desk.now_ms = MIDNIGHT - DAY_MS + 12_345_679
        part = (200 * DAY_MS + 800 * 12_345_679) * 1_000 // DAY_MS
        allowed = 10**9 * part // 10**6
        desk.take(1)
        assert desk.short(allowed, headroom=200).why is Why.PACE
        assert isinstance(desk.ask(allowed - 1, headroom=200)[1], Taken)
        short = desk.short(1, headroom=200)
        assert short.until_ms is not None
        desk.now_ms = short.until_ms - 1
        assert desk.short(1, headroom=200).why is Why.PACE
        desk.now_ms = short.until_ms
        assert isinstance(desk.ask(1, headroom=200)[1], Taken)

    def test_a_day_s_end_is_the_next_day_s_beginning(self, desk_of: Opening) -> None:
        desk = desk_of(rpd=1)
        desk.now_ms = MIDNIGHT
        desk.take()
        assert desk.short() == Short(desk.scope.key, Why.RPD, MIDNIGHT + DAY_MS)

    @pytest.mark.parametrize(("spent", "most"), [(35, 1_000), (36, 974), (44, 757), (69, 79)])
    def test_the_more_is_spent_the_less_one_may_have_received(
        self, desk_of: Opening, spent: int, most: int
    ) -> None:
        desk = desk_of(rpm=70, tpm=100_000)
        for _ in range(spent):
            desk.take()
        if most < WHOLE:
            assert desk.short(received=most + 1).why is Why.SCARCE
        assert isinstance(desk.ask(received=most)[1], Taken)

    def test_of_a_day_what_the_pace_allows_is_scarce(self, desk_of: Opening) -> None:
        desk = desk_of(rpd=100)
        for _ in range(31):
            desk.take()
        assert desk.short(headroom=200, received=WHOLE).why is Why.SCARCE
        assert isinstance(desk.ask(received=WHOLE)[1], Taken)

    def test_what_is_scarce_is_so_until_something_returns(self, desk_of: Opening) -> None:
        desk = desk_of(rpd=100)
        desk.close(desk.take(), 1, Verdict.SUCCESS, left(Window.RPD, 20))
        short = desk.short(received=WHOLE)
        assert short == Short(desk.scope.key, Why.SCARCE, desk.now_ms + DOUBT_MS)

    # ── Correcting ───────────────────────────────────────────────────────────────────────────────

    def test_a_correction_leaves_what_the_provider_told(self, desk_of: Opening) -> None:
        desk = desk_of(tpm=1_000)
        call = desk.take(100)
        desk.close(desk.take(0), 0, Verdict.SUCCESS, left(Window.TPM, 300))
        assert desk.used(Window.TPM) == 700
        desk.close(call, 10)
        assert desk.used(Window.TPM) == 700

    def test_of_a_call_that_came_after_the_provider_s_word_all_is_given_back(
        self, desk_of: Opening
    ) -> None:
        desk = desk_of(tpm=1_000)
        desk.close(desk.take(0), 0, Verdict.SUCCESS, left(Window.TPM, 300))
        desk.now_ms += 1
        call = desk.take(100)
        assert desk.used(Window.TPM) == 800
        desk.close(call, 10)
        assert desk.used(Window.TPM) == 710

    def test_what_took_more_than_was_reserved_counts_whole(self, desk_of: Opening) -> None:
        desk = desk_of(tpm=1_000)
        call = desk.take(100)
        desk.close(desk.take(0), 0, Verdict.SUCCESS, left(Window.TPM, 300))
        desk.close(call, 150)
        assert desk.used(Window.TPM) == 750

    @pytest.mark.parametrize("windows", [(Window.RPM, Window.TPM), (Window.RPD, Window.TPD)])
    def test_a_call_that_was_not_counted_is_not_corrected(
        self, desk_of: Opening, windows: Sequence[Window]
    ) -> None:
        """It was taken before there was a limit; what is there was added by others."""
        requests, tokens = windows
        desk = desk_of(concurrent=9)
        early = desk.take(900)
        desk.close(desk.take(), 1, Verdict.NEUTRAL, limit(requests, 50))
        desk.now_ms += 1
        late = desk.take(900)
        desk.close(early, 100)
        assert desk.used(tokens) == 900
        desk.close(late, 100)
        assert desk.used(tokens) == 100

    @pytest.mark.parametrize(("before_ms", "tomorrow"), [(1_000, 40), (1, 40), (1_001, 0)])
    def test_near_the_day_s_end_a_correction_reaches_both_days(
        self, desk_of: Opening, before_ms: int, tomorrow: int
    ) -> None:
        desk = desk_of(tpd=1_000)
        desk.now_ms = MIDNIGHT - before_ms
        call = desk.take(100)
        desk.close(call, 40)
        desk.now_ms = MIDNIGHT
        desk.ask(10**6)  # forgets
        assert desk.used(Window.TPD) == tomorrow

    def test_near_the_day_s_end_a_correction_may_come_the_day_after(self, desk_of: Opening) -> None:
        desk = desk_of(tpd=1_000)
        desk.now_ms = MIDNIGHT - 500
        call = desk.take(100)
        desk.now_ms = MIDNIGHT + 1
        other = desk.take(30)
        desk.close(call, 40)
        assert desk.used(Window.TPD) == 70
        desk.close(other, 20)
        assert desk.used(Window.TPD) == 60

    @pytest.mark.parametrize("amount", [MOST + 1, 2**53, 2**70])
    def test_a_provider_s_count_of_tokens_may_be_absurd(
        self, desk_of: Opening, amount: int
    ) -> None:
        desk = desk_of(rpm=9, rpd=9)
        desk.close(desk.take(), amount)
        desk.close(desk.take(amount), 5)
        assert desk.used(Window.TPM) == desk.used(Window.TPD) == MOST + 5

    def test_an_end_that_is_told_twice_leaves_no_less_than_nothing(self, desk_of: Opening) -> None:
        desk = desk_of(tpm=1_000)
        call = desk.take(100)
        desk.close(call, 40)
        desk.close(call, 40)
        assert desk.used(Window.TPM) == 0

    # ── What providers tell ──────────────────────────────────────────────────────────────────────

    def test_every_answer_may_tell_what_is_left_and_one_word_is_kept(
        self, desk_of: Opening
    ) -> None:
        desk = desk_of(rpm=100, tpm=10_000, rpd=1_000, tpd=10**6)
        sizes = []
        for n in range(40):
            told = [left(window, 90 - 2 * n) for window in Window]
            desk.close(desk.take(), 1, Verdict.SUCCESS, *told)
            sizes.append(len(pack(desk.budget)))
            desk.now_ms += 10
        assert set(sizes) == {sizes[0]}
        assert desk.used(Window.RPM) == 100 - 12
        assert desk.used(Window.TPD) == 10**6 - 12

    def test_a_word_holds_for_as_long_as_the_newest_that_says_so(self, desk_of: Opening) -> None:
        desk = desk_of(rpd=100)
        desk.close(desk.take(), 1, Verdict.SUCCESS, left(Window.RPD, 0))
        desk.now_ms += DOUBT_MS - 1
        desk.close(desk.unknown(), 1, Verdict.SUCCESS, left(Window.RPD, 0))
        desk.now_ms += DOUBT_MS - 1
        short = desk.short()
        assert short == Short(desk.scope.key, Why.RPD, desk.now_ms + 1)
        desk.now_ms += 1
        desk.take()
        assert desk.used(Window.RPD) == 2

    def test_who_says_that_more_is_left_is_not_believed_while_the_word_holds(
        self, desk_of: Opening
    ) -> None:
        desk = desk_of(rpm=100)
        desk.close(desk.take(), 1, Verdict.SUCCESS, left(Window.RPM, 10))
        desk.close(desk.take(), 1, Verdict.SUCCESS, left(Window.RPM, 50))
        assert desk.used(Window.RPM) == 91

    def test_a_word_about_the_day_ends_with_the_day(self, desk_of: Opening) -> None:
        desk = desk_of(rpd=100)
        desk.now_ms = MIDNIGHT - 10_000
        desk.close(desk.take(), 1, Verdict.SUCCESS, left(Window.RPD, 0))
        assert desk.short() == Short(desk.scope.key, Why.RPD, MIDNIGHT)
        desk.now_ms = MIDNIGHT
        desk.take()
        desk.take()

    def test_a_word_ends_when_the_provider_says_so(self, desk_of: Opening) -> None:
        desk = desk_of(rpm=100)
        desk.close(desk.take(), 1, Verdict.SUCCESS, left(Window.RPM, 0, NOON + 3_000))
        assert desk.short() == Short(desk.scope.key, Why.RPM, NOON + 3_000)

    def test_a_word_holds_no_longer_than_the_window(self, desk_of: Opening) -> None:
        desk = desk_of(rpm=100)
        desk.close(desk.take(), 1, Verdict.SUCCESS, left(Window.RPM, 0, NOON + DAY_MS))
        assert desk.short() == Short(desk.scope.key, Why.RPM, NOON + MINUTE_MS + 2_000)

    @pytest.mark.parametrize(("firm", "most"), [(True, 10), (False, 50)])
    def test_what_is_told_replaces_what_is_not_firm(
        self, desk_of: Opening, firm: bool, most: int
    ) -> None:
        desk = desk_of(rpm=10, firm=firm)
        desk.close(desk.unknown(), 1, Verdict.NEUTRAL, limit(Window.RPM, 50))
        for _ in range(most):
            desk.take()
        assert desk.short().why is Why.RPM

    def test_a_limit_below_nothing_is_none(self, desk_of: Opening) -> None:
        desk = desk_of(rpm=100)
        desk.close(desk.take(), 1, Verdict.NEUTRAL, limit(Window.RPM, -5))
        assert desk.budget.limits == [-1, -1, -1, -1]
        desk.take()

    def test_a_remainder_below_nothing_is_nothing(self, desk_of: Opening) -> None:
        desk = desk_of(rpm=100)
        desk.close(desk.take(), 1, Verdict.SUCCESS, left(Window.RPM, -5))
        assert desk.used(Window.RPM) == 100

    def test_what_cannot_be_kept_is_kept_as_the_most_that_can(self, desk_of: Opening) -> None:
        desk = desk_of(rpm=10)
        rests = Finding(Extent.MODEL, Act.REST, 2**70)
        gone = Finding(Extent.MODEL, Act.RETIRE, 2**70)
        desk.close(desk.take(), 1, Verdict.NEUTRAL, rests, gone, limit(Window.RPM, 2**70))
        assert desk.budget.rest_until_ms == desk.budget.retired_until_ms == FOREVER_MS
        assert desk.budget.limits[Window.RPM] == MOST

    def test_of_two_words_that_it_is_gone_the_longer_counts(self, desk_of: Opening) -> None:
        desk = desk_of()
        for until_ms in (FOREVER_MS, NOON + 1_000):
            gone = Finding(Extent.MODEL, Act.RETIRE, until_ms)
            desk.close(desk.unknown(), 1, Verdict.NEUTRAL, gone)
        assert desk.short() == Short(desk.scope.key, Why.RETIRED, None)

    # ── Rest ─────────────────────────────────────────────────────────────────────────────────────

    def test_who_began_before_the_trip_lets_no_second_probe_in(self, desk_of: Opening) -> None:
        desk = desk_of()
        early = desk.take()
        desk.trip()
        desk.take()
        desk.close(early, 1, Verdict.SUCCESS)
        assert desk.short() == Short(desk.scope.key, Why.PROBED, desk.now_ms + PROBE_MS)

    @pytest.mark.parametrize("found", [(), (TRIPS,)])
    def test_who_began_before_the_trip_neither_proves_nor_fails(
        self, desk_of: Opening, found: Sequence[Finding]
    ) -> None:
        desk = desk_of()
        good, better, bad = desk.take(), desk.take(), desk.take()
        desk.trip()
        probe = desk.take()
        desk.now_ms += 1
        desk.close(good, 1, Verdict.SUCCESS)
        desk.close(better, 1, Verdict.SUCCESS)
        desk.close(bad, 1, Verdict.FAILURE, *found)
        assert (desk.budget.trips, desk.budget.proofs) == (1, 0)
        desk.close(probe, 1, Verdict.SUCCESS)
        assert (desk.budget.trips, desk.budget.proofs) == (1, 1)
        desk.close(desk.take(), 1, Verdict.SUCCESS)
        assert desk.budget.trips == 0

    def test_a_probe_that_another_has_followed_still_proves_but_does_not_let_a_third_in(
        self, desk_of: Opening
    ) -> None:
        desk = desk_of()
        desk.trip()
        slow = desk.take()
        desk.now_ms += PROBE_MS
        following = desk.take()
        desk.now_ms += 1
        desk.close(slow, 1, Verdict.SUCCESS)
        assert desk.budget.proofs == 1
        assert desk.short().why is Why.PROBED
        desk.close(following, 1, Verdict.SUCCESS)
        assert desk.budget.trips == desk.budget.probe_until_ms == 0

    def test_a_scope_that_has_proved_itself_is_as_if_it_had_never_tripped(
        self, desk_of: Opening
    ) -> None:
        desk = desk_of()
        desk.trip()
        slow = desk.take()
        desk.now_ms += PROBE_MS
        following = desk.take()
        desk.close(slow, 1, Verdict.SUCCESS)
        desk.now_ms += PROBE_MS
        third = desk.take()
        desk.close(following, 1, Verdict.SUCCESS)
        assert desk.budget.trips == desk.budget.probe_until_ms == 0
        desk.close(third, 1, Verdict.FAILURE)
        desk.take()

    @pytest.mark.parametrize("rest_ms", [1_000, TRIP_MS, TRIP_MS + 1])
    @pytest.mark.parametrize("finding", [TRIPS, BACKS_OFF])
    def test_a_scope_that_rests_for_another_reason_may_trip(
        self, desk_of: Opening, rest_ms: int, finding: Finding
    ) -> None:
        desk = desk_of()
        sick, other = desk.take(), desk.take()
        desk.close(other, 1, Verdict.NEUTRAL, Finding(Extent.MODEL, Act.REST, NOON + rest_ms))
        desk.close(sick, 1, Verdict.FAILURE, finding)
        own_ms = TRIP_MS if finding is TRIPS else BACK_OFF_MS
        assert desk.short() == Short(desk.scope.key, Why.RESTING, NOON + max(own_ms, rest_ms))

    def test_only_a_success_proves(self, desk_of: Opening) -> None:
        desk = desk_of()
        desk.trip()
        desk.close(desk.take(), 1, Verdict.SUCCESS)
        desk.close(desk.take(), 1, Verdict.NEUTRAL)
        assert (desk.budget.trips, desk.budget.proofs) == (1, 1)
        desk.close(desk.take(), 1, Verdict.FAILURE)
        assert (desk.budget.trips, desk.budget.proofs) == (2, 0)

    def test_a_failure_of_the_trial_trips_once_whatever_else_it_tells(
        self, desk_of: Opening
    ) -> None:
        desk = desk_of()
        desk.trip()
        desk.close(desk.take(), 1, Verdict.FAILURE, TRIPS, TRIPS)
        assert desk.short() == Short(desk.scope.key, Why.RESTING, desk.now_ms + 2 * TRIP_MS)

    def test_refusals_of_calls_that_were_in_flight_together_count_once(
        self, desk_of: Opening
    ) -> None:
        desk = desk_of()
        calls = [desk.take() for _ in range(5)]
        for call in calls[:4]:
            desk.now_ms += 10
            desk.close(call, 0, Verdict.NEUTRAL, BACKS_OFF)
        assert desk.short() == Short(desk.scope.key, Why.RESTING, desk.now_ms + BACK_OFF_MS)
        desk.now_ms += BACK_OFF_MS
        desk.close(desk.take(), 0, Verdict.NEUTRAL, BACKS_OFF)
        assert desk.short() == Short(desk.scope.key, Why.RESTING, desk.now_ms + 2 * BACK_OFF_MS)
        desk.close(calls[4], 1, Verdict.SUCCESS)  # says how it was before
        desk.now_ms += 2 * BACK_OFF_MS
        desk.close(desk.take(), 0, Verdict.NEUTRAL, BACKS_OFF)
        assert desk.short() == Short(desk.scope.key, Why.RESTING, desk.now_ms + 4 * BACK_OFF_MS)

    # ── Bytes ────────────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("finding", [BACKS_OFF, TRIPS])
    def test_what_is_counted_in_a_row_has_an_end(self, desk_of: Opening, finding: Finding) -> None:
        desk = desk_of()
        for _ in range(20):
            desk.close(desk.take(), 1, Verdict.NEUTRAL, finding)
            longest_ms = desk.budget.rest_until_ms - desk.now_ms
            desk.now_ms += longest_ms
        assert longest_ms == {Act.BACK_OFF: 900_000, Act.TRIP: 600_000}[finding.act]
        assert max(desk.budget.back_offs, desk.budget.trips) == MOST_IN_A_ROW

    def test_a_clock_that_leaps_makes_no_more_cells_than_can_be_kept(
        self, desk_of: Opening
    ) -> None:
        desk = desk_of(rpm=10**6, rpd=10**6, rolling=True)
        for _ in range(MOST_CELLS + 9):
            desk.now_ms -= DAY_MS
            desk.take(2)
        assert desk.used(Window.RPM) == desk.used(Window.RPD) == MOST_CELLS + 9
        assert desk.used(Window.TPM) == desk.used(Window.TPD) == 2 * (MOST_CELLS + 9)
        assert len(desk.budget.minute) == len(desk.budget.day) == MOST_CELLS
        ends_ms = [cell.expires_ms for cell in desk.budget.minute]
        assert max(ends_ms) > NOON - DAY_MS  # what was made one counts for as long as the longer
        assert len(set(ends_ms)) == len(ends_ms)

    def test_earlier_versions_and_this_one_read_what_the_other_keeps(
        self, desk_of: Opening
    ) -> None:
        desk = desk_of(rpm=9, concurrent=2)
        desk.take()
        before = pack(desk.budget)
        assert len(before) == 60 + 20 + 25
        desk.close(desk.unknown(), 1, Verdict.NEUTRAL, left(Window.RPM, 2))
        assert desk.budget.excess
        assert pack(desk.budget)[: len(before)] == before

    def test_learned_limits_are_forgotten_after_a_day(self, desk_of: Opening) -> None:
        desk = desk_of(rpm=9)
        desk.close(desk.take(), 1, Verdict.NEUTRAL, limit(Window.RPM, 1))
        assert desk.short().why is Why.RPM
        desk.now_ms += LEARNED_MS
        for _ in range(9):
            desk.take()
        assert desk.short() == Short(desk.scope.key, Why.RPM, desk.now_ms + MINUTE_MS + 2_000)
