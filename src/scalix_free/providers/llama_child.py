"""The child process that runs the local model, one for a machine, through xllamacpp.

The parent binds a loopback socket and starts `python -m scalix_free.providers.llama_child` with
it; the workers speak the OpenAI format to it. What is asked and answered is in `llama_answer`.

A native crash and 250 MB stay in here, and one queue bounds all workers. SIGTERM keeps its default
action: the child holds nothing worth a farewell, and xllamacpp keeps the interpreter lock while it
loads a model, when no handler of ours could run.
"""

import argparse
import asyncio
import hmac
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    MutableMapping,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import msgspec
import uvicorn

from scalix_free.providers.llama_answer import (
    ALWAYS,
    EXAMPLES,
    AnswerError,
    Frames,
    Head,
    Piece,
    Reader,
    Request,
    broken,
    completion,
    prompt_tokens,
    read_request,
    unusable,
)
from scalix_free.providers.llama_model import (
    ALIAS,
    KEY_VARIABLE,
    LONGEST_DEMO_ANSWER,
    packaged_model,
)

LARGEST_BODY = 1 << 20  # bytes; far beyond any prompt that fits
PARENT_POLL_S = 0.5
HELLO_TOKENS = 31
"""What the packaged model's template makes of a mere "Hi": asking it costs a tenth of the start."""

log = logging.getLogger(__name__)

Chunk = Mapping[str, object]
Scope = MutableMapping[str, object]
Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


# ---------------------------------------------------------------------------- the model


@dataclass(frozen=True)
class Options:
    """How to run one model file: its slots, and their size and manners."""

    path: Path
    slots: int
    context: int  # tokens in each slot
    examples: bool
    longest: int | None  # tokens of an answer; None for as many as the slot holds
    cut_repeats: bool


class _Server(Protocol):
    def handle_chat_completions(
        self, prompt: dict[str, object], on_chunk: Callable[[Chunk], bool]
    ) -> None: ...


class Model:
    """One model in memory, and a thread for each of its slots."""

    def __init__(self, options: Options) -> None:
        """Nothing is loaded before `load`."""
        self.options = options
        self.uncounted = 0  # tokens of the example turns
        self._server: _Server | None = None
        self._threads = ThreadPoolExecutor(options.slots, thread_name_prefix="slot")

    @property
    def ready(self) -> bool:
        """Whether the model is loaded and its first slot is warm."""
        return self._server is not None

    def load(self) -> None:
        """Load the file, measure the example turns, and leave them in every slot's cache."""
        server = _open(self.options)
        hello = [{"role": "user", "content": "Hi"}]
        if self.options.examples:
            # Without the turns first: what both prompts begin with is then computed once.
            packaged = self.options.cut_repeats
            without = HELLO_TOKENS if packaged else _warm(server, slot=0, messages=hello)
            hello = [*EXAMPLES, *hello]
            self.uncounted = _warm(server, slot=0, messages=hello) - without
        self._server = server
        for slot in range(1, self.options.slots):  # callers are served meanwhile, by the first
            _warm(server, slot=slot, messages=hello)

    @asynccontextmanager
    async def generate(self, prompt: dict[str, object]) -> AsyncIterator[AsyncIterator[Chunk]]:
        """Run one prompt; leaving the context stops it and waits until it has stopped.

        The model calls back at every token and at every 16 tokens of a prompt, so that waiting
        lasts a tenth of a second. Its errors are raised where the chunks are read.
        """
        assert self._server
        loop, chunks, left = asyncio.get_running_loop(), asyncio.Queue[Chunk | None](), False

        def on_chunk(chunk: Chunk) -> bool:
            # Nothing that can fail stands here: xllamacpp swallows what a callback raises.
            loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            return left

        run = loop.run_in_executor(
            self._threads, self._server.handle_chat_completions, prompt, on_chunk
        )
        run.add_done_callback(lambda _: chunks.put_nowait(None))

        async def read() -> AsyncIterator[Chunk]:
            while (chunk := await chunks.get()) is not None:
                yield chunk
            try:
                run.result()
            except ValueError as error:
                # xllamacpp raises it for what the caller wrote: a schema, an order of turns.
                raise unusable() from error

        try:
            yield read()
        finally:
            left = True
            await asyncio.wait([run])
            run.exception()  # nobody reads it any more when the caller left; asyncio would complain


def _open(options: Options) -> _Server:
    # Imported here, in the child alone: the parent asks this module only where the model is.
    import xllamacpp  # noqa: PLC0415

    params = xllamacpp.CommonParams()
    params.model.path = str(options.path)
    params.n_parallel = options.slots
    params.n_ctx = options.slots * options.context
    # A second thread spins for the first: on a busy machine it costs nine tenths of the speed.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    # Small steps through a prompt, a tenth of a second each: between two of them the other slots
    # speak, and a caller who left is noticed. They cost a tenth of the reading speed.
    params.n_batch = params.n_ubatch = 16
    # Room for what is evicted when callers with and without a system message take turns; by
    # default it would grow to 8 GiB.
    params.cache_ram_mib = 64
    params.use_jinja = True
    params.fit_params = params.warmup = False  # we name the sizes, and warm it ourselves
    params.verbosity = 0
    # It opens a listener of its own, which nobody needs: shut, and as small as can be.
    params.hostnames, params.port, params.n_threads_http = ["127.0.0.1"], 0, 1
    params.api_keys = [secrets.token_urlsafe(32)]
    params.ui = params.endpoint_slots = False
    return cast("_Server", xllamacpp.Server(params))


