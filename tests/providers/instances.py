"""Plain servers that look like instances of LiteLLM's proxy, for what a pool does about them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TEXT = "Hello from an instance."


@dataclass
class Instance:
    """What it does can be changed while it runs.

    ``how``: `answer`; `reset`, the connection before any answer; `cut`, in the middle of a body;
    `silent`; `frozen`, to health checks, too; or the number of a status. ``health`` is the status
    of its health check, ``checked`` counts those. ``asked`` are the bodies that it got. It answers
    while ``gate`` is open.
    """

    root: str = ""
    how: str = "answer"
    health: int = 200
    models: Sequence[str] = ("one", "two")
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    checked: int = 0
    running: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    _runner: web.AppRunner | None = None

    async def begin(self) -> None:
        """Listen; again at the same port, where it was closed."""
        app = web.Application()
        app.add_routes(
            [
                web.post("/v1/chat/completions", self._answer),
                web.get("/v1/models", self._models),
                web.get("/v1/model/info", self._info),
                web.get("/{path:.*}", self._health),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
        await self._runner.setup()
        port = int(self.root.rpartition(":")[2] or 0)
        await web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True).start()
        self.root = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Be gone: whatever it was asked is dropped, and nobody listens."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _health(self, request: web.Request) -> web.Response:
        self.checked += 1
        if self.how == "frozen":
            await asyncio.Event().wait()
        return web.Response(status=self.health if request.path == "/health/liveliness" else 404)

    async def _models(self, request: web.Request) -> web.Response:
        self.keys.add(request.headers.get("Authorization", ""))
        if self.how.isdigit():
            return web.Response(status=int(self.how))
        return web.json_response(
            {"data": [{"id": name, "object": "model"} for name in self.models]}
        )

    async def _info(self, request: web.Request) -> web.Response:
        return web.Response(status=404)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        self.keys.add(request.headers.get("Authorization", ""))
        self.running += 1
        try:
            await self.gate.wait()
            return await self._how(request, body)
        finally:
            self.running -= 1

    async def _how(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        assert request.transport is not None
        if self.how.isdigit():
            return web.Response(status=int(self.how))
        if self.how in {"silent", "frozen"}:
            await asyncio.Event().wait()
        if self.how == "reset":
            request.transport.abort()
            return web.Response()
        answer = _streamed() if body.get("stream") else _whole()
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream" if body.get("stream") else "application/json"
            }
        )
        response.content_length = len(answer)
        await response.prepare(request)
        if self.how == "cut":
            await response.write(answer[:20])
            await asyncio.sleep(0)
            request.transport.abort()
            return response
        await response.write(answer)
        return response


def _whole() -> bytes:
    choice = {"message": {"content": TEXT}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    return json.dumps({"choices": [choice], "usage": usage}).encode()


def _streamed() -> bytes:
    frames = [
        {"choices": [{"delta": {"content": TEXT}}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}},
    ]
    lines = [f"data: {json.dumps(frame)}\n\n" for frame in frames]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


@asynccontextmanager
async def instances(count: int = 2) -> AsyncIterator[list[Instance]]:
    """So many of them, until left."""
    async with AsyncExitStack() as stack:
        found = [Instance() for _ in range(count)]
        for one in found:
            one.gate.set()
            await one.begin()
            stack.push_async_callback(one.close)
        yield found


async def until(true: Callable[[], object], seconds: float = 5.0) -> None:
    """Return once it holds; what happens there is told by nobody."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.002)
