"""Laws of providers' limits: what a provider that counts by itself would never complain about."""

from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalix_free.core import budget
from scalix_free.core.budget import (
    MARGIN_MS,
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
    note,
    used,
)
from scalix_free.core.clock import DAY_MS, MINUTE_MS

MIDNIGHT: Final = 1_800_000_000_000 // DAY_MS * DAY_MS
HOUR_MS: Final = 3_600_000


class Account:
    """One scope, and everything that was sent under it: (sent at, tokens)."""

    def __init__(self, allowance: Allowance, *, rolling: bool = False) -> None:
        self.allowance = allowance
        self.rolling = rolling
        self.budget = Budget()
        self.sent: list[tuple[int, int]] = []
        self.taken: list[tuple[Take, int]] = []
        self.now_ms = MIDNIGHT + 1

    @property
    def scope(self) -> Scope:
        end_ms = 0 if self.rolling else (self.now_ms // DAY_MS + 1) * DAY_MS
        return Scope("a", self.allowance, end_ms)

    def take(self, tokens: int = 1, headroom: int = WHOLE, received: int = 0) -> Taken | Short:
        rid = len(self.taken).to_bytes(17, "big")
        ask = Take(rid, (self.scope,), tokens, headroom, received)
        taken = budget.take([self.budget], ask, self.now_ms)
        if isinstance(taken, Taken):
            self.sent.append((self.now_ms, tokens))
            self.taken.append((ask, self.now_ms))
        return taken

    def close(self, tokens: int | None = None, verdict: Verdict = Verdict.SUCCESS) -> None:
        """End the newest call."""
        ask, at_ms = self.taken.pop()
        end = Close(ask.rid, ask.scopes, at_ms, ask.tokens, tokens, verdict)
        budget.close([self.budget], end, self.now_ms)
        if tokens is not None:
            place = next(i for i in reversed(range(len(self.sent))) if self.sent[i][0] == at_ms)
            self.sent[place] = (at_ms, tokens)


def worst_within(sent: Sequence[tuple[int, int]], window_ms: int, of: int) -> int:
    """The most that any stretch of that length has seen, of requests or of tokens."""
    worst = total = begin = 0
    for at_ms, tokens in sent:
        total += 1 if of == 0 else tokens
        while sent[begin][0] <= at_ms - window_ms:
            total -= 1 if of == 0 else sent[begin][1]
            begin += 1
        worst = max(worst, total)
    return worst


steps = st.lists(
    st.tuples(
        st.one_of(
            st.integers(0, 3_000),
            st.sampled_from([0, 59_999, 60_000, 61_001, HOUR_MS, DAY_MS - 1, DAY_MS]),
        ),
        st.integers(0, 400),
    ),
    max_size=60,
)
limits = st.builds(
    Allowance,
    rpm=st.integers(1, 8),
    rpd=st.integers(1, 20),
    tpm=st.integers(1, 1_500),
    tpd=st.integers(1, 5_000),
)


@settings(deadline=None)
@given(limits, steps, st.booleans())
def test_no_window_of_a_provider_is_ever_exceeded(
    allowance: Allowance, moves: Sequence[tuple[int, int]], rolling: bool
) -> None:
    account = Account(allowance, rolling=rolling)
    for wait_ms, tokens in moves:
        account.now_ms += wait_ms
        account.take(tokens)
    sent = account.sent

    assert worst_within(sent, MINUTE_MS, 0) <= (allowance.rpm or 0)
    assert worst_within(sent, MINUTE_MS, 1) <= (allowance.tpm or 0)
    if rolling:
        assert worst_within(sent, DAY_MS, 0) <= (allowance.rpd or 0)
        assert worst_within(sent, DAY_MS, 1) <= (allowance.tpd or 0)
    for day in {at_ms // DAY_MS for at_ms, _ in sent}:
        today = [tokens for at_ms, tokens in sent if at_ms // DAY_MS == day]
        assert len(today) <= (allowance.rpd or 0)
        assert sum(today) <= (allowance.tpd or 0)


@given(limits, steps, st.booleans(), st.sampled_from([WHOLE, 500, 200]))
def test_waiting_until_the_moment_that_is_told_helps(
    allowance: Allowance, moves: Sequence[tuple[int, int]], rolling: bool, headroom: int
) -> None:
    """By then it can be taken, or for another reason, that was hidden by this one, later still."""
    account = Account(allowance, rolling=rolling)
    for wait_ms, tokens in moves:
        account.now_ms += wait_ms
        short = account.take(tokens, headroom)
        if isinstance(short, Taken):
            continue
        if short.until_ms is None:
            largest = min(allowance.tpm or 0, allowance.tpd or 0)
            assert tokens > largest, short
            continue
        assert short.until_ms > account.now_ms
        account.now_ms = short.until_ms
        again = account.take(tokens, headroom)
        if isinstance(again, Short):
            assert again.until_ms is not None
            assert again.why in {Why.PACE, Why.RPM, Why.RPD, Why.TPM, Why.TPD}
            assert again.until_ms > account.now_ms


@given(st.integers(1, 60), st.integers(0, MINUTE_MS))
def test_of_a_minute_at_least_nine_tenths_can_be_used(rpm: int, offset_ms: int) -> None:
    account = Account(Allowance(rpm=rpm))
    account.now_ms += offset_ms
    begin_ms = account.now_ms
    while account.now_ms < begin_ms + 10 * MINUTE_MS:
        taken = account.take()
        if isinstance(taken, Short):
            assert taken.until_ms is not None
            account.now_ms = taken.until_ms
    assert len(account.sent) >= 9 * rpm


@pytest.mark.parametrize("rolling", [False, True])
@pytest.mark.parametrize("rpd", [20, 50, 1_000])
def test_of_a_day_all_can_be_used_by_whoever_has_received_little(rpd: int, rolling: bool) -> None:
    account = Account(Allowance(rpd=rpd), rolling=rolling)
    for _ in range(2 * 24 * 60):
        account.now_ms += MINUTE_MS
        while isinstance(account.take(headroom=200, received=50), Taken):
            pass
    days = 2
    assert len(account.sent) >= 0.9 * days * rpd


@given(st.integers(0, 999), st.integers(1, 1_000), st.integers(0, DAY_MS - MARGIN_MS - 2))
def test_no_class_is_ahead_of_its_pace(headroom: int, rpd: int, at_ms: int) -> None:
    account = Account(Allowance(rpd=rpd))
    account.now_ms += at_ms
    while isinstance(account.take(headroom=headroom), Taken):
        pass
    passed = at_ms / DAY_MS
    paced = rpd * (headroom / WHOLE + (1 - headroom / WHOLE) * passed)
    assert paced - 2 <= len(account.sent) <= max(paced, 1) + 1


@given(st.integers(0, 999), st.integers(2, 500))
def test_the_pace_says_when_it_goes_on(headroom: int, rpd: int) -> None:
    account = Account(Allowance(rpd=rpd))
    while isinstance(short := account.take(headroom=headroom), Taken):
        pass
    if short.why is not Why.PACE:
        return
    assert short.until_ms is not None
    account.now_ms = max(short.until_ms - 1_000, account.now_ms)
    assert isinstance(account.take(headroom=headroom), Short)
    account.now_ms = short.until_ms
    assert isinstance(account.take(headroom=headroom), Taken)


@given(st.integers(0, WHOLE), st.integers(0, WHOLE), st.integers(1, 40))
def test_who_has_received_less_is_never_served_later(less: int, more: int, spent: int) -> None:
    less, more = sorted((less, more))

    def served(received: int) -> bool:
        account = Account(Allowance(rpm=40))
        for _ in range(spent - 1):
            account.take()
        return isinstance(account.take(received=received), Taken)

    assert served(less) or not served(more)


def test_while_half_of_a_window_is_free_everybody_is_served() -> None:
    account = Account(Allowance(rpm=10))
    for _ in range(6):
        assert isinstance(account.take(received=WHOLE), Taken)
    short = account.take(received=WHOLE)
    assert isinstance(short, Short)
    assert short.why is Why.SCARCE
    assert isinstance(account.take(received=0), Taken)


# ── Correcting ───────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 900), st.integers(0, 2_000), st.integers(0, 3 * MINUTE_MS))
def test_what_a_call_really_took_is_what_counts(reserved: int, took: int, late_ms: int) -> None:
    account = Account(Allowance(tpm=900, tpd=100_000))
    assert isinstance(account.take(reserved), Taken)
    account.now_ms += late_ms
    account.close(took)

    expected = took if late_ms < MINUTE_MS else 0
    assert used(account.budget, Window.TPD) == took
    if not MINUTE_MS <= late_ms <= MINUTE_MS + MARGIN_MS + 1_000:
        assert used(account.budget, Window.TPM) == expected


def test_a_call_that_failed_stays_spent_as_a_request() -> None:
    account = Account(Allowance(rpd=1))
    account.take()
    account.close(0, Verdict.FAILURE)
    short = account.take()
    assert isinstance(short, Short)
    assert short.why is Why.RPD


@given(st.integers(1, 5), st.integers(0, 8))
def test_slots_are_given_back_once_and_lost_after_a_minute(slots: int, extra: int) -> None:
    account = Account(Allowance(concurrent=slots))
    for _ in range(slots + extra):
        account.take()
    assert len(account.taken) == slots
    account.close()
    assert isinstance(account.take(), Taken)
    assert isinstance(account.take(), Short)
    account.now_ms += budget.SLOT_MS
    assert isinstance(account.take(), Taken)


def test_a_beat_keeps_the_slot() -> None:
    account = Account(Allowance(concurrent=1))
    account.take()
    for _ in range(3):
        account.now_ms += budget.SLOT_MS - 1
        budget.beat([account.budget], account.taken[0][0].rid, account.now_ms)
    assert isinstance(account.take(), Short)
    account.now_ms += budget.SLOT_MS
    budget.beat([account.budget], account.taken[0][0].rid, account.now_ms)
    assert isinstance(account.take(), Taken)


# ── Rest ─────────────────────────────────────────────────────────────────────────────────────


def found(act: Act, until_ms: int = 0, window: Window = Window.RPM, amount: int = 0) -> Finding:
    return Finding(Extent.MODEL, act, until_ms, window, amount)


@given(st.lists(st.integers(1, DAY_MS), min_size=1, max_size=5))
def test_of_several_waits_the_longest_counts(waits: Sequence[int]) -> None:
    account = Account(Allowance())
    for wait_ms in waits:
        note(account.budget, account.scope, found(Act.REST, account.now_ms + wait_ms), 0)
    until_ms = account.now_ms + max(waits)
    assert account.take() == Short("a", Why.RESTING, until_ms)
    account.now_ms = until_ms
    assert isinstance(account.take(), Taken)


def test_refusals_without_a_time_are_waited_for_longer_each_time_until_one_succeeds() -> None:
    account = Account(Allowance())
    waits = []
    for _ in range(9):
        note(account.budget, account.scope, found(Act.BACK_OFF), account.now_ms)
        waits.append((account.budget.rest_until_ms - account.now_ms) // 1_000)
        account.now_ms = account.budget.rest_until_ms
    assert waits == [10, 20, 40, 80, 160, 320, 640, 900, 900]
    account.take()
    account.close()
    note(account.budget, account.scope, found(Act.BACK_OFF), account.now_ms)
    assert account.budget.rest_until_ms == account.now_ms + 10_000


def test_after_a_trip_one_at_a_time_tries_and_two_successes_close_it() -> None:
    account = Account(Allowance())
    note(account.budget, account.scope, found(Act.TRIP), account.now_ms)
    assert account.take() == Short("a", Why.RESTING, account.now_ms + TRIP_MS)
    account.now_ms += TRIP_MS
    for _ in range(2):
        assert isinstance(account.take(), Taken)
        assert account.take() == Short("a", Why.PROBED, account.now_ms + PROBE_MS)
        account.close()
    assert account.budget.trips == 0
    assert isinstance(account.take(), Taken)
    assert isinstance(account.take(), Taken)


def test_a_failure_while_half_open_trips_it_for_longer() -> None:
    account = Account(Allowance())
    note(account.budget, account.scope, found(Act.TRIP), account.now_ms)
    account.now_ms += TRIP_MS
    account.take()
    account.close(0, Verdict.FAILURE)
    assert account.take() == Short("a", Why.RESTING, account.now_ms + 2 * TRIP_MS)


def test_a_model_that_stays_sick_rests_for_ten_minutes_at_most() -> None:
    account = Account(Allowance())
    note(account.budget, account.scope, found(Act.TRIP), account.now_ms)
    rests = []
    for _ in range(7):
        rests.append((account.budget.rest_until_ms - account.now_ms) // 1_000)
        account.now_ms = account.budget.rest_until_ms
        account.take()
        account.close(0, Verdict.FAILURE)
    assert rests == [30, 60, 120, 240, 480, 600, 600]


def test_a_probe_that_never_ends_lets_the_next_one_try() -> None:
    account = Account(Allowance())
    note(account.budget, account.scope, found(Act.TRIP), account.now_ms)
    account.now_ms += TRIP_MS
    assert isinstance(account.take(), Taken)
    account.now_ms += PROBE_MS
    assert isinstance(account.take(), Taken)


# ── What providers tell ──────────────────────────────────────────────────────────────────────


@given(st.integers(0, 30), st.integers(0, 30))
def test_a_firm_limit_is_lowered_by_what_is_told_and_a_starting_value_replaced(
    configured: int, told: int
) -> None:
    for firm, expected in ((True, min(configured, told)), (False, told)):
        account = Account(Allowance(rpm=configured, firm=firm))
        tell = found(Act.LIMIT, window=Window.RPM, amount=told)
        note(account.budget, account.scope, tell, account.now_ms)
        while isinstance(account.take(), Taken):
            pass
        assert len(account.sent) == expected


@given(st.integers(0, 20), st.integers(0, 25), st.sampled_from([Window.RPM, Window.RPD]))
def test_what_is_told_to_be_left_can_only_lower_it(spent: int, left: int, window: Window) -> None:
    account = Account(Allowance(rpm=20) if window is Window.RPM else Allowance(rpd=20))
    for _ in range(spent):
        account.take()
    note(account.budget, account.scope, found(Act.LEFT, 0, window, left), account.now_ms)
    before = len(account.sent)
    while isinstance(account.take(), Taken):
        pass
    assert len(account.sent) - before == min(20 - spent, left)


def test_a_wrong_word_about_the_day_does_not_cost_the_day() -> None:
    account = Account(Allowance(rpd=100))
    note(account.budget, account.scope, found(Act.LEFT, 0, Window.RPD, 0), account.now_ms)
    assert isinstance(account.take(), Short)
    account.now_ms += budget.DOUBT_MS
    assert isinstance(account.take(), Taken)


@given(st.integers(0, 10), st.integers(1, 50_000))
def test_what_is_told_to_be_left_holds_until_the_moment_that_was_told(spent: int, ms: int) -> None:
    account = Account(Allowance(rpm=20))
    for _ in range(spent):
        account.take()
    tell = found(Act.LEFT, account.now_ms + ms, Window.RPM, 0)
    note(account.budget, account.scope, tell, account.now_ms)
    account.now_ms += ms - 1
    assert isinstance(account.take(), Short)
    account.now_ms += 1
    assert isinstance(account.take(), Taken)


@given(st.lists(st.tuples(st.sampled_from(Act), st.integers(0, 2**40)), max_size=8))
def test_bytes_tell_all_of_it(notes: Sequence[tuple[Act, int]]) -> None:
    account = Account(Allowance(rpm=3, tpd=4_000, concurrent=2))
    for act, number in notes:
        account.take(7)
        tell = found(act, number, Window(number % 4), number)
        note(account.budget, account.scope, tell, account.now_ms)
    assert budget.unpack(budget.pack(account.budget)) == account.budget