def _warm(server: _Server, *, slot: int, messages: list[dict[str, str]]) -> int:
    """Run a prompt through one slot and count its tokens."""
    chunks: list[Chunk] = []
    prompt = {"messages": messages, "max_tokens": 1, "id_slot": slot, **ALWAYS}

    def on_chunk(chunk: Chunk) -> bool:
        chunks.append(chunk)
        return False

    server.handle_chat_completions(prompt, on_chunk)
    return prompt_tokens(chunks)


# ---------------------------------------------------------------------------- the queue


class Slots:
    """Who may use the model: some run, some wait in the order they came, the rest is refused."""

    def __init__(self, *, slots: int, waiting: int) -> None:
        """`slots` run at a time and `waiting` more may wait."""
        self._slots, self._most = slots, slots + waiting
        self._taken = 0
        self._turn = asyncio.Semaphore(slots)  # serves in the order of arrival

    @property
    def running(self) -> int:
        """How many run."""
        return min(self._taken, self._slots)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._taken - self.running

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Hold a slot, after waiting for it. Raises `AnswerError` at once when too many wait."""
        if self._taken >= self._most:
            message = "The local model is busy: its queue is full. Try again in two seconds."
            raise AnswerError(
                503, message, type_="unavailable_error", code="queue_full", retry_after=2
            )
        self._taken += 1
        try:
            async with self._turn:
                yield
        finally:
            self._taken -= 1


# ---------------------------------------------------------------------------- HTTP


class Reply:
    """One HTTP answer, which knows whether its head is out."""

    def __init__(self, send: Send) -> None:
        """Answer through `send`."""
        self._send = send
        self._streaming = False

    async def json(
        self, body: object, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer with one JSON body."""
        content = msgspec.json.encode(body)
        length = {"content-type": "application/json", "content-length": str(len(content))}
        await self._head(status, {**length, **(headers or {})})
        await self._send({"type": "http.response.body", "body": content})

    async def event(self, data: object) -> None:
        """Send one server-sent event; the first one sends the head."""
        if not self._streaming:
            self._streaming = True
            await self._head(
                200, {"content-type": "text/event-stream", "cache-control": "no-store"}
            )
        text = data.encode() if isinstance(data, str) else msgspec.json.encode(data)
        body = b"data: " + text + b"\n\n"
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self) -> None:
        """End a stream."""
        await self._send({"type": "http.response.body", "body": b""})

    async def error(self, error: AnswerError) -> None:
        """Answer with an error, or break the stream with one: no end marker follows it."""
        if self._streaming:
            await self.event(error.body)
            await self.end()
            return
        headers = {"retry-after": str(error.retry_after)} if error.retry_after else {}
        if error.status == 401:
            headers["www-authenticate"] = "Bearer"
        await self.json(error.body, status=error.status, headers=headers)

    async def _head(self, status: int, headers: Mapping[str, str]) -> None:
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})


class App:
    """The ASGI application: health, the list of one model, and completions."""

    def __init__(self, model: Model, slots: Slots, *, key: str, alias: str) -> None:
        """Answer callers who show `key`, under the name `alias`."""
        self._model = model
        self._slots = slots
        self._key = key.encode()
        self._alias = alias
        self._since = int(time.time())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        reply = Reply(send)
        try:
            await self._route(scope, receive, reply)
        except AnswerError as error:
            await reply.error(error)
        except Exception:
            log.exception("A request failed")
            await reply.error(broken())

    async def _route(self, scope: Scope, receive: Receive, reply: Reply) -> None:
        route = (scope["method"], scope["path"])
        if route == ("GET", "/health"):
            await self._health(reply)
            return
        if not self._knows(scope):
            raise AnswerError(
                401,
                "The key is missing or wrong.",
                type_="authentication_error",
                code="invalid_api_key",
            )
        if route == ("GET", "/v1/models"):
            await self._models(reply)
        elif route == ("POST", "/v1/chat/completions"):
            await self._complete(receive, reply)
        else:
            raise AnswerError(404, "There is no such endpoint.", code="not_found")

    def _knows(self, scope: Scope) -> bool:
        headers = cast("list[tuple[bytes, bytes]]", scope["headers"])
        scheme, _, key = dict(headers).get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(key.strip(), self._key)

    async def _health(self, reply: Reply) -> None:
        body = {
            "status": "ok" if self._model.ready else "loading",
            "model": self._alias,
            "running": self._slots.running,
            "waiting": self._slots.waiting,
        }
        await reply.json(body, status=200 if self._model.ready else 503)

    async def _models(self, reply: Reply) -> None:
        model = {"id": self._alias, "object": "model", "created": self._since, "owned_by": "scalix"}
        await reply.json({"object": "list", "data": [model]})

    async def _complete(self, receive: Receive, reply: Reply) -> None:
        body = await _body(receive)
        if not self._model.ready:
            message = "The local model is being loaded. Try again in a second."
            raise AnswerError(
                503, message, type_="unavailable_error", code="loading", retry_after=1
            )
        options = self._model.options
        request = read_request(body, examples=options.examples, longest=options.longest)
        await _unless_gone(self._answer(request, reply), receive)

    async def _answer(self, request: Request, reply: Reply) -> None:
        head = Head(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), self._alias)
        async with self._slots.take(), self._model.generate(request.prompt) as chunks:
            pieces = self._pieces(chunks)
            if request.stream:
                await _stream(pieces, Frames(head, include_usage=request.include_usage), reply)
            else:
                await _collect(pieces, head, reply)

    async def _pieces(self, chunks: AsyncIterator[Chunk]) -> AsyncIterator[Piece]:
        """Read the pieces up to the one that ends the answer."""
        options = self._model.options
        reader = Reader(uncounted=self._model.uncounted, cut_repeats=options.cut_repeats)
        async for chunk in chunks:
            if piece := reader.read(chunk):
                yield piece
                if piece.finish:
                    return
        raise RuntimeError("llama.cpp ended without a finish reason")


