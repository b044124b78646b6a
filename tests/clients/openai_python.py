"""OpenAI's client for Python, of any version, as its users write."""

from __future__ import annotations

from typing import Any

import openai

from tests.clients.driver import TOOLS, Ask, Heard, drive


def completions(ask: Ask) -> Any:  # of every version, and types differ
    client = openai.OpenAI(base_url=ask.base_url, api_key="free", default_headers=ask.headers)
    return client.chat.completions


def whole(ask: Ask, heard: Heard, **more: Any) -> None:
    answer = completions(ask).create(model=ask.model, messages=ask.messages, **more)
    (choice,) = answer.choices
    heard.said = choice.message.content or ""
    heard.finish = choice.finish_reason
    for call in choice.message.tool_calls or []:
        heard.call(call.function.name, call.function.arguments)
    heard.usage = [answer.usage.prompt_tokens, answer.usage.completion_tokens]
    heard.left = answer.free_tier["remaining_requests"]


def tools(ask: Ask, heard: Heard) -> None:
    whole(ask, heard, tools=TOOLS)


def stream(ask: Ask, heard: Heard, **more: Any) -> None:
    chunks = completions(ask).create(model=ask.model, messages=ask.messages, stream=True, **more)
    for chunk in chunks:
        if chunk.usage:
            heard.usage = [chunk.usage.prompt_tokens, chunk.usage.completion_tokens]
        if not chunk.choices:
            continue
        heard.said += chunk.choices[0].delta.content or ""
        heard.finish = chunk.choices[0].finish_reason or heard.finish
        if (free_tier := (chunk.model_extra or {}).get("free_tier")) is not None:
            heard.left = free_tier["remaining_requests"]


def stream_usage(ask: Ask, heard: Heard) -> None:
    stream(ask, heard, stream_options={"include_usage": True})


def stream_tools(ask: Ask, heard: Heard) -> None:
    with completions(ask).stream(model=ask.model, messages=ask.messages, tools=TOOLS) as events:
        (choice,) = events.get_final_completion().choices
    heard.finish = choice.finish_reason
    for call in choice.message.tool_calls or []:
        heard.call(call.function.name, call.function.arguments)


if __name__ == "__main__":
    drive(
        "openai",
        {
            "whole": whole,
            "stream": stream,
            "usage": stream_usage,
            "tools": tools,
            "stream-tools": stream_tools,
        },
    )
