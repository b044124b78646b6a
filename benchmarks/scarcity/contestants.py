"""Who answers the day: this service, LiteLLM's Router by four strategies, a plain list."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from benchmarks.processes import LOOPBACK, ROOT, Command, python
from benchmarks.scarcity.day import PROVIDERS, offered
from scalix_free.core.budget import Allowance

RIVALS_PYTHON: Final = ROOT / ".venv" / "litellm" / "bin" / "python"
LITELLM: Final = (
    "simple-shuffle",
    "least-busy",
    "usage-based-routing-v2",
    "latency-based-routing",
)
LITELLM_FACTOR: Final = 60.0
"""It computes for some 20 ms a call, and people who are refused ask again: 120 times faster that is
a core at the day's peak, and from then on nobody is answered in time. So is half of it on a machine
that is busy with something else."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """How it is called and started; ``minted``: it makes people's identities itself.

    ``queue_s`` is how long our service lets somebody wait, None for its own default.
    """

    key: str
    name: str
    minted: bool = False
    queue_s: float | None = None
    lead_s: float = 30.0
    """Real seconds that it may take to start."""
    most_factor: float = math.inf
    """How much faster than usual it can live at most."""

    def command(self, folder: Path, port: int, world: int) -> Command:
        """The command that serves it."""
        if self.minted:
            file = folder / "day.toml"
            file.write_text(configuration(world, self.queue_s))
            where = ("--config", str(file), "--data", str(folder / "data"), "--port", str(port))
            return Command(
                python("scalix_free", "serve", *where, "--workers", "1"),
                ready_path="/health/ready",
            )
        where = ("--port", str(port), "--world", str(world), "--rival", self.key)
        command = python("benchmarks.scarcity.front", *where)
        if self.key in LITELLM:
            command = (str(RIVALS_PYTHON), *command[1:])
        return Command(command, variables={"LITELLM_LOCAL_MODEL_COST_MAP": "True"})


OURS: Final = Contestant("ours", "Scalix Free", minted=True)
PATIENT: Final = Contestant("ours-25s", "Scalix Free, waiting 25 s", minted=True, queue_s=25.0)
CONTESTANTS: Final = (
    OURS,
    PATIENT,
    *(
        Contestant(key, f"LiteLLM Router, {key}", lead_s=45.0, most_factor=LITELLM_FACTOR)
        for key in LITELLM
    ),
    Contestant("priority-list", "plain priority list"),
)

_HEAD: Final = f"""\
[server]
trusted_proxies = ["{LOOPBACK}/32"]

[tiers.anonymous]
tokens_per_day = "unlimited"
concurrent = "unlimited"

[identity]
proof_of_work = "never"

[caches]
answers = {{ ttl_s = 0 }}

[local]
use = "never"

[policy]
allow_evaluation_only = true
"""


def configuration(world: int, queue_s: float | None = None) -> str:
    """The TOML of our service: the providers of the day, the best model first."""
    limited = _has_limits()
    best = sorted({model.quality for _, model in offered()}, reverse=True)
    lines = [_HEAD]
    if queue_s is not None:
        lines += ["[routing]", f"queue_wait_s = {queue_s}"]
    for provider in PROVIDERS:
        lines += [
            "[[providers]]",
            f"name = {json.dumps(provider.name)}",
            f'base_url = "http://{LOOPBACK}:{world}/{provider.name}/v1"',
            'api_key = "sk-day"',
        ]
        if limited:
            lines.append(f"reset = {json.dumps(provider.zone)}")
            lines += _limits(provider.allowance)
        for model in provider.models:
            lines += [
                "[[providers.models]]",
                f'id = "{provider.name}/{model.name}"',
                f"model = {json.dumps(model.name)}",
                f"priority = {best.index(model.quality) + 1}",
            ]
            if limited:
                lines += _limits(model.allowance)
    return "\n".join(lines) + "\n"


def _limits(allowance: Allowance) -> Iterator[str]:
    names = ("rpm", "rpd", "tpm", "tpd", "concurrent")
    told = {name: getattr(allowance, name) for name in names}
    pairs = ", ".join(f"{name} = {limit}" for name, limit in told.items() if limit is not None)
    if pairs:
        yield f"limits = {{ {pairs} }}"


def _has_limits() -> bool:
    """Whether this version of the service keeps providers' budgets."""
    try:
        lacking = import_module("scalix_free.settings.lacking").LACKING
    except ModuleNotFoundError:
        return True
    return "providers[].limits.*" not in lacking
