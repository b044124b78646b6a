"""A subject that runs, and how it is asked."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from benchmarks import cpu, driver
from benchmarks.answer import Kind
from benchmarks.job import CALLERS, Job, Order, Report
from benchmarks.processes import (
    BenchmarkError,
    Child,
    Command,
    Cores,
    await_ready,
    cores,
    fetch,
    free_port,
    python,
    running,
)
from benchmarks.subjects import Place, Subject


@dataclass(frozen=True)
class Bench:
    """What all subjects share: folder, cores, the upstream behind and the load before them."""

    folder: Path
    upstream: int
    driver: driver.Driver
    cores: Cores

    def completions(self) -> int:
        """Ask the upstream how many completions it was asked for."""
        try:
            told = fetch(self.upstream, "/count")
        except OSError as error:
            raise BenchmarkError(f"the upstream does not answer: {error}") from None
        return msgspec.json.decode(told, type=dict[str, int])["completions"]


@contextlib.contextmanager
def bench() -> Iterator[Bench]:
    """Start the upstream and the load generator, on cores apart from the subjects'."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hop-")))
        where, port = cores(), free_port()
        upstream(stack, folder, port, where.harness)
        load = running("load", driver.COMMAND, folder / "load.log", where.harness, piped=True)
        yield Bench(folder, port, driver.Driver(stack.enter_context(load)), where)


def upstream(
    stack: contextlib.ExitStack, folder: Path, port: int, on: frozenset[int] | None = None
) -> None:
    """Start the instant upstream, for as long as the stack is open."""
    command = Command(python("benchmarks.upstream", "--port", str(port)))
    child = stack.enter_context(running("upstream", command, folder / "upstream.log", on))
    await_ready(child, command, port)


class Stand:
    """One subject that runs; it is started anew before its callers come near their limits."""

    def __init__(self, subject: Subject, bench: Bench) -> None:
        self.subject = subject
        self.starts = 0
        self._bench = bench
        self._running = contextlib.ExitStack()
        self._asked = 0

    def __enter__(self) -> Self:
        """Start it."""
        try:
            self._start()
        except BaseException:
            self._running.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self._running.close()

    def open(self, kind: Kind, requests: int, warmup: int) -> None:
        """Prepare a scenario that is going to be asked so often, and warm up."""
        life = self.subject.life
        if life is not None and self._asked and self._asked + requests + warmup > life:
            self._running.close()
            self._start()
        self._open(kind)
        self.ask(warmup, counted=False)

    def ask(self, requests: int, *, counted: bool = True) -> None:
        """Ask the open scenario; the upstream must have been asked as often as was answered."""
        wanted = 0 if self._kind == "refused" else requests
        self._asked += requests
        before = self._bench.completions()
        self._order(Order(do="ask", name=self._name, requests=requests, counted=counted))
        seen = self._bench.completions() - before
        if seen != wanted:
            raise self._fault(f"the upstream was asked {seen} times for {wanted} answers")

    def close(self) -> Report:
        """End the open scenario and tell how it went."""
        return self._order(Order(do="close", name=self._name))

    def cpu_ns(self) -> int:
        """Give the CPU that the subject has taken since its start."""
        return cpu.cpu_ns(self.pid)

    @property
    def pid(self) -> int:
        """The id of its first process."""
        return self._child.pid

    @property
    def _name(self) -> str:
        return f"{self._place.port} {self._kind}"

    def _start(self) -> None:
        self.starts += 1
        self._asked = 0
        folder = Path(
            self._running.enter_context(
                tempfile.TemporaryDirectory(prefix=f"{self.subject.key}-", dir=self._bench.folder)
            )
        )
        self._place = Place(folder, free_port(), self._bench.upstream)
        command = self.subject.command(self._place)
        self._child: Child = self._running.enter_context(
            running(self.subject.name, command, folder / "log", self._bench.cores.subject)
        )
        await_ready(self._child, command, self._place.port)
        if self.subject.exhausted_by:
            self._open("unstreamed")
            self.ask(self.subject.exhausted_by * CALLERS)
            self.close()

    def _open(self, kind: Kind) -> None:
        self._kind: Kind = kind
        job = Job(
            kind=kind,
            port=self._place.port,
            path=self.subject.path,
            first=self._asked,
            headers=dict(self.subject.headers(self._place)),
        )
        self._order(Order(do="open", name=self._name, job=job))

    def _order(self, order: Order) -> Report:
        try:
            return self._bench.driver.order(order)
        except BenchmarkError as error:
            raise self._fault(str(error)) from None

    def _fault(self, what: str) -> BenchmarkError:
        return BenchmarkError(
            f"{self.subject.name}, {self._kind}: {what}\nIts log ends: {self._child.last_words()}"
        )
