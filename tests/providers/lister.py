"""A server that lists models as OpenRouter does, and answers for each of them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass
class Lister:
    """What it lists can be changed while it runs. ``asked`` are the requests, in order."""

    base_url: str = ""
    rows: Sequence[Mapping[str, Any]] = ()
    status: int = 200
    silent: bool = False
    asked: list[Asked] = field(default_factory=list)


def row(name: str, /, **fields: Any) -> dict[str, Any]:
    """A row of the list; free where nothing else is said."""
    free = {"prompt": "0", "completion": "0", "request": "0"}
    return {"id": name, "pricing": free, **fields}


@asynccontextmanager
async def lister() -> AsyncIterator[Lister]:
    """Serve on loopback until left."""
    told = Lister()
    leaving = asyncio.Event()

    async def models(request: web.Request) -> web.Response:
        told.asked.append(Asked("GET", request.path, _lower(request), None))
        if told.silent:
            await leaving.wait()
        headers = {"location": "/v1/elsewhere"} if told.status == 302 else {}
        if told.status != 200:
            return web.Response(status=told.status, headers=headers)
        return web.json_response({"data": list(told.rows)})

    async def answer(request: web.Request) -> web.Response:
        body = await request.json()
        told.asked.append(Asked("POST", request.path, _lower(request), body))
        message = {"role": "assistant", "content": f"I am {body['model']}."}
        usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response(
            {"id": "a", "object": "chat.completion", "choices": [choice], "usage": usage}
        )

    app = web.Application()
    app.add_routes([web.get("/v1/models", models), web.post("/v1/chat/completions", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    told.base_url = f"http://{host}:{port}/v1"
    try:
        yield told
    finally:
        leaving.set()
        await runner.cleanup()


def _lower(request: web.Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}
