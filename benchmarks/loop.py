"""The event loop of the processes of the harness: uvloop where it is installed."""

import asyncio
import importlib.util
from collections.abc import Coroutine


def new() -> asyncio.AbstractEventLoop:
    """Make a loop."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415 (where it is missing, the benchmarks still run)

    return uvloop.new_event_loop()


def run(main: Coroutine[None, None, None]) -> None:
    """Run one coroutine to its end, or until the process is ended."""
    with asyncio.Runner(loop_factory=new) as runner:
        runner.run(main)
