"""Everything a provider can do, one row each."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NamedTuple

from tests.world.answer import REASONING, Answer
from tests.world.captured import CAPTURED, Captured
from tests.world.exchange import EVENTS, JSON, Exchange, packets, parted
from tests.world.failure import FAILURES, Failure
from tests.world.frame import (
    DONE,
    Dress,
    carriage_returns,
    commented,
    dump,
    frames,
    joined,
    padded,
    same,
    split,
    tight,
    unended,
)
from tests.world.refusal import REFUSALS, Refusal

Fault = Callable[[Exchange], Awaitable[None]]

HTML = b"<!doctype html><title>Just a moment...</title><h1>Checking your browser</h1>"
NOT_JSON = b'{"id":"chatcmpl-0","choices":[{"delta":{"content":"bro'


class Row(NamedTuple):
    """A fault, one line about it, and whose habit it is, by the catalogue's name of a provider."""

    act: Fault
    about: str
    of: str = ""


# Rows that are a rule of their own.


async def normal(x: Exchange) -> None:
    """Answer."""
    await x.reply(x.answer)


async def slow(x: Exchange) -> None:
    """Send the head at once, then wait before each content frame."""
    waits = x.behaviour.first_s, x.behaviour.between_s
    if not x.streamed:
        await _wait(x, waits[0] + waits[1] * (len(x.answer.content()) - 1))
        return await x.reply(x.answer)
    before, rest = parted(x.answer, 0)
    await x.start()
    await x.write(before)
    for at, packet in enumerate(rest):
        if at < len(x.answer.content()):
            await _wait(x, waits[min(at, 1)])
        await x.write([packet])
    return x.end()


async def hang(x: Exchange) -> None:
    """Take the request and say nothing; if the silence ever ends, answer after all."""
    await _wait(x, x.behaviour.silence_s)
    await x.reply(x.answer)


async def hang_head(x: Exchange) -> None:
    """Send the head at once and nothing after it; if the silence ever ends, answer after all."""
    await x.start(EVENTS if x.streamed else JSON)
    await _wait(x, x.behaviour.silence_s)
    await x.write(packets(x.answer) if x.streamed else [dump(x.answer.completion())])
    x.end()


async def stall(x: Exchange) -> None:
    """Fall silent after k content frames; if the silence ever ends, go on."""
    if not x.streamed:
        rest = await x.half(dump(x.answer.completion()))
        await _wait(x, x.behaviour.silence_s)
        return await x.connection.send(rest)
    before, after = parted(x.answer, x.behaviour.k)
    await x.start()
    await x.write(before)
    await _wait(x, x.behaviour.silence_s)
    await x.write(after)
    return x.end()


async def reset(x: Exchange) -> None:
    """Reset the connection before any answer."""
    x.connection.reset()


async def cut(x: Exchange) -> None:
    """Close the connection in the middle of the frame after k."""
    await _torn(x)
    x.connection.close()


async def cut_reset(x: Exchange) -> None:
    """Reset the connection in the middle of the frame after k."""
    await _torn(x)
    x.connection.reset()


