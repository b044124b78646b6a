"""Where the service's time goes under load, by py-spy, installed on demand."""

import collections
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.answer import Kind
from benchmarks.installed import MissingError, python_environment
from benchmarks.processes import BenchmarkError, Command, running
from benchmarks.stand import Stand, bench
from benchmarks.subjects import services
from benchmarks.table import markdown

PY_SPY = "py-spy==0.4.3"
SECONDS = 8
_OPTIONS = (
    *("record", "--subprocesses", "--function"),
    *("--duration", str(SECONDS), "--rate", "400", "--format", "raw", "--output"),
)
_REQUESTS = 500
"""Asked at a time, until the recording ends."""
_WARMUP = 1000
_SHOWN = 30
_WAITING = (
    "_worker (concurrent/futures/",
    "ThreadedChildWatcher._do_waitpid (asyncio/",
    "_connection_worker_thread (aiosqlite/",
)
"""Threads that wait in a lock, which py-spy takes for work."""


@dataclass(frozen=True)
class Line:
    """A function: the percent of samples in itself, and in itself or what it called."""

    function: str
    own: float
    total: float


def report(kinds: Sequence[Kind]) -> str:
    """Record the scenarios one by one; give a table each."""
    try:
        program = python_environment(PY_SPY) / "py-spy"
    except MissingError as reason:
        raise BenchmarkError(f"py-spy cannot be had: {reason}") from None
    pages = ["# Where the time goes", "Percent of the samples of threads at work."]
    with bench() as shared:
        for subject in services():
            with Stand(subject, shared) as stand:
                for kind in subject.kinds:
                    if kind in kinds:
                        pages += [f"## {kind}", _table(_recorded(stand, kind, program))]
    return "\n\n".join(pages)


def lines(stacks: str) -> list[Line]:
    """Sum up collapsed stacks: `outer;inner count` a line."""
    own: collections.Counter[str] = collections.Counter()
    total: collections.Counter[str] = collections.Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [frame for frame in stack.split(";") if not frame.startswith("process ")]
        if not frames or frames[-1].startswith(_WAITING):
            continue
        own[frames[-1]] += int(count)
        for frame in set(frames):
            total[frame] += int(count)
    every = max(1, own.total())
    return [
        Line(name, 100 * own[name] / every, 100 * samples / every)
        for name, samples in sorted(total.items(), key=lambda item: -own[item[0]])
    ]


def _recorded(stand: Stand, kind: Kind, program: Path) -> list[Line]:
    print(f"recording {kind} for {SECONDS} s", file=sys.stderr, flush=True)
    stand.open(kind, _REQUESTS, _WARMUP)
    with tempfile.TemporaryDirectory(prefix="profile-") as name:
        folder = Path(name)
        stacks = folder / "stacks"
        command = Command((str(program), *_OPTIONS, str(stacks), "--pid", str(stand.pid)))
        with running("py-spy", command, folder / "log") as recorder:
            while recorder.process.poll() is None:
                stand.ask(_REQUESTS)
            stand.close()
            if recorder.process.returncode != 0:
                raise recorder.died()
        return lines(stacks.read_text())


def _table(found: Sequence[Line]) -> str:
    rows = [[line.function, f"{line.own:.1f}", f"{line.total:.1f}"] for line in found[:_SHOWN]]
    return markdown(["function", "own %", "with what it calls %"], rows)
