"""LiteLLM's SDK as a client, by its route for servers of OpenAI's format."""

from __future__ import annotations

from typing import Any

import litellm

from tests.clients.driver import TOOLS, Ask, Heard, drive


def completion(ask: Ask, **more: Any) -> Any:
    return litellm.completion(
        model=f"openai/{ask.model}",
        messages=ask.messages,
        api_base=ask.base_url,
        api_key="free",
        extra_headers=ask.headers,
        **more,
    )


def note(answer: Any, heard: Heard) -> None:
    (choice,) = answer.choices
    heard.said = choice.message.content or ""
    heard.finish = choice.finish_reason
    for call in choice.message.tool_calls or []:
        heard.call(call.function.name, call.function.arguments)
    note_rest(answer, heard)


def note_rest(answer: Any, heard: Heard) -> None:
    if usage := getattr(answer, "usage", None):
        heard.usage = [usage.prompt_tokens, usage.completion_tokens]
    if free_tier := getattr(answer, "free_tier", None):
        heard.left = free_tier["remaining_requests"]


def whole(ask: Ask, heard: Heard) -> None:
    note(completion(ask), heard)


def tools(ask: Ask, heard: Heard) -> None:
    note(completion(ask, tools=TOOLS), heard)


def stream(ask: Ask, heard: Heard, **more: Any) -> None:
    for chunk in completion(ask, stream=True, **more):
        note_rest(chunk, heard)
        if chunk.choices:
            heard.said += chunk.choices[0].delta.content or ""
            heard.finish = chunk.choices[0].finish_reason or heard.finish


def stream_usage(ask: Ask, heard: Heard) -> None:
    stream(ask, heard, stream_options={"include_usage": True})


def stream_tools(ask: Ask, heard: Heard) -> None:
    chunks = list(completion(ask, stream=True, tools=TOOLS))
    note(litellm.stream_chunk_builder(chunks), heard)


if __name__ == "__main__":
    drive(
        "litellm",
        {
            "whole": whole,
            "stream": stream,
            "usage": stream_usage,
            "tools": tools,
            "stream-tools": stream_tools,
        },
    )
