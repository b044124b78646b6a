"""Programs of others, installed on demand and kept in a cache folder."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_INSTALL_TIMEOUT_S = 900


class MissingError(Exception):
    """A program that cannot be had here; the message says why."""


def cache() -> Path:
    """Give the folder where such programs stay."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "scalix-free-benchmarks"


def python_environment(requirement: str) -> Path:
    """Install a package into a virtual environment of its own; give the folder of its programs."""
    name = re.sub(r"[^a-z0-9.]+", "-", requirement.lower())
    folder = cache() / f"{name}-python{sys.version_info.major}.{sys.version_info.minor}"

    def install() -> None:
        run(sys.executable, "-m", "venv", str(folder))
        pip = (str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check")
        run(*pip, "install", "--quiet", requirement)

    once(folder, install)
    return folder / "bin"


def program(name: str) -> str:
    """Find a program of the machine's own."""
    found = shutil.which(name)
    if found is None:
        raise MissingError(f"it needs {name}")
    return found


def once(folder: Path, install: Callable[[], None]) -> None:
    """Install into a folder that is marked when it is complete."""
    done = folder / ".installed"
    if done.exists():
        return
    print(f"Installing {folder.name} (once) ...", file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    install()
    done.touch()


def run(*command: str) -> str:
    """Run an installer; its own settings of the machine, such as the package index, are kept."""
    name = Path(command[0]).name
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=True
        )
    except subprocess.TimeoutExpired:
        raise MissingError(f"{name} took longer than {_INSTALL_TIMEOUT_S} s") from None
    except subprocess.CalledProcessError as error:
        print(error.stderr[-2000:], file=sys.stderr)
        raise MissingError(f"{name} failed with {error.returncode}, see above") from None
    except OSError as error:
        raise MissingError(f"{name} cannot be run ({error.strerror})") from None
    return ended.stdout
