"""The world in a thread of its own, for tests that have no loop and for services elsewhere."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tests.world.behaviour import Behaviour
from tests.world.seen import Seen
from tests.world.world import World

T = TypeVar("T")

PATIENCE_S = 10.0


class RunningWorld:
    """The face of a world for other threads; each call returns when the world has obeyed."""

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop) -> None:
        self.base_url = world.base_url
        self._world = world
        self._loop = loop

    def behave(self, model: str, *behaviours: Behaviour | str) -> None:
        """See `World.behave`."""
        self._do(lambda: self._world.behave(model, *behaviours))

    def open_gate(self, model: str) -> None:
        """See `Gate.open`."""
        self._do(lambda: self._world.gate(model).open())

    def step_gate(self, model: str, passes: int = 1) -> None:
        """See `Gate.step`."""
        self._do(lambda: self._world.gate(model).step(passes))

    def at_gate(self, model: str, arrivals: int = 1, timeout: float = PATIENCE_S) -> None:
        """See `Gate.arrived`; TimeoutError after that long."""
        wait_for(self._loop, self._world.gate(model).arrived(arrivals), timeout)

    def arrived(self, count: int = 1, timeout: float = PATIENCE_S) -> None:
        """See `World.arrived`; TimeoutError after that long."""
        wait_for(self._loop, self._world.arrived(count), timeout)

    def aborted(self, index: int, timeout: float = PATIENCE_S) -> bool:
        """See `World.aborted`; TimeoutError after that long."""
        return wait_for(self._loop, self._world.aborted(index), timeout)

    def calls(self, model: str) -> int:
        """See `World.calls`."""
        return self._do(lambda: self._world.calls(model))

    @property
    def requests(self) -> list[Seen]:
        """A copy of `World.requests`."""
        return self._do(lambda: list(self._world.requests))

    @property
    def open_streams(self) -> int:
        """See `World.open_streams`."""
        return self._do(lambda: self._world.open_streams)

    @property
    def connections(self) -> int:
        """See `World.connections`."""
        return self._do(lambda: self._world.connections)

    def _do(self, act: Callable[[], T]) -> T:
        async def there() -> T:
            return act()

        return wait_for(self._loop, there(), PATIENCE_S)


@contextmanager
def running_world(world: World | None = None) -> Iterator[RunningWorld]:
    """Serve in a thread until left. The world, if given, must not have been entered."""
    world = world or World()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="world", daemon=True)
    thread.start()
    try:
        wait_for(loop, world.__aenter__(), PATIENCE_S)
        try:
            yield RunningWorld(world, loop)
        finally:
            wait_for(loop, world.__aexit__(None, None, None), PATIENCE_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def wait_for(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[object, object, T], timeout: float
) -> T:
    """Run a coroutine in another thread's loop; TimeoutError cancels it there."""

    async def bounded() -> T:
        async with asyncio.timeout(timeout):
            return await coroutine

    return asyncio.run_coroutine_threadsafe(bounded(), loop).result()
