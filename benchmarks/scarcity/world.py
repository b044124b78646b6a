"""The providers of the day behind real HTTP, each in its own words.

``python -m benchmarks.scarcity.world --port P`` serves each provider below its name, as
``/groq/v1/chat/completions``; ``GET /counts`` tells what they counted. How long an answer is stands
in the question, so that every contestant gets the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections.abc import Mapping
from typing import Final, NamedTuple, cast

from benchmarks import http1
from benchmarks.scarcity.counting import Counting, Ending, Said
from benchmarks.scarcity.day import BEGIN_S, PROVIDERS
from benchmarks.scarcity.demand import CAP_TOKENS
from scalix_free.core.budget import Window

CHARS_A_TOKEN: Final = 4
_ANSWER: Final = re.compile(r"\[answer (\d+)\]")
_NAMES: Final = {Window.RPM: "RPM", Window.RPD: "RPD", Window.TPM: "TPM", Window.TPD: "TPD"}


def ask_for(answer_tokens: int, prompt_tokens: int) -> str:
    """A question of so many tokens, to be answered with so many."""
    begin = f"[answer {answer_tokens}] "
    length = prompt_tokens * CHARS_A_TOKEN
    return (begin + "why is that so? " * (length // 16 + 1))[:length]


class Answer(NamedTuple):
    """What is sent."""

    status: int
    headers: Mapping[str, str]
    body: object


class World:
    """All providers, and how they speak."""

    def __init__(self) -> None:
        self.counting = {provider.name: Counting(provider) for provider in PROVIDERS}

    def counts(self) -> object:
        """What each counted."""
        return {
            name: {
                "calls": one.calls,
                "answered": one.answered,
                "refused": one.refused,
                "failed": one.failed,
            }
            for name, one in self.counting.items()
        }

    def ask(self, name: str, body: Mapping[str, object]) -> tuple[Said, Answer]:
        """Judge a call; the answer is to be sent after a while."""
        now_s = time.time() - BEGIN_S
        messages = cast("list[dict[str, str]]", body["messages"])
        text = "".join(message["content"] for message in messages)
        found = _ANSWER.search(text)
        wanted = int(found[1]) if found else 200
        cap = cast(int, body.get("max_tokens") or body.get("max_completion_tokens") or CAP_TOKENS)
        prompt, model = len(text) // CHARS_A_TOKEN, str(body["model"])
        said = self.counting[name].asks(model, prompt, cap, min(wanted, cap), now_s)
        if said.ending is Ending.ANSWERED:
            return said, Answer(200, _headers(name, said), _completion(model, prompt, wanted))
        return said, _refusal(name, model, said, now_s)


def _completion(model: str, prompt: int, tokens: int) -> object:
    message = {"role": "assistant", "content": "so. " * tokens}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": tokens,
        "total_tokens": prompt + tokens,
    }
    return {
        "id": "chatcmpl-day",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
        "usage": usage,
    }


def _headers(name: str, said: Said) -> dict[str, str]:
    """What rides on an answer: Groq's day of requests and minute of tokens, Mistral's minute."""
    left = {window: (limit, max(rest, 0)) for window, limit, rest in said.left}
    if name == "groq":
        (rpd, rpd_left), (tpm, tpm_left) = left[Window.RPD], left[Window.TPM]
        return {
            "x-ratelimit-limit-requests": str(rpd),
            "x-ratelimit-remaining-requests": str(rpd_left),
            "x-ratelimit-reset-requests": "1m26.4s",
            "x-ratelimit-limit-tokens": str(tpm),
            "x-ratelimit-remaining-tokens": str(tpm_left),
            "x-ratelimit-reset-tokens": "7.66s",
        }
    if name == "mistral":
        limit, rest = left[Window.RPM]
        return {
            "x-ratelimit-limit-req-minute": str(limit),
            "x-ratelimit-remaining-req-minute": str(rest),
        }
    if name == "openrouter":
        limit, rest = left[Window.RPD]
        return {"x-ratelimit-limit": str(limit), "x-ratelimit-remaining": str(rest)}
    return {}


def _refusal(name: str, model: str, said: Said, now_s: float) -> Answer:
    match said.ending:
        case Ending.OVERLOADED:
            error = {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}
            return Answer(503, {}, [{"error": error}] if name == "gemini" else {"error": error})
        case Ending.BROKEN:
            return Answer(500, {}, {"error": {"message": "Internal error", "code": 500}})
        case Ending.BUSY:
            text = "Service tier capacity exceeded for this model."
            return Answer(429, {}, {"object": "error", "message": text, "code": "3505"})
        case _:
            return _full(name, model, said, max(said.until_s - now_s, 0.05))


def _full(name: str, model: str, said: Said, wait_s: float) -> Answer:
    window = said.window
    assert window is not None
    if name == "gemini":
        return Answer(429, {}, [{"error": _gemini_error(model, said, window, wait_s)}])
    if name == "groq":
        text = (
            f"Rate limit reached for model `{model}` in organization `org_day` service tier"
            f" `on_demand` on {'tokens' if window.is_tokens else 'requests'} per"
            f" {'day' if window.is_day else 'minute'} ({_NAMES[window]}): Limit {said.limit},"
            f" Used {said.used}, Requested 1. Please try again in {_duration(wait_s)}."
        )
        headers = _headers(name, said) | {"retry-after": str(int(wait_s) + 1)}
        error = {"message": text, "type": "tokens", "code": "rate_limit_exceeded"}
        return Answer(429, headers, {"error": error})
    if name == "openrouter":
        scope = "free-models-per-day" if window.is_day else "free-models-per-min"
        told = {
            "X-RateLimit-Limit": str(said.limit),
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(int((BEGIN_S + said.until_s) * 1000)),
        }
        spent: dict[str, object] = {
            "message": f"Rate limit exceeded: {scope}. Add 10 credits to unlock 1000 free model"
            " requests per day",
            "code": 429,
            "metadata": {"headers": told, "provider_name": None},
        }
        return Answer(429, told, {"error": spent, "user_id": "user_day"})
    if name == "cloudflare":
        text = (
            "you have used up your daily free allocation of 10,000 neurons, please upgrade to"
            " Cloudflare's Workers Paid plan"
        )
        errors = [{"code": 4006, "message": text}]
        return Answer(429, {}, {"result": None, "success": False, "errors": errors, "messages": []})
    if name == "cohere":
        period = "month" if window.is_day else "minute"
        text = f"You are using a Trial key, which is limited to {said.limit} API calls / {period}."
        return Answer(429, {}, {"id": "day", "message": text})
    error = {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited"}
    headers = {"x-ratelimit-limit-req-minute": "2", "x-ratelimit-remaining-req-minute": "0"}
    return Answer(429, headers, error | {"param": None, "code": "1300"})


def _gemini_error(model: str, said: Said, window: Window, wait_s: float) -> object:
    period = "PerDay" if window.is_day else "PerMinute"
    delay = f"{min(wait_s, 59.0):.3f}s"  # of a day's limit too it tells seconds
    quota = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        "quotaId": f"GenerateRequests{period}PerProjectPerModel-FreeTier",
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": str(said.limit),
    }
    details = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [quota]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    ]
    text = f"You exceeded your current quota, please check your plan. Please retry in {delay}."
    return {"code": 429, "message": text, "status": "RESOURCE_EXHAUSTED", "details": details}


def _duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{rest:.3f}s" if minutes else f"{rest:.3f}s"


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────


class Connection(asyncio.Protocol):
    """One connection, asked one request after the other."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._received = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._gone: Counting | None = None

    def data_received(self, data: bytes) -> None:
        """Answer a request that is whole, after as long as it takes."""
        self._received += data
        request = http1.read(self._received)
        if request is None:
            return
        self._received = self._received[request.size :]
        path = request.head.split(b" ", 2)[1].decode()
        if path == "/counts":
            self._send(Answer(200, {}, self._world.counts()))
            return
        name = path.split("/")[1]
        said, answer = self._world.ask(name, json.loads(request.body))
        counting = self._world.counting[name]
        if said.ending is Ending.ANSWERED:
            self._gone = counting

        def send() -> None:
            self._gone = None
            if said.settle is not None:
                said.settle()
            self._send(answer)

        self._timer = asyncio.get_running_loop().call_later(said.after_s, send)

    def connection_lost(self, error: Exception | None) -> None:
        """Count an answer that nobody waited for as failed."""
        del error
        if self._timer is not None:
            self._timer.cancel()
        if self._gone is not None:
            self._gone.answered -= 1
            self._gone.failed += 1

    def _send(self, answer: Answer) -> None:
        body = json.dumps(answer.body).encode()
        lines = [f"HTTP/1.1 {answer.status} Day", "content-type: application/json"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        lines.append(f"content-length: {len(body)}")
        self._transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


async def serve(port: int) -> None:
    """Serve on a loopback port, forever."""
    world = World()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(world), "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks.scarcity.world", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(serve(parser.parse_args().port))
