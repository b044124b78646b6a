"""What the load generator is told to do, and what it says afterwards."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from benchmarks.answer import Kind

CONNECTIONS = 32
CALLERS = 2_000
CALLERS_A_NETWORK = 4
_SERIAL = "%08d"
_QUESTION = (
    f"Question {_SERIAL}: explain in one sentence what a hop between a client and a model costs,"
    " and why one would measure it in microseconds of CPU rather than in milliseconds of latency."
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One scenario against one subject."""

    kind: Kind
    port: int
    path: str
    first: int
    """The serial of its first request; serials choose the caller and make each prompt unique."""
    headers: dict[str, str]
    connections: int = CONNECTIONS
    callers: int = CALLERS


@dataclass(frozen=True, kw_only=True)
class Order:
    """A line to the load generator. Several jobs may be open; each `ask` is of one.

    A job is opened with its connections, asked as often as one likes, and closed.
    """

    do: Literal["open", "ask", "close"]
    name: str
    job: Job | None = None
    requests: int = 0
    counted: bool = True
    """Whether these requests are part of the job's report, or only warm up."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """How the counted requests of a job have gone so far; with a fault they mean nothing."""

    requests: int = 0
    seconds: float = 0.0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    fault: str | None = None


def address(caller: int) -> str:
    """Give a caller's address; four share a /24."""
    network, host = divmod(caller, CALLERS_A_NETWORK)
    return f"10.{network // 250}.{network % 250}.{host + 1}"


class Requests:
    """The bytes of a job's requests: a caller in turn, and a prompt that no cache has seen."""

    def __init__(self, job: Job) -> None:
        head, body = _head(job), _body(job.kind)
        self._callers = [
            f"{head}X-Forwarded-For: {address(caller)}\r\n\r\n".encode()
            for caller in range(job.callers)
        ]
        self._body = body.encode()

    def __getitem__(self, serial: int) -> bytes:
        """Give the request with this serial."""
        return self._callers[serial % len(self._callers)] + self._body % serial


def _head(job: Job) -> str:
    headers = {
        "Host": f"127.0.0.1:{job.port}",
        "Content-Type": "application/json",
        "Accept": "*/*",
        "User-Agent": "benchmark",
        "Content-Length": str(len(_body(job.kind) % 0)),
        **job.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {job.path} HTTP/1.1\r\n{lines}"


def _body(kind: Kind) -> str:
    call: dict[str, object] = {
        "model": "scalix-free",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant. Answer briefly."},
            {"role": "user", "content": _QUESTION},
        ],
        "temperature": 0.7,
        "max_tokens": 64,
    }
    if kind == "stream":
        call["stream"] = True
    return msgspec.json.encode(call).decode()
