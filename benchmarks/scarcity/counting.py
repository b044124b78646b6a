"""Providers that count: what each says to a call, by the true limits. No I/O, no clock.

A refused call does not count, as with most of them; a failed one counts where the provider says
so. The tokens of a call count with all it may take until it has ended, then with what it took.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from benchmarks.scarcity.day import (
    DAY_S,
    HANG_S,
    MINUTE_S,
    SLOWER,
    Provider,
    Trouble,
    trouble,
)
from scalix_free.core.budget import Allowance, Window

ERROR_S: Final = 0.2


class Ending(enum.Enum):
    """How a provider ends a call."""

    ANSWERED = enum.auto()
    FULL = enum.auto()  # a limit; ``window`` says which, ``until_s`` until when
    BUSY = enum.auto()  # 429 for reasons of its own
    OVERLOADED = enum.auto()
    BROKEN = enum.auto()


class Said(NamedTuple):
    """What a provider says, after how long; ``left`` is of its windows, as its headers tell."""

    ending: Ending
    after_s: float
    window: Window | None = None
    until_s: float = 0.0
    limit: int = 0
    used: int = 0
    left: tuple[tuple[Window, int, int], ...] = ()
    settle: Callable[[], None] | None = None


@dataclass(slots=True)
class Spent:
    """A call that counts."""

    at_s: float
    tokens: int


@dataclass
class Book:
    """What one account, or one model of it, has spent."""

    allowance: Allowance
    day_end_s: int | None
    minute: deque[Spent] = field(default_factory=deque)
    day: deque[Spent] = field(default_factory=deque)

    def full(self, tokens: int, now_s: float) -> tuple[Window, float, int, int] | None:
        """The limit that this call would break: which, until when, how much, used."""
        self._forget(now_s)
        for window in reversed(Window):
            limit = self.allowance.limits[window]
            if limit is None:
                continue
            spent, amount = self.used(window), tokens if window.is_tokens else 1
            if spent + amount > limit:
                until_s = self._room_s(window, spent + amount - limit, now_s)
                return window, until_s, limit, spent
        return None

    def used(self, window: Window) -> int:
        """How much of a window is spent."""
        calls = self.day if window.is_day else self.minute
        return sum(call.tokens for call in calls) if window.is_tokens else len(calls)

    def spend(self, spent: Spent) -> None:
        """Count a call."""
        self.minute.append(spent)
        self.day.append(spent)

    def left(self) -> Iterator[tuple[Window, int, int]]:
        """Of each limit: which, how much, what is left."""
        for window in Window:
            limit = self.allowance.limits[window]
            if limit is not None:
                yield window, limit, limit - self.used(window)

    def _forget(self, now_s: float) -> None:
        while self.minute and self.minute[0].at_s <= now_s - MINUTE_S:
            self.minute.popleft()
        begin_s = self._day_begin_s(now_s)
        while self.day and self.day[0].at_s < begin_s:
            self.day.popleft()

    def _day_begin_s(self, now_s: float) -> float:
        if self.day_end_s is None:
            return now_s - DAY_S
        return self.day_end_s + (now_s - self.day_end_s) // DAY_S * DAY_S

    def _room_s(self, window: Window, missing: int, now_s: float) -> float:
        if window.is_day and self.day_end_s is not None:
            return self._day_begin_s(now_s) + DAY_S
        length_s = DAY_S if window.is_day else MINUTE_S
        for call in self.day if window.is_day else self.minute:
            missing -= call.tokens if window.is_tokens else 1
            if missing <= 0:
                return call.at_s + length_s
        return now_s + length_s


class Counting:
    """One provider, and what its callers did with it."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.calls = 0
        self.answered = 0
        self.refused = 0
        self.failed = 0
        self._account = Book(provider.allowance, provider.day_end_s)
        self._models = {
            model.name: (model, Book(model.allowance, provider.day_end_s))
            for model in provider.models
        }

    def asks(self, name: str, prompt: int, cap: int, answer: int, now_s: float) -> Said:
        """Take or refuse a call of so many tokens that would be answered with so many."""
        self.calls += 1
        model, book = self._models[name]
        wrong = trouble(self.provider.name, now_s)
        if wrong is Trouble.BUSY:
            self.refused += 1
            return Said(Ending.BUSY, ERROR_S)
        for one in (self._account, book):
            full = one.full(prompt + cap, now_s)
            if full is not None:
                self.refused += 1
                window, until_s, limit, used = full
                return Said(Ending.FULL, ERROR_S, window, until_s, limit, used, self._left(book))
        fails = wrong in {Trouble.OVERLOADED, Trouble.BROKEN}
        spent = Spent(now_s, prompt if fails else prompt + cap)
        if not fails or self.provider.counts_failures:
            self._account.spend(spent)
            book.spend(spent)
        if fails:
            self.failed += 1
            ending = Ending.OVERLOADED if wrong is Trouble.OVERLOADED else Ending.BROKEN
            return Said(ending, 1.0)
        after_s = model.first_s + model.token_s * answer

        def settle() -> None:
            spent.tokens = prompt + answer

        if wrong is Trouble.SLOW:
            after_s *= SLOWER
        elif wrong is Trouble.HANGS:
            after_s = HANG_S
        self.answered += 1
        left = self._left(book)
        if wrong is Trouble.WRONG_HEADERS:
            left = tuple((window, limit, 0) for window, limit, _ in left)
        return Said(Ending.ANSWERED, after_s, left=left, settle=settle)

    def _left(self, book: Book) -> tuple[tuple[Window, int, int], ...]:
        return (*self._account.left(), *book.left())
