"""Node, where it is found, and what its own test runner says."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

LEAST = 18
PATIENCE_S = 100.0


def node() -> str:
    """The program; who has none, or one that is too old, skips."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("there is no node; get it by: sudo make system")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if int(said.removeprefix("v").partition(".")[0]) < LEAST:
        pytest.skip(f"node is {said.strip()}; install {LEAST} or newer")
    return found


def run_tests(folder: Path, files: Sequence[str], more: Mapping[str, str]) -> None:
    """Run these of Node's own tests: none may fail, and none be left out."""
    ran = subprocess.run(
        [node(), "--test", "--test-reporter", "tap", *files],
        cwd=folder,
        env=os.environ | more,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    counted = {name: int(n) for name, n in re.findall(r"^# (\w+) (\d+)$", ran.stdout, re.M)}
    assert ran.returncode == 0, _failed(ran.stdout) or ran.stdout + ran.stderr
    assert counted["pass"] > 0
    assert counted["skipped"] == counted["todo"] == counted["cancelled"] == 0, ran.stdout


def _failed(tap: str) -> str:
    """What of a report is about tests that failed."""
    return "\n".join(re.findall(r"^not ok .*?^  \.\.\.$", tap, re.M | re.S))
