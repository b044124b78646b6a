"""What a model does with one request: the name of a row, and the numbers it works with."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field

TOOL_CALLS = (("get_weather", '{"city": "Paris"}'), ("get_time", '{"zone": "UTC"}'))


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A row of `FAULTS` by name, with its parameters; a row ignores what it does not use.

    The seconds are waited only by a world that was given a `sleep`. Without one each wait is a stop
    at the model's gate; a wait of 0 is none.
    """

    name: str = "normal"
    _: KW_ONLY
    text: str | None = None  # the answer; left out, the question is echoed
    frames: tuple[str, ...] | None = None  # the answer, already cut into content frames
    k: int = 2  # content frames before the fault
    first_s: float = 2.0  # wait before the first token
    between_s: float = 0.2  # wait between tokens
    silence_s: float = 3600.0  # wait of a hang and of a stall
    retry_after_s: float = 7.0
    usage: Mapping[str, object] | None = None  # laid over the true usage
    calls: tuple[tuple[str, str], ...] = TOOL_CALLS  # tools called: name, arguments
    size: int = 1_000_000  # characters of a huge event
    status: int | None = None  # of a refusal, in place of the row's own
    body: object = None  # of a refusal: bytes as they are, anything else as JSON
    headers: Mapping[str, str] = field(default_factory=dict)  # added to those of any answer
