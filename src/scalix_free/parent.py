"""The parent process: owns what exists once per machine.

That is the lock on the data directory, the secret, the tables, the listening socket, the child of
the local model, the workers, and the words at the start. It serves nothing itself and stays small.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import pickle
import secrets
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeAlias

from scalix_free.banner import banner
from scalix_free.core.errors import StoreUnavailable
from scalix_free.providers.llama_model import (
    ALIAS,
    KEY_VARIABLE,
    LONGEST_DEMO_ANSWER,
    Absent,
    find_model,
    packaged_model,
)
from scalix_free.runtime import LocalModel, Runtime
from scalix_free.settings import Loaded, Settings
from scalix_free.storage.migrations import make_current
from scalix_free.storage.redis_link import check_server
from scalix_free.storage.sqlite_ledger import connect

log = logging.getLogger(__name__)

LEDGER_FILE: Final = "ledger.sqlite"
DATABASE_FILE: Final = "database.sqlite"
DEMONSTRATION_ID: Final = "local/demonstration-smollm2-135m"
SLOT_TOKENS: Final = 2_048
BACKLOG: Final = 2_048
RESTART_S: Final = (0.0, 0.2, 1.0, 5.0)
"""Waits before a process that ended by itself is started again; the last one repeats."""
STEADY_S: Final = 60.0
"""Whoever ran this long is taken for healthy, and is started again at once."""
END_S: Final = 40.0
LOCAL_READY_S: Final = 20.0
METRICS_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
SECRET_BYTES: Final = 32


class StartError(Exception):
    """Why the service cannot start: one line that says what and where."""


# ── What is settled before anything runs ─────────────────────────────────────────────────────


def make_data(directory: Path) -> None:
    """Make the data directory, where there is none."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"{directory}: cannot write here: {_why(error)}") from None


@contextmanager
def locked_data(directory: Path) -> Iterator[None]:
    """The data directory, made if need be, for us alone."""
    make_data(directory)
    try:
        handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartError(f"{directory}: cannot write here: {_why(error)}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartError(
                f"{directory}: in use by another scalix-free; stop it or choose another --data"
            ) from None
        yield
    finally:
        os.close(handle)


def read_secret(settings: Settings) -> bytes:
    """The secret that keys are made from: the operator's, or our own, made once."""
    if settings.server.secret is not None:
        return settings.server.secret.reveal().encode()
    path = settings.data_dir / "secret"
    try:
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(SECRET_BYTES))
        secret = path.read_bytes().strip()
    except OSError as error:
        raise StartError(f"{path}: cannot keep the secret here: {_why(error)}") from None
    if len(secret) < SECRET_BYTES:
        raise StartError(f"{path}: too short to be a secret; delete it to have a new one made")
    return secret


def prepare_ledger(settings: Settings) -> str:
    """Make sure that the ledger can be used before workers do, and say where it is."""
    place = settings.store.ledger
    if place.reveal() != "sqlite":
        try:
            asyncio.run(check_server(place.reveal()))
        except ValueError as error:
            raise StartError(f"store.ledger: {place}: {error}") from None
        except StoreUnavailable as error:
            why = str(error).removeprefix("the ledger's store failed: ")
            on_outage = settings.store.on_ledger_outage
            if on_outage == "deny":
                raise StartError(f"store.ledger: {place}: {why}") from None
            log.warning(
                'store.ledger: %s: %s; starting without it (store.on_ledger_outage = "%s")',
                *(place, why, on_outage),
            )
        return place.reveal()
    path = settings.data_dir / LEDGER_FILE
    try:
        connect(str(path)).close()
        path.chmod(0o600)
    except (sqlite3.Error, OSError) as error:
        raise StartError(f"{path}: cannot be used as the ledger: {error}") from None
    return str(path)


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """Where accounts and usage are kept.

    ``place`` may hold a password, ``shown`` does not. ``is_current``: there is nothing to migrate.
    """

    place: str = field(repr=False)
    shown: str
    is_current: bool


def find_database(settings: Settings) -> DatabasePlace:
    """The database, its file made for us alone where it is one. A server is not spoken to yet."""
    database = settings.store.database
    if database.reveal() != "sqlite":
        return DatabasePlace(database.reveal(), f"store.database: {database}", is_current=False)
    path = settings.data_dir / DATABASE_FILE
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise StartError(f"{path}: cannot be used as the database: {_why(error)}") from None
    return DatabasePlace(str(path), str(path), is_current=make_current(str(path)))


async def migrate(database: DatabasePlace) -> None:
    """Bring the database's tables up to date, in a process of its own: the parent stays small."""
    if database.is_current:
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scalix_free.storage.migrations"),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # a signal to our group is ours alone
    )
    try:
        _, said = await process.communicate(database.place.encode())
    finally:
        if process.returncode is None:  # broken off: what it had begun is undone
            process.kill()
            await process.wait()
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines()
        raise StartError(f"{database.shown}: {lines[-1] if lines else 'cannot be migrated'}")


