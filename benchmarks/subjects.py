"""What can be measured: how each is started and how it is asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import nginx, service
from benchmarks.answer import Kind
from benchmarks.processes import LOOPBACK, Command, python

BARE = "bare"


@dataclass(frozen=True)
class Place:
    """Where a subject is started: an empty folder, its port and the upstream's."""

    folder: Path
    port: int
    upstream: int


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Something that stands between the load and the upstream."""

    name: str
    """As the table shows it."""
    key: str
    """As `--only` takes it."""
    command: Callable[[Place], Command]
    kinds: tuple[Kind, ...] = ("unstreamed", "stream")
    path: str = "/v1/chat/completions"
    headers: Callable[[Place], Mapping[str, str]] = field(default=lambda place: {})
    share: float = 1.0
    """The part of a round's requests that it is asked: less for what is many times slower."""
    drain_s: float = 0.1
    """How long work put off until after the answer is still counted."""
    life: int | None = None
    """Requests until it is started anew in an empty folder, so that callers stay below limits."""
    exhausted_by: int = 0
    """Requests that each caller makes before the measured ones, so that those are refused."""


def references() -> list[Subject]:
    """Give what the service is held beside."""
    proxies = [Subject(name="bare Python proxy", key=BARE, command=_bare)]
    if nginx.executable() is not None:
        proxies.append(Subject(name="bare nginx hop", key="nginx", command=_nginx))
    return proxies


def services(module: str = service.MODULE) -> list[Subject]:
    """Give the service twice: with limits out of reach, and with callers that have used theirs."""

    def started(limits: service.Limits) -> Callable[[Place], Command]:
        return lambda at: service.command(
            at.folder, at.port, limits=limits, upstream=at.upstream, module=module
        )

    return [
        Subject(
            name="Scalix Free",
            key="service",
            command=started(service.HIGH),
            drain_s=service.DRAIN_S,
            life=service.LIFE,
        ),
        Subject(
            name="Scalix Free",
            key="service",
            command=started(service.LOW),
            kinds=("refused",),
            drain_s=service.DRAIN_S,
            exhausted_by=service.LOW.requests_per_hour,
        ),
    ]


def _bare(place: Place) -> Command:
    upstream = f"http://{LOOPBACK}:{place.upstream}/v1/chat/completions"
    return Command(
        python("benchmarks.bare_proxy", "--port", str(place.port), "--upstream", upstream)
    )


def _nginx(place: Place) -> Command:
    return nginx.command(place.folder, place.port, place.upstream)
