"""Node and npm for tests, where there are any."""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST_S = 240
OLDEST = 18


def node() -> str:
    """The program; skips where there is none, or one that is too old."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("there is no node on this machine; get it by: sudo make system")
    version = run([found, "--version"], ROOT).strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST:
        pytest.skip(f"node is {version}; install {OLDEST} or newer")
    return found


def node_modules(folder: str) -> Path:
    """The folder of a package of ours, with what its lock names; skips where there is no npm.

    One process at a time gets it: another may be about to use the same.
    """
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("there is no node with npm on this machine; get them by: sudo make system")
    with (ROOT / folder / "package.json").open("rb") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        run(["make", "--no-print-directory", f"{folder}/node_modules/.made"], ROOT)
    return ROOT / folder


def run(command: list[str], folder: Path) -> str:
    """What a command says; its failure is the test's."""
    told = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    assert told.returncode == 0, told.stdout
    return told.stdout


def run_tests(folder: Path, files: Sequence[str], more: Mapping[str, str]) -> None:
    """Run tests of Node's own runner: none may fail, and none be left out."""
    ran = subprocess.run(
        [node(), "--test", "--test-reporter", "tap", *files],
        cwd=folder,
        env=os.environ | more,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    counted = {name: int(n) for name, n in re.findall(r"^# (\w+) (\d+)$", ran.stdout, re.M)}
    assert ran.returncode == 0, _failed(ran.stdout) or ran.stdout + ran.stderr
    assert counted["pass"] > 0
    assert counted["skipped"] == counted["todo"] == counted["cancelled"] == 0, ran.stdout


def _failed(tap: str) -> str:
    """What of a report is about tests that failed."""
    return "\n".join(re.findall(r"^not ok .*?^  \.\.\.$", tap, re.M | re.S))
