"""A provider that answers at once: what is left to measure is what stands before it.

`python -m benchmarks.upstream --port P`. Whoever asks for a stream gets 22 content frames and a
finish frame, a chunk each, written in one go; whoever does not gets the same text whole.
`GET /count` tells how many completions were asked for.
"""

import argparse
import asyncio
import re
from typing import cast

import msgspec

from benchmarks import http1, loop
from benchmarks.answer import TEXT, WORDS

_STREAMED = re.compile(rb'"stream"\s*:\s*true')
_COUNTED = re.compile(rb'"include_usage"\s*:\s*true')
_USAGE = {"prompt_tokens": 48, "completion_tokens": len(WORDS), "total_tokens": 48 + len(WORDS)}
_COMMON = {"id": "chatcmpl-instant", "created": 1_700_000_000, "model": "instant"}
_DONE = b"data: [DONE]\n\n"


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(prog="benchmarks.upstream", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    loop.run(serve(parser.parse_args().port))


async def serve(port: int) -> None:
    """Serve on a loopback port, forever."""
    upstream = Upstream()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(upstream), "127.0.0.1", port
    )
    async with server:
        await server.serve_forever()


class Upstream:
    """The answers, made once, and how often a completion was asked for."""

    def __init__(self) -> None:
        self.completions = 0
        self._whole = _json(_whole_answer())
        self._stream = _stream(usage=False)
        self._stream_with_usage = _stream(usage=True)
        self._models = _json({"object": "list", "data": [{"id": "instant", "object": "model"}]})

    def answer(self, request: http1.Message) -> bytes:
        """Give the bytes of the answer to one request."""
        if request.head.startswith(b"GET "):
            return self._told(request.head)
        self.completions += 1
        if _STREAMED.search(request.body) is None:
            return self._whole
        if _COUNTED.search(request.body) is None:
            return self._stream
        return self._stream_with_usage

    def _told(self, head: bytes) -> bytes:
        if head.startswith(b"GET /count "):
            return _json({"completions": self.completions})
        return self._models


class Connection(asyncio.Protocol):
    """One kept-alive connection, asked one request after the other."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        data = self._received + data
        while data and (request := http1.read(data)) is not None:
            self._transport.write(self._upstream.answer(request))
            data = data[request.size :]
        self._received = data


def _json(value: object) -> bytes:
    body = msgspec.json.encode(value)
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def _whole_answer() -> dict[str, object]:
    message = {"role": "assistant", "content": TEXT}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {**_COMMON, "object": "chat.completion", "choices": [choice], "usage": _USAGE}


def _stream(*, usage: bool) -> bytes:
    frames = [_frame([_choice({"content": word})]) for word in WORDS]
    frames[0] = _frame([_choice({"role": "assistant", "content": WORDS[0]})])
    frames.append(_frame([_choice({}, finish_reason="stop")]))
    if usage:
        frames.append(_frame([], usage=_USAGE))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(frame), frame) for frame in [*frames, _DONE])
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked"
    return head + b"\r\n\r\n" + chunks + b"0\r\n\r\n"


def _choice(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, object]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def _frame(choices: list[dict[str, object]], **more: object) -> bytes:
    frame = {**_COMMON, "object": "chat.completion.chunk", "choices": choices, **more}
    return b"data: " + msgspec.json.encode(frame) + b"\n\n"


if __name__ == "__main__":
    main()
