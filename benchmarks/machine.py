"""What a reader must know of the machine, and nothing that would tell whose it is."""

import datetime
import os
import platform
import re
import time
from importlib import metadata
from pathlib import Path

from benchmarks import cpu, nginx

_STAT = Path("/proc/stat")
_CPU_INFO = Path("/proc/cpuinfo")
_PACKAGES = ("uvloop", "httptools", "aiohttp", "msgspec", "uvicorn")


class Busy:
    """How busy the machine is with other things, from when this is made."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._all, self._own = _busy_s(), _own_s()

    def others(self) -> float:
        """Give the cores that processes other than ours kept busy, on average."""
        ours = _own_s() - self._own
        return max(0.0, _busy_s() - self._all - ours) / (time.monotonic() - self._started)


def facts() -> str:
    """Give cores, processor, versions and the date in one line."""
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)
    front = nginx.version()
    return (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}; {os.cpu_count()} cores, {processor()};"
        f" {platform.system()}, Python {platform.python_version()}, {packages}"
        + (f"; nginx {front}" if front is not None else "")
        + "."
    )


def processor() -> str:
    """Give the processor's model as the kernel names it."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", _CPU_INFO.read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found is not None else platform.machine()


def _busy_s() -> float:
    """Give the seconds that all cores were not idle, or stolen by other machines."""
    user, nice, system, _, _, irq, soft, steal = map(int, _STAT.read_text().split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    return cpu.cpu_ns(os.getpid()) / 1e9
