"""What a hop costs: all subjects over the same upstream in one run, round by round.

A round has two windows, in each of which all subjects take turns in short slices. CPU is read
before the first and after the last slice of a window, so that work a subject puts off is counted
wherever it falls, and whatever slows the machine down slows down everybody.
"""

import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import machine
from benchmarks.answer import KINDS, Kind
from benchmarks.figures import Sample, ratio, spread
from benchmarks.job import CALLERS, CALLERS_A_NETWORK, CONNECTIONS, Report
from benchmarks.service import DRAIN_S, REQUESTS_A_CALLER
from benchmarks.stand import Stand, bench
from benchmarks.subjects import BARE, Subject
from benchmarks.table import Verdict, markdown, verdict

TARGETS: dict[Kind, float] = {"unstreamed": 2.0, "stream": 1.6, "refused": 0.7}
"""What the service may take, in CPU of the bare Python proxy."""
SLICES = 8
_TITLES: dict[Kind, str] = {
    "unstreamed": "unstreamed",
    "stream": "22-frame stream",
    "refused": "refused",
}
_BASE: dict[Kind, Kind] = {"unstreamed": "unstreamed", "stream": "stream", "refused": "unstreamed"}
"""The scenario of the bare proxy that each is compared with."""
_WINDOWS: tuple[tuple[Kind, ...], ...] = (("stream",), ("unstreamed", "refused"))
"""What is measured together; nobody has two scenarios of one window."""
_LEAST_REQUESTS = 2 * CONNECTIONS