async def _stream(pieces: AsyncIterator[Piece], frames: Frames, reply: Reply) -> None:
    begun = False
    async for piece in pieces:
        if not begun:  # not before: until then an error still has a status of its own
            await reply.event(frames.first())
            begun = True
        for frame in frames.of(piece):
            await reply.event(frame)
    await reply.event("[DONE]")
    await reply.end()


async def _collect(pieces: AsyncIterator[Piece], head: Head, reply: Reply) -> None:
    said = [piece async for piece in pieces]
    text = "".join(piece.text for piece in said)
    await reply.json(completion(head, text, said[-1]))


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += cast("bytes", message.get("body", b""))
        if len(body) > LARGEST_BODY:
            raise AnswerError(413, "The request is too large.")
        if not message.get("more_body"):
            return body


async def _unless_gone(answer: Coroutine[None, None, None], receive: Receive) -> None:
    """Run `answer` to its end, or until the client disconnects."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    work, watch = asyncio.create_task(answer), asyncio.create_task(gone())
    # The only one who cancels, and it does so once: what the answer holds is given back whole.
    watch.add_done_callback(lambda _: work.cancel())
    await asyncio.wait([work])
    watch.cancel()
    if not work.cancelled():
        work.result()


# ---------------------------------------------------------------------------- the process


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals as `main` set them."""
        yield


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the local model on an inherited socket.")
    parser.add_argument("--fd", type=int, required=True, help="the listening socket")
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--alias", default=ALIAS, help="the name it answers under")
    parser.add_argument("--slots", type=int, default=2, help="answers at a time")
    parser.add_argument("--waiting", type=int, default=4, help="requests that may wait")
    parser.add_argument("--context", type=int, default=2048, help="tokens in each slot")
    parser.add_argument(
        "--examples",
        action=argparse.BooleanOptionalAction,
        help="put example turns before the messages; the default for the packaged model alone",
    )
    parser.add_argument("--parent-pid", type=int, help="the process that starts this one")
    return parser.parse_args()


def _load(model: Model) -> None:
    try:
        model.load()
    except BaseException:
        log.exception("The local model cannot be loaded from %s", model.options.path)
        os._exit(1)  # a thread cannot end its process otherwise, and there is nothing to serve


def _end_with(parent: int) -> None:
    """End when the parent has: orphans get another one.

    Not prctl's death signal: that one follows the thread which started us, not its process.
    """
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_S)
    os._exit(0)


def main() -> None:
    """Serve until SIGTERM or the parent's end. Ctrl-C is left to the parent, who gets it too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    arguments = _arguments()
    key = os.environ.pop(KEY_VARIABLE, "")
    if not key:
        sys.exit(f"{KEY_VARIABLE} must hold the key that callers show.")
    packaged = packaged_model()
    demo = packaged is not None and arguments.model.resolve() == packaged.resolve()
    model = Model(
        Options(
            path=arguments.model,
            slots=arguments.slots,
            context=arguments.context,
            examples=demo if arguments.examples is None else arguments.examples,
            longest=LONGEST_DEMO_ANSWER if demo else None,
            cut_repeats=demo,
        )
    )
    app = App(
        model,
        Slots(slots=arguments.slots, waiting=arguments.waiting),
        key=key,
        alias=arguments.alias,
    )
    parent = arguments.parent_pid or os.getppid()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    threading.Thread(target=_load, args=(model,), daemon=True).start()
    _serve(app, socket.socket(fileno=arguments.fd))


def _serve(app: App, listener: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        # Longer than a client keeps an idle connection (ours 15 s): the client closes first,
        # and no request is sent into a connection that is being closed.
        timeout_keep_alive=75,
    )
    _Uvicorn(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
