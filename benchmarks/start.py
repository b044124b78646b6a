"""How soon the service is ready, how soon it speaks, and what it holds at rest."""

import contextlib
import importlib.util
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import cpu, machine, service
from benchmarks.figures import spread
from benchmarks.processes import LOOPBACK, BenchmarkError, await_ready, free_port, running
from benchmarks.stand import upstream
from benchmarks.table import markdown, verdict

PLAIN = Path(__file__).parents[1] / ".venv" / "plain" / "bin" / "python"
"""What `make serve` installs and no more: Litestar loads all of Pydantic where there is one, and
OpenAI's client, which tests use, brings it."""
READY_TARGET_S = 2.0
REST_TARGET_MB = 100.0
"""Proportional memory of the service itself, without the local model's child."""
REST_S = 2.0
"""From the first answer until memory is read."""
STARTS = 5
_TOKEN_TIMEOUT_S = 60.0
_MB = 1_000_000
_QUESTION = {
    "model": "scalix-free",
    "messages": [{"role": "user", "content": "What is a rate limit?"}],
    "max_tokens": 64,
    "stream": True,
}
NO_MODEL = (
    "The rows with the local model are left out: it is not installed here"
    " (`make serve` installs it where it has a wheel)."
)


@dataclass(frozen=True)
class Variant:
    """A configuration that is started."""

    name: str
    configuration: Callable[[int], str]
    """TOML, given the upstream's port."""
    rest_target_mb: float | None = None


@dataclass(frozen=True)
class Start:
    """One start, one question, one rest."""

    ready_s: float
    """From just before the process was started to the first 200 of /health/ready."""
    token_s: float
    """From then to the first streamed content of one question."""
    memory: cpu.Memory
    processes: int


@dataclass(frozen=True)
class Row:
    """All starts of a variant."""

    variant: Variant
    starts: Sequence[Start]

    @property
    def misses(self) -> bool:
        """Whether a target is missed."""
        return "missed" in _verdicts(self)


VARIANTS = (
    Variant(
        "one provider, no local model",
        lambda port: service.configuration(service.HIGH, port),
        REST_TARGET_MB,
    ),
    Variant("no provider, the local model", lambda port: '[local]\nuse = "when-alone"\n'),
)


def variants() -> Sequence[Variant]:
    """Give what can be started here."""
    return VARIANTS if has_model() else VARIANTS[:1]


def measure(
    variants: Sequence[Variant], starts: int, module: str = service.MODULE, python: Path = PLAIN
) -> list[Row]:
    """Start every variant several times, after one start that only warms the machine's caches."""
    if not python.exists():
        raise BenchmarkError(f"there is no {python}; make it by: make .venv/.plain")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="start-")))
        port = free_port()
        upstream(stack, folder, port)
        for variant in variants:
            _start(variant, port, module, python)
        return [
            Row(variant, [_start(variant, port, module, python) for _ in range(starts)])
            for variant in variants
        ]


def has_model() -> bool:
    """Tell whether the local model's library is installed."""
    return importlib.util.find_spec("xllamacpp") is not None


def report(rows: Sequence[Row], left_out: Sequence[str] = ()) -> str:
    """Give the whole page."""
    table = markdown(_HEADINGS, [_cells(row) for row in rows])
    notes = (
        f"- {len(rows[0].starts)} starts each, of what `make serve` installs, in an empty folder,"
        " files already in the machine's cache; medians. Ready is the first 200 of"
        " `/health/ready`, counted from just before the process is started;"
        f" then one streamed question; memory {REST_S:.0f} s after its answer,"
        " the whole process tree: RSS counts shared pages in every process, PSS once."
    )
    return "\n\n".join(["# Start and rest", machine.facts(), table, *left_out, notes])


_HEADINGS = (
    "service",
    "ready s",
    "least..most",
    "then first token s",
    "processes",
    "RSS MB",
    "PSS MB",
    "targets",
    "",
)


def _cells(row: Row) -> list[str]:
    ready = spread([start.ready_s for start in row.starts])
    rest = row.variant.rest_target_mb
    return [
        row.variant.name,
        f"{ready.median:.2f}",
        f"{ready.least:.2f}..{ready.most:.2f}",
        f"{spread([start.token_s for start in row.starts]).median:.3f}",
        str(row.starts[-1].processes),
        f"{spread([start.memory.resident / _MB for start in row.starts]).median:.0f}",
        f"{_rest_mb(row):.0f}",
        f"ready ≤ {READY_TARGET_S:.0f} s" + (f", PSS ≤ {rest:.0f} MB" if rest else ""),
        ", ".join(_verdicts(row)),
    ]


def _verdicts(row: Row) -> list[str]:
    ready = spread([start.ready_s for start in row.starts]).median
    found = (verdict(ready, READY_TARGET_S), verdict(_rest_mb(row), row.variant.rest_target_mb))
    return [it for it in found if it is not None]


def _rest_mb(row: Row) -> float:
    return spread([start.memory.proportional / _MB for start in row.starts]).median


def _start(variant: Variant, port: int, module: str, python: Path) -> Start:
    with tempfile.TemporaryDirectory(prefix="start-") as name:
        folder, own = Path(name), free_port()
        file = folder / "scalix-free.toml"
        file.write_text(variant.configuration(port))
        command = service.serving(folder, own, ("--config", str(file)), module).by(python)
        with running(variant.name, command, folder / "log") as child:
            await_ready(child, command, own)
            ready = time.perf_counter()
            token_s = first_token(own) - ready
            time.sleep(REST_S)
            start = Start(
                ready_s=ready - child.started,
                token_s=token_s,
                memory=cpu.memory(child.pid),
                processes=len(cpu.tree(child.pid)),
            )
    print(f"  {variant.name}: {start.ready_s:.2f} s", file=sys.stderr, flush=True)
    return start


def first_token(port: int) -> float:
    """Ask one question; give the moment of the first content, and read the answer to its end."""
    request = urllib.request.Request(
        f"http://{LOOPBACK}:{port}/v1/chat/completions",
        data=json.dumps(_QUESTION).encode(),
        headers={"Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    moment = None
    try:
        with opener.open(request, timeout=_TOKEN_TIMEOUT_S) as answer:
            for line in answer:
                if moment is None and _has_content(line):
                    moment = time.perf_counter()
    except OSError as error:
        raise BenchmarkError(f"one question was not answered: {error}") from None
    if moment is None:
        raise BenchmarkError("one question was answered without content")
    return moment


def _has_content(line: bytes) -> bool:
    if not line.startswith(b"data: {"):
        return False
    choices = json.loads(line[6:]).get("choices") or [{}]
    return bool(choices[0].get("delta", {}).get("content"))
