"""Whether scaled time gives the same picture as time that passes as usual.

``python -m benchmarks.scarcity.proof [--minutes M] [--only KEY]`` lives so many minutes of the
day's busiest hour twice, unscaled and scaled, side by side. Answers, worth and wasted calls must
agree within ``TOLERANCE`` or by a few, else it ends with 1. Sixty minutes take as long.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from benchmarks.processes import end_on_sigterm
from benchmarks.scarcity.__main__ import FACTOR, ORDINARY, Lived, live
from benchmarks.scarcity.contestants import CONTESTANTS
from benchmarks.scarcity.day import HOUR_S, MINUTE_S
from benchmarks.table import markdown

BEGIN_S: Final = 20 * HOUR_S
TOLERANCE: Final = 0.1
A_FEW: Final = 5
"""Two runs of the same stretch differ by as much: it is chance who comes first."""


def agrees(scaled: Lived, unscaled: Lived) -> bool:
    """Whether both tell the same."""
    ours, theirs = scaled.figures, unscaled.figures
    pairs = (
        (ours.answered, theirs.answered),
        (ours.worth, theirs.worth),
        (ours.wasted, theirs.wasted),
    )
    return all(abs(a - b) <= max(A_FEW, TOLERANCE * max(a, b)) for a, b in pairs)


def main(arguments: Sequence[str]) -> int:
    """Live it at both speeds."""
    keys = [one.key for one in CONTESTANTS]
    parser = argparse.ArgumentParser(prog="benchmarks.scarcity.proof", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--only", action="append", choices=keys)
    told = parser.parse_args(arguments)
    end_on_sigterm()
    end_s = BEGIN_S + told.minutes * MINUTE_S
    stretch = replace(ORDINARY, begin_s=BEGIN_S, end_s=end_s)
    chosen = [one for one in CONTESTANTS if one.key in (told.only or keys)]
    rows, held = [], True
    with ThreadPoolExecutor(2 * len(chosen)) as pool:
        slow = [pool.submit(live, one, replace(stretch, factor=1.0)) for one in chosen]
        fast = [pool.submit(live, one, stretch) for one in chosen]
        for pair in zip(slow, fast, strict=True):
            unscaled, scaled = (future.result() for future in pair)
            held &= agrees(scaled, unscaled)
            fastest = min(FACTOR, scaled.contestant.most_factor)
            for lived, factor in ((unscaled, 1.0), (scaled, fastest)):
                found = lived.figures
                rows.append(
                    (
                        *(lived.contestant.name, f"{factor:.0f}", f"{found.answered}"),
                        *(f"{found.worth:.1f}", f"{found.wasted}"),
                        *(f"{found.p50_s:.1f}", f"{found.p95_s:.1f}"),
                    )
                )
    headings = ("contestant", "times faster", "answers", "worth", "wasted", "p50, s", "p95, s")
    print(markdown(headings, rows))
    print("The same picture." if held else "Not the same picture.")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
