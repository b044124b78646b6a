import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks import cpu

LINE = "42 (a) b (c) S 7 42 40 0 -1 4194560 1 2 3 4 11 12 13 14 20 0 2 0 9000 1 2 3"
SPIN = "import time\nuntil = time.process_time() + 0.1\nwhile time.process_time() < until: pass\n"
THREAD = f"import threading\ndef spin():\n    {SPIN.replace(chr(10), chr(10) + '    ')}\n"
SAY = "print('done', flush=True); input()"


@contextmanager
def program(*lines: str) -> Iterator[int]:
    """Run a program until it has said that it is done; it waits for its end."""
    with subprocess.Popen(
        [sys.executable, "-c", "\n".join(lines)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid


def spent_s(pid: int) -> float:
    return cpu.cpu_ns(pid) / 1e9


def test_a_stat_line_is_read_whatever_the_name_holds() -> None:
    assert cpu.parse_stat(LINE) == cpu.Process(
        pid=42, parent=7, session=40, own_ticks=23, ended_children_ticks=27, started=9000
    )


def test_cpu_of_a_thread_that_has_ended_counts() -> None:
    with program(THREAD, "t = threading.Thread(target=spin)", "t.start(); t.join()", SAY) as pid:
        assert 0.1 <= spent_s(pid) < 0.5


def test_cpu_of_children_counts_running_and_ended() -> None:
    child = f"[sys.executable, '-c', {SPIN + SAY!r}]"
    ended = f"subprocess.run([sys.executable, '-c', {SPIN!r}])"
    running = f"p = subprocess.Popen({child}, stdout=subprocess.PIPE, stdin=subprocess.PIPE)"
    with program("import subprocess, sys", ended, running, "p.stdout.readline()", SAY) as pid:
        assert 0.18 <= spent_s(pid) < 1.0
        assert len(cpu.tree(pid)) == 2
        assert cpu.memory(pid).resident > cpu.memory(pid).proportional > 0


def test_a_process_at_rest_spends_nothing() -> None:
    with program(SAY) as pid:
        before = cpu.cpu_ns(pid)
        time.sleep(0.05)
        assert cpu.cpu_ns(pid) - before < 5_000_000


def test_where_there_are_no_clocks_ticks_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "_clock", lambda pid: -1_000_000_000)
    with program(SPIN, SAY) as pid:
        assert 0.05 <= spent_s(pid) < 0.5


def test_an_ended_process_is_not_found() -> None:
    with program(SAY) as pid:
        assert cpu.find(pid) is not None
    assert cpu.find(pid) is None
    assert cpu.tree(pid) == []


def test_memory_is_read_from_the_rollup() -> None:
    rollup = "00400000-7fff ---p 00000000 00:00 0   [rollup]\nRss:   1724 kB\nPss:    500 kB\n"
    assert cpu.parse_roll(rollup) == {"Rss": 1724 * 1024, "Pss": 500 * 1024}


def test_the_tree_of_this_process_holds_it() -> None:
    assert os.getpid() in {process.pid for process in cpu.tree(os.getpid())}
