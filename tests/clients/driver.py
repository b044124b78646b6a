"""What the drivers in Python share: they are told whom to ask what, and print what they heard.

Standard library alone: each driver runs in the environment of its client.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any


@dataclass(frozen=True)
class Ask:
    """One call: of which model, as which caller."""

    base_url: str
    model: str
    headers: dict[str, str]
    question: str

    @property
    def messages(self) -> list[dict[str, str]]:
        """The question as messages."""
        return [{"role": "user", "content": self.question}]


@dataclass
class Heard:
    """What a program got out of its client; nothing where it got nothing."""

    said: str = ""
    finish: str | None = None
    usage: list[int] | None = None
    left: int | None = None
    calls: list[list[object]] = field(default_factory=list)
    error: dict[str, object] | None = None

    def call(self, name: str | None, arguments: object) -> None:
        """A tool was called."""
        parsed = json.loads(arguments) if isinstance(arguments, str) else arguments
        self.calls.append([name, parsed])


Scenario = Callable[[Ask, Heard], None]

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "Look it up.",
            "parameters": {"type": "object", "properties": {key: {"type": "string"}}},
        },
    }
    for name, key in (("get_weather", "city"), ("get_time", "zone"))
]


def drive(package: str, scenarios: Mapping[str, Scenario]) -> None:
    """Run what standard input tells, in its order, and print what was heard."""
    told = json.load(sys.stdin)
    heard = {}
    for name, asked in told["asked"].items():
        ask = Ask(
            told["base_url"],
            asked["model"],
            {"x-forwarded-for": asked["address"]},
            told["question"],
        )
        heard[name] = Heard()
        try:
            scenarios[asked["scenario"]](ask, heard[name])
        except Exception as error:
            heard[name].error = _described(error)
    report = {name: asdict(one) for name, one in heard.items()}
    print(json.dumps({"version": version(package), "heard": report}))


def _described(error: Exception) -> dict[str, object]:
    """The error as a program would look at it."""
    body = getattr(error, "body", None)
    return {
        "type": type(error).__name__,
        "message": str(error),
        "code": getattr(error, "code", None),
        "reset_at": body.get("reset_at") if isinstance(body, dict) else None,
    }
