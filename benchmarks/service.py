"""Our own service as a subject: every check on, every limit out of reach, no local model."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.job import CALLERS
from benchmarks.processes import LOOPBACK, Command, python

MODULE = "scalix_free"
REQUESTS_A_CALLER = 40
LIFE = CALLERS * REQUESTS_A_CALLER
DRAIN_S = 1.1
"""Longer than what the service puts off: logs and settlements written in batches."""
_READY_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Limits:
    """The request windows of an anonymous caller."""

    requests_per_hour: int
    requests_per_day: int = 1000


HIGH = Limits(requests_per_hour=1000)
"""At a limit of 1,000 the ledger still keeps a row a request; above, sub-buckets."""
LOW = Limits(requests_per_hour=3)

_CONFIGURATION = """\
[server]
trusted_proxies = ["{host}/32"]

[tiers.anonymous]
requests_per_hour = {limits.requests_per_hour}
requests_per_day = {limits.requests_per_day}
tokens_per_day = 100000000
concurrent = 64

[addresses]
requests_per_minute = 1000
requests_per_hour = 1000
requests_per_day = 1000

[networks]
requests_per_hour = 1000000
requests_per_day = 1000000

[local]
use = "never"

[[providers]]
name = "instant"
kind = "openai"
base_url = "http://{host}:{upstream}/v1"
api_key = "benchmark"
free = true
limits = {{ rpm = 1000000, rpd = 100000000, tpm = 1000000000, tpd = 1000000000, concurrent = 1000 }}

[[providers.models]]
id = "instant/instant"
model = "instant"
priority = 1
context_tokens = 32768
max_output_tokens = 8192
limits = {{ rpm = 1000000, rpd = 100000000, tpm = 1000000000, tpd = 1000000000, concurrent = 1000 }}
"""


def configuration(limits: Limits, upstream: int) -> str:
    """Give the TOML of a service in front of the instant upstream."""
    return _CONFIGURATION.format(limits=limits, host=LOOPBACK, upstream=upstream)


def command(
    folder: Path, port: int, *, limits: Limits, upstream: int, module: str = MODULE
) -> Command:
    """Write a configuration and give the command that serves it from an empty folder."""
    file = folder / "scalix-free.toml"
    file.write_text(configuration(limits, upstream))
    return serving(folder, port, ("--config", str(file)), module)


def serving(folder: Path, port: int, more: tuple[str, ...] = (), module: str = MODULE) -> Command:
    """Give the command that serves with one worker and its data below a folder."""
    data = ("--data", str(folder / "data"))
    place = ("--port", str(port), "--workers", "1")
    return Command(
        python(module, "serve", *more, *data, *place),
        ready_path="/health/ready",
        ready_timeout_s=_READY_TIMEOUT_S,
    )
