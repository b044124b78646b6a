"""What a provider says when it will not answer: a table of statuses and bodies."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.world.behaviour import Behaviour


@dataclass(frozen=True, slots=True)
class Refusal:
    """One way to say no; `{model}` in a message stands for the model asked."""

    status: int
    message: str
    type: str
    code: str | None = None
    param: str | None = None
    headers: Callable[[Behaviour], dict[str, str]] = lambda _: {}

    def body(self, model: str) -> dict[str, object]:
        """OpenAI's envelope."""
        message = self.message.format(model=model)
        error = {"message": message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}


def retry_after(behaviour: Behaviour) -> dict[str, str]:
    """Tell when to come back."""
    return {"retry-after": f"{behaviour.retry_after_s:g}"}


REFUSALS = {
    "400-context": Refusal(
        400,
        "This model's maximum context length is 8192 tokens. However, your messages resulted in "
        "9001 tokens. Please reduce the length of the messages.",
        "invalid_request_error",
        "context_length_exceeded",
        "messages",
    ),
    "401": Refusal(
        401,
        "Incorrect API key provided: sk-world. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
        "invalid_request_error",
        "invalid_api_key",
    ),
    "402": Refusal(402, "Payment required of org_world.", "billing_error", "insufficient_funds"),
    "403": Refusal(403, "Not allowed for org_world.", "permission_error", "permission_denied"),
    "404-model": Refusal(
        404,
        "The model `{model}` does not exist or you do not have access to it.",
        "invalid_request_error",
        "model_not_found",
    ),
    "410": Refusal(410, "`{model}` has reached its end.", "invalid_request_error", "gone"),
    "413": Refusal(413, "Request too large.", "invalid_request_error", "request_too_large"),
    "422": Refusal(422, "Unprocessable.", "invalid_request_error", "unprocessable"),
    "429": Refusal(
        429,
        "Rate limit reached for {model}. Please try again later.",
        "requests",
        "rate_limit_exceeded",
        headers=retry_after,
    ),
    "429-bare": Refusal(429, "Too many requests.", "requests", "rate_limit_exceeded"),
    "500": Refusal(
        500, "The server had an error while processing your request. Sorry!", "server_error"
    ),
    "504": Refusal(504, "The gateway of org_world timed out.", "server_error", "timeout"),
    "503": Refusal(
        503, "The engine is currently overloaded, please try again later.", "server_error"
    ),
}
