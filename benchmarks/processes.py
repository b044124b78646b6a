"""Starting and ending processes: every one is bounded, ended by id, and only if started here."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks import cpu

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
_END_TIMEOUT_S = 15.0
_KILL_TIMEOUT_S = 2.0
_POLL_S = 0.005
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "SSL_CERT_FILE")


class BenchmarkError(Exception):
    """The run means nothing; the message says why."""


@dataclass(frozen=True)
class Command:
    """How a process is started."""

    arguments: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    ready_path: str | None = None
    """Asked until it answers 200; without one the port is tried until it opens."""
    ready_timeout_s: float = 30.0

    def by(self, python: Path) -> "Command":
        """Give the same, run by another interpreter."""
        return replace(self, arguments=(str(python), *self.arguments[1:]))


@dataclass(frozen=True)
class Child:
    """A process that runs and leads a session of its own."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    started: float
    """`time.perf_counter()` just before it was started."""

    @property
    def pid(self) -> int:
        """Its id, which is its session's too."""
        return self.process.pid

    def died(self) -> BenchmarkError:
        """Say that it ended on its own, with the last it wrote."""
        return BenchmarkError(f"{self.name} ended with {self.process.poll()}: {self.last_words()}")

    def last_words(self) -> str:
        """Give the end of its log."""
        return self.log.read_text(errors="replace")[-2000:].strip() or "it wrote nothing"


@dataclass(frozen=True)
class Cores:
    """Where what is measured runs, and where everything else does."""

    subject: frozenset[int]
    harness: frozenset[int]


def cores() -> Cores:
    """Give the subject a core of its own where there are two or more."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return Cores(frozenset(allowed), frozenset(allowed))
    return Cores(frozenset(allowed[-1:]), frozenset(allowed[:-1]))


@contextlib.contextmanager
def running(
    name: str, command: Command, log: Path, on: frozenset[int] | None = None, *, piped: bool = False
) -> Iterator[Child]:
    """Start a process, on the given cores, and end it and what it started."""
    child = _start(name, command, log, on, piped=piped)
    try:
        yield child
    finally:
        end(child)


def end(child: Child) -> None:
    """End a process politely, then whatever is left of its tree at once."""
    family = cpu.tree(child.pid)
    if child.process.poll() is None:
        child.process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.process.wait(_END_TIMEOUT_S)
    _kill_left(family)
    child.process.wait()
    for pipe in (child.process.stdin, child.process.stdout):
        if pipe is not None:
            pipe.close()


def await_ready(child: Child, command: Command, port: int) -> None:
    """Wait until a process answers on its port."""
    until = time.perf_counter() + command.ready_timeout_s
    while not _answers(port, command.ready_path):
        if child.process.poll() is not None:
            raise child.died()
        if time.perf_counter() > until:
            raise BenchmarkError(
                f"{child.name} is not ready after {command.ready_timeout_s:.0f} s:"
                f" {child.last_words()}"
            )
        time.sleep(_POLL_S)


def free_port() -> int:
    """Give a loopback port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port: int = listener.getsockname()[1]
        return port


def fetch(port: int, path: str, timeout_s: float = 5.0) -> bytes:
    """GET a path on a loopback port; raises OSError where it is not answered with success."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{LOOPBACK}:{port}{path}", timeout=timeout_s) as answer:
        body: bytes = answer.read()
        return body


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """Give the command line of one of our modules."""
    return (sys.executable, "-m", module, *arguments)


def end_on_sigterm() -> None:
    """Let a SIGTERM unwind, so that everything started is ended."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def _start(
    name: str, command: Command, log: Path, on: frozenset[int] | None, *, piped: bool
) -> Child:
    pipe = subprocess.PIPE if piped else subprocess.DEVNULL
    with _placed(on), log.open("ab") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command.arguments,
            cwd=ROOT,
            env=_environment(command.variables),
            stdin=pipe,
            stdout=pipe if piped else output,
            stderr=output,
            start_new_session=True,
        )
    return Child(name, process, log, started)


@contextlib.contextmanager
def _placed(on: frozenset[int] | None) -> Iterator[None]:
    """Move to some cores for a moment: a child inherits where it was started."""
    before = os.sched_getaffinity(0)
    try:
        if on is not None:
            os.sched_setaffinity(0, on)
        yield
    finally:
        os.sched_setaffinity(0, before)


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Keep little: a key or an address of the caller's would change what is measured."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | dict(variables)


def _kill_left(family: Sequence[cpu.Process]) -> None:
    left = [process for process in family if _runs(process)]
    for process in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    until = time.perf_counter() + _KILL_TIMEOUT_S
    while any(_runs(process) for process in left) and time.perf_counter() < until:
        time.sleep(_POLL_S)


def _runs(process: cpu.Process) -> bool:
    """Tell whether it is still the same process that has this id."""
    now = cpu.find(process.pid)
    return now is not None and now.started == process.started


def _answers(port: int, path: str | None) -> bool:
    try:
        if path is not None:
            fetch(port, path)
        else:
            socket.create_connection((LOOPBACK, port), 1.0).close()
    except OSError:
        return False
    return True
