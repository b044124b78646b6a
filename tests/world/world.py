"""The server, its scripts and its memory."""

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self

from tests.world.answer import answer_to
from tests.world.behaviour import Behaviour
from tests.world.connection import Connection
from tests.world.exchange import JSON, Exchange, head
from tests.world.faults import FAULTS
from tests.world.frame import dump
from tests.world.gate import Gate
from tests.world.notice import Notice
from tests.world.request import Request, read_request
from tests.world.seen import Seen

PREFIX = "fault:"


class World:
    """A provider on loopback; serves between entering and leaving.

    `sleep` makes waits real; without it they are stops at a gate. `now` stamps requests and
    answers. `remember=False` keeps counts alone, for long runs.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        sleep: Callable[[float], Awaitable[None]] | None = None,
        now: Callable[[], float] = time.time,
        remember: bool = True,
    ) -> None:
        self.requests: list[Seen] = []
        """The completions asked for, in order of arrival."""
        self.open_streams = 0
        """Streamed answers that have begun to be made and are not over."""
        self._address = host, port
        self._sleep = sleep
        self._now = now
        self._remember = remember
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._scripts: dict[str, deque[Behaviour]] = {}
        self._gates: dict[str, Gate] = {}
        self._calls: Counter[str] = Counter()
        self._notice = Notice()
        self._bugs: list[Exception] = []
        self._routes = {
            ("POST", "/v1/chat/completions"): self._chat,
            ("GET", "/v1/models"): self._models,
        }

    @property
    def base_url(self) -> str:
        """What a client is pointed at."""
        if self._server is None:
            raise RuntimeError("the world is not entered")
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}/v1"

    @property
    def connections(self) -> int:
        """Connections that clients hold open."""
        return len(self._connections)

    def behave(self, model: str, *behaviours: Behaviour | str) -> None:
        """Set what a model does: one behaviour a request, the last one for good; none is normal."""
        script = [Behaviour(b) if isinstance(b, str) else b for b in behaviours] or [Behaviour()]
        unknown = [b.name for b in script if b.name not in FAULTS]
        if unknown:
            raise ValueError(f"no such behaviour: {unknown}; there are {sorted(FAULTS)}")
        self._scripts[model] = deque(script)

    def gate(self, model: str) -> Gate:
        """Where the answers of this model wait."""
        return self._gates.setdefault(model, Gate(self._notice))

    def calls(self, model: str) -> int:
        """How often a model was asked."""
        return self._calls[model]

    async def arrived(self, count: int = 1) -> None:
        """Return when that many completions have been asked for in all."""
        await self._notice.until(lambda: self._calls.total() >= count)

    async def aborted(self, index: int) -> bool:
        """Wait for the end of an answer; whether the client left before it."""
        await self._notice.until(lambda: len(self.requests) > index and self.requests[index].ended)
        return self.requests[index].aborted

    async def __aenter__(self) -> Self:
        """Listen."""
        host, port = self._address
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, host, port, backlog=1024)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop every connection; complain if the world itself has failed."""
        if self._server is None:
            return
        self._server.close()
        for connection in self._connections:
            connection.abandon()
        await self._notice.until(lambda: not self._connections)
        await self._server.wait_closed()
        if self._bugs and error is None:
            raise ExceptionGroup("the world itself failed", self._bugs)

    def _connection(self) -> Connection:
        return Connection(self._serve, met=self._met, lost=self._lost)

    def _met(self, connection: Connection) -> None:
        self._connections.add(connection)
        if self._server is None or not self._server.is_serving():
            connection.abandon()

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._notice.happened()

    async def _serve(self, connection: Connection) -> None:
        try:
            while not connection.closing:
                request = await read_request(connection.reader)
                if request is None:
                    break
                await self._route(request, connection)
                if request.headers.get("connection", "").lower() == "close":
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left
        except Exception as bug:
            self._bugs.append(bug)
        finally:
            connection.close()

    async def _route(self, request: Request, connection: Connection) -> None:
        handler = self._routes.get((request.method, request.path))
        if handler is None:
            unknown = f"Unknown request URL: {request.method} {request.path}"
            return await _say(connection, 404, _error(unknown))
        return await handler(request, connection)

    async def _models(self, _request: Request, connection: Connection) -> None:
        rows = [{"id": model, "object": "model", "owned_by": "world"} for model in self._scripts]
        await _say(connection, 200, {"object": "list", "data": rows})

    async def _chat(self, request: Request, connection: Connection) -> None:
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return await _say(connection, 400, _error("We could not parse the JSON body."))
        seen = Seen(
            model=str(body.get("model")),
            body=body,
            headers=request.headers,
            streamed=body.get("stream") is True,
            at=self._now(),
        )
        return await self._answer(seen, connection)

    async def _answer(self, seen: Seen, connection: Connection) -> None:
        exchange = self._exchange(seen, connection)
        self.open_streams += seen.streamed
        self._notice.happened()
        try:
            await FAULTS[exchange.behaviour.name].act(exchange)
        except (asyncio.CancelledError, ConnectionError):
            seen.progress.aborted = connection.gone
            raise
        finally:
            self.open_streams -= seen.streamed
            seen.progress.ended = True
            self._notice.happened()

    def _exchange(self, seen: Seen, connection: Connection) -> Exchange:
        self._calls[seen.model] += 1
        if self._remember:
            self.requests.append(seen)
        behaviour = self._next_behaviour(seen.model)
        answer = answer_to(seen.body, behaviour, self._calls.total(), seen.at)

        async def pause(seconds: float) -> None:
            await (self.gate(seen.model).wait() if self._sleep is None else self._sleep(seconds))

        return Exchange(seen, behaviour, answer, connection, pause)

    def _next_behaviour(self, model: str) -> Behaviour:
        script = self._scripts.get(model)
        if script:
            return script.popleft() if len(script) > 1 else script[0]
        if not model.startswith(PREFIX):
            return Behaviour()
        name = model.removeprefix(PREFIX)
        return Behaviour(name if name in FAULTS else "404-model")


async def _say(connection: Connection, status: int, body: Mapping[str, object]) -> None:
    data = dump(body)
    headers = {"content-type": JSON, "content-length": str(len(data))}
    await connection.send(head(status, headers) + data)


def _error(message: str) -> dict[str, object]:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return {"error": error}
