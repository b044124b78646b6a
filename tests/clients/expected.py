"""What each client has to see in each situation. What OpenAI's own see is the measure."""

from collections.abc import Mapping
from dataclasses import replace

from tests.clients.run import HOUR, TOKENS, Seen

ANSWER = Seen(text=True, finish="stop", usage=True, left=True)
CALLED = Seen(finish="tool_calls", usage=True, left=True, tools=True, asked=1)
LIMIT = Seen(error="RateLimitError", when=True, asked=1)

OPENAI: Mapping[str, Seen] = {
    "whole": ANSWER,
    "stream": replace(ANSWER, usage=False),
    "usage": ANSWER,
    "tools": CALLED,
    "stream-tools": replace(CALLED, usage=False, left=False),
    "wait": replace(ANSWER, asked=2),
    "hour": replace(LIMIT, code=HOUR),
    "day": replace(LIMIT, code=TOKENS),
    "failure": Seen(error="InternalServerError", code="upstream_error", asked=1),
    "break": Seen(text=True, error="APIError", code="upstream_error", asked=1),
}


def _but(**changed: Mapping[str, object]) -> dict[str, Seen]:
    """The same but for these fields of these situations."""
    spelled = {name.replace("_", "-"): fields for name, fields in changed.items()}
    assert not spelled.keys() - OPENAI.keys()
    return {
        name: replace(seen, **spelled.get(name, {}))  # type: ignore[arg-type]
        for name, seen in OPENAI.items()
    }


NOTHING_LEFT = {"left": False}  # it drops what is not OpenAI's

LANGCHAIN = _but(
    whole=NOTHING_LEFT,
    stream=NOTHING_LEFT,
    usage=NOTHING_LEFT,
    tools=NOTHING_LEFT,
    wait=NOTHING_LEFT,
    hour={"error": "OpenAIRateLimitError"},
    day={"error": "OpenAIRateLimitError"},
    failure={"error": "OpenAIAPIError"},
)

# It believes no `x-should-retry`: a limit is asked for three times. Of a failure the third try
# finds that the model rests after two.
AI = _but(
    tools={"finish": "tool-calls"},
    stream_tools={"finish": "tool-calls"},
    hour={"error": "AI_RetryError", "asked": 3},
    day={"error": "AI_RetryError", "asked": 3},
    failure={"error": "AI_RetryError", "code": "no_free_model_available", "when": True, "asked": 2},
    # A frame is told as it is, free_tier and all, and is no Error.
    **{"break": {"error": "Object", "finish": "error", "left": True}},
)

# It has its own codes.
LITELLM = _but(
    hour={"code": "429"},
    day={"code": "429"},
    failure={"error": "BadGatewayError", "code": None},
    **{"break": {"error": "MidStreamFallbackError", "code": None}},
)

EXPECTED: Mapping[str, Mapping[str, Seen]] = {
    "openai-python 1.x": OPENAI,
    "openai-python": OPENAI,
    "openai-node": OPENAI,
    "Vercel AI SDK 5": AI,
    "Vercel AI SDK 6": AI,
    "LangChain": LANGCHAIN,
    "LiteLLM": LITELLM,
}
