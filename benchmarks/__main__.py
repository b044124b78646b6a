"""The command line: `python -m benchmarks`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import cpu, hop, nginx, peers, profile, start, valkey
from benchmarks.answer import KINDS, Kind
from benchmarks.processes import BenchmarkError, end_on_sigterm
from benchmarks.subjects import BARE, Subject, references, services

RESULTS = Path(__file__).parent / "results"
_FULL = hop.Plan(rounds=15, requests=2000, practice=1)
_QUICK = hop.Plan(rounds=3, requests=800)
_NAMES = (BARE, "nginx", "service", "litellm", "portkey", *KINDS)


@dataclass(frozen=True)
class Page:
    """What a run found, as Markdown, and whether a target was missed."""

    text: str
    missed: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when the run means nothing or `--check` finds a target missed."""
    chosen = _parser().parse_args(arguments)
    end_on_sigterm()
    try:
        _check_machine()
        page = _measured(chosen)
    except BenchmarkError as error:
        print(f"The run is invalid. {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(page.text)
    _write(page, chosen)
    return 1 if chosen.check and page.missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What a hop costs, in CPU and latency."
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="less of everything, under 40 s; writes no file")
    add("--rounds", type=_positive, help="rounds, or starts with --start")
    add("--requests", type=_positive, help="measured requests a round, subject and scenario")
    add("--only", action="append", choices=_NAMES, help="a subject or a scenario; may be repeated")
    add("--peers", action="store_true", help="LiteLLM's proxy and Portkey too; installs them")
    add("--valkey", action="store_true", help="what limits on a Valkey cost, beside SQLite")
    add("--start", action="store_true", help="time to ready, time to speak and memory instead")
    add("--profile", action="store_true", help="where the service's time goes; installs py-spy")
    add("--check", action="store_true", help="end with 1 when a target is missed")
    add("--output", type=Path, help="write the page here; default: results/, for a full run")
    return parser


def _measured(chosen: argparse.Namespace) -> Page:
    if chosen.start:
        return _start(chosen)
    if chosen.profile:
        return Page(profile.report(_kinds(chosen.only)), missed=False)
    if chosen.valkey:
        return Page(*valkey.report(_plan(chosen)))
    return _hop(chosen)


def _plan(chosen: argparse.Namespace) -> hop.Plan:
    usual = _QUICK if chosen.quick else _FULL
    return hop.Plan(
        chosen.rounds or usual.rounds, chosen.requests or usual.requests, usual.practice
    )


def _hop(chosen: argparse.Namespace) -> Page:
    subjects, left_out = [*references(), *services()], []
    if nginx.executable() is None:
        left_out.append(nginx.MISSING)
    if chosen.peers:
        found = peers.peers()
        subjects += found.subjects
        left_out += found.left_out
    kinds = _kinds(chosen.only)
    result = hop.measure(_subjects(subjects, chosen.only, kinds), kinds, _plan(chosen))
    return Page(hop.report(result, left_out), any(row.verdict == "missed" for row in result.rows))


def _start(chosen: argparse.Namespace) -> Page:
    rows = start.measure(start.variants(), chosen.rounds or (2 if chosen.quick else start.STARTS))
    left_out = () if start.has_model() else (start.NO_MODEL,)
    return Page(start.report(rows, left_out), any(row.misses for row in rows))


def _kinds(only: Sequence[str] | None) -> list[Kind]:
    return [kind for kind in KINDS if kind in (only or ())] or list(KINDS)


def _subjects(
    everyone: Sequence[Subject], only: Sequence[str] | None, kinds: Sequence[Kind]
) -> list[Subject]:
    """Keep those named that have something to do, and the bare proxy: it is everybody's base."""
    named = {it.key for it in everyone} & set(only or ()) or {it.key for it in everyone}
    return [
        it
        for it in everyone
        if it.key == BARE or (it.key in named and any(kind in kinds for kind in it.kinds))
    ]


def _write(page: Page, chosen: argparse.Namespace) -> None:
    """Write where asked; a part of the whole does not replace the page of a full run."""
    file = chosen.output
    if file is None and not (chosen.quick or chosen.only or chosen.profile):
        name = "start" if chosen.start else "valkey" if chosen.valkey else "hop"
        file = RESULTS / f"{name}.md"
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page.text + "\n")


def _check_machine() -> None:
    if not (cpu.PROC / "self" / "smaps_rollup").exists():
        raise BenchmarkError("CPU and memory are read from Linux's /proc, which is not here.")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
