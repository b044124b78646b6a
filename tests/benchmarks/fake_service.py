"""A stand-in for the service: the same command line, a parent and a worker, one limit."""

import argparse
import collections
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import uvicorn

from benchmarks.bare_proxy import BareProxy, Message, Receive, Send

REFUSAL = b'{"error": {"code": "free_tier_hourly_limit", "message": "Enough for an hour."}}'


def main() -> None:
    """Serve as the parent, or as its worker."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["serve", "work"])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    chosen = parser.parse_args()
    if chosen.what == "work":
        work(tomllib.loads(chosen.config.read_text()), chosen.port)
    else:
        supervise(chosen.data)


def supervise(data: Path) -> None:
    """Start the worker, wait for it, end it when ended."""
    data.mkdir(mode=0o700)
    module = [sys.executable, "-m", "tests.benchmarks.fake_service"]
    with subprocess.Popen([*module, "work", *sys.argv[2:]]) as worker:
        signal.signal(signal.SIGTERM, lambda *_: worker.terminate())
        worker.wait()


def work(configuration: dict[str, Any], port: int) -> None:
    """Answer."""
    assert configuration["server"]["trusted_proxies"] == ["127.0.0.1/32"]
    assert configuration["local"]["use"] == "never"
    upstream = configuration["providers"][0]["base_url"] + "/chat/completions"
    limit = configuration["tiers"]["anonymous"]["requests_per_hour"]
    uvicorn.run(
        FakeService(upstream, limit),
        port=port,
        access_log=False,
        log_level="warning",
        loop="uvloop",
    )


class FakeService(BareProxy):
    """A bare proxy that counts callers."""

    def __init__(self, upstream: str, limit: int) -> None:
        super().__init__(upstream)
        self._limit = limit
        self._asked: collections.Counter[bytes] = collections.Counter()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer health, refuse, or forward."""
        if scope["type"] == "http" and scope["path"] == "/health/ready":
            await respond(send, 200, b'{"status": "ok"}')
            return
        if scope["type"] == "http":
            caller = dict(scope["headers"]).get(b"x-forwarded-for", b"")
            self._asked[caller] += 1
            if self._asked[caller] > self._limit:
                await respond(send, 429, REFUSAL)
                return
        await super().__call__(scope, receive, send)


async def respond(send: Send, status: int, body: bytes) -> None:
    """Send one small answer."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    main()
