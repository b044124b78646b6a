"""The world by itself: `python -m tests.world --port 9100`. Here its waits are real seconds."""

import argparse
import asyncio
import signal

from tests.world.faults import FAULTS
from tests.world.world import PREFIX, World


async def serve(host: str, port: int) -> None:
    """Serve until interrupted."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with World(host=host, port=port, sleep=asyncio.sleep, remember=False) as world:
        world.behave("echo")
        for name in FAULTS:
            world.behave(PREFIX + name, name)
        print(welcome(world.base_url), flush=True)
        await stop.wait()


def welcome(base_url: str) -> str:
    """Tell where the world is and what can be asked of it."""
    rows = [f"  {PREFIX + name:<32}{row.about}" for name, row in FAULTS.items()]
    return "\n".join([base_url, "", "Any model echoes. These do not:", *rows])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.world", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.host, arguments.port))


if __name__ == "__main__":
    main()
