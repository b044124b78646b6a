"""The laws of windows kept in sub-buckets: never too much, and back at most 1/60 late."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from scalix_free.core.ledger import (
    LATE_SETTLEMENT_MS,
    LEASE_MS,
    MOST_ROWS,
    SUB_BUCKETS,
    Admitted,
    Ask,
    Book,
    Denied,
    Limit,
    Policy,
    Unit,
    admit,
    beat,
    levels,
    pack,
    refund,
    settle,
    unpack,
)
from tests.core.held_clock import NOON
from tests.laws.naive_ledger import Entry, NaiveBook

SUITE: Final = settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
CROWDED: Final = settings(SUITE, max_examples=80)
MINUTE: Final = 60_000

windows = st.sampled_from([MINUTE, 60 * MINUTE, 1_440 * MINUTE, 61_003])  # one is no multiple of 60


def times_of(window_ms: int) -> st.SearchStrategy[int]:
    """Waits around a sub-bucket, around the window, and any between."""
    part, most = window_ms // SUB_BUCKETS, window_ms + window_ms // SUB_BUCKETS
    return st.one_of(
        st.integers(0, 2 * part),
        st.integers(0, most + 2),
        st.sampled_from([0, 1, part - 1, part, window_ms - 1, window_ms, most]),
    )


def later(limit: Limit) -> Limit:
    """The same limit over the longest time for which a request may count: 1/60 more."""
    return Limit(limit.name, limit.unit, limit.most, limit.window_ms + late_ms(limit))


def late_ms(limit: Limit) -> int:
    return -(-limit.window_ms // SUB_BUCKETS)


# ── Requests, in crowds ──────────────────────────────────────────────────────────────────────


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Limit, Sequence[tuple[int, int]]]:
    """A limit, and who comes when: waits and numbers."""
    window_ms = draw(windows)
    limit = Limit("requests", Unit.REQUESTS, MOST_ROWS + draw(st.integers(1, 50)), window_ms)
    sizes = st.integers(1, 30) | st.integers(100, 700)
    return limit, draw(st.lists(st.tuples(times_of(window_ms), sizes), min_size=1, max_size=10))


@CROWDED
@given(crowds(), st.integers(0, 61_003))
def test_of_a_crowd_as_many_come_in_as_the_window_says(
    drawn: tuple[Limit, Sequence[tuple[int, int]]], odd: int
) -> None:
    limit, comings = drawn
    assert limit.most is not None
    book = Book(Policy("network", (limit,), leased=False))
    now, came = NOON + odd, list[int]()

    def inside(window_ms: int) -> int:
        return len(came) - bisect_right(came, now - window_ms)

    for wait, size in comings:
        now += wait
        for _ in range(size):
            ask = Ask(len(came).to_bytes(16, "little"), (), 0, 1)
            verdict = admit([book], ask, now)
            if isinstance(verdict, Denied):
                event("denied")
                assert verdict.used == limit.most <= inside(limit.window_ms + late_ms(limit))
                assert_honest_wait(book, ask, verdict)
                break
            came.append(now)
            assert inside(limit.window_ms) <= verdict.levels[0].used <= limit.most
    book = unpack(pack(book), book.policy)
    assert inside(limit.window_ms) <= levels(book, now)[0].used
    assert levels(book, now)[0].used <= inside(limit.window_ms + late_ms(limit))


def assert_honest_wait(book: Book, ask: Ask, denied: Denied) -> None:
    assert denied.retry_ms is not None
    before, after = (unpack(pack(book), book.policy) for _ in range(2))
    assert isinstance(admit([before], ask, denied.now_ms + denied.retry_ms - 1), Denied)
    assert isinstance(admit([after], ask, denied.now_ms + denied.retry_ms), Admitted)


# ── Tokens, which are corrected afterwards ───────────────────────────────────────────────────

Act: TypeAlias = Literal["ask", "settle", "give back", "refund", "beat", "reload"]
Step: TypeAlias = tuple[int, Act, int, int]

acts: st.SearchStrategy[Act] = st.sampled_from(
    ["ask", "ask", "ask", "settle", "give back", "refund", "beat", "reload"]
)


@st.composite
def spendings(draw: st.DrawFn) -> tuple[Policy, Sequence[Step]]:
    window_ms = draw(windows)
    tokens = Limit("tokens", Unit.TOKENS, draw(st.integers(1_001, 2_000)), window_ms)
    requests = Limit("requests", Unit.REQUESTS, draw(st.none() | st.integers(3, 20)), 10_000)
    waits = times_of(window_ms) | st.integers(0, 60_000) | st.just(LEASE_MS)
    steps = st.tuples(waits, acts, st.integers(0, 5), st.integers(0, 1_500))
    return Policy("person", (requests, tokens)), draw(st.lists(steps, min_size=3, max_size=25))


@SUITE
@given(spendings(), st.integers(0, 61_003))
def test_of_tokens_as_many_are_spent_as_the_window_says(
    drawn: tuple[Policy, Sequence[Step]], odd: int
) -> None:
    policy, steps = drawn
    (_, tokens), now = policy.limits, NOON + odd
    assert tokens.most is not None
    book, model = Book(policy), NaiveBook(policy)
    owed = 0  # what requests turned out dearer than they were held
    for n, (wait, act, which, amount) in enumerate(steps):
        now += wait
        model.bury(now)
        rid = n.to_bytes(16, "little")
        if act == "ask":
            ask = Ask(rid, (), amount // 4, max(1, amount))
            verdict = admit([book], ask, now)
            if isinstance(verdict, Admitted):
                price = ask.prompt_tokens + verdict.output_tokens
                model.rows.append(Entry(rid, now, price, ask.prompt_tokens, now + LEASE_MS))
                assert model.used(tokens, now) <= tokens.most + owed
            elif verdict.limit == tokens:
                event("denied")
                assert model.used(later(tokens), now) + ask.least_tokens > tokens.most
                if not any(row.lease for row in model.rows):
                    assert_honest_wait(book, ask, verdict)
        elif act == "reload":
            book = unpack(pack(book), policy)
        elif (row := pick(model, which, now)) is not None:
            before = row.charge
            done = change(book, act, row, amount, now)
            assert done != row.settled
            if done:
                change_model(model, act, row, amount, now)
                owed += max(0, row.charge - before)
        used = levels(book, now)[1].used
        assert model.used(tokens, now) <= used <= model.used(later(tokens), now)


def pick(model: NaiveBook, which: int, now: int) -> Entry | None:
    """One of the requests that are surely remembered."""
    rows = [row for row in model.rows if row.lease or now - LATE_SETTLEMENT_MS < row.at]
    rows = [row for row in reversed(rows) if not row.settled or now - 10_000 < row.at]
    return rows[which % len(rows)] if rows else None


def change(book: Book, act: Act, row: Entry, tokens: int, now: int) -> bool:
    if act == "refund":
        return refund([book], row.rid)
    if act == "beat":
        return beat(book, row.rid, tokens, now)
    return settle([book], row.rid, tokens, now, counts=act == "settle")


def change_model(model: NaiveBook, act: Act, row: Entry, tokens: int, now: int) -> None:
    if act == "refund":
        model.remove(row.rid)
    elif act == "beat":
        row.spent = tokens
        if row.lease is None:
            row.charge = tokens
        else:
            row.lease = now + LEASE_MS
    else:
        row.charge = row.spent = tokens
        row.lease, row.settled, row.counts = None, True, act == "settle"
