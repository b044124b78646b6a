"""What LiteLLM costs a start: nothing where nobody asks for it.

`.venv/sdk/bin/python -m benchmarks.litellm_start`. The service is started by default, where LiteLLM
is installed and where it is not, and with a provider of ``kind = "litellm"``; each is asked one
question by way of the upstream that answers at once. Which modules were loaded the interpreter
itself tells (``PYTHONPROFILEIMPORTTIME``), in a start that is not measured.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Final

from benchmarks import cpu, machine, service
from benchmarks.processes import ROOT, await_ready, free_port, running
from benchmarks.stand import upstream
from benchmarks.start import REST_S, first_token
from benchmarks.table import markdown

STARTS: Final = 5
RESULT: Final = ROOT / "benchmarks" / "results" / "litellm-start.md"
WITHOUT: Final = ROOT / ".venv" / "bin" / "python"
"""An interpreter that has no LiteLLM."""

ROOMS: Final = frozenset(
    {
        "scalix_free.api.hooks",
        "scalix_free.identity.seal",
        "scalix_free.pooled",
        "scalix_free.providers.balance",
        "scalix_free.providers.labels",
        "scalix_free.providers.litellm_models",
        "scalix_free.providers.litellm_proxy",
        "scalix_free.providers.litellm_sdk",
        "scalix_free.providers.witness",
        "scalix_free.serve.proxied",
    }
)
"""What this service has for LiteLLM and loads in any case."""

IMPORTED: Final = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Variant:
    """A way to start; ``python`` runs it."""

    name: str
    python: Path
    kind: str = "openai"

    def configuration(self, port: int) -> str:
        """TOML, given the upstream's port."""
        text = service.configuration(service.HIGH, port)
        if self.kind == "openai":
            return text
        text = text.replace('kind = "openai"', f'kind = "{self.kind}"')
        return text.replace('\nmodel = "instant"', '\nmodel = "openai/instant"')


@dataclass(frozen=True)
class Moment:
    """How it stands: seconds since the start, seconds of CPU, proportional memory."""

    after_s: float
    cpu_s: float
    pss_mb: float


@dataclass(frozen=True)
class Start:
    """One start: when it was ready, and when it had answered and rested."""

    ready: Moment
    token_s: float
    rested: Moment


@dataclass(frozen=True)
class Row:
    """All starts of a variant, and the modules that it loaded with their own microseconds."""

    name: str
    starts: Sequence[Start]
    modules: Mapping[str, int] = field(default_factory=dict)


def variants() -> list[Variant]:
    """Give what can be started here; this interpreter is one that has LiteLLM."""
    here = Path(sys.executable)
    bare = [Variant("default, LiteLLM not installed", WITHOUT)] if WITHOUT.exists() else []
    return [
        *bare,
        Variant("default, LiteLLM installed", here),
        Variant('kind = "litellm"', here, "litellm"),
    ]