@contextmanager
def counts_folder(path: Path) -> Iterator[str]:
    """Where workers write their counts: empty at the start and at the end, also after a crash."""

    def empty() -> None:
        for file in path.glob("*.db"):  # prometheus_client's; nothing else is ours to delete
            file.unlink()

    try:
        path.mkdir(mode=0o700, exist_ok=True)
        empty()
    except OSError as error:
        raise StartError(f"{path}: cannot count here: {_why(error)}") from None
    try:
        yield str(path)
    finally:
        with contextlib.suppress(OSError):
            empty()
            path.rmdir()


def bind(host: str, port: int) -> socket.socket:
    """The listening socket of all workers."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        raise StartError(f"cannot listen on {host} port {port}: {_why(error)}") from None
    return listener


def public_url_of(settings: Settings, port: int) -> str:
    """Where people reach us; a port that was chosen at the start stands in it."""
    url = settings.server.public_url
    return f"{url.removesuffix(':0')}:{port}" if url.endswith(":0") else url


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


# ── The local model ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Local:
    """The local model and its listening socket."""

    model: LocalModel
    listener: socket.socket


def is_wanted(settings: Settings) -> bool:
    """Whether the local model is to answer anything."""
    if settings.local.use == "never":
        return False
    alone = not any(entry.is_open for entry in settings.catalogue)
    return alone or settings.local.use == "last-resort"


def choose_local(settings: Settings) -> LocalModel | Absent | None:
    """The local model, why it is absent, or None where nobody wants it. Not yet to be reached."""
    if not is_wanted(settings):
        return None
    chosen = settings.local.model_path
    path = find_model(str(chosen) if chosen else "")
    if isinstance(path, Absent):
        if chosen:
            raise StartError(f"local.model_path: {path.reason}")
        return path
    demonstration = path == packaged_model()
    return LocalModel(
        id=DEMONSTRATION_ID if demonstration else f"local/{path.stem}",
        name=ALIAS,
        path=str(path),
        demonstration=demonstration,
        context_tokens=SLOT_TOKENS,
        max_output_tokens=LONGEST_DEMO_ANSWER if demonstration else None,
    )


def settle_local(settings: Settings) -> Local | Absent | None:
    """The same, with a listening socket and a key by which workers reach it."""
    model = choose_local(settings)
    if not isinstance(model, LocalModel):
        return model
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    return Local(replace(model, base_url=url, key=secrets.token_urlsafe(32)), listener)


# ── Processes ────────────────────────────────────────────────────────────────────────────────

Process: TypeAlias = asyncio.subprocess.Process
Start: TypeAlias = Callable[[], Awaitable[Process]]


class Supervisor:
    """Keeps processes running until it is told to end them."""

    @property
    def ending(self) -> asyncio.Event:
        """Set once they are told to."""
        return self._ending

    def __init__(self) -> None:
        self._ending = asyncio.Event()
        self._running: set[Process] = set()
        self._means = iter((signal.SIGTERM, signal.SIGQUIT))

    async def keep(self, what: str, start: Start, *, most_failures: int | None = None) -> None:
        """Run one process, again and again; give up after so many quick ends in a row."""
        failures = 0
        while not self._ending.is_set():
            began = time.monotonic()
            process = await start()
            self._running.add(process)
            if self._ending.is_set():
                _signal(process, signal.SIGTERM)
            try:
                code = await process.wait()
            finally:
                self._running.discard(process)
            if self._ending.is_set():
                return
            failures = 0 if time.monotonic() - began > STEADY_S else failures + 1
            if most_failures is not None and failures >= most_failures:
                log.error("%s ended %d times (code %s); it is left alone now", what, failures, code)
                return
            log.warning("%s ended (code %s) and is started again", what, code)
            with contextlib.suppress(TimeoutError):
                pause_s = RESTART_S[min(failures, len(RESTART_S) - 1)]
                await asyncio.wait_for(self._ending.wait(), pause_s)

    def end(self) -> None:
        """Ask everything to end; asked again, to break off what it does; then make it end."""
        self._ending.set()
        self._tell(next(self._means, signal.SIGKILL))

    def kill(self) -> None:
        """End everything that has not ended as it was asked."""
        self._tell(signal.SIGKILL)

    def _tell(self, number: signal.Signals) -> None:
        for process in self._running:
            _signal(process, number)


def _signal(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


async def start_local(local: Local) -> Process:
    """Start the child that runs the model."""
    descriptor = local.listener.fileno()
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scalix_free.providers.llama_child"),
        *("--fd", str(descriptor), "--model", local.model.path, "--context", str(SLOT_TOKENS)),
        *("--parent-pid", str(os.getpid())),
        pass_fds=(descriptor,),
        env=os.environ | {KEY_VARIABLE: local.model.key},
        stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # a signal to our group is ours alone
    )


async def keep_local(models: Supervisor, local: Local, *, most_failures: int = 3) -> None:
    """Keep the child running until it has failed too often or is told to end."""
    await models.keep("the local model", lambda: start_local(local), most_failures=most_failures)
    local.listener.close()  # so that calls to it fail at once


async def local_is_ready(local: Local, kept: asyncio.Task[None]) -> bool:
    """Wait until the model answers, for at most ``LOCAL_READY_S`` and while it is ``kept``."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LOCAL_READY_S):
            while not kept.done():
                if await _is_healthy(local):
                    return True
                await asyncio.sleep(0.02)
    return False


