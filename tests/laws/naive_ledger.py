"""People's limits counted the slow way: plain rows, every window by brute force.

Written from the rules, not from the code: what ``core.ledger`` says has to be what this says.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from scalix_free.core.ledger import Admitted, Ask, Denied, Level, Limit, Policy, Unit

LEASE_MS = 45_000
LEAST_ANSWER = 64
SLOT_RETRY_MS = 2_000
TURN_MS = 600_000
CALLS_OF_A_TURN = 4


@dataclass
class Entry:
    """One request. ``lease`` is None once nobody waits for its end any more.

    ``covered`` is a call of a turn for which another one was charged.
    """

    rid: bytes
    at: int
    charge: int
    spent: int
    lease: int | None
    counts: bool = True
    settled: bool = False
    turn: bytes = b""
    user: bytes = b""
    covered: bool = False


@dataclass
class NaiveBook:
    """All requests of one subject, for ever."""

    policy: Policy
    rows: list[Entry] = field(default_factory=list)

    def find(self, rid: bytes) -> Entry | None:
        return next((row for row in self.rows if row.rid == rid), None)

    def remove(self, rid: bytes) -> None:
        self.rows = [row for row in self.rows if row.rid != rid]

    def cover(self, turn: bytes, now: int) -> int:
        """How long another call of the turn costs no request."""
        calls = [row for row in self.rows if row.turn == turn and (row.counts or row.covered)]
        charged = [i for i, row in enumerate(calls) if row.counts]
        if not turn or not charged or len(calls) - charged[-1] == CALLS_OF_A_TURN:
            return 0
        return max(0, calls[charged[-1]].at + TURN_MS - now)

    def uncharge(self, row: Entry) -> None:
        """Count a call no longer; the next of its turn is the one that is charged."""
        if row.counts and row.turn:
            after = [one for one in self.rows[self.rows.index(row) + 1 :] if one.turn == row.turn]
            after = [one for one in after if one.counts or one.covered]
            if after and after[0].covered:
                after[0].counts, after[0].covered = True, False
        row.counts = row.covered = False

    def bury(self, now: int) -> None:
        """Take whoever was not heard of in time for dead."""
        for row in self.rows:
            if row.lease is not None and row.lease <= now:
                row.lease, row.charge = None, row.spent

    def inside(self, window_ms: int, now: int) -> list[Entry]:
        return [row for row in self.rows if now - window_ms < row.at]

    def used(self, limit: Limit, now: int) -> int:
        if limit.most is None:
            return 0
        if limit.unit is Unit.CALLS:
            return sum(row.lease is not None for row in self.rows)
        rows = self.inside(limit.window_ms, now)
        if limit.unit is Unit.USERS:
            return len({row.user for row in rows})
        return sum(row.counts if limit.unit is Unit.REQUESTS else row.charge for row in rows)

    def level(self, limit: Limit, now: int) -> Level:
        rows = self.inside(limit.window_ms, now)
        if limit.unit is Unit.USERS:
            rows = [row for i, row in enumerate(rows) if not _has_user(rows[i + 1 :], row.user)]
        resets = [
            row.at + limit.window_ms
            for row in rows
            if (row.charge if limit.unit is Unit.TOKENS else row.counts)
        ]
        rolls = limit.most is not None and limit.unit is not Unit.CALLS
        return Level(limit, self.used(limit, now), min(resets, default=None) if rolls else None)

    def levels(self, now: int) -> tuple[Level, ...]:
        self.bury(now)
        return tuple(self.level(limit, now) for limit in self.policy.limits)

    def wait(self, limit: Limit, wanted: int, now: int) -> int | None:
        """How long until there is room if nobody does anything; None: for ever."""
        assert limit.most is not None
        if limit.unit is Unit.CALLS:
            return SLOT_RETRY_MS
        ends = [row.at + limit.window_ms for row in self.rows]
        ends += [row.lease for row in self.rows if row.lease is not None]
        for moment in sorted(end for end in ends if end > now):
            then = NaiveBook(self.policy, [replace(row) for row in self.rows])
            then.bury(moment)
            if then.used(limit, moment) + wanted <= limit.most:
                return moment - now
        return None

    def denials(self, ask: Ask, now: int) -> Iterator[tuple[Limit, int, int | None]]:
        for limit in self.policy.limits:
            wanted, used = wanted_of(limit, ask), self.used(limit, now)
            if limit.unit is Unit.USERS and _has_user(
                self.inside(limit.window_ms, now), ask.subjects[0].key
            ):
                continue
            if limit.most is not None and used + wanted > limit.most:
                yield limit, used, self.wait(limit, wanted, now)


def _has_user(rows: Sequence[Entry], user: bytes) -> bool:
    return any(row.user == user for row in rows)


def wanted_of(limit: Limit, ask: Ask) -> int:
    if limit.unit is not Unit.TOKENS:
        return 1
    return ask.prompt_tokens + min(ask.output_tokens, LEAST_ANSWER)


def admit(books: Sequence[NaiveBook], ask: Ask, now: int) -> Admitted | Denied:
    own = books[0]
    for book in books:
        book.bury(now)
    if (known := own.find(ask.rid)) is not None:
        output = max(0, known.charge - ask.prompt_tokens)
        return Admitted(output, own.levels(now), now, known.covered)
    cover = own.cover(ask.turn, now) if own.policy.leased else 0
    denials = [(*denial, book is own) for book in books for denial in book.denials(ask, now)]
    judged = [one for one in denials if not (cover and one[3] and one[0].unit is Unit.REQUESTS)]
    if judged:
        limit, used, wait, is_own = max(judged, key=_length)
        if wait is None or wait >= cover:  # by then the turn is over
            limit, used, wait, is_own = max(denials, key=_length)
        return Denied(limit, is_own, used, wait, own.levels(now), now)
    tokens = [limit for limit in own.policy.limits if limit.unit is Unit.TOKENS and limit.most]
    left = [(limit.most or 0) - own.used(limit, now) - ask.prompt_tokens for limit in tokens]
    cap = min([ask.output_tokens, *left])
    for book in books:
        if book.policy.leased:
            price = ask.prompt_tokens + cap
            row = Entry(ask.rid, now, price, ask.prompt_tokens, now + LEASE_MS, turn=ask.turn)
            row.counts, row.covered = not cover, cover > 0
        else:
            row = Entry(ask.rid, now, 0, 0, None, settled=True, user=ask.subjects[0].key)
        book.rows.append(row)
    return Admitted(cap, own.levels(now), now, cover > 0)


def _length(denial: tuple[Limit, int, int | None, bool]) -> tuple[bool, int]:
    return denial[2] is None, denial[2] or 0


def settle(
    books: Sequence[NaiveBook], rid: bytes, tokens: int, now: int, *, counts: bool = True
) -> bool:
    books[0].bury(now)
    row = books[0].find(rid)
    if row is None or row.settled:
        return False
    row.charge = row.spent = tokens
    row.lease, row.settled = None, True
    if not counts:
        books[0].uncharge(row)
        for book in books[1:]:
            book.remove(rid)
    return True


def beat(book: NaiveBook, rid: bytes, spent: int, now: int) -> bool:
    book.bury(now)
    row = book.find(rid)
    if row is None or row.settled:
        return False
    row.spent = spent
    if row.lease is None:
        row.charge = spent
    else:
        row.lease = now + LEASE_MS
    return True


def refund(books: Sequence[NaiveBook], rid: bytes) -> bool:
    row = books[0].find(rid)
    if row is None or (row.settled and books[0].policy.leased):
        return False
    books[0].uncharge(row)
    for book in books:
        book.remove(rid)
    return True
