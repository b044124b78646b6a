"""Providers' limits by examples; their laws are in tests/laws, their stores in tests/contracts."""

from collections.abc import Sequence
from typing import Final

import pytest

from scalix_free.core import budget
from scalix_free.core.budget import (
    BACK_OFF_MS,
    DAY_MS,
    DOUBT_MS,
    FOREVER_MS,
    LEARNED_MS,
    MINUTE_MS,
    MOST,
    PROBE_MS,
    TRIP_MS,
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
    unpack,
    used,
)
from tests.core.held_clock import NOON

MIDNIGHT: Final = NOON + DAY_MS // 2

TRIPS: Final = Finding(Extent.MODEL, Act.TRIP)
BACKS_OFF: Final = Finding(Extent.MODEL, Act.BACK_OFF)


def left(window: Window, amount: int, until_ms: int = 0) -> Finding:
    return Finding(Extent.MODEL, Act.LEFT, until_ms, window, amount)


def limit(window: Window, amount: int) -> Finding:
    return Finding(Extent.MODEL, Act.LIMIT, 0, window, amount)


class Desk:
    """One scope, and a clock that starts at noon. Calls are named by when they were taken."""

    def __init__(self, *, rolling: bool = False, **limits: int) -> None:
        self.scope = Scope("a", Allowance(**limits), 0 if rolling else MIDNIGHT)  # type: ignore[arg-type]
        self.budget = Budget()
        self.now_ms = NOON
        self.count = 0

    def ask(self, tokens: int = 1) -> tuple[Take, Taken | Short]:
        self.count += 1
        ask = Take(self.count.to_bytes(17, "big"), (self.scope,), tokens)
        return ask, budget.take([self.budget], ask, self.now_ms)

    def take(self, tokens: int = 1) -> tuple[Take, int]:
        ask, taken = self.ask(tokens)
        assert isinstance(taken, Taken), taken
        return ask, taken.at_ms

    def short(self, tokens: int = 1) -> Short:
        _, short = self.ask(tokens)
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
        budget.close([self.budget], end, self.now_ms)
        self.budget = unpack(pack(self.budget))

    def trip(self) -> None:
        """Half open it: trip it, and let its rest pass."""
        self.close(self.take(), 1, Verdict.FAILURE, TRIPS)
        self.now_ms = self.budget.rest_until_ms

    def used(self, window: Window) -> int:
        return used(self.budget, window)


# ── Correcting ───────────────────────────────────────────────────────────────────────────────


def test_a_correction_leaves_what_the_provider_told() -> None:
    desk = Desk(tpm=1_000)
    call = desk.take(100)
    desk.close(desk.take(0), 0, Verdict.SUCCESS, left(Window.TPM, 300))
    assert desk.used(Window.TPM) == 700
    desk.close(call, 10)
    assert desk.used(Window.TPM) == 700


def test_of_a_call_that_came_after_the_provider_s_word_all_is_given_back() -> None:
    desk = Desk(tpm=1_000)
    desk.close(desk.take(0), 0, Verdict.SUCCESS, left(Window.TPM, 300))
    desk.now_ms += 1
    call = desk.take(100)
    assert desk.used(Window.TPM) == 800
    desk.close(call, 10)
    assert desk.used(Window.TPM) == 710


def test_what_took_more_than_was_reserved_counts_whole() -> None:
    desk = Desk(tpm=1_000)
    call = desk.take(100)
    desk.close(desk.take(0), 0, Verdict.SUCCESS, left(Window.TPM, 300))
    desk.close(call, 150)
    assert desk.used(Window.TPM) == 750


@pytest.mark.parametrize("windows", [(Window.RPM, Window.TPM), (Window.RPD, Window.TPD)])
def test_a_call_that_was_not_counted_is_not_corrected(windows: Sequence[Window]) -> None:
    """It was taken before there was a limit; what is there was added by others."""
    requests, tokens = windows
    desk = Desk(concurrent=9)
    early = desk.take(900)
    desk.close(desk.take(), 1, Verdict.NEUTRAL, limit(requests, 50))
    desk.now_ms += 1
    late = desk.take(900)
    desk.close(early, 100)
    assert desk.used(tokens) == 900
    desk.close(late, 100)
    assert desk.used(tokens) == 100


