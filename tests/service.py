"""The real service for tests: as a process of its own, or on the test's loop under its clock.

Both are configured as an operator does it: a TOML file, and variables that override single keys.
"""

import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from scalix_free.api.connection import connection_class
from scalix_free.app import App, open_app
from scalix_free.core.clock import wall_clock
from scalix_free.core.ports import Clock
from scalix_free.runtime import Runtime
from scalix_free.settings import load, shipped
from scalix_free.settings.draft import MASTER_KEY, PROXIES, USUAL
from scalix_free.settings.lacking import VARIABLES
from scalix_free.worker import Server

START_S = 30.0
DRAIN_S = 3.0
"""How long running answers may go on when a service is ended; after that it is told again."""
END_S = 10.0

Model = Mapping[str, object]

WIDE_OPEN = {
    "tiers.anonymous.requests_per_hour": "unlimited",
    "tiers.anonymous.requests_per_day": "unlimited",
    "tiers.anonymous.tokens_per_day": "unlimited",
    "tiers.anonymous.concurrent": "unlimited",
    "addresses.requests_per_minute": "unlimited",
    "addresses.requests_per_hour": "unlimited",
    "addresses.requests_per_day": "unlimited",
    "addresses.users_per_hour": "unlimited",
    "networks.requests_per_hour": "unlimited",
    "networks.requests_per_day": "unlimited",
}
"""No limit at all, for tests that are not about limits."""


def provider(base_url: str, models: Iterable[Model], *, name: str = "world") -> str:
    """The TOML of one provider with these models; without models, of none."""
    rows = [f"[[providers]]\nname = {json.dumps(name)}\nbase_url = {json.dumps(base_url)}"]
    rows += [
        "[[providers.models]]\n" + "\n".join(f"{key} = {json.dumps(model[key])}" for key in model)
        for model in models
    ]
    return "\n".join(rows) if len(rows) > 1 else ""


def variables(overrides: Mapping[str, object]) -> dict[str, str]:
    """Overrides such as ``routing.attempts`` as the environment variables that set them."""
    return {
        "SCALIX_FREE_" + key.upper().replace(".", "__"): value
        if isinstance(value, str)
        else json.dumps(value)
        for key, value in overrides.items()
    }


# ── A process of its own ─────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class RunningService:
    """A service that serves; ``errors`` is what it has written to stderr."""

    url: str
    banner: str
    data: Path
    process: "subprocess.Popen[str]"
    log: Path

    @property
    def errors(self) -> str:
        """All that was complained of so far."""
        return self.log.read_text()

    def said_after(self, mark: str, end: str = "") -> str:
        """What was written after a mark, once both it and what follows up to ``end`` are there."""
        until = time.monotonic() + END_S
        while time.monotonic() < until:
            _, found, after = self.errors.partition(mark)
            if found and end in after:
                return after
            time.sleep(0.01)
        raise AssertionError(f"{mark} was not written: {self.errors}")


@contextmanager
def running_service(
    folder: Path,
    toml: str = 'local = { use = "never" }',
    overrides: Mapping[str, object] | None = None,
    *,
    workers: int = 1,
    port: int = 0,
) -> Iterator[RunningService]:
    """Serve from an empty folder until left. A trace in its log fails whoever leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    config, data, log = folder / "service.toml", folder / "data", folder / "stderr"
    config.write_text(toml)
    arguments = ("--config", str(config), "--data", str(data), "--workers", str(workers))
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "scalix_free", "serve", "--port", str(port), *arguments],
            cwd=folder,
            env=_environment() | variables(overrides or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        banner = _read_banner(process, log)
        url = re.findall(r"base_url (\S+)/v1 ", banner)[0]
        yield RunningService(url, banner, data, process, log)
    finally:
        _end(process)
    assert "Traceback" not in log.read_text(), log.read_text()


def _environment() -> dict[str, str]:
    """Ours, without what would configure a service."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SCALIX_FREE_")
        and name not in {*VARIABLES, *USUAL, PROXIES, MASTER_KEY, *shipped().variables()}
    }


def _read_banner(process: "subprocess.Popen[str]", log: Path) -> str:
    assert process.stdout is not None
    watchdog = threading.Timer(START_S, process.kill)
    watchdog.start()
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Stop with"):
                return "".join(lines)
    finally:
        watchdog.cancel()
    raise AssertionError(f"the service did not start: {log.read_text()}")


def _end(process: "subprocess.Popen[str]") -> None:
    """Ask to end, ask again, make it end; all by this process's id."""
    for ask, patience_s in (
        (process.terminate, DRAIN_S),
        (process.terminate, END_S),
        (process.kill, END_S),
    ):
        ask()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
            break
    assert process.stdout is not None
    process.stdout.close()


# ── On the test's own loop ───────────────────────────────────────────────────────────────────


@dataclass
class HeldClock:
    """A clock that stands still until it is moved. Milliseconds since the epoch."""

    now_ms: int = 1_800_000_000_123

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ms += int(seconds * 1000)


@dataclass(frozen=True)
class Served:
    """A service on this loop."""

    url: str
    app: App


@asynccontextmanager
async def served(
    folder: Path,
    toml: str,
    overrides: Mapping[str, Any] | None = None,
    *,
    clock: Clock = wall_clock,
    draining: Callable[[], bool] = lambda: False,
    keep_alive_s: int = 75,
) -> AsyncIterator[Served]:
    """Serve real HTTP on loopback from this loop; limits are kept in memory."""
    config = folder / "service.toml"
    config.write_text(toml)
    settings = load(
        config=config, data=folder, environ=variables(overrides or {}), cwd=folder, port=0
    ).settings
    # Opened anew it knows its protocol, without which asyncio leaves Nagle's algorithm on.
    with socket.socket(fileno=socket.create_server(("127.0.0.1", 0)).detach()) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        runtime = Runtime(
            settings=settings,
            ledger=":memory:",
            secret=b"a secret of the tests, long enough",
            public_url=(overrides or {}).get("server.public_url", url),
            local=None,
            started_at=time.time(),
        )
        async with (
            open_app(runtime, clock=clock, draining=draining) as app,
            _serving(app, runtime, listener, keep_alive_s),
        ):
            yield Served(url, app)


@asynccontextmanager
async def _serving(
    app: App, runtime: Runtime, listener: socket.socket, keep_alive_s: int
) -> AsyncIterator[None]:
    """As ``worker.serve`` does it, without its signals."""
    timeouts = runtime.settings.server
    server = Server(
        uvicorn.Config(
            app.http,
            http=connection_class(
                app.errors,
                header_timeout_s=timeouts.header_timeout_s,
                body_timeout_s=timeouts.body_timeout_s,
            ),
            lifespan="off",
            interface="asgi3",
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=keep_alive_s,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # uvicorn has no event for it
        await asyncio.sleep(0.002)
    try:
        yield
    finally:
        server.drain()
        server.drain()
        await task