def measure(starts: int) -> list[Row]:
    """Start all of them, in turn; the first time is for the modules, and warms the caches."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="litellm-")))
        port = free_port()
        upstream(stack, folder, port)
        known = {one.name: _modules(one, port) for one in variants()}
        found: dict[str, list[Start]] = {name: [] for name in known}
        for _ in range(starts):
            for one in variants():
                found[one.name].append(_start(one, port)[0])
    return [Row(name, found[name], known[name]) for name in known]


def imported(log: str) -> dict[str, int]:
    """The modules that an interpreter says it imported, with the microseconds of each alone."""
    return {name: int(own_us) for own_us, name in IMPORTED.findall(log)}


def _modules(variant: Variant, port: int) -> Mapping[str, int]:
    return imported(_start(variant, port, {"PYTHONPROFILEIMPORTTIME": "1"})[1])


def _start(
    variant: Variant, port: int, variables: Mapping[str, str] | None = None
) -> tuple[Start, str]:
    """Start it once, ask it once; what was seen, and what it wrote."""
    with tempfile.TemporaryDirectory(prefix="litellm-") as name:
        folder, own = Path(name), free_port()
        file, log = folder / "scalix-free.toml", folder / "log"
        file.write_text(variant.configuration(port))
        command = service.serving(folder, own, ("--config", str(file))).by(variant.python)
        command = replace(command, variables=variables or {})
        with running(variant.name, command, log) as child:
            await_ready(child, command, own)
            ready = _moment(child.pid, child.started)
            asked = time.perf_counter()
            token_s = first_token(own) - asked
            time.sleep(REST_S)
            found = Start(ready, token_s, _moment(child.pid, child.started))
        print(f"  {variant.name}: {found.ready.after_s:.2f} s", file=sys.stderr, flush=True)
        return found, log.read_text(errors="replace")


def _moment(pid: int, started: float) -> Moment:
    after_s = time.perf_counter() - started
    return Moment(after_s, cpu.cpu_ns(pid) / 1e9, cpu.memory(pid).proportional / 1e6)


# ── The page ─────────────────────────────────────────────────────────────────────────────────

HEADINGS: Final = (
    "start",
    "modules",
    "of LiteLLM",
    "ready s",
    "CPU s",
    "PSS MB",
    "then first token s",
    "CPU s after it",
    "PSS MB after it",
)


def report(rows: Sequence[Row]) -> str:
    """Give the table, and what it means."""
    rooms = rows[0].modules
    ours = [own_us for name, own_us in rooms.items() if name in ROOMS]
    note = (
        f"{len(rows[0].starts)} starts each, in turn, each in an empty folder; medians; one worker"
        " and its parent together. Ready is the first 200 of `/health/ready`; CPU and PSS are read"
        f" then, and once more {REST_S:.0f} s after one streamed answer. Modules are those of all"
        " processes until the end. With a provider of its kind LiteLLM is loaded in the background,"
        " and the first answer waits for it.\n\n"
        f"What this service itself has for LiteLLM is {len(ours)} of the {len(rooms)} modules of a"
        f" default start, and {sum(ours) / sum(rooms.values()):.1%} of the time that they take to"
        " import."
    )
    return f"{markdown(HEADINGS, [_cells(row) for row in rows])}\n\n{note}"


def _cells(row: Row) -> list[str]:
    theirs = sum(name.partition(".")[0] == "litellm" for name in row.modules)
    return [
        row.name,
        str(len(row.modules)),
        str(theirs),
        _median(start.ready.after_s for start in row.starts),
        _median(start.ready.cpu_s for start in row.starts),
        _median((start.ready.pss_mb for start in row.starts), 1),
        _median((start.token_s for start in row.starts), 3),
        _median(start.rested.cpu_s for start in row.starts),
        _median((start.rested.pss_mb for start in row.starts), 1),
    ]


def _median(values: Iterable[float], digits: int = 2) -> str:
    return f"{statistics.median(values):.{digits}f}"


def main() -> int:
    """Measure, print, and write the results of a whole run; 1 where a default start has LiteLLM."""
    parser = argparse.ArgumentParser(prog="benchmarks.litellm_start", description=__doc__)
    parser.add_argument("--starts", type=int, default=STARTS)
    parser.add_argument("--output", type=Path, help="where to write, instead of the results")
    options = parser.parse_args()
    busy = machine.Busy()
    rows = measure(options.starts)
    others = f"Others kept {busy.others():.1f} cores busy meanwhile."
    about = f"litellm {metadata.version('litellm')}; {machine.facts()} {others}"
    page = f"# What LiteLLM costs a start\n\n{about}\n\n{report(rows)}"
    print(page)
    if options.output is not None or options.starts >= STARTS:
        (options.output or RESULT).write_text(page + "\n")
    return int(any("litellm" in row.modules for row in rows if row.name.startswith("default")))


if __name__ == "__main__":
    sys.exit(main())
