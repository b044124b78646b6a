"""Time that runs faster, for a whole process and all that it starts.

Python imports this by itself where this folder is on ``PYTHONPATH``. ``SCARCITY_CLOCK`` is
``FACTOR REAL_S EPOCH_S``: at the machine's monotonic time ``REAL_S`` it is ``EPOCH_S``, and from
then on time passes ``FACTOR`` times faster; before it passes as usual, so that programs can start.

What a program sees of time is scaled: the functions of ``time``, ``datetime.now``, sleeping,
timers of asyncio's and uvloop's loops. What the kernel alone waits for is not: timeouts of locks,
of SQLite and of sockets without a loop. Timers keep a grain of a real millisecond.
"""

import datetime
import os
import selectors
import time
from typing import Any

_real_monotonic = time.monotonic
_real_sleep = time.sleep
_START_S = 1_000_000.0
"""What ``monotonic`` says at the beginning of the day."""


class Clock:
    """Machine time to scaled time and back; both in seconds."""

    def __init__(self, factor: float, real_s: float, epoch_s: float) -> None:
        self._factor, self._real_s, self.epoch_s = factor, real_s, epoch_s

    def passed(self) -> float:
        """Scaled seconds since the beginning; less than none before it."""
        real = _real_monotonic() - self._real_s
        return real * self._factor if real > 0 else real

    def real_wait(self, seconds: float) -> float:
        """How long a scaled wait from now takes in truth."""
        now = self.passed()
        return self._inverse(now + seconds) - self._inverse(now)

    def _inverse(self, passed: float) -> float:
        return passed / self._factor if passed > 0 else passed


def install(clock: Clock) -> None:
    """Let this process live by that clock."""
    _install_time(clock)
    _install_datetime()
    _install_selectors(clock)
    _install_uvloop(clock)


def _install_time(clock: Clock) -> None:
    def epoch() -> float:
        return clock.epoch_s + clock.passed()

    def monotonic() -> float:
        return _START_S + clock.passed()

    time.time = epoch
    time.time_ns = lambda: int(epoch() * 1e9)
    time.monotonic = time.perf_counter = monotonic
    time.monotonic_ns = time.perf_counter_ns = lambda: int(monotonic() * 1e9)
    time.sleep = lambda seconds: _real_sleep(clock.real_wait(float(seconds)))

    def from_now(function: Any) -> Any:
        return lambda seconds=None: function(epoch() if seconds is None else seconds)

    time.gmtime, time.localtime = from_now(time.gmtime), from_now(time.localtime)


def _install_datetime() -> None:
    true: Any = datetime.datetime

    class Kind(type):
        """Dates made elsewhere are dates too."""

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, true)

        def __subclasscheck__(cls, other: type) -> bool:
            return issubclass(other, true)

    class Scaled(true, metaclass=Kind):  # type: ignore[misc]
        """A date that knows the scaled time."""

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return true.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return true.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)

        @classmethod
        def today(cls) -> Any:
            return true.fromtimestamp(time.time())

        def __new__(cls, *args: Any, **more: Any) -> Any:
            return true(*args, **more)

    Scaled.__name__ = Scaled.__qualname__ = "datetime"
    datetime.datetime = Scaled  # type: ignore[misc]


def _install_selectors(clock: Clock) -> None:
    for name in ("EpollSelector", "PollSelector", "SelectSelector"):
        kind = getattr(selectors, name)

        def select(self: Any, timeout: float | None = None, _select: Any = kind.select) -> Any:
            scaled = clock.real_wait(timeout) if timeout is not None and timeout > 0 else timeout
            return _select(self, scaled)

        kind.select = select


def _install_uvloop(clock: Clock) -> None:
    try:
        import uvloop  # noqa: PLC0415  (not everybody has it)
    except ImportError:
        return

    class Loop(uvloop.Loop):
        """uvloop's, by the scaled clock."""

        def time(self) -> float:
            return time.monotonic()

        def call_later(  # type: ignore[override]
            self, delay: float, callback: Any, *args: Any, context: Any = None
        ) -> Any:
            real = clock.real_wait(max(delay, 0.0))
            return super().call_later(real, callback, *args, context=context)

        def call_at(  # type: ignore[override]
            self, when: float, callback: Any, *args: Any, context: Any = None
        ) -> Any:
            return self.call_later(when - self.time(), callback, *args, context=context)

    run = uvloop.run
    uvloop.new_event_loop = Loop
    uvloop.run = lambda main, **more: run(main, **{"loop_factory": Loop} | more)


_told = os.environ.get("SCARCITY_CLOCK")
if _told:
    install(Clock(*map(float, _told.split())))
