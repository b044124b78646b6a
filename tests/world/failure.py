"""How providers report that an answer broke after the status had promised success."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.world.answer import Answer
from tests.world.frame import dump, frame

MESSAGE = "Provider disconnected mid-stream"


@dataclass(frozen=True, slots=True)
class Failure:
    """One provider's way, in a stream and in an unstreamed body."""

    event: Callable[[Answer], bytes]
    body: object
    closes: bool = False  # whether the connection ends with it


def _openrouter_event(answer: Answer) -> bytes:
    error = {"code": 502, "message": MESSAGE, "metadata": {"error_type": "provider_unavailable"}}
    chunk = answer.chunk({"content": ""}, "error")
    return frame({**chunk, "provider": "World", "error": error})


_OPENAI = {
    "error": {
        "message": "The server had an error while processing your request.",
        "type": "server_error",
        "param": None,
        "code": None,
    }
}
_GROQ = {"error": {"message": "Over capacity", "type": "internal_server_error", "code": "503"}}
_GEMINI = [{"error": {"code": 503, "message": "High demand.", "status": "UNAVAILABLE"}}]

FAILURES = {
    "openai": Failure(lambda _: frame(_OPENAI), _OPENAI),
    "openrouter": Failure(
        _openrouter_event, {"error": {"code": 502, "message": MESSAGE}, "user_id": "user_world"}
    ),
    "groq": Failure(lambda _: b"event: error\n" + frame(_GROQ), _GROQ),
    "gemini": Failure(lambda _: dump(_GEMINI), _GEMINI, closes=True),
}
