"""Node and npm for tests, where there are any."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST_S = 240


def node_modules(folder: str) -> Path:
    """The folder of a package of ours, with what its lock names; skips where there is no npm."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("there is no node with npm on this machine; get them by: sudo make system")
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