@pytest.mark.parametrize(("before_ms", "tomorrow"), [(1_000, 40), (1, 40), (1_001, 0)])
def test_near_the_day_s_end_a_correction_reaches_both_days(before_ms: int, tomorrow: int) -> None:
    desk = Desk(tpd=1_000)
    desk.now_ms = MIDNIGHT - before_ms
    call = desk.take(100)
    desk.close(call, 40)
    desk.now_ms = MIDNIGHT
    desk.ask(10**6)  # forgets
    assert desk.used(Window.TPD) == tomorrow


def test_near_the_day_s_end_a_correction_may_come_the_day_after() -> None:
    desk = Desk(tpd=1_000)
    desk.now_ms = MIDNIGHT - 500
    call = desk.take(100)
    desk.now_ms = MIDNIGHT + 1
    other = desk.take(30)
    desk.close(call, 40)
    assert desk.used(Window.TPD) == 70
    desk.close(other, 20)
    assert desk.used(Window.TPD) == 60


@pytest.mark.parametrize("amount", [MOST + 1, 2**53, 2**70])
def test_a_provider_s_count_of_tokens_may_be_absurd(amount: int) -> None:
    desk = Desk(rpm=9, rpd=9)
    desk.close(desk.take(), amount)
    desk.close(desk.take(amount), 5)
    assert desk.used(Window.TPM) == desk.used(Window.TPD) == MOST + 5


# ── What providers tell ──────────────────────────────────────────────────────────────────────


def test_every_answer_may_tell_what_is_left_and_one_word_is_kept() -> None:
    desk = Desk(rpm=100, tpm=10_000, rpd=1_000, tpd=10**6)
    sizes = []
    for n in range(40):
        told = [left(window, 90 - 2 * n) for window in Window]
        desk.close(desk.take(), 1, Verdict.SUCCESS, *told)
        sizes.append(len(pack(desk.budget)))
        desk.now_ms += 10
    assert set(sizes) == {sizes[0]}
    assert desk.used(Window.RPM) == 100 - 12
    assert desk.used(Window.TPD) == 10**6 - 12


def test_a_word_holds_for_as_long_as_the_newest_that_says_so() -> None:
    desk = Desk(rpd=100)
    desk.close(desk.take(), 1, Verdict.SUCCESS, left(Window.RPD, 0))
    desk.now_ms += DOUBT_MS - 1
    desk.close((Take(bytes(17), (desk.scope,), 1), 0), 1, Verdict.SUCCESS, left(Window.RPD, 0))
    desk.now_ms += DOUBT_MS - 1
    short = desk.short()
    assert short == Short("a", Why.RPD, desk.now_ms + 1)
    desk.now_ms += 1
    assert desk.used(Window.RPD) == 100
    desk.take()
    assert desk.used(Window.RPD) == 2


def test_who_says_that_more_is_left_is_not_believed_while_the_word_holds() -> None:
    desk = Desk(rpm=100)
    desk.close(desk.take(), 1, Verdict.SUCCESS, left(Window.RPM, 10))
    desk.close(desk.take(), 1, Verdict.SUCCESS, left(Window.RPM, 50))
    assert desk.used(Window.RPM) == 91


def test_a_word_about_the_day_ends_with_the_day() -> None:
    desk = Desk(rpd=100)
    desk.now_ms = MIDNIGHT - 10_000
    desk.close(desk.take(), 1, Verdict.SUCCESS, left(Window.RPD, 0))
    assert desk.short() == Short("a", Why.RPD, MIDNIGHT)
    desk.now_ms = MIDNIGHT
    desk.take()
    desk.take()


def test_a_word_ends_when_the_provider_says_so() -> None:
    desk = Desk(rpm=100)
    desk.close(desk.take(), 1, Verdict.SUCCESS, left(Window.RPM, 0, NOON + 3_000))
    assert desk.short() == Short("a", Why.RPM, NOON + 3_000)


def test_a_remainder_below_nothing_is_nothing() -> None:
    desk = Desk(rpm=100)
    desk.close(desk.take(), 1, Verdict.SUCCESS, left(Window.RPM, -5))
    assert desk.used(Window.RPM) == 100


def test_what_cannot_be_kept_is_kept_as_the_most_that_can() -> None:
    desk = Desk(rpm=10)
    rests = Finding(Extent.MODEL, Act.REST, 2**70)
    gone = Finding(Extent.MODEL, Act.RETIRE, 2**70)
    desk.close(desk.take(), 1, Verdict.NEUTRAL, rests, gone, limit(Window.RPM, 2**70))
    assert desk.budget.rest_until_ms == desk.budget.retired_until_ms == FOREVER_MS
    assert desk.budget.limits[Window.RPM] == MOST


# ── Rest ─────────────────────────────────────────────────────────────────────────────────────


