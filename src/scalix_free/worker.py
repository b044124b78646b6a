"""One worker process: serves HTTP on the socket that the parent bound.

Started by the parent as ``python -m scalix_free.worker FD READY``: the listening socket, and a
pipe on which one byte says that the worker serves. What was settled for all workers comes through
standard input, and stays open as long as the parent lives.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import pickle
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
import uvloop

from scalix_free.api.connection import connection_class
from scalix_free.app import open_app
from scalix_free.runtime import Runtime

DRAIN_S: Final = 30
"""How long running answers may go on after the service was told to end."""

SETTLE_S: Final = 2
"""How long those that did not end in time may take to say so and to settle."""

COLLECT_AFTER: Final = (50_000, 20, 100)
"""Allocations before the collector looks for cycles: requests leave few of them behind, and a look
after every 700, as Python does by itself, mostly finds nothing."""

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn's server, ended by the parent alone."""

    draining = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to ``drain_on_signals``."""
        yield

    def drain(self) -> None:
        """Take no more work, finish what runs, end; a second call breaks off what runs."""
        if self.draining:
            self.force_exit = True
            for task in self.server_state.tasks:  # those who are answered are told
                task.cancel()
        self.draining = self.should_exit = True


async def serve(runtime: Runtime, listener: socket.socket, ready: int) -> None:
    """Serve until told to end."""
    server: Server | None = None
    async with open_app(runtime, draining=lambda: server is not None and server.draining) as app:
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
                timeout_keep_alive=75,
                timeout_graceful_shutdown=DRAIN_S,
            )
        )
        drain_on_signals(server)
        watch = asyncio.create_task(_end_with_parent(server))
        announce = asyncio.create_task(_announce(server, ready))
        gc.collect()
        gc.freeze()  # what lives as long as the process need not be looked at again
        gc.set_threshold(*COLLECT_AFTER)
        try:
            await server.serve(sockets=[listener])
            if server.server_state.tasks:  # broken off: they still have to settle
                await asyncio.wait(server.server_state.tasks, timeout=SETTLE_S)
        finally:
            watch.cancel()
            announce.cancel()


def drain_on_signals(server: Server) -> None:
    """SIGTERM drains, SIGQUIT breaks off. Ctrl-C is the parent's, who gets it too."""

    def drain() -> None:
        if not server.draining:  # a service manager tells every process, the parent tells us again
            server.drain()

    def break_off() -> None:
        drain()
        server.drain()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, drain)
    loop.add_signal_handler(signal.SIGQUIT, break_off)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


async def _announce(server: Server, ready: int) -> None:
    while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
        await asyncio.sleep(0.005)
    os.write(ready, b"r")
    os.close(ready)


async def _end_with_parent(server: Server) -> None:
    """Standard input ends when the parent does."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()
    if not server.draining:
        server.drain()


def main() -> None:
    """Read what the parent settled, and serve."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # Of what is no HTTP the peer is told; a line for each would be theirs to fill the log with.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    listener = socket.socket(fileno=int(sys.argv[1]))
    runtime = pickle.load(sys.stdin.buffer)  # noqa: S301  (written by our own parent)
    assert isinstance(runtime, Runtime)
    uvloop.run(serve(runtime, listener, int(sys.argv[2])))


if __name__ == "__main__":
    main()