@dataclass(frozen=True)
class Plan:
    """How much is measured: requests of a round, for a subject and a scenario."""

    rounds: int
    requests: int
    practice: int = 0
    """Rounds before the measured ones, for compilers and caches that warm up slowly."""

    def slices(self, subject: Subject) -> Sequence[int]:
        """Give the requests of each slice of a window; none is too small for all connections."""
        requests = max(_LEAST_REQUESTS, round(self.requests * subject.share))
        number = min(SLICES, requests // _LEAST_REQUESTS)
        return [requests // number] * number

    def asked(self, subject: Subject) -> int:
        """Give the measured requests of a window."""
        return sum(self.slices(subject))

    def warmup(self, subject: Subject) -> int:
        """Give the requests before the measured ones."""
        return max(_LEAST_REQUESTS, self.asked(subject) // 10)


@dataclass(frozen=True)
class Row:
    """A subject in a scenario, with the bare proxy's samples of the same windows."""

    subject: Subject
    kind: Kind
    samples: Sequence[Sample]
    base: Sequence[Sample]

    @property
    def ratio(self) -> float:
        """CPU a request in bare proxies."""
        return ratio(self.samples, self.base)

    @property
    def target(self) -> float | None:
        """What the ratio should not exceed."""
        return TARGETS[self.kind] if self.subject.key == "service" else None

    @property
    def verdict(self) -> Verdict:
        """Whether the target is met."""
        return verdict(self.ratio, self.target)


@dataclass(frozen=True)
class Result:
    """All rows of a run and what a reader must know of it."""

    plan: Plan
    rows: Sequence[Row]
    starts: int
    """How often the service was started to keep its callers below their limits."""
    others: float
    """Cores that were busy with something else, on average."""


Samples = dict[tuple[int, Kind], list[Sample]]
"""By the subject's place among the subjects, and scenario."""


def measure(subjects: Sequence[Subject], kinds: Sequence[Kind], plan: Plan) -> Result:
    """Run the rounds; raises when any answer was wrong."""
    samples: Samples = {}
    busy = machine.Busy()
    with bench() as shared, contextlib.ExitStack() as stack:
        stands = [stack.enter_context(Stand(subject, shared)) for subject in subjects]
        for number in range(1 - plan.practice, plan.rounds + 1):
            _tell(f"round {number} of {plan.rounds}" if number > 0 else "practice")
            for together in _WINDOWS:
                members = _members(subjects, kinds, together)
                found = _window([(stands[index], kind) for index, kind in members], plan)
                for key, sample in zip(members, found, strict=True):
                    if number > 0:
                        samples.setdefault(key, []).append(sample)
        starts = max(stand.starts for stand in stands)
        others = busy.others()
    return Result(plan, _rows(subjects, samples), starts, others)


def report(result: Result, left_out: Sequence[str] = ()) -> str:
    """Give the whole page."""
    return "\n\n".join(
        [
            "# What a hop costs",
            machine.facts(),
            markdown(_HEADINGS, [_cells(row) for row in result.rows]),
            *left_out,
            _notes(result),
        ]
    )


def _members(
    subjects: Sequence[Subject], kinds: Sequence[Kind], together: Sequence[Kind]
) -> list[tuple[int, Kind]]:
    """Give who is measured in a window, and the bare proxy as the base of whatever is."""
    wanted = [kind for kind in together if kind in kinds]
    bases = {_BASE[kind] for kind in wanted}
    return [
        (index, kind)
        for index, subject in enumerate(subjects)
        for kind in (bases if subject.key == BARE else wanted)
        if kind in subject.kinds
    ]


def _window(members: Sequence[tuple[Stand, Kind]], plan: Plan) -> list[Sample]:
    """Measure some subjects side by side."""
    if not members:
        return []
    stands = [stand for stand, _ in members]
    for stand, kind in members:
        stand.open(kind, plan.asked(stand.subject), plan.warmup(stand.subject))
    drain_s = max(stand.subject.drain_s for stand in stands)
    time.sleep(drain_s)
    before = [stand.cpu_ns() for stand in stands]
    for turn in range(SLICES):
        for stand in stands if turn % 2 == 0 else reversed(stands):
            for requests in plan.slices(stand.subject)[turn : turn + 1]:
                stand.ask(requests)
    time.sleep(drain_s)
    spent = [stand.cpu_ns() - ns for stand, ns in zip(stands, before, strict=True)]
    found = [_sample(stand.close(), ns) for stand, ns in zip(stands, spent, strict=True)]
    for (stand, kind), sample in zip(members, found, strict=True):
        _tell(f"  {_TITLES[kind]}, {stand.subject.name}: {sample.cpu_us:.1f} µs")
    return found


def _sample(report: Report, cpu_ns: int) -> Sample:
    return Sample(
        requests=report.requests,
        cpu_us=cpu_ns / 1000 / report.requests,
        a_second=report.requests / report.seconds,
        p50_ms=report.p50_ms,
        p95_ms=report.p95_ms,
        p99_ms=report.p99_ms,
    )


def _rows(subjects: Sequence[Subject], samples: Samples) -> list[Row]:
    bare = next(index for index, subject in enumerate(subjects) if subject.key == BARE)
    return [
        Row(subjects[index], kind, samples[index, kind], samples[bare, _BASE[kind]])
        for kind in KINDS
        for index in range(len(subjects))
        if (index, kind) in samples
    ]


_HEADINGS = (
    "scenario",
    "subject",
    "CPU µs a request",
    "least..most",
    "÷ bare Python",
    "target",
    "",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "requests/s",
)


def _cells(row: Row) -> list[str]:
    cpu = spread([sample.cpu_us for sample in row.samples])
    return [
        _TITLES[row.kind],
        row.subject.name,
        f"{cpu.median:.1f}",
        f"{cpu.least:.1f}..{cpu.most:.1f}",
        f"{row.ratio:.2f}",
        "" if row.target is None else f"≤ {row.target}",
        row.verdict or "",
        f"{spread([sample.p50_ms for sample in row.samples]).median:.2f}",
        f"{spread([sample.p95_ms for sample in row.samples]).median:.2f}",
        f"{spread([sample.p99_ms for sample in row.samples]).median:.2f}",
        f"{spread([sample.a_second for sample in row.samples]).median:,.0f}",
    ]


def _notes(result: Result) -> str:
    notes = [_note_on_rounds(result.plan), _note_on_cpu(result.others), _note_on_callers(result)]
    few = {row.subject for row in result.rows if row.subject.share < 1}
    notes += [
        f"{subject.name} was asked {result.plan.asked(subject):,} times a round."
        for subject in sorted(few, key=lambda it: it.name)
    ]
    return "\n".join(f"- {note}" for note in notes)


def _note_on_rounds(plan: Plan) -> str:
    return (
        f"{plan.rounds} rounds of {plan.requests:,} requests a scenario and subject, which take"
        f" turns in {SLICES} slices; {CONNECTIONS} kept-alive connections in a closed loop. Figures"
        " are medians of the rounds; a ratio is the median of each round's ratio to the bare Python"
        " proxy (a refusal's: to its unstreamed answer)."
        + (" A round of practice before is not counted." if plan.practice else "")
    )


def _note_on_cpu(others: float) -> str:
    return (
        "CPU is user and system time of the subject's whole process tree, with what it puts off"
        f" (watched for {DRAIN_S} s longer). The subjects have a core for themselves where there"
        " are two; load generator and upstream share the rest. Latency is that of a full core on"
        f" a shared machine: read the CPU. Other processes kept {others:.1f} cores busy meanwhile."
    )


def _note_on_callers(result: Result) -> str:
    again = f": it was started {result.starts} times, each time with an empty folder"
    return (
        f"Requests come from {CALLERS:,} addresses in {CALLERS // CALLERS_A_NETWORK} networks, no"
        " prompt twice, and every answer is checked; the upstream's own count must agree. The"
        " service has every check on and every limit out of reach, no local model, and at most"
        f" {REQUESTS_A_CALLER} rows a caller{again if result.starts > 1 else ''}."
    )


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
