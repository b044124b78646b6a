"""The completion endpoints: every request of worth passes here.

The handler holds the answer's context open for as long as it sends, so that a refusal becomes a
proper status, and a caller who leaves gives back what was taken at once.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from litestar.types import HTTPScope, Receive

from scalix_free.api.cookie import set_cookie_of
from scalix_free.api.errors import ErrorWriter
from scalix_free.api.exchange import (
    BodyLimits,
    Visitors,
    headers_of,
    read_body,
    rid_of,
    turn_of,
    until_hang_up,
    wants_fresh,
)
from scalix_free.api.headers import CACHE_LINES, EVERY_ANSWER, free_tier, limit_headers
from scalix_free.api.responder import Responder
from scalix_free.core.cache import CacheUse
from scalix_free.core.chat import OWN_MODEL, Call
from scalix_free.core.errors import Code, Failure, Kind, Refusal
from scalix_free.core.outcome import NOBODY, Outcome, Result
from scalix_free.core.standing import Standing
from scalix_free.serve import BROKEN_CODES, Answer, Answering, Refused, Service
from scalix_free.wire.answer import DONE, FrameWriter, encode_completion, encode_error_frame
from scalix_free.wire.request import parse_call

COMMENT_S: Final = 10.0
"""A silent stream says at least a comment this often, so that nobody on the way closes it."""

ADMISSION_S: Final = 0.05
"""How often a stream whose headers are due looks whether it has been admitted."""

DRAINING: Final = Refusal(
    code=Code.DRAINING,
    message="Failed to generate response. This server is shutting down; try again in a moment.",
    retry_ms=2_000,
)
METHOD_NOT_ALLOWED: Final = Refusal(
    code=Code.METHOD_NOT_ALLOWED, message="Completions are asked for with POST."
)
SHUTTING_DOWN: Final = Failure(Kind.BROKEN, "This server is shutting down.")

STRANGERS: Final = frozenset({Code.BODY_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE})
"""Refusals of a request that was not even looked at: they tell nothing of limits."""

WHOLE_HEAD: Final = b"content-type: application/json\r\ncache-control: no-store\r\n"
STREAM_HEAD: Final = (
    b"content-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\n"
    b"x-accel-buffering: no\r\n"
)


@dataclass(frozen=True, kw_only=True)
class Completions:
    """The handler behind ``/v1/chat/completions`` and its other names."""

    service: Service
    errors: ErrorWriter
    visitors: Visitors
    body_limits: BodyLimits
    hold_headers_s: float
    draining: Callable[[], bool]

    async def handle(self, scope: HTTPScope, receive: Receive, responder: Responder) -> None:
        """Answer one request on its connection."""
        headers, rid = headers_of(scope), rid_of(scope)
        sender = _Sender(self, responder, rid)
        if scope["method"] != "POST":
            sender.refuse_stranger(METHOD_NOT_ALLOWED, b"allow: POST\r\n")
            return
        visitor = self.visitors.of(scope, headers)
        limits = self.body_limits
        if limits.may_be_exceeded(headers) and await self.service.is_pro(visitor):
            limits = limits.of_pro
        body = await read_body(headers, receive, limits, is_here=responder.has_body)
        if body is None:
            responder.abandon()
            return
        if isinstance(body, Refusal) and body.code in STRANGERS:
            sender.refuse_stranger(body)
            return
        call = body if isinstance(body, Refusal) else parse_call(body, rid, turn_of(headers))
        if isinstance(call, Call) and wants_fresh(headers):
            call = call._replace(fresh=True)
        if self.draining():
            call = DRAINING
        sender.set_cookie = set_cookie_of(scope)
        await sender.run(self.service.answer(visitor, call, rid), call)


class _Sender:
    """Sends one answer, whole or as a stream, and keeps a silent stream alive."""

    def __init__(self, endpoint: Completions, responder: Responder, rid: bytes) -> None:
        self._endpoint = endpoint
        self._responder = responder
        self._loop = responder.line.loop
        self._rid = rid
        self._request_id = f"req_{rid.hex()}"
        self.set_cookie: bytes | None = None
        self._created = endpoint.service.clock() // 1000
        self._asked: str | None = None
        self._started = False
        self._answering: Answering | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._comment: asyncio.Task[None] | None = None
        self._sent_at = 0.0

    async def run(self, answering: Answering, call: Call | Refusal) -> None:
        """Wait for the answer and send it, or the reason why there is none."""
        streams = False
        if isinstance(call, Call):
            streams = call.stream
            self._asked = self._unknown(call.model)
        if streams:
            self._watch_silence(answering)
        try:
            answer = self._answer(answering, streams=streams)
            await until_hang_up(self._responder, answer, answering)
        finally:
            self._stop_watching()

    async def _answer(self, answering: Answering, *, streams: bool) -> None:
        try:
            async with answering as answer:
                if isinstance(answer, Refused):
                    await self._refuse(answer)
                elif streams:
                    await self._stream(answer)
                else:
                    await self._whole(answer)
        except Failure as failure:
            await self._break_off(failure, answering.standing)
        except asyncio.CancelledError:
            if self._responder.lost:
                raise
            await self._break_off(SHUTTING_DOWN, answering.standing)

    # ── Whole ───────────────────────────────────────────────────────────────────────────────

    async def _whole(self, answer: Answer) -> None:
        while (chunks := await answer.read()) and chunks[-1].finish is None:
            pass
        left = free_tier(answer.standing, answer.session_id, answer.trigger)
        body = encode_completion(self._rid, self._created, answer.collected, answer.usage, left)
        self._started = True
        self._responder.respond(
            200, self._head(answer.standing, answer.cache) + self._by(answer) + WHOLE_HEAD, body
        )

    # ── Stream ──────────────────────────────────────────────────────────────────────────────

    async def _stream(self, answer: Answer) -> None:
        early = self._started
        writer = FrameWriter(self._rid, self._created)
        while chunks := await answer.read():
            frames = writer.frames(chunks)
            finish = chunks[-1].finish
            if finish is None:
                if frames:
                    await self._write(frames, answer)
                continue
            left = free_tier(answer.standing, answer.session_id, answer.trigger)
            if early:
                left.model, left.attempts = answer.answered_by, answer.attempts
            frames += writer.last(finish, left)
            if answer.call.include_usage:
                frames += writer.usage(answer.usage, left)
            await self._write(frames + DONE, answer, last=True)
            return
        raise Failure(Kind.BROKEN, "The model's answer stopped before its end.")

    async def _write(self, frames: bytes, answer: Answer, *, last: bool = False) -> None:
        self._sent_at = self._loop.time()
        if not self._started:
            self._started = True
            head = self._head(answer.standing, answer.cache) + self._by(answer) + STREAM_HEAD
            await self._responder.start(200, head, frames, whole=last)
        elif last:
            await self._responder.finish(frames)
        else:
            await self._responder.write(frames)

    # ── Silence ─────────────────────────────────────────────────────────────────────────────

    def _watch_silence(self, answering: Answering) -> None:
        self._answering = answering
        self._sent_at = self._loop.time()
        wait_s = min(self._endpoint.hold_headers_s, COMMENT_S)
        self._timer = self._loop.call_later(wait_s, self._pulse)

    def _pulse(self) -> None:
        assert self._answering is not None
        standing = self._answering.standing
        patience_s = COMMENT_S if self._started else self._endpoint.hold_headers_s
        wait_s = self._sent_at + patience_s - self._loop.time()
        if wait_s <= 0 and not self._started and standing is None:
            wait_s = ADMISSION_S  # until then it may yet become a refusal, with its status
        if wait_s <= 0:
            self._comment = self._loop.create_task(self._say_comment(self._answering))
            wait_s = COMMENT_S
        self._timer = self._loop.call_later(min(wait_s, COMMENT_S), self._pulse)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._comment is not None:
            self._comment.cancel()
        self._timer = self._answering = None

    async def _say_comment(self, answering: Answering) -> None:
        """Send the headers if they are held, and a comment."""
        self._sent_at = self._loop.time()
        comment = _waiting(answering.queued)
        if self._started:
            await self._responder.write(comment)
            return
        self._started = True
        head = self._head(answering.standing, answering.cache) + STREAM_HEAD
        await self._responder.start(200, head, comment)

    # ── Refusals and breaks ─────────────────────────────────────────────────────────────────

    def refuse_stranger(self, refusal: Refusal, head: bytes = b"") -> None:
        """Refuse a request before anybody asked whose it is."""
        self._endpoint.service.tell(
            Outcome(
                request_id=self._request_id,
                result=Result.REFUSED,
                tier=NOBODY,
                code=refusal.code,
            )
        )
        response = self._endpoint.errors.response(refusal, self._request_id)
        self._responder.respond(
            response.status, self._id_head() + head + response.head, response.body
        )

    async def _refuse(self, refused: Refused) -> None:
        errors = self._endpoint.errors
        about = (refused.refusal, self._request_id, refused.standing, refused.session_id)
        if self._started:
            await self._responder.finish(encode_error_frame(errors.body(*about)))
            return
        response = errors.response(*about, refused.cache)
        self._started = True
        head = self._id_head() + response.head
        if refused.standing is not None:
            head += self._requested()
        self._responder.respond(response.status, head, response.body)

    async def _break_off(self, failure: Failure, standing: Standing | None) -> None:
        """Say that the answer broke; never let it pass for a finished one."""
        code = BROKEN_CODES.get(failure.kind, Code.UPSTREAM_ERROR)
        refusal = Refusal(
            code=Code.DRAINING if failure is SHUTTING_DOWN else code,
            message=f"All free models currently unavailable: the answer broke off. "
            f"{failure.message} The request was not charged, only the tokens you received.",
            retry_ms=2_000,
        )
        await self._refuse(Refused(refusal, standing))

    # ── Header lines ────────────────────────────────────────────────────────────────────────

    def _id_head(self) -> bytes:
        head = b"x-request-id: %s\r\n" % self._request_id.encode() + EVERY_ANSWER
        return (
            head if self.set_cookie is None else b"%sset-cookie: %s\r\n" % (head, self.set_cookie)
        )

    def _head(self, standing: Standing | None, cache: CacheUse) -> bytes:
        head = self._id_head() + CACHE_LINES[cache] + self._requested()
        return head if standing is None else head + limit_headers(standing)

    def _by(self, answer: Answer) -> bytes:
        return b"x-scalix-model: %s\r\nx-scalix-attempts: %d\r\n" % (
            answer.answered_by.encode(),
            answer.attempts,
        )

    def _unknown(self, model: str) -> str | None:
        """The model that was asked for, if there is none of that name: another answers."""
        if model == OWN_MODEL or self._endpoint.service.catalogue.get(model) is not None:
            return None
        return model

    def _requested(self) -> bytes:
        if self._asked is None:
            return b""
        shown = "".join(char if " " <= char <= "~" else "?" for char in self._asked)
        return b"x-scalix-model-requested: %s\r\n" % shown.encode()


def _waiting(queued: tuple[int, float] | None) -> bytes:
    """The comment of a stream that is silent; in the queue with place and expected wait."""
    if queued is None:
        return b": waiting\n\n"
    place, wait_s = queued
    return b": queued %d, about %d s\n\n" % (place, max(math.ceil(wait_s), 1))
