"""Who of several instances is asked, and who is left out: laws, and examples of each sign."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.providers.balance import (
    ENOUGH,
    FIRST_MS,
    MOST_MS,
    NEW,
    STEADY_MS,
    WEIGHT,
    Balance,
    Seat,
    Sign,
    Standing,
    after,
    choose,
)

NOW = 1_800_000_000_000
OUT = Standing(strikes=ENOUGH, out_until_ms=NOW + FIRST_MS, removals=1)
ENDING = Standing(ending=True)


def seen(standing: Standing, *signs: Sign, others: tuple[Standing, ...] = (NEW,)) -> Standing:
    for sign in signs:
        standing = after(standing, sign, NOW, others=others, chance=0.5)
    return standing


# ── Choosing ─────────────────────────────────────────────────────────────────────────────────


def test_whoever_has_the_fewest_calls_is_asked() -> None:
    seats = [Seat(NEW, 3), Seat(NEW, 1), Seat(NEW, 2)]
    assert choose(seats, "least-connections", last=0) == 1
    assert choose(seats, "round-robin", last=1) == 2


def test_in_need_whoever_is_ending_is_asked_and_then_whoever_was_left_out() -> None:
    seats = [Seat(OUT, 0), Seat(ENDING, 9), Seat(NEW, 99)]
    tried: list[int] = []
    while (at := choose(seats, "least-connections", last=0, tried=tried)) is not None:
        tried.append(at)
    assert tried == [2, 1, 0]


standings = st.builds(
    Standing,
    strikes=st.integers(0, ENOUGH),
    out_until_ms=st.sampled_from([0, 0, 0, NOW - 1, NOW + FIRST_MS]),
    removals=st.integers(0, 9),
    ending=st.booleans(),
)
seatings = st.lists(st.builds(Seat, standings, st.integers(0, 3)), min_size=1, max_size=6)


@given(seatings, st.sampled_from(["least-connections", "round-robin"]), st.integers(-1, 5))
def test_nobody_is_asked_who_does_not_serve_while_another_does(
    seats: list[Seat], balance: Balance, last: int
) -> None:
    at = choose(seats, balance, last)
    assert at is not None
    serving = [seat for seat in seats if seat.standing.serves]
    if serving:
        assert seats[at].standing.serves
        if balance == "least-connections":
            assert seats[at].calls == min(seat.calls for seat in serving)
    assert choose(seats, balance, last, tried=range(len(seats))) is None


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=80),
    st.sampled_from(["least-connections", "round-robin"]),
)
def test_equals_are_asked_in_turn(
    count: int, steps: list[tuple[int, bool]], balance: Balance
) -> None:
    """Whatever ends in which order: nobody has two calls more than another, or turns than they."""
    calls, turns, last = [0] * count, Counter[int](), -1
    for which, ends in steps:
        running = [at for at in range(count) if calls[at]]
        if ends and running and balance == "round-robin":
            calls[running[which % len(running)]] -= 1
            continue
        at = choose([Seat(NEW, one) for one in calls], balance, last)
        assert at is not None
        last = at
        calls[at] += 1
        turns[at] += 1
        told = calls if balance == "least-connections" else [turns[n] for n in range(count)]
        assert max(told) - min(told) <= 1


# ── Leaving out ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sign", "times"),
    [(Sign.REFUSED, 1), (Sign.LOST, 2), (Sign.HUNG, 2), (Sign.SILENT, 3), (Sign.FAILED, 6)],
)
def test_so_many_in_a_row_leave_an_instance_out(sign: Sign, times: int) -> None:
    assert seen(NEW, *[sign] * (times - 1)).serves
    assert not seen(NEW, *[sign] * times).serves
    assert seen(NEW, *[sign] * (times - 1), Sign.ANSWERED, *[sign] * (times - 1)).serves


@pytest.mark.parametrize("sign", [Sign.SILENT, Sign.FAILED])
def test_where_all_fail_alike_nobody_is_an_outlier(sign: Sign) -> None:
    """The provider behind them has failed, whatever instance was asked."""
    failing = replace(NEW, strikes=1)
    assert seen(NEW, *[sign] * 9, others=(failing, failing)).serves
    assert not seen(NEW, *[sign] * 9, others=(failing, NEW)).serves


@pytest.mark.parametrize("others", [(), (OUT,), (OUT, ENDING)])
@pytest.mark.parametrize("sign", [*WEIGHT])
def test_the_last_one_standing_stays(sign: Sign, others: tuple[Standing, ...]) -> None:
    last = seen(NEW, *[sign] * 9, others=others)
    assert last.serves
    assert last.is_lost
    assert not seen(last, Sign.WELL, others=others).is_lost


def test_it_comes_back_with_the_first_good_check_after_its_time() -> None:
    def well(at_ms: int) -> Standing:
        return after(OUT, Sign.WELL, at_ms, others=(NEW,), chance=0.5)

    assert not well(OUT.out_until_ms - 1).serves
    back = well(OUT.out_until_ms)
    assert back.serves
    assert back.strikes == 0
    assert seen(OUT, Sign.ANSWERED) == OUT, "what it still had under way brings nobody back"


def test_whoever_fails_again_soon_is_left_out_for_longer_each_time() -> None:
    standing, now_ms, times = NEW, NOW, []
    for _ in range(9):
        standing = after(standing, Sign.REFUSED, now_ms, others=(NEW,), chance=0.5)
        times.append(standing.out_until_ms - now_ms)
        now_ms = standing.out_until_ms
        standing = after(standing, Sign.WELL, now_ms, others=(NEW,), chance=0.5)
    assert times == [min(FIRST_MS * 2**n, MOST_MS) for n in range(9)]
    now_ms += STEADY_MS
    standing = after(standing, Sign.REFUSED, now_ms, others=(NEW,), chance=0.5)
    assert standing.out_until_ms - now_ms == FIRST_MS


@given(st.floats(0, 1, exclude_max=True))
def test_the_time_varies_by_chance(chance: float) -> None:
    standing = after(NEW, Sign.REFUSED, NOW, others=(NEW,), chance=chance)
    assert FIRST_MS * 0.75 <= standing.out_until_ms - NOW <= FIRST_MS * 1.25


def test_one_that_is_ending_gets_no_calls_until_it_is_well() -> None:
    ending = seen(NEW, Sign.ENDING)
    assert not ending.serves
    assert not ending.is_out
    assert seen(ending, Sign.WELL) == NEW
    gone = seen(ending, Sign.REFUSED)
    assert gone.is_out
    assert after(gone, Sign.WELL, gone.out_until_ms, others=(NEW,), chance=0.5).serves


class Law:
    """Some instances, and what is seen of them."""

    def __init__(self, count: int) -> None:
        self.standings = [NEW] * count

    def see(self, at: int, sign: Sign, now_ms: int, chance: float) -> None:
        before = self.standings[at]
        others = [one for place, one in enumerate(self.standings) if place != at]
        now = self.standings[at] = after(before, sign, now_ms, others=others, chance=chance)
        if before.serves and not now.serves and sign is not Sign.ENDING:
            assert any(one.serves for one in others), "the last one was left out"
            assert 0 < now.out_until_ms - now_ms <= MOST_MS * 1.25
        if before.is_out and not now.is_out:
            assert sign is Sign.WELL
            assert now_ms >= before.out_until_ms
        assert 0 <= now.strikes <= ENOUGH


@given(
    st.integers(1, 4),
    st.lists(
        st.tuples(
            st.integers(0, 3), st.sampled_from(Sign), st.integers(0, 20_000), st.floats(0, 0.99)
        ),
        max_size=120,
    ),
)
def test_whatever_is_seen_somebody_is_left(
    count: int, events: list[tuple[int, Sign, int, float]]
) -> None:
    law, now_ms = Law(count), NOW
    for at, sign, passes_ms, chance in events:
        now_ms += passes_ms
        law.see(at % count, sign, now_ms, chance)
    assert any(not one.is_out for one in law.standings)
