"""Time that stands still until somebody moves it."""

from dataclasses import dataclass

NOON = 1_800_000_000_000
"""Some moment, in milliseconds since the epoch."""


@dataclass
class HeldClock:
    """A ``Clock`` whose hands are moved by the test."""

    now_ms: int = NOON

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, ms: int) -> None:
        self.now_ms += ms
