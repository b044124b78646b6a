"""The scarcity benchmark: one day of six free accounts, the same for everybody.

``make scarcity`` lives it for every contestant through real HTTP, with time scaled; the table goes
to ``results/scarcity.md``. ``--quick`` lives two hours of it, and prints only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from benchmarks import machine
from benchmarks.processes import (
    LOOPBACK,
    ROOT,
    BenchmarkError,
    Command,
    await_ready,
    end_on_sigterm,
    fetch,
    free_port,
    python,
    running,
)
from benchmarks.scarcity.contestants import CONTESTANTS, LITELLM, OURS, RIVALS_PYTHON, Contestant
from benchmarks.scarcity.crowd import Tally
from benchmarks.scarcity.day import BEGIN_S, DAY_S, HOUR_S
from benchmarks.scarcity.demand import ATTACKED_CROWD, ORDINARY_CROWD, SEED, Demand
from benchmarks.scarcity.figures import Figures, figures
from benchmarks.scarcity.load import Job
from benchmarks.scarcity.optimum import Bound, optimum
from benchmarks.table import markdown

RESULT: Final = ROOT / "benchmarks/results/scarcity.md"
SHIM: Final = Path(__file__).parent / "shim"
FACTOR: Final = 120.0
MOST_SILENCE: Final = 0.01
"""More requests without any answer, as a part of the questions, make a day invalid."""
QUICK_BEGIN: Final = 18.0
QUICK_HOURS: Final = 2.0
AFTER_S: Final = 30.0
"""Real seconds that may pass after the end of the day until everybody has been told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Which day, which part of it, how fast."""

    name: str
    crowd: float
    hostile: bool
    begin_s: float = 0.0
    end_s: float = DAY_S
    factor: float = FACTOR
    seed: int = SEED
    hostile_every_s: float = 20.0

    def job(self, contestant: Contestant, port: int) -> Job:
        """What its crowd is told."""
        return Job(
            url=f"http://{LOOPBACK}:{port}",
            seed=self.seed,
            crowd=self.crowd,
            hostile=self.hostile,
            hostile_every_s=self.hostile_every_s,
            begin_s=self.begin_s,
            end_s=self.end_s,
            minted=contestant.minted,
        )

    def demand(self) -> Demand:
        """Who asks in that part of it."""
        whole = self.job(OURS, 0).demand()
        asked = tuple(q for q in whole.questions if self.begin_s <= q.at_s < self.end_s)
        return replace(whole, questions=asked)


ORDINARY: Final = Day(name="ordinary", crowd=ORDINARY_CROWD, hostile=False)
ATTACKED: Final = Day(name="attacked", crowd=ATTACKED_CROWD, hostile=True)


@dataclass(frozen=True, slots=True)
class Counted:
    """What a provider of the world counted."""

    calls: int
    answered: int
    refused: int
    failed: int


@dataclass(frozen=True, slots=True)
class Lived:
    """What a contestant made of a day."""

    contestant: Contestant
    figures: Figures
    tally: Tally
    counted: dict[str, Counted]
    errors: dict[str, int]

    @property
    def counts(self) -> bool:
        """Whether nearly everybody was told something: else it is the harness that is measured."""
        return sum(self.errors.values()) <= MOST_SILENCE * self.figures.asked


def live(contestant: Contestant, day: Day, log: Path | None = None) -> Lived:
    """Start the world, the contestant and the crowd by one clock, and wait for the night."""
    day = replace(day, factor=min(day.factor, contestant.most_factor))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=_quick_folder())))
        logs = log or folder
        clock = f"{day.factor} {time.monotonic() + contestant.lead_s} {BEGIN_S + day.begin_s}"
        begin = time.monotonic() + contestant.lead_s
        variables = {
            "SCARCITY_CLOCK": clock,
            "PYTHONPATH": f"{SHIM}:{ROOT / 'src'}",
        }
        world, port = free_port(), free_port()
        commands = (
            ("world", Command(python("benchmarks.scarcity.world", "--port", str(world))), world),
            (contestant.key, contestant.command(folder, port, world), port),
        )
        for name, command, at in commands:
            told = replace(command, variables={**command.variables, **variables})
            child = stack.enter_context(running(name, told, logs / f"{contestant.key}-{name}.log"))
            await_ready(child, told, at)
        job = json.dumps(asdict(day.job(contestant, port)))
        load = Command(python("benchmarks.scarcity.load", job), variables=variables)
        crowd = stack.enter_context(
            running("load", load, logs / f"{contestant.key}-load.log", piped=True)
        )
        if time.monotonic() > begin - 1:
            raise BenchmarkError(f"{contestant.name} took too long to start")
        length_s = (day.end_s - day.begin_s) / day.factor
        try:
            output, _ = crowd.process.communicate(timeout=contestant.lead_s + length_s + AFTER_S)
        except subprocess.TimeoutExpired:
            raise BenchmarkError(f"the crowd of {contestant.name} never came home") from None
        if crowd.process.returncode != 0:
            raise crowd.died()
        told_all = json.loads(output)
        counts = json.loads(fetch(world, "/counts"))
    counted = {name: Counted(**counts[name]) for name in counts}
    tally = _tally(told_all["tally"])
    return Lived(
        contestant,
        figures(day.demand(), tally, counted.values()),
        tally,
        counted,
        told_all["errors"],
    )


def _quick_folder() -> Path | None:
    """A folder in memory where there is one: a disk is not faster because time is."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() else None


