"""The world: a server that behaves as model providers do, faults included.

Real HTTP on loopback, the OpenAI format, no real time in tests. Everything a provider can do is a
row of `FAULTS`; a test says which row with `world.behave`, or asks for the model `fault:<row>`.
"""

from tests.world.behaviour import Behaviour
from tests.world.faults import FAULTS, Row
from tests.world.gate import Gate
from tests.world.running import RunningWorld, running_world
from tests.world.seen import Seen
from tests.world.world import World

__all__ = ["FAULTS", "Behaviour", "Gate", "Row", "RunningWorld", "Seen", "World", "running_world"]
