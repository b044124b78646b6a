"""Who of several instances is asked next, and who is left out for a while: plain values.

    Standing   how one instance stands
    after      the same, after a sign of how it is
    choose     the instance that is asked next

Nothing here waits or asks: the clock and the chance are arguments.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple, TypeAlias

Balance: TypeAlias = Literal["least-connections", "round-robin"]


class Sign(enum.Enum):
    """What was seen of an instance; its value is how it reads in a log."""

    ANSWERED = "answered"
    FAILED = "fails"  # a 5xx, or nonsense
    SILENT = "does not answer in time"
    LOST = "drops connections"
    REFUSED = "cannot be reached"
    HUNG = "does not answer its health check in time"
    WELL = "is well"  # by its health check, like the next one
    ENDING = "says that it is ending"


ENOUGH: Final = 6
WEIGHT: Final = {
    Sign.FAILED: 1,
    Sign.SILENT: 2,
    Sign.HUNG: 3,
    Sign.LOST: 3,
    Sign.REFUSED: ENOUGH,
}
"""Strikes in a row that leave an instance out: a connection that was refused is certain at once,
six failures may be those of one model."""

COMPARED: Final = frozenset({Sign.FAILED, Sign.SILENT})
"""What an instance may only pass on from the provider behind it. It counts where another instance
does better; where all fail alike, nobody is an outlier."""

FIRST_MS: Final = 5_000
MOST_MS: Final = 300_000
STEADY_MS: Final = 300_000
"""Whoever was back for that long is left out briefly again."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an instance stands.

    ``strikes`` since it last answered. Until ``out_until_ms`` it is left out, and from then on
    until it is found well; 0: it is not. ``removals`` counts how often that came about, one soon
    after the other. An instance that is ``ending`` gets no new calls and goes on with those it has.
    """

    strikes: int = 0
    out_until_ms: int = 0
    removals: int = 0
    back_at_ms: int = 0
    ending: bool = False

    @property
    def is_out(self) -> bool:
        """Whether it was left out, and has not been found well since."""
        return self.out_until_ms > 0

    @property
    def is_lost(self) -> bool:
        """Whether it is left out, or would be if there were another."""
        return self.is_out or self.strikes >= ENOUGH

    @property
    def serves(self) -> bool:
        """Whether it gets new calls."""
        return not self.is_out and not self.ending


NEW: Final = Standing()


def after(
    standing: Standing, sign: Sign, now_ms: int, *, others: Sequence[Standing], chance: float
) -> Standing:
    """How it stands after a sign; ``others`` are the other instances, ``chance`` is from 0 to 1.

    It is left out after enough strikes, for longer each time, unless nobody else serves; it comes
    back with the first good health check after that time.
    """
    if sign is Sign.ANSWERED:
        return standing if standing.is_out or not standing.strikes else replace(standing, strikes=0)
    if sign is Sign.WELL:
        return _well(standing, now_ms)
    if sign is Sign.ENDING:
        return standing if standing.ending else replace(standing, ending=True)
    if standing.is_out:
        return standing
    strikes = min(standing.strikes + WEIGHT[sign], ENOUGH)
    serving = [other for other in others if other.serves]
    if strikes < ENOUGH or not serving or (sign in COMPARED and all(o.strikes for o in serving)):
        return replace(standing, strikes=strikes)
    lately = standing.removals and now_ms - standing.back_at_ms < STEADY_MS
    removals = standing.removals + 1 if lately else 1
    return Standing(
        strikes=strikes,
        out_until_ms=now_ms + _out_ms(removals, chance),
        removals=removals,
        ending=standing.ending,
    )


def _well(standing: Standing, now_ms: int) -> Standing:
    if standing.is_out and now_ms >= standing.out_until_ms:
        return Standing(removals=standing.removals, back_at_ms=now_ms)
    if not standing.is_out and standing.strikes >= ENOUGH:
        return replace(standing, strikes=0, ending=False)
    return replace(standing, ending=False) if standing.ending else standing


def _out_ms(removals: int, chance: float) -> int:
    """So long it is left out: doubled each time, and a quarter more or less by chance.

    By that the workers that have left it out together do not come back together.
    """
    whole_ms = min(FIRST_MS * 2 ** min(removals - 1, 16), MOST_MS)
    return int(whole_ms * (0.75 + chance / 2))


class Seat(NamedTuple):
    """An instance as it is chosen from: how it stands, and its calls that run."""

    standing: Standing
    calls: int


def choose(
    seats: Sequence[Seat], balance: Balance, last: int, tried: Collection[int] = ()
) -> int | None:
    """The index of the instance that is asked next; None where all were tried.

    Whoever serves comes before who is ending, and who was left out comes last: better asked in vain
    than nobody. Among equals the turn goes round, from the one after ``last``.
    """
    count = len(seats)

    def rank(at: int) -> tuple[int, int, int]:
        standing, calls = seats[at]
        place = 2 if standing.is_out else 1 if standing.ending else 0
        return place, calls if balance == "least-connections" else 0, (at - last - 1) % count

    return min((at for at in range(count) if at not in tried), key=rank, default=None)
