"""The CPU and the memory that a process and all its descendants took, from Linux's /proc.

CPU is read from each process's own clock, in nanoseconds: unlike the sum of its threads'
`schedstat` it keeps the time of threads that have ended. Children that have ended are added in
the kernel's ticks. Where such clocks cannot be read, ticks are read for all.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_NS_A_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """One line of /proc/PID/stat; a process is known by its id and its start together."""

    pid: int
    parent: int
    session: int
    own_ticks: int
    ended_children_ticks: int
    started: int
    """Ticks between the machine's start and its own."""


@dataclass(frozen=True)
class Memory:
    """Bytes of a tree: resident, and resident with shared pages divided by who shares them."""

    resident: int
    proportional: int


def parse_stat(line: str) -> Process:
    """Read a line of /proc/PID/stat; the name in parentheses may hold anything."""
    before, _, after = line.rpartition(")")
    field = after.split()
    return Process(
        pid=int(before.split(" ", 1)[0]),
        parent=int(field[1]),
        session=int(field[3]),
        own_ticks=int(field[11]) + int(field[12]),
        ended_children_ticks=int(field[13]) + int(field[14]),
        started=int(field[19]),
    )


def tree(root: int) -> list[Process]:
    """Give a process, its descendants, and whoever else is in the session that it leads."""
    everyone = list(_processes())
    found = {process.pid for process in everyone if root in (process.pid, process.session)}
    size = 0
    while len(found) > size:
        size = len(found)
        found |= {process.pid for process in everyone if process.parent in found}
    return [process for process in everyone if process.pid in found]


def find(pid: int) -> Process | None:
    """Give a process that runs now."""
    try:
        return parse_stat((PROC / str(pid) / "stat").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        return None


def cpu_ns(root: int) -> int:
    """Give the nanoseconds of CPU, user and system, that the tree has taken so far."""
    return sum(_own_ns(it) + it.ended_children_ticks * _NS_A_TICK for it in tree(root))


def memory(root: int) -> Memory:
    """Give the memory of the tree."""
    rolls = [_roll(process.pid) for process in tree(root)]
    return Memory(
        resident=sum(roll.get("Rss", 0) for roll in rolls),
        proportional=sum(roll.get("Pss", 0) for roll in rolls),
    )


def parse_roll(text: str) -> dict[str, int]:
    """Read /proc/PID/smaps_rollup: bytes by name."""
    fields = (line.split() for line in text.splitlines()[1:])
    return {field[0].rstrip(":"): int(field[1]) * 1024 for field in fields if len(field) == 3}


def _own_ns(process: Process) -> int:
    try:
        return time.clock_gettime_ns(_clock(process.pid))
    except OSError:
        return process.own_ticks * _NS_A_TICK


def _clock(pid: int) -> int:
    """Give the id of a process's CPU clock, as clock_getcpuclockid(3) makes it."""
    return (~pid << 3) | 2


def _processes() -> Iterator[Process]:
    for name in os.listdir(PROC):
        process = find(int(name)) if name.isdecimal() else None
        if process is not None:
            yield process


def _roll(pid: int) -> dict[str, int]:
    try:
        return parse_roll((PROC / str(pid) / "smaps_rollup").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return {}
