"""A question asked by a form: the same way as through the API, and shown as a page.

What was said before travels in the form itself: nobody keeps it here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
from markupsafe import Markup

from scalix_free.core.caller import Visitor
from scalix_free.core.chat import Call
from scalix_free.core.errors import Code, Failure, Refusal
from scalix_free.core.funnel import Trigger
from scalix_free.core.standing import Standing
from scalix_free.growth.triggers import OWN_LIMITS
from scalix_free.serve import Answer, Refused, Service, Sessions
from scalix_free.serve.answering import FAILURES
from scalix_free.web.frame import AnyRequest
from scalix_free.web.visits import Visits
from scalix_free.wire.request import parse_call

MOST_TURNS: Final = 20
MOST_SAID_BYTES: Final = 60_000
"""Of what was said before, as a form carries it on: three times as much where it is encoded. All of
it is rendered anew for each answer, which may take a second where somebody means it badly."""
MOST_FORM_BYTES: Final = 300_000

Turns = Sequence["Turn"]


class Turn(msgspec.Struct, array_like=True, frozen=True):
    """A question and its answer, as they were written."""

    question: str
    answer: str

    @property
    def shown(self) -> Markup:
        """The answer as HTML."""
        from scalix_free.web.markdown import render  # noqa: PLC0415  (script needs none of it)

        return render(self.answer)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Who answered, after how many attempts, how long it took, and what was charged."""

    request_id: str
    model: str
    attempts: int
    cache: str
    tokens: int
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What became of a question.

    ``turns`` are all that came so far, the new one last if it was answered, though perhaps not to
    its end: then ``cut`` says why. ``question`` is what is left to ask, ``key`` that of whoever
    asks with one, ``trigger`` the prompt that the answer called for, ``visitor`` who asked.
    """

    turns: Turns = ()
    question: str = ""
    receipt: Receipt | None = None
    refusal: Refusal | None = None
    cut: str | None = None
    standing: Standing | None = None
    key: str = ""
    trigger: Trigger | None = None
    visitor: Visitor | None = None

    @property
    def prompt(self) -> Trigger | None:
        """The prompt that the page shows for it."""
        return Trigger.AT_LIMIT if self.is_limited else self.trigger

    @property
    def said(self) -> str:
        """The newest turns, as the form carries them on."""
        return msgspec.json.encode(_newest(self.turns)).decode()

    @property
    def is_limited(self) -> bool:
        """Whether a limit was reached that only time or another tier lifts."""
        return self.refusal is not None and self.refusal.code in OWN_LIMITS

    @property
    def is_failure(self) -> bool:
        """Whether it is ours or a provider's, so that asking again may help."""
        return self.refusal is not None and self.refusal.code in FAILURES


CUT: Final = {
    "length": "The answer has reached its greatest length and ends here.",
    "content_filter": "The provider's filter ended the answer here.",
}


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Asks on behalf of whoever sent a form."""

    service: Service
    sessions: Sessions
    visits: Visits

    async def ask(self, request: AnyRequest, form: Mapping[str, str]) -> Asked:
        """Ask what the form asks."""
        turns, question = turns_of(form), form.get("prompt", "").replace("\r\n", "\n")
        sender, key = self.visits.sender(request, form), form.get("key", "")
        if isinstance(sender, Refusal):
            return Asked(turns=turns, question=question, refusal=sender)
        if not question:
            return Asked(turns=turns, refusal=EMPTY, key=key)
        visitor = await self._known(request, sender)
        rid = self.visits.rid(request)
        call = parse_call(_body(turns, question, again="again" in form), rid)
        if isinstance(call, Call) and "again" in form:
            call = call._replace(fresh=True)
        asked = await self._asked(visitor, call, rid, turns, question)
        if asked.refusal is not None and asked.refusal.code is Code.INVALID_API_KEY:
            return asked
        return replace(asked, key=key, visitor=visitor)

    async def _known(self, request: AnyRequest, visitor: Visitor) -> Visitor:
        """Who asks, with an identity if they have none and one is to be had for nothing."""
        if visitor.credential is not None:
            return visitor
        agent = request.headers.get("user-agent", "")
        begun = await self.sessions.begin(visitor, agent, None)
        if isinstance(begun, Refusal):
            return visitor
        self.visits.give(request, begun.token)
        return visitor._replace(credential=begun.token)

    async def _asked(
        self, visitor: Visitor, call: Call | Refusal, rid: bytes, turns: Turns, question: str
    ) -> Asked:
        began = time.perf_counter()
        answering = self.service.answer(visitor, call, rid)
        text, cut = "", None
        answer: Answer | None = None
        try:
            async with answering as found:
                if isinstance(found, Refused):
                    return Asked(
                        turns=turns,
                        question=question,
                        refusal=found.refusal,
                        standing=found.standing,
                    )
                answer = found
                while chunks := await found.read():
                    text += "".join(chunk.text or chunk.refusal for chunk in chunks)
                cut = CUT.get(found.collected.finish or "")
        except Failure as failure:
            cut = (
                f"The answer broke off: {failure.message} "
                "The request was not charged, only the tokens that came."
            )
        if answer is None:
            return Asked(turns=turns, question=question, cut=cut, standing=answering.standing)
        receipt = Receipt(
            request_id=f"req_{rid.hex()}",
            model=answer.answered_by,
            attempts=answer.attempts,
            cache=answer.cache.value,
            tokens=answering.charged_tokens,
            took_s=time.perf_counter() - began,
        )
        return Asked(
            turns=(*turns, Turn(question, text)),
            receipt=receipt,
            cut=cut,
            standing=answering.standing if cut else answer.standing,
            trigger=answer.trigger,
        )


def turns_of(form: Mapping[str, str]) -> Turns:
    """What was said before, as far as the form tells it."""
    try:
        turns = msgspec.json.decode(form.get("said", "[]"), type=list[Turn])
    except msgspec.MsgspecError:
        return ()
    return _newest(turns)


def _newest(turns: Turns) -> Turns:
    """As many as a form carries, the oldest first."""
    kept, left = len(turns), MOST_SAID_BYTES
    while kept > max(0, len(turns) - MOST_TURNS):
        left -= len(msgspec.json.encode(turns[kept - 1]))
        if left < 0:
            break
        kept -= 1
    return tuple(turns[kept:])


def _body(turns: Turns, question: str, *, again: bool) -> bytes:
    """The same as an app would send; asked again, the newest answer is not part of it."""
    messages = []
    for turn in turns[:-1] if again and turns and turns[-1].question == question else turns:
        messages.append({"role": "user", "content": turn.question})
        messages.append({"role": "assistant", "content": turn.answer})
    messages.append({"role": "user", "content": question})
    return msgspec.json.encode({"messages": messages})


EMPTY: Final = Refusal(
    code=Code.INVALID_REQUEST, message="There was no question to ask.", param="prompt"
)
