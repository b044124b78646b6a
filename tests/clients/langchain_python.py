"""LangChain's chat model, pointed at the service as at any server of OpenAI's format."""

from __future__ import annotations

from typing import Any

from langchain_openai import ChatOpenAI

from tests.clients.driver import TOOLS, Ask, Heard, drive


def chat(ask: Ask, **more: Any) -> Any:
    return ChatOpenAI(
        base_url=ask.base_url,
        api_key="free",
        model=ask.model,
        default_headers=ask.headers,
        **more,
    )


def note(message: Any, heard: Heard) -> None:
    """What stands in a message, or in the sum of all pieces of one."""
    heard.said = message.content
    heard.finish = message.response_metadata.get("finish_reason")
    for call in message.tool_calls:
        heard.call(call["name"], call["args"])
    if message.usage_metadata:
        heard.usage = [
            message.usage_metadata["input_tokens"],
            message.usage_metadata["output_tokens"],
        ]
    for place in (message.response_metadata, message.additional_kwargs):
        if "free_tier" in place:
            heard.left = place["free_tier"]["remaining_requests"]


def whole(ask: Ask, heard: Heard) -> None:
    note(chat(ask).invoke(ask.question), heard)


def tools(ask: Ask, heard: Heard) -> None:
    note(chat(ask).bind_tools(TOOLS).invoke(ask.question), heard)


def stream(ask: Ask, heard: Heard, **more: Any) -> None:
    heard_of(chat(ask, **more), ask, heard)


def stream_usage(ask: Ask, heard: Heard) -> None:
    stream(ask, heard, stream_usage=True)


def stream_tools(ask: Ask, heard: Heard) -> None:
    heard_of(chat(ask).bind_tools(TOOLS), ask, heard)


def heard_of(model: Any, ask: Ask, heard: Heard) -> None:
    message: Any = None
    for piece in model.stream(ask.question):
        heard.said += piece.content
        message = piece if message is None else message + piece
    note(message, heard)


if __name__ == "__main__":
    drive(
        "langchain-openai",
        {
            "whole": whole,
            "stream": stream,
            "usage": stream_usage,
            "tools": tools,
            "stream-tools": stream_tools,
        },
    )
