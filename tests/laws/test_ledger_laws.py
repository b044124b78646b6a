"""The laws of people's limits: any history, against a model that counts by brute force."""

from collections.abc import Callable, Sequence
from typing import Final

import pytest
from hypothesis import HealthCheck, assume, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from scalix_free.core.ledger import (
    LATE_SETTLEMENT_MS,
    LEASE_MS,
    TURN_MS,
    Admitted,
    Ask,
    Book,
    Denied,
    Level,
    Limit,
    Policy,
    Subject,
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
from tests.laws import naive_ledger as naive
from tests.laws.naive_ledger import Entry, NaiveBook

SUITE: Final = settings(
    max_examples=250,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
LONG: Final = settings(SUITE, max_examples=20_000)

SECOND: Final = 1_000
WINDOWS: Final = (10 * SECOND, 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND)

# ── What may happen ──────────────────────────────────────────────────────────────────────────

people = st.integers(0, 1)
places = st.integers(0, 1)
known = st.integers(0, 9)  # which of the requests that are known
prompts = st.integers(0, 120)
outputs = st.integers(1, 200)
prices = st.integers(0, 300)
turns = st.sampled_from([b"", b"", b"this", b"that"])
asks = st.lists(st.tuples(people, places, prompts, outputs, turns), min_size=1, max_size=4)
waits = st.one_of(
    st.integers(0, 20 * SECOND),
    st.integers(0, 120 * SECOND),
    st.integers(0, 90_000 * SECOND),
    st.sampled_from([1, LEASE_MS - 1, LEASE_MS, *WINDOWS]),
)


@st.composite
def person_limits(draw: st.DrawFn) -> tuple[Limit, ...]:
    """Every kind of limit a tier has, in any order; all windows exact."""
    short, long = sorted(draw(st.lists(st.sampled_from(WINDOWS), min_size=2, max_size=2)))
    requests = st.none() | st.integers(1, 9) | st.integers(0, 9)
    bounded = draw(requests)
    tokens = st.none() | st.integers(70, 1_000) | st.integers(300, 1_000)
    if bounded is not None:  # as many tokens as one likes, the rows are bounded by the requests
        tokens |= st.integers(1_001, 3_000)
    limits = [
        Limit("requests_short", Unit.REQUESTS, draw(requests), short),
        Limit("requests_long", Unit.REQUESTS, bounded, long),
        Limit("tokens", Unit.TOKENS, draw(tokens), draw(st.sampled_from([short, long]))),
        Limit("concurrent", Unit.CALLS, draw(st.none() | st.integers(1, 3))),
    ]
    return tuple(draw(st.permutations(limits)))


@st.composite
def place_limits(draw: st.DrawFn) -> tuple[Limit, ...]:
    windows = draw(st.lists(st.sampled_from(WINDOWS), max_size=2, unique=True))
    most = st.none() | st.integers(3, 12)
    limits = [Limit(f"place_{w}", Unit.REQUESTS, draw(most), w) for w in windows]
    users = draw(st.none() | st.integers(1, 2))
    limits.append(Limit("place_users", Unit.USERS, users, draw(st.sampled_from(WINDOWS))))
    return tuple(draw(st.permutations(limits)))


PEOPLE: Final = [Subject(bytes([who]) * 16, Policy("person", ())) for who in (0, 1)]


class Ledgers(RuleBasedStateMachine):
    """Two people, two addresses and one network, kept twice: by us, and by the naive model."""

    @initialize(person=person_limits(), place=place_limits(), network=place_limits())
    def begin(
        self, person: tuple[Limit, ...], place: tuple[Limit, ...], network: tuple[Limit, ...]
    ) -> None:
        self.now = NOON
        policies = [Policy("person", person)] * 2
        policies += [Policy("address", place, leased=False)] * 2
        policies += [Policy("network", network, leased=False)]
        self.books = [Book(policy) for policy in policies]
        self.models = [NaiveBook(policy) for policy in policies]
        self.origin: dict[bytes, int] = {}  # request → the address it came from
        self.debts: dict[bytes, int] = {}  # request → what it turned out dearer than it was held

    # ── Rules ───────────────────────────────────────────────────────────────────────────────

    @rule(asks=asks)
    def ask(self, asks: Sequence[tuple[int, int, int, int, bytes]]) -> None:
        for who, where, prompt, output, turn in asks:
            rid = bytes([who]) + len(self.origin).to_bytes(15, "little")
            self._ask(who, where, Ask(rid, (PEOPLE[who],), prompt, output, turn=turn))

    @rule(ms=waits, asks=asks)
    def wait_and_ask(self, ms: int, asks: Sequence[tuple[int, int, int, int, bytes]]) -> None:
        self.now += ms
        self.ask(asks)

    @rule(
        who=people,
        waits=st.lists(st.integers(0, 400 * SECOND), min_size=2, max_size=6),
        ends=st.sampled_from(["settle", "give back", "refund", "run"]),
    )
    def talk(self, who: int, waits: Sequence[int], ends: str) -> None:
        """Calls of one turn, of which the first ends when the others have been made."""
        known = len(self.origin)
        for ms in waits:
            self.now += ms
            rid = bytes([who]) + len(self.origin).to_bytes(15, "little")
            self._ask(who, 0, Ask(rid, (PEOPLE[who],), 1, 64, turn=b"this"))
            if len(self.origin) > known + 1:
                ours, theirs = self._both(who, 0)
                settle(ours[:1], rid, 5, self.now)
                naive.settle(theirs[:1], rid, 5, self.now)
        if len(self.origin) == known or ends == "run":
            return
        rid = list(self.origin)[known]
        ours, theirs = self._both(who, 0)
        if not self._is_surely_remembered(who, self._row(who, rid)):
            return
        if ends == "refund":
            assert refund(ours, rid) == naive.refund(theirs, rid)
        else:
            before, counts = self._charge(who, rid), ends == "settle"
            assert settle(ours, rid, 5, self.now, counts=counts) == naive.settle(
                theirs, rid, 5, self.now, counts=counts
            )
            self._owe(who, rid, before)

    @precondition(lambda self: any(self.known))
    @rule(which=known, where=places, prompt=prompts, output=outputs)
    def ask_again(self, which: int, where: int, prompt: int, output: int) -> None:
        who, rid = self._pick(which)
        self._ask(who, where, Ask(rid, (PEOPLE[who],), prompt, output))

    @precondition(lambda self: any(self.known))
    @rule(which=known, tokens=prices, counts=st.booleans())
    def end(self, which: int, tokens: int, counts: bool) -> None:
        who, rid = self._pick(which)
        ours, theirs = self._both(who, self.origin[rid])
        before = self._charge(who, rid)
        assert settle(ours, rid, tokens, self.now, counts=counts) == naive.settle(
            theirs, rid, tokens, self.now, counts=counts
        )
        self._owe(who, rid, before)

    @precondition(lambda self: any(self.known))
    @rule(which=known, spent=prices)
    def hear(self, which: int, spent: int) -> None:
        who, rid = self._pick(which)
        before = self._charge(who, rid)
        assert beat(self.books[who], rid, spent, self.now) == naive.beat(
            self.models[who], rid, spent, self.now
        )
        self._owe(who, rid, before)

    @precondition(lambda self: any(self.known))
    @rule(which=known)
    def undo(self, which: int) -> None:
        who, rid = self._pick(which)
        ours, theirs = self._both(who, self.origin[rid])
        assert refund(ours, rid) == naive.refund(theirs, rid)

    @rule(who=people, tokens=prices)
    def somebody_else_s(self, who: int, tokens: int) -> None:
        """A request nobody knows, or that is in the book of another."""
        ours, _ = self._both(who, 0)
        for stranger in (b"never asked this", *(rid for rid in self.origin if rid[0] != who)):
            assert not settle(ours, stranger, tokens, self.now)
            assert not settle(ours, stranger, tokens, self.now, counts=False)
            assert not beat(self.books[who], stranger, tokens, self.now)
            assert not refund(ours, stranger)

    @precondition(lambda self: any(model.rows for model in self.models))
    @rule(data=st.data(), odd=st.sampled_from([-1, 0, 1]))
    def wait_for_something(self, data: st.DataObject, odd: int) -> None:
        """Until about the moment at which a row leaves a window or its lease passes."""
        moments = {
            moment + odd
            for model in self.models
            for row in model.rows
            for moment in [
                row.lease,
                row.at + TURN_MS,
                *(row.at + limit.window_ms for limit in model.policy.limits),
            ]
            if moment is not None and moment + odd >= self.now
        }
        assume(moments)
        self.now = data.draw(st.sampled_from(sorted(moments)))

    @rule(who=people, which=st.integers(0, 4), prompt=prompts, back=st.integers(1, 5_000))
    def look_back(self, who: int, which: int, prompt: int, back: int) -> None:
        """A clock that goes back behind the newest request shows the time of that request.

        Only that no denial lasts then: how long to wait is not true of that clock.
        """
        rows = [row for row in self.models[which].rows if self._is_surely_remembered(which, row)]
        assume(rows)
        ours, newest = [self.books[which]], max(row.at for row in rows)
        ask = Ask(b"asked in the past", (PEOPLE[who],), prompt, 50)
        early, on_time = _copies(ours), _copies(ours)

        verdict, expected = admit(early, ask, newest - back), admit(on_time, ask, newest)
        if isinstance(expected, Denied):
            expected = expected._replace(lasting=False)
        assert verdict == expected
        assert [pack(book) for book in early] == [pack(book) for book in on_time]

    @rule(which=st.integers(0, 4))
    def reload(self, which: int) -> None:
        """What a store does: write the book down and read it again."""
        book = self.books[which]
        self.books[which] = unpack(pack(book), book.policy)

    @rule(which=people, more=st.integers(1, 4), name=st.integers(0, 3))
    def limits_change(self, which: int, more: int, name: int) -> None:
        """The operator writes another number for the same window."""
        limits = list(self.books[which].policy.limits)
        old = limits[name]
        assume(old.most is not None and old.unit is not Unit.TOKENS)
        limits[name] = Limit(old.name, old.unit, more, old.window_ms)
        policy = Policy("person", tuple(limits))
        self.books[which] = unpack(pack(self.books[which]), policy)
        self.models[which].policy = policy

    # ── Laws ────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def the_levels_are_those_of_the_model(self) -> None:
        for book, model in zip(self.books, self.models, strict=True):
            assert levels(book, self.now) == model.levels(self.now)

    def _ask(self, who: int, where: int, ask: Ask) -> None:
        ours, theirs = self._both(who, where)
        before = [pack(book) for book in ours]
        repeated = self.models[who].find(ask.rid) is not None
        verdict = admit(ours, ask, self.now)
        expected = naive.admit(theirs, ask, self.now)
        if isinstance(verdict, Denied):
            event("denied")
            assert verdict._replace(lasting=False) == expected
            _assert_same_meaning(ours, before, self.now)
            _assert_honest_wait(ours, ask, verdict)
        else:
            event("repeated" if repeated else "admitted")
            assert verdict == expected
            if repeated:
                _assert_same_meaning(ours, before, self.now)
                return
            self.origin[ask.rid] = where
            self.debts[ask.rid] = 0
            row = self._row(who, ask.rid)
            if row.covered:
                event("spared")
            self._assert_not_overspent(who, ours, spared=row.covered)
            _assert_balance(ours, before, ask, verdict, spared=row.covered)

    def _assert_not_overspent(self, who: int, books: Sequence[Book], *, spared: bool) -> None:
        """At an admission, every window has room for it; of tokens, but for what was owed.

        Of a call that is spared the windows of requests take no notice.
        """
        for book, index in zip(books, (who, None, None), strict=True):
            for limit, used, _ in levels(book, self.now):
                if limit.most is None:
                    continue
                if spared and index is not None and limit.unit is Unit.REQUESTS:
                    continue
                owed = 0
                if limit.unit is Unit.TOKENS and index is not None:
                    rows = self.models[index].inside(limit.window_ms, self.now)
                    owed = sum(self.debts[row.rid] for row in rows)
                assert used <= limit.most + owed

    # ── Bookkeeping of the test ─────────────────────────────────────────────────────────────

    def _both(self, who: int, where: int) -> tuple[list[Book], list[NaiveBook]]:
        indexes = (who, 2 + where, 4)
        return [self.books[i] for i in indexes], [self.models[i] for i in indexes]

    @property
    def known(self) -> list[bytes]:
        """The requests that are surely remembered, the unsettled first, of those the newest."""
        rows = [(who, row) for who in (0, 1) for row in reversed(self.models[who].rows)]
        rows = [(who, row) for who, row in rows if self._is_surely_remembered(who, row)]
        return [row.rid for _, row in sorted(rows, key=lambda known: known[1].settled)]

    def _pick(self, which: int) -> tuple[int, bytes]:
        known = self.known
        rid = known[which % len(known)]
        return rid[0], rid

    def _is_surely_remembered(self, who: int, row: Entry) -> bool:
        """Old requests are forgotten at leisure: from then on nothing is promised of them."""
        windows = [limit.window_ms for limit in self.models[who].policy.limits if limit.most]
        horizon = max(windows, default=0)
        end = row.at + (horizon if row.settled else max(horizon, LATE_SETTLEMENT_MS))
        return row.lease is not None or end > self.now

    def _row(self, who: int, rid: bytes) -> Entry:
        row = self.models[who].find(rid)
        assert row is not None
        return row

    def _charge(self, who: int, rid: bytes) -> int:
        self.models[who].bury(self.now)
        row = self.models[who].find(rid)
        return row.charge if row else 0

    def _owe(self, who: int, rid: bytes, before: int) -> None:
        if rid in self.debts:
            self.debts[rid] += max(0, self._charge(who, rid) - before)


def _copies(books: Sequence[Book]) -> list[Book]:
    return [unpack(pack(book), book.policy) for book in books]


def _assert_same_meaning(books: Sequence[Book], before: Sequence[bytes], now: int) -> None:
    """Nothing was written: now and at any later time the bytes say what they said before."""
    for book, blob in zip(books, before, strict=True):
        if (packed := pack(book)) == blob:
            continue
        for ms in (0, LEASE_MS // 2, LEASE_MS, *WINDOWS):
            old = levels(unpack(blob, book.policy), now + ms)
            assert levels(unpack(packed, book.policy), now + ms) == old


def _assert_honest_wait(books: Sequence[Book], ask: Ask, denied: Denied) -> None:
    """Waiting exactly so long admits, and a millisecond less does not."""
    now = denied.now_ms
    if denied.retry_ms is None:
        assert isinstance(admit(_copies(books), ask, now + 10 * WINDOWS[-1]), Denied)
        return
    if denied.limit.unit is Unit.CALLS or not _is_foreseeable(books[0], now):
        return
    event("waited")
    assert isinstance(admit(_copies(books), ask, now + denied.retry_ms), Admitted)
    assert isinstance(admit(_copies(books), ask, now + denied.retry_ms - 1), Denied)


def _is_foreseeable(own: Book, now: int) -> bool:
    """Whether what happens by itself can only make room: see "concurrency answers a fixed 2 s".

    An open call may die dearer than it was reserved, and nobody knows when a slot falls free.
    """
    dead = {limit.name: used for limit, used, _ in levels(_copies([own])[0], now + LEASE_MS)}
    dearer = any(
        dead[limit.name] > used for limit, used, _ in levels(own, now) if limit.unit is Unit.TOKENS
    )
    slots = all(
        limit.most is None or used < limit.most
        for limit, used, _ in levels(own, now)
        if limit.unit is Unit.CALLS
    )
    return slots and not dearer


def _assert_balance(
    books: Sequence[Book], before: Sequence[bytes], ask: Ask, admitted: Admitted, *, spared: bool
) -> None:
    """What a settlement or a refund gives back is what was taken, in every book."""
    now = admitted.now_ms
    policies = [book.policy for book in books]
    old = [levels(unpack(b, p), now) for b, p in zip(before, policies, strict=True)]

    def after(act: Callable[[list[Book]], bool]) -> list[tuple[Level, ...]]:
        copies = _copies(books)
        assert act(copies)
        return [levels(book, now) for book in copies]

    assert after(lambda copies: refund(copies, ask.rid)) == old
    settled = after(lambda copies: settle(copies, ask.rid, 7, now))
    given_back = after(lambda copies: settle(copies, ask.rid, 7, now, counts=False))
    for was, paid, back in zip(old, settled, given_back, strict=True):
        own = was is old[0]
        for (limit, used, _), one, other in zip(was, paid, back, strict=True):
            if limit.most is None:
                continue
            if limit.unit is Unit.USERS:
                assert other.used == used <= one.used <= used + 1
                continue
            taken = {
                Unit.REQUESTS: int(not (own and spared)),
                Unit.TOKENS: 7 * own,
                Unit.CALLS: 0,
            }[limit.unit]
            assert one.used == used + taken
            assert other.used == used + (taken if limit.unit is Unit.TOKENS else 0)


def test_any_history_is_judged_as_the_model_judges_it() -> None:
    run_state_machine_as_test(Ledgers, settings=SUITE)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_any_of_many_more_histories_is_judged_as_the_model_judges_it() -> None:
    run_state_machine_as_test(Ledgers, settings=LONG)
