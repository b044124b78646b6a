"""LiteLLM itself: quiet, and with a witness at its door to the network.

The one module that imports it, and what it needs; ``litellm_sdk`` imports this one once it is used.
For nearly all providers LiteLLM has one door to the network, the transport of its HTTP clients:
there stands the witness. That it is so in the version that is pinned is tested.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from copy import deepcopy
from typing import Any, Final, cast

import httpx
import litellm
import openai.resources.chat  # noqa: F401  (it takes a second, and is put off until a call)
from litellm.llms.custom_httpx.aiohttp_transport import LiteLLMAiohttpTransport

from scalix_free.core.chat import Chunk, ToolCall, Usage
from scalix_free.providers.witness import MOST_ERROR_BYTES, Witness
from scalix_free.wire.upstream import FINISH, MOST_TOKENS

WITNESS: Final[ContextVar[Witness | None]] = ContextVar("witness", default=None)


def be_quiet() -> None:
    """Nothing that LiteLLM is told or hears reaches a screen or anybody else."""
    litellm.suppress_debug_info = True
    litellm.set_verbose = False
    litellm.telemetry = False
    litellm.turn_off_message_logging = True
    litellm.disable_hf_tokenizer_download = True


# ── The door ─────────────────────────────────────────────────────────────────────────────────


class _Watched(httpx.AsyncByteStream):
    """A body on its way, seen by a witness too."""

    def __init__(self, body: httpx.AsyncByteStream, witness: Witness) -> None:
        self._body = body
        self._witness = witness

    async def __aiter__(self) -> AsyncIterator[bytes]:
        witness = self._witness
        async for data in self._body:
            witness.feed(data)
            if witness.failure is not None:  # LiteLLM might go on as if nothing were
                raise httpx.ReadError("broken")
            yield data
        witness.end()

    async def aclose(self) -> None:
        await self._body.aclose()


_send: Final = LiteLLMAiohttpTransport.handle_async_request


async def _watch(self: LiteLLMAiohttpTransport, request: httpx.Request) -> httpx.Response:
    witness = WITNESS.get()
    if witness is None:
        return cast(httpx.Response, await _send(self, request))
    if not witness.asks(request.method, str(request.url)):
        raise httpx.ConnectError("asked already")
    request.headers["Accept-Encoding"] = "identity"
    response: httpx.Response = await _send(self, request)
    body = response.stream
    assert isinstance(body, httpx.AsyncByteStream)
    if response.is_redirect:
        return response
    if response.is_success:
        witness.answers(response.status_code, response.headers, body.aclose)
        response.stream = _Watched(body, witness)
        return response
    text = b""
    async with aclosing(response):
        async for data in response.aiter_bytes():
            text += data
            if len(text) > MOST_ERROR_BYTES:
                break
    witness.refused(response.status_code, response.headers, text)
    headers = [pair for pair in response.headers.raw if pair[0].lower() not in _OF_THE_BODY]
    return httpx.Response(response.status_code, headers=headers, content=text, request=request)


_OF_THE_BODY: Final = (b"content-encoding", b"content-length", b"transfer-encoding")


def open_door() -> None:
    """From now on whoever asks under a witness is seen by it."""
    LiteLLMAiohttpTransport.handle_async_request = _watch


@contextmanager
def _seen_by(witness: Witness) -> Iterator[None]:
    token = WITNESS.set(witness)
    try:
        yield
    finally:
        WITNESS.reset(token)


# ── Questions and answers ────────────────────────────────────────────────────────────────────


class Asked:
    """An answer of LiteLLM's, in our words. See ``litellm_sdk.Asked``."""

    def __init__(self, answer: Any, witness: Witness) -> None:
        self._answer = answer
        self._witness = witness
        self._pieces = answer.__aiter__() if hasattr(answer, "__aiter__") else None
        self._has_begun = False

    @property
    def finished(self) -> bool:
        """Whether LiteLLM was given a finish reason; it gives one in any case."""
        return self._pieces is None or self._answer.received_finish_reason is not None

    @property
    def usage(self) -> Usage | None:
        """What the provider counted: what LiteLLM counts itself is in none of its chunks."""
        if self._pieces is None:
            return _usage(getattr(self._answer, "usage", None))
        counted = (_usage(getattr(chunk, "usage", None)) for chunk in reversed(self._answer.chunks))
        return next(filter(None, counted), None)

    async def read(self) -> Chunk | None:
        if self._pieces is None:
            return _whole(self._answer)
        try:
            if self._has_begun:
                piece = await self._pieces.__anext__()
            else:  # some providers are asked with the first piece only
                with _seen_by(self._witness):
                    piece = await self._pieces.__anext__()
                self._has_begun = True
        except StopAsyncIteration:
            return None
        return _piece(piece)

    async def close(self) -> None:
        if self._pieces is not None:
            await self._answer.aclose()


class LiteLLM:
    """See ``litellm_sdk.Library``."""

    async def ask(self, question: Mapping[str, object], witness: Witness) -> Asked:
        with _seen_by(witness):
            # What it is given it may change: a question may be put to another model after it.
            return Asked(await litellm.acompletion(**deepcopy(dict(question))), witness)

    def complaint(self, error: Exception) -> tuple[int | None, bool]:
        """The status that an exception has, and whether it means that time was up."""
        status = getattr(error, "status_code", None)
        is_late = isinstance(error, litellm.Timeout | TimeoutError | httpx.TimeoutException)
        return status if isinstance(status, int) else None, is_late

    async def close(self) -> None:
        await litellm.close_litellm_async_clients()
        litellm.in_memory_llm_clients_cache.flush_cache()


async def warm_up() -> None:
    """Ask LiteLLM something that it answers itself, so that it imports what it puts off."""
    question = {"model": "openai/none", "api_key": "none", "mock_response": "Hello."}
    messages = [{"role": "user", "content": "Hello."}]
    await litellm.acompletion(messages=messages, **question)
    async for _ in await litellm.acompletion(messages=messages, stream=True, **question):
        pass


def _piece(piece: Any) -> Chunk:
    if not piece.choices:
        return Chunk()
    choice = piece.choices[0]
    return _chunk(choice.delta, choice.finish_reason)


def _whole(answer: Any) -> Chunk:
    if not answer.choices:
        return Chunk()
    choice = answer.choices[0]
    return _chunk(choice.message, choice.finish_reason or "stop")


def _chunk(said: Any, finish: str | None) -> Chunk:
    chunk = Chunk(said.content if isinstance(said.content, str) else "")
    if reasoning := getattr(said, "reasoning_content", None):
        chunk.reasoning = reasoning
    if refusal := getattr(said, "refusal", None):
        chunk.refusal = refusal
    if tools := getattr(said, "tool_calls", None):
        chunk.tools = tuple(map(_tool, tools))
    if finish is not None:
        chunk.finish = FINISH.get(finish, "stop")
    return chunk


def _tool(tool: Any) -> ToolCall:
    function = tool.function
    return ToolCall(
        index=getattr(tool, "index", None) or 0,
        id=tool.id or None,
        name=function.name or None,
        arguments=function.arguments or "",
    )


def _usage(usage: Any) -> Usage | None:
    if usage is None:
        return None
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    counts = all(type(count) is int and 0 <= count <= MOST_TOKENS for count in (prompt, completion))
    return Usage(prompt, completion) if counts and prompt + completion else None
