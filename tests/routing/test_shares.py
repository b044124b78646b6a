"""What classes get of the turns, while several of them wait."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from scalix_free.routing.shares import FIRST, SHARES, Shares

CLASSES = sorted(SHARES)


def turns(shares: Shares, waiting: list[int], number: int) -> list[int]:
    """Who has the next turns where those of every class come back at once."""
    had = []
    for _ in range(number):
        order = shares.interleaved(waiting, lambda one: one)[0]
        shares.charge(order)
        had.append(order)
    return had


def entered(*orders: int) -> Shares:
    shares = Shares()
    for order in orders:
        shares.enter(order)
    return shares


@given(st.lists(st.sampled_from(CLASSES), min_size=2, max_size=3, unique=True))
def test_classes_that_keep_waiting_get_their_shares(orders: list[int]) -> None:
    had = Counter(turns(entered(*orders), orders, 1_000))
    whole = sum(SHARES[order] for order in orders)
    for order in orders:
        assert abs(had[order] - 1_000 * SHARES[order] / whole) <= 2


def test_nobody_waits_forever() -> None:
    had = turns(entered(1, 3), [1, 3], 4)
    assert 3 in had


def test_what_a_class_leaves_the_others_have() -> None:
    shares = entered(1, 3)
    shares.leave(1)
    assert turns(shares, [3], 5) == [3] * 5


def test_who_was_away_has_saved_up_nothing() -> None:
    shares = entered(3)
    turns(shares, [3], 100)
    shares.enter(1)
    assert Counter(turns(shares, [1, 3], 7)) == {1: 5, 3: 2}


def test_who_comes_and_goes_does_not_get_more() -> None:
    shares = entered(1, 3)
    had: Counter[int] = Counter()
    for _ in range(700):
        (order,) = turns(shares, [1, 3], 1)
        had[order] += 1
        shares.leave(order)
        shares.enter(order)
    assert had[3] / had[1] <= SHARES[3] / SHARES[1] + 0.01


def test_the_first_class_goes_before_all_others() -> None:
    shares = entered(FIRST, 1)
    assert shares.interleaved([1, FIRST, 1, FIRST], lambda one: one) == [FIRST, FIRST, 1, 1]


def test_what_the_first_class_had_moves_nobody() -> None:
    shares = entered(3, FIRST)
    turns(shares, [FIRST], 100)
    shares.enter(1)
    assert turns(shares, [1, 3], 3) == [1, 1, 3]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers()), max_size=30))
def test_nobody_is_lost_and_each_class_keeps_its_order(waiting: list[tuple[int, int]]) -> None:
    ordered = Shares().interleaved(waiting, lambda one: one[0])
    assert Counter(ordered) == Counter(waiting)
    for order in range(6):
        mine = [one for one in waiting if one[0] == order]
        assert [one for one in ordered if one[0] == order] == mine