def test_who_began_before_the_trip_lets_no_second_probe_in() -> None:
    desk = Desk()
    early = desk.take()
    desk.trip()
    desk.take()
    desk.close(early, 1, Verdict.SUCCESS)
    assert desk.short() == Short("a", Why.PROBED, desk.now_ms + PROBE_MS)


@pytest.mark.parametrize("found", [(), (TRIPS,)])
def test_who_began_before_the_trip_neither_proves_nor_fails(found: Sequence[Finding]) -> None:
    desk = Desk()
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


def test_a_probe_that_another_has_followed_still_proves_but_does_not_let_a_third_in() -> None:
    desk = Desk()
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


def test_a_scope_that_has_proved_itself_is_as_if_it_had_never_tripped() -> None:
    desk = Desk()
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


def test_a_failure_of_the_trial_trips_once_whatever_else_it_tells() -> None:
    desk = Desk()
    desk.trip()
    desk.close(desk.take(), 1, Verdict.FAILURE, TRIPS, TRIPS)
    assert desk.short() == Short("a", Why.RESTING, desk.now_ms + 2 * TRIP_MS)


def test_refusals_of_calls_that_were_in_flight_together_count_once() -> None:
    desk = Desk()
    calls = [desk.take() for _ in range(5)]
    for call in calls[:4]:
        desk.now_ms += 10
        desk.close(call, 0, Verdict.NEUTRAL, BACKS_OFF)
    assert desk.short() == Short("a", Why.RESTING, desk.now_ms + BACK_OFF_MS)
    desk.now_ms += BACK_OFF_MS
    desk.close(desk.take(), 0, Verdict.NEUTRAL, BACKS_OFF)
    assert desk.short() == Short("a", Why.RESTING, desk.now_ms + 2 * BACK_OFF_MS)
    desk.close(calls[4], 1, Verdict.SUCCESS)  # says how it was before
    desk.now_ms += 2 * BACK_OFF_MS
    desk.close(desk.take(), 0, Verdict.NEUTRAL, BACKS_OFF)
    assert desk.short() == Short("a", Why.RESTING, desk.now_ms + 4 * BACK_OFF_MS)


# ── Bytes ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("finding", [BACKS_OFF, TRIPS])
def test_what_is_counted_in_a_row_has_an_end(finding: Finding) -> None:
    desk = Desk()
    for _ in range(2**16 + 1):
        budget.note(desk.budget, desk.scope, finding, desk.now_ms)
    desk.now_ms = desk.budget.rest_until_ms
    desk.close(desk.take(), 1, Verdict.FAILURE, finding)
    longest_ms = {Act.BACK_OFF: 900_000, Act.TRIP: 600_000}[finding.act]
    assert desk.short() == Short("a", Why.RESTING, desk.now_ms + longest_ms)


def test_a_clock_that_leaps_makes_no_more_cells_than_can_be_kept() -> None:
    desk = Desk(rpm=10**6, rpd=10**6, rolling=True)
    for _ in range(300):
        desk.now_ms -= DAY_MS
        desk.take(2)
    assert desk.used(Window.RPM) == desk.used(Window.RPD) == 300
    assert desk.used(Window.TPM) == desk.used(Window.TPD) == 600
    assert len(desk.budget.minute) == len(desk.budget.day) == budget.MOST_CELLS
    ends_ms = [cell.expires_ms for cell in desk.budget.minute]
    assert max(ends_ms) > NOON - DAY_MS  # what was made one counts for as long as the longer
    assert len(set(ends_ms)) == len(ends_ms)


def test_earlier_versions_and_this_one_read_what_the_other_keeps() -> None:
    desk = Desk(rpm=9, concurrent=2)
    desk.take()
    before = pack(desk.budget)
    assert len(before) == 60 + 20 + 25
    assert unpack(before) == desk.budget
    desk.close((Take(bytes(17), (desk.scope,), 1), 0), 1, Verdict.NEUTRAL, left(Window.RPM, 2))
    assert pack(desk.budget)[: len(before)] == before
    assert unpack(pack(desk.budget)) == desk.budget


def test_learned_limits_are_forgotten_after_a_day() -> None:
    desk = Desk(rpm=9)
    desk.close(desk.take(), 1, Verdict.NEUTRAL, limit(Window.RPM, 1))
    assert desk.short().why is Why.RPM
    desk.now_ms += LEARNED_MS
    for _ in range(9):
        desk.take()
    assert desk.short() == Short("a", Why.RPM, desk.now_ms + MINUTE_MS + 2_000)
