"""What people may ask: the same limits before every contestant, as this service has them.

Standard library only, since rivals run it in environments of their own.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Final, NamedTuple

HOUR_S: Final = 3_600
DAY_S: Final = 86_400


class Limit(NamedTuple):
    """So many requests within so many seconds."""

    most: int
    window_s: int


PERSON: Final = (Limit(5, HOUR_S), Limit(20, DAY_S))
ADDRESS: Final = (Limit(30, 60), Limit(100, HOUR_S), Limit(200, DAY_S))


@dataclass(frozen=True, slots=True)
class Admitted:
    """May ask; ``received`` is the part of their own limits that is used, in thousandths."""

    received: int


@dataclass(frozen=True, slots=True)
class Denied:
    """May not ask for so many seconds."""

    wait_s: float


class People:
    """The last day of everybody's requests. One that is not answered is given back."""

    def __init__(self) -> None:
        self._books: dict[str, deque[float]] = defaultdict(deque)

    def admit(self, person: str, address: str, now_s: float) -> Admitted | Denied:
        """Count a request, or say when there is room for one."""
        books = ((self._book(person, now_s), PERSON), (self._book("@" + address, now_s), ADDRESS))
        wait_s = max(_wait_s(book, limit, now_s) for book, limits in books for limit in limits)
        if wait_s > 0:
            return Denied(wait_s)
        own, shared = books[0][0], books[1][0]
        parts = [_used(own, limit, now_s) * 1000 // limit.most for limit in PERSON]
        parts.append(len(shared) * 1000 // ADDRESS[-1].most)
        for book, _ in books:
            book.append(now_s)
        return Admitted(max(parts))

    def give_back(self, person: str, address: str, at_s: float) -> None:
        """Undo what was admitted at that moment."""
        for key in (person, "@" + address):
            self._books[key].remove(at_s)

    def _book(self, key: str, now_s: float) -> deque[float]:
        book = self._books[key]
        while book and book[0] <= now_s - DAY_S:
            book.popleft()
        return book


def _used(book: deque[float], limit: Limit, now_s: float) -> int:
    return sum(1 for at_s in book if at_s > now_s - limit.window_s)


def _wait_s(book: deque[float], limit: Limit, now_s: float) -> float:
    if len(book) < limit.most:
        return 0.0
    return book[-limit.most] + limit.window_s - now_s