async def _is_healthy(local: Local) -> bool:
    port = int(local.model.base_url.removesuffix("/v1").rpartition(":")[2])
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


@dataclass(frozen=True, slots=True)
class Workers:
    """Starts worker processes; ``ready`` is set when the first of them serves."""

    runtime: Runtime
    listener: socket.socket
    metrics: str
    ready: asyncio.Future[None]

    async def start(self) -> Process:
        """Start one process and wait until it serves or has ended."""
        read_end, write_end = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "scalix_free.worker"),
                *(str(self.listener.fileno()), str(write_end)),
                pass_fds=(self.listener.fileno(), write_end),
                env=os.environ | {METRICS_DIRECTORY: self.metrics},
                stdin=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            os.close(write_end)
            assert process.stdin is not None
            process.stdin.write(pickle.dumps(self.runtime))
            serves = await asyncio.to_thread(os.read, read_end, 1)
        finally:
            os.close(read_end)
        if not self.ready.done():
            if serves:
                self.ready.set_result(None)
            else:
                self.ready.set_exception(StartError("a worker ended before it could serve"))
        return process


# ── The whole ────────────────────────────────────────────────────────────────────────────────


def run(loaded: Loaded, write: Callable[[str], object]) -> None:
    """Serve until told to end. Raises ``StartError``; ``write`` gets the words at the start."""
    settings = loaded.settings
    with ExitStack() as stack:
        stack.enter_context(locked_data(settings.data_dir))
        secret = read_secret(settings)
        ledger = prepare_ledger(settings)
        database = find_database(settings)
        listener = stack.enter_context(bind(settings.server.host, settings.server.port))
        local = settle_local(settings)
        if isinstance(local, Local):
            stack.enter_context(local.listener)
        runtime = Runtime(
            settings=settings,
            ledger=ledger,
            secret=secret,
            public_url=public_url_of(settings, listener.getsockname()[1]),
            local=local.model if isinstance(local, Local) else None,
            started_at=time.time(),
            database=database.place,
        )
        metrics = stack.enter_context(counts_folder(settings.data_dir / "metrics"))
        missing = local.reason if isinstance(local, Absent) else None
        asyncio.run(
            _supervise(
                lambda ready: Workers(runtime, listener, metrics, ready),
                local if isinstance(local, Local) else None,
                database,
                settings.workers,
                lambda state: write(banner(runtime, loaded, state, missing)),
            )
        )


async def _supervise(
    workers_of: Callable[[asyncio.Future[None]], Workers],
    local: Local | None,
    database: DatabasePlace,
    count: int,
    greet: Callable[[str], object],
) -> None:
    """Run all processes until a signal; the local model outlives those that ask it."""
    loop = asyncio.get_running_loop()
    serving, models = Supervisor(), Supervisor()
    workers = workers_of(loop.create_future())

    def end() -> None:
        serving.end()
        workers.listener.close()  # open, it would take in callers whom nobody serves any more

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    kept = loop.create_task(keep_local(models, local)) if local else None
    tasks: list[asyncio.Task[None]] = []
    try:
        migrating = loop.create_task(migrate(database))
        await _first_of(migrating, serving.ending.wait())
        if serving.ending.is_set():
            return
        migrating.result()
        tasks += [
            loop.create_task(serving.keep(f"worker {i + 1}", workers.start)) for i in range(count)
        ]
        await workers.ready
        state = ""
        if local is not None and kept is not None:
            ready = loop.create_task(local_is_ready(local, kept))
            await _first_of(ready, serving.ending.wait())
            state = _state_of(ready, kept)
        if not serving.ending.is_set():
            greet(state)
        await asyncio.gather(*tasks)
    finally:
        serving.end()
        await _finish(serving, tasks)
        models.end()
        await _finish(models, [kept] if kept else [])


def _state_of(ready: asyncio.Task[bool], kept: asyncio.Task[None]) -> str:
    if kept.done():
        return "cannot be run (why stands above)"
    return "ready" if ready.done() and ready.result() else "being loaded"


async def _first_of(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def _finish(supervisor: Supervisor, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for processes to end as they were asked; end them where they do not."""
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=END_S)
        if late:
            supervisor.kill()
            await asyncio.wait(late)
