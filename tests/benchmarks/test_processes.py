import os
import sys
from pathlib import Path

import pytest

from benchmarks import cpu
from benchmarks.processes import (
    BenchmarkError,
    Command,
    await_ready,
    cores,
    fetch,
    free_port,
    python,
    running,
)

STUBBORN = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
time.sleep(60)
"""


def test_a_child_that_ends_tells_its_last_words(tmp_path: Path) -> None:
    command = Command((sys.executable, "-c", "raise SystemExit('no such setting')"))
    with (
        running("it", command, tmp_path / "log") as child,
        pytest.raises(BenchmarkError, match="it ended with 1: no such setting"),
    ):
        await_ready(child, command, free_port())


def test_a_child_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    command = Command((sys.executable, "-c", "import time; time.sleep(60)"), ready_timeout_s=0.2)
    with (
        pytest.raises(BenchmarkError, match=r"not ready after 0 s: it wrote nothing"),
        running("it", command, tmp_path / "log") as child,
    ):
        await_ready(child, command, free_port())
    assert cpu.find(child.pid) is None


def test_nothing_of_a_tree_is_left_behind(tmp_path: Path) -> None:
    with running("it", Command((sys.executable, "-c", STUBBORN)), tmp_path / "log") as child:
        while len(cpu.tree(child.pid)) < 2:
            assert child.process.poll() is None
    assert cpu.tree(child.pid) == []


def test_a_child_sees_little_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "secret")
    monkeypatch.setenv("SCALIX_FREE_SERVER__PORT", "1")
    script = "import os; print(*sorted(os.environ))"
    command = Command((sys.executable, "-c", script), variables={"ADDED": "1"})
    with running("it", command, tmp_path / "log") as child:
        child.process.wait(10)
    names = child.log.read_text().split()
    assert "ADDED" in names
    assert not {"GEMINI_API_KEY", "SCALIX_FREE_SERVER__PORT"} & set(names)


def test_a_child_runs_where_it_is_put_and_we_stay(tmp_path: Path) -> None:
    before, where = os.sched_getaffinity(0), cores()
    command = Command((sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))"))
    with running("it", command, tmp_path / "log", where.subject) as child:
        child.process.wait(10)
    assert {int(core) for core in child.log.read_text().split()} == where.subject
    assert os.sched_getaffinity(0) == before


def test_the_upstream_counts(tmp_path: Path) -> None:
    port = free_port()
    command = Command(python("benchmarks.upstream", "--port", str(port)))
    with running("upstream", command, tmp_path / "log") as child:
        await_ready(child, command, port)
        assert fetch(port, "/count") == b'{"completions":0}'