def _tally(told: dict[str, Any]) -> Tally:
    refusals = Counter({int(status): count for status, count in told["refusals"].items()})
    return Tally(
        answers=Counter(told["answers"]),
        by_model=Counter(told["by_model"]),
        waits=told["waits"],
        refusals=refusals,
        denied=Counter(told["denied"]),
        hostile_asked=told["hostile_asked"],
        hostile_answers=Counter(told["hostile_answers"]),
    )


def row(lived: Lived, bound: Bound) -> tuple[str, ...]:
    """A contestant's line of the table; one that fell silent is marked."""
    found = lived.figures
    return (
        lived.contestant.name + ("" if lived.counts else " (fell silent: not valid)"),
        f"{found.answered:,}",
        f"{found.share:.1%}",
        f"{found.worth:,.0f}",
        f"{found.worth / bound.worth:.1%}",
        f"{100 * found.wasted_per_answer:.2f}",
        f"{found.p50_s:.1f}",
        f"{found.p95_s:.1f}",
        f"{found.jain:.3f}",
        f"{found.hostile:,}",
    )


HEADINGS: Final = (
    *("contestant", "answers", "of those within limits", "worth", "of the bound"),
    *("wasted per 100 answers", "p50 wait, s", "p95 wait, s", "Jain", "hostile answers"),
)


def table(day: Day, all_lived: Sequence[Lived]) -> str:
    """A day's table."""
    demand = day.demand()
    bound = optimum(demand)
    rows = [row(lived, bound) for lived in all_lived]
    best = f"{bound.answered:,}"
    rows.append(
        ("clairvoyant bound", best, "", f"{bound.worth:,.0f}", "100.0%", "0.00", "", "", "", "0")
    )
    return markdown(HEADINGS, rows)


def main(arguments: Sequence[str]) -> int:
    """Live the days for those who are named."""
    parser = argparse.ArgumentParser(prog="benchmarks.scarcity", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two hours of it; prints only")
    parser.add_argument("--only", action="append", choices=_keys())
    parser.add_argument("--day", action="append", choices=[ORDINARY.name, ATTACKED.name])
    parser.add_argument("--factor", type=float, help="how much faster time passes")
    parser.add_argument("--begin", type=float, help="the first hour of the day that is lived")
    parser.add_argument("--hours", type=float, help="how many of them")
    parser.add_argument("--jobs", type=int, default=6, help="how many contestants live at once")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--logs", type=Path, help="a folder that keeps what the processes say")
    told = parser.parse_args(arguments)
    end_on_sigterm()
    texts, failed = [], False
    for whole_day in (ORDINARY, ATTACKED):
        if told.day and whole_day.name not in told.day:
            continue
        day = _part(whole_day, told)
        bound = optimum(day.demand())
        all_lived = []
        with ThreadPoolExecutor(told.jobs) as pool:
            lives = [
                pool.submit(live, one, day, told.logs) for one in _chosen(told.only or _keys())
            ]
            for future in as_completed(lives):
                try:
                    lived = future.result()
                except BenchmarkError as error:
                    failed = True
                    print(error, file=sys.stderr, flush=True)
                    continue
                all_lived.append(lived)
                failed |= not lived.counts
                print(day.name, *row(lived, bound), sep=" | ", flush=True)
                print(_details(lived), flush=True)
        all_lived.sort(key=lambda one: CONTESTANTS.index(one.contestant))
        texts.append(f"## The {day.name} day\n\n{table(day, all_lived)}")
        print(texts[-1], flush=True)
    whole = not (
        told.quick
        or told.only
        or told.day
        or told.factor
        or told.hours
        or told.begin
        or told.seed != SEED
    )
    if whole and not failed:
        RESULT.write_text(written(texts))
    return int(failed)


def _part(day: Day, told: argparse.Namespace) -> Day:
    """The part of a day that was asked for, as fast as was asked for."""
    begin, hours, factor = 0.0, 24.0, FACTOR
    if told.quick:
        begin, hours = QUICK_BEGIN, QUICK_HOURS
    begin = begin if told.begin is None else told.begin
    hours = hours if told.hours is None else told.hours
    return replace(
        day,
        seed=told.seed,
        begin_s=begin * HOUR_S,
        end_s=min((begin + hours) * HOUR_S, DAY_S),
        factor=told.factor or factor,
    )


def _keys() -> list[str]:
    return [one.key for one in CONTESTANTS]


def _chosen(keys: Sequence[str]) -> list[Contestant]:
    """Those who are there."""
    found = []
    for one in CONTESTANTS:
        if one.key in LITELLM and not RIVALS_PYTHON.exists():
            print(f"{one.name} is left out: make scarcity installs it", flush=True)
        elif one.key in keys:
            found.append(one)
    return found


def _details(lived: Lived) -> str:
    counted = {
        name: f"{one.answered}+{one.refused}+{one.failed}" for name, one in lived.counted.items()
    }
    return (
        f"  by model {dict(lived.tally.by_model)}; refusals {dict(lived.tally.refusals)}; world,"
        f" answered+refused+failed {counted}; hostile asked {lived.tally.hostile_asked};"
        f" client errors {lived.errors}"
    )


def written(texts: Sequence[str]) -> str:
    """The page of results."""
    commit = subprocess.run(
        ("git", "rev-parse", "--short", "HEAD"),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    ).stdout.strip()
    head = (
        f"# A day of scarce budgets\n\nSeed {SEED}, time {FACTOR:.0f} times faster, made from"
        f" {commit}. What the columns mean and how it is lived stands in"
        " [the README](../README.md#scarcity).\n\n"
    )
    return head + "\n\n".join(texts) + f"\n\n{machine.facts()}\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