async def cut_clean(x: Exchange) -> None:
    """End the body properly after k content frames, as if that were all."""
    if not x.streamed:
        body = dump(x.answer.completion())
        return await x.whole(body[: len(body) // 2])
    await x.start()
    await x.write(parted(x.answer, x.behaviour.k)[0])
    return x.end()


async def html(x: Exchange) -> None:
    """Answer with a page for people."""
    await x.whole(HTML, headers={"content-type": "text/html; charset=utf-8"})


async def html_error(x: Exchange) -> None:
    """Refuse with a page for people, as what stands before a server does."""
    await x.whole(HTML, 502, {"content-type": "text/html; charset=utf-8"})


async def nothing(x: Exchange) -> None:
    """Answer with a body of no bytes."""
    await x.start(EVENTS if x.streamed else JSON)
    x.end()


async def finish_error(x: Exchange) -> None:
    """Give `error` as the reason to finish after k content frames, and no word about it."""
    if not x.streamed:
        return await x.reply(replace(x.answer, finish="error"))
    before, _ = parted(x.answer, x.behaviour.k)
    await x.start()
    await x.write([*before, *frames([x.answer.chunk({}, "error")]), DONE])
    return x.end()


async def status(x: Exchange) -> None:
    """Answer with the status, body and headers of the behaviour."""
    await _refuse(x, Refusal(502, "Bad gateway", "server_error"))


# Families of rows.


def varied(change: Callable[[Exchange, Answer], Answer]) -> Fault:
    """Say something else, in good form."""

    async def fault(x: Exchange) -> None:
        await x.reply(change(x, x.answer))

    return fault


def misreporting(**usage: object) -> Fault:
    """Tell a wrong usage, unless the behaviour knows a better one."""

    def change(x: Exchange, answer: Answer) -> Answer:
        return replace(answer, misreport={**usage, **(x.behaviour.usage or {})})

    return varied(change)


def dressed(events: Dress, body: Dress = same) -> Fault:
    """Say the same in another form of bytes."""

    async def fault(x: Exchange) -> None:
        await x.start(EVENTS if x.streamed else JSON)
        if x.streamed:
            await x.write(events(packets(x.answer)))
        else:
            await x.write(body([dump(x.answer.completion())]))
        x.end()

    return fault


def malformed(k: int | None = None) -> Fault:
    """Send a data line that is not JSON after k content frames, and go on as if nothing were."""

    async def fault(x: Exchange) -> None:
        if not x.streamed:
            return await x.whole(NOT_JSON)
        before, after = parted(x.answer, x.behaviour.k if k is None else k)
        await x.start()
        await x.write([*before, b"data: " + NOT_JSON + b"\n\n", *after])
        return x.end()

    return fault


def failing(failure: Failure, k: int | None = None) -> Fault:
    """Report an error after k content frames of a 200, and end without a word more."""

    async def fault(x: Exchange) -> None:
        if not x.streamed:
            return await x.whole(dump(failure.body))
        before, _ = parted(x.answer, x.behaviour.k if k is None else k)
        await x.start()
        await x.write([*before, failure.event(x.answer)])
        x.end()
        return x.connection.close() if failure.closes else None

    return fault


def refusing(refusal: Refusal) -> Fault:
    """Do not answer."""

    async def fault(x: Exchange) -> None:
        await _refuse(x, refusal)

    return fault


def capturing(captured: Captured) -> Fault:
    """Do not answer, in the words of one provider."""

    async def fault(x: Exchange) -> None:
        body, headers = captured.written(x.seen.at)
        await x.whole(body, captured.status, headers)

    return fault


def telling(**headers: str) -> Fault:
    """Answer, and tell this in headers; a _ in a name stands for a dash."""
    told = {name.replace("_", "-"): text for name, text in headers.items()}

    async def fault(x: Exchange) -> None:
        behaviour = replace(x.behaviour, headers={**told, **x.behaviour.headers})
        await normal(replace(x, behaviour=behaviour))

    return fault


async def _refuse(x: Exchange, refusal: Refusal) -> None:
    body = x.behaviour.body
    if body is None:
        body = refusal.body(x.seen.model)
    data = body if isinstance(body, bytes) else dump(body)
    await x.whole(data, x.behaviour.status or refusal.status, refusal.headers(x.behaviour))


async def _torn(x: Exchange) -> None:
    if not x.streamed:
        await x.half(dump(x.answer.completion()))
        return
    before, after = parted(x.answer, x.behaviour.k)
    await x.start()
    await x.write(before)
    await x.tear(after[0])


async def _wait(x: Exchange, seconds: float) -> None:
    if seconds > 0:
        await x.pause(seconds)


_OWN = {"openrouter": "openrouter", "groq": "groq", "gemini": "gemini"}

FAULTS: dict[str, Row] = {
    "normal": Row(normal, "answers"),
    # Time and transport.
    "slow": Row(slow, "head at once, waits before the first token and between tokens"),
    "hang": Row(hang, "takes the request and never answers"),
    "hang-head": Row(hang_head, "sends the head at once and nothing after it"),
    "stall": Row(stall, "k content frames, then silence"),
    "reset": Row(reset, "connection reset before any answer"),
    "cut": Row(cut, "connection closed in the middle of the frame after k"),
    "cut-reset": Row(cut_reset, "connection reset in the middle of the frame after k"),
    "cut-clean": Row(cut_clean, "body ends properly after k frames: no finish reason, no [DONE]"),
    # Refusals.
    **{
        name: Row(refusing(refusal), f"HTTP {refusal.status} {refusal.code or refusal.type}")
        for name, refusal in REFUSALS.items()
    },
    **{
        name: Row(capturing(one), f"HTTP {one.status} {one.about}", one.of)
        for name, one in CAPTURED.items()
    },
    "html-error": Row(html_error, "HTTP 502 with a web page"),
    "status": Row(status, "any status, body and headers the behaviour names (502)"),
    # Errors inside a 200.
    **{
        f"error-{shape}": Row(
            failing(failure), f"error in a 200 after k frames, as {shape} does", _OWN.get(shape, "")
        )
        for shape, failure in FAILURES.items()
    },
    **{
        f"error-{shape}-first": Row(
            failing(failure, 0), f"the same before content, as {shape}", _OWN.get(shape, "")
        )
        for shape, failure in FAILURES.items()
    },
    "finish-error": Row(finish_error, "finish reason error after k frames, and no word about it"),
    # Not the format.
    "malformed": Row(malformed(), "a data line that is not JSON after k frames"),
    "malformed-first": Row(malformed(0), "a data line that is not JSON before any content"),
    "no-done": Row(dressed(unended), "finish reason, but no [DONE]"),
    "nothing": Row(nothing, "a 200 without a byte"),
    "html": Row(html, "a 200 that is a web page"),
    # The format, in unusual bytes.
    "comments": Row(dressed(commented, padded), "comment lines and blank lines between frames"),
    "split": Row(dressed(split, split), "frames split at arbitrary bytes"),
    "joined": Row(dressed(joined), "several frames in one write"),
    "crlf": Row(dressed(carriage_returns), r"lines end with \r\n"),
    "tight": Row(dressed(tight), "no space after data:"),
    "huge": Row(
        varied(lambda x, a: replace(a, pieces=("x" * x.behaviour.size,))), "one event of `size`"
    ),
    # Usage.
    "usage-missing": Row(varied(lambda _, a: replace(a, counts=False)), "no usage"),
    "usage-always": Row(
        varied(lambda _, a: replace(a, usage_at="tail")), "last chunk with usage, asked or not"
    ),
    "usage-in-finish": Row(
        varied(lambda _, a: replace(a, usage_at="finish")), "usage beside the finish reason"
    ),
    "usage-negative": Row(misreporting(completion_tokens=-7), "negative tokens"),
    "usage-float": Row(misreporting(completion_tokens=12.5), "half a token"),
    "usage-huge": Row(misreporting(prompt_tokens=10**18, total_tokens=10**18), "10^18 tokens"),
    # What headers tell.
    "limits-true": Row(
        telling(
            x_ratelimit_limit_requests="1000",
            x_ratelimit_remaining_requests="999",
            x_ratelimit_limit_tokens="8000",
            x_ratelimit_remaining_tokens="7990",
        ),
        "headers tell limits, and what is left",
        "groq",
    ),
    "limits-wrong": Row(
        telling(x_ratelimit_limit_req_minute="5000", x_ratelimit_remaining_req_minute="4999"),
        "headers tell a limit above the operator's",
        "mistral",
    ),
    "limits-absurd": Row(
        telling(
            x_ratelimit_limit_requests="-1",
            x_ratelimit_remaining_requests="many",
            x_ratelimit_limit_tokens="9" * 30,
            x_ratelimit_reset_tokens="-7s",
        ),
        "headers tell nonsense",
        "groq",
    ),
    # What is said.
    "empty": Row(
        varied(lambda _, a: replace(a, pieces=(), role_first=True)),
        "finish reason stop, no content",
    ),
    "role-first": Row(varied(lambda _, a: replace(a, role_first=True)), "a role-only first chunk"),
    "no-choices-first": Row(
        varied(lambda _, a: replace(a, nothing_first=True)), "first chunk with `choices: []`"
    ),
    "tools": Row(
        varied(
            lambda x, a: replace(a, pieces=(), calls=x.behaviour.calls, finish="tool_calls"),
        ),
        "tool calls, in pieces",
    ),
    "reasoning": Row(
        varied(lambda _, a: replace(a, reasoning=REASONING)), "reasoning_content before the content"
    ),
    "reasoning-openrouter": Row(
        varied(lambda _, a: replace(a, reasoning=REASONING, reasoning_key="reasoning")),
        "the same in the field `reasoning`",
    ),
    "length": Row(varied(lambda _, a: replace(a, finish="length")), "finish reason length"),
    "content-filter": Row(
        varied(lambda _, a: replace(a, finish="content_filter")), "finish reason content_filter"
    ),
}
