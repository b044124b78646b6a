"""The load generator seen from the harness."""

from dataclasses import dataclass

import msgspec

from benchmarks.job import Order, Report
from benchmarks.processes import BenchmarkError, Child, Command, python

COMMAND = Command(python("benchmarks.load"))


@dataclass(frozen=True)
class Driver:
    """A running load generator, given one order after the other."""

    child: Child

    def order(self, order: Order) -> Report:
        """Have one order done; a fault is an error that ends the run."""
        self._write(msgspec.json.encode(order))
        report = self._read()
        if report.fault is not None:
            raise BenchmarkError(report.fault)
        return report

    def _write(self, line: bytes) -> None:
        pipe = self.child.process.stdin
        assert pipe is not None
        try:
            pipe.write(line + b"\n")
            pipe.flush()
        except BrokenPipeError:
            raise self.child.died() from None

    def _read(self) -> Report:
        pipe = self.child.process.stdout
        assert pipe is not None
        line = pipe.readline()
        if not line:
            raise self.child.died()
        return msgspec.json.decode(line, type=Report)
