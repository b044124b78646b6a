"""The models of the tests' service: one that is good, one for each fault, some to be scripted."""

import time
from collections.abc import Iterator

from tests.service import Model
from tests.world import FAULTS, Behaviour, RunningWorld, Seen

GOOD = "world/good"
FRESH_ONES = 250


def alone(fault: str) -> str:
    """The model that has this fault and no fallback."""
    return f"alone/{fault}"


def then_good(fault: str) -> str:
    """The model that has this fault and a good one to fall back on."""
    return f"then-good/{fault}"


def _models() -> Iterator[Model]:
    yield {"id": GOOD, "model": "good", "priority": 1}
    for fault in FAULTS:
        yield {"id": alone(fault), "model": f"fault:{fault}"}
        yield {"id": then_good(fault), "model": f"fault:{fault}", "fallbacks": [GOOD]}
    for n in range(FRESH_ONES):
        yield {"id": f"fresh/{n}", "model": f"fresh-{n}"}
        yield {"id": f"fresh/{n}/then-good", "model": f"fresh-{n}", "fallbacks": [GOOD]}


ALL: list[Model] = list(_models())


class Fresh:
    """A model for one test: what it does is scripted, what it saw is known."""

    def __init__(self, world: RunningWorld, n: int) -> None:
        self.id = f"fresh/{n}"
        self.then_good = f"fresh/{n}/then-good"
        self.name = f"fresh-{n}"
        self.world = world

    def behave(self, *behaviours: Behaviour | str) -> None:
        """See `World.behave`."""
        self.world.behave(self.name, *behaviours)

    @property
    def seen(self) -> list[Seen]:
        """What was asked of it."""
        return [seen for seen in self.world.requests if seen.model == self.name]

    def arrived(self) -> None:
        """Wait until it has been asked."""
        end = time.monotonic() + 5
        while not self.world.calls(self.name):
            assert time.monotonic() < end
            time.sleep(0.005)

    def aborted(self, within_s: float = 1.0) -> bool:
        """Wait for the end of its answers; whether the client left before each."""
        requests = self.world.requests
        mine = [i for i, seen in enumerate(requests) if seen.model == self.name]
        return bool(mine) and all(self.world.aborted(i, timeout=within_s) for i in mine)


def fresh_models(world: RunningWorld) -> Iterator[Fresh]:
    """Each of them once."""
    return (Fresh(world, n) for n in range(FRESH_ONES))
