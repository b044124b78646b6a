"""The first page, and the conversation that it leads to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from litestar.handlers import HTTPRouteHandler

from scalix_free.core.caller import Visitor
from scalix_free.core.errors import Refusal
from scalix_free.core.funnel import Action
from scalix_free.core.standing import Standing
from scalix_free.serve import Conditions, Offers, Refused
from scalix_free.web.asking import MOST_FORM_BYTES, Asked, Asking, turns_of
from scalix_free.web.frame import AnyRequest, Frame, Page, page_at, takes
from scalix_free.web.meters import line

MESSAGE: Final = "chat-page"
MOST_RENDERED: Final = 2
"""Conversations at a time, by one worker."""
SAMPLES: Final = (
    "Explain what an API is to a ten-year-old",
    "Write a Python function that reverses a string",
    "Plan a week of quick dinners for two",
    "What is the capital of France?",
)


def welcome_pages(
    frame: Frame,
    asking: Asking,
    offers: Offers,
    conditions: Conditions,
    *,
    most_chars: int | None,
    uplift: int | None,
) -> list[HTTPRouteHandler]:
    """Where people begin.

    ``most_chars`` is how long a question may be, ``uplift`` how many requests a day whoever signs
    up has; None: there is no such limit.
    """
    service, visits = asking.service, asking.visits
    rendering = asyncio.Semaphore(MOST_RENDERED)

    def shown(standing: Standing | None) -> dict[str, object]:
        models = service.models()
        return {
            "samples": SAMPLES,
            "most_chars": most_chars,
            "standing": standing,
            "line": None if standing is None else line(standing),
            "uplift": uplift or "",
            "models": len(models),
            "demonstration": bool(models) and all(model.demonstration for model in models),
        }

    async def read(visitor: Visitor) -> dict[str, object]:
        found = await service.limits(visitor)
        return shown(None if isinstance(found, Refused) else found)

    async def conversation(request: AnyRequest, asked: Asked, about: dict[str, object]) -> Page:
        """What was said may be long: it is rendered beside the loop, and not much at a time."""
        shown = {"asked": asked} | about
        page = partial(frame.page, request, "chat.html", shown, refusal=asked.refusal)
        if not asked.turns:
            return page()
        async with rendering:
            return await asyncio.to_thread(page)

    async def is_degraded() -> bool:
        condition = await conditions.now()
        return condition is not None and condition.state in {"degraded", "down"}

    @page_at("/")
    async def welcome(request: AnyRequest) -> Page:
        known = visits.is_known(request)
        about = {"known": known, "asked": Asked(), "degraded": await is_degraded()}
        return frame.page(request, "welcome.html", about | await read(visits.visitor(request)))

    @page_at("/chat")
    async def chat(request: AnyRequest) -> Page:
        asked = Asked(question=request.query_params.get("prompt", "")[:most_chars])
        return await conversation(request, asked, await read(visits.visitor(request)))

    @takes(["/", "/chat"], MOST_FORM_BYTES)
    async def ask(request: AnyRequest) -> Page:
        form = await visits.form(request)
        if isinstance(form, Refusal):
            return await conversation(request, Asked(refusal=form), shown(None))
        if "look" in form:
            return await look(request, form)
        asked = await asking.ask(request, form)
        if asked.visitor is not None and asked.prompt is not None:
            await offers.react(asked.visitor, asked.prompt, Action.IMPRESSION, MESSAGE)
        return await conversation(request, asked, shown(asked.standing))

    async def look(request: AnyRequest, form: Mapping[str, str]) -> Page:
        """What a form brings, without asking it: a question cut to fit, or a key to ask with."""
        asked = Asked(turns=turns_of(form), question=form.get("prompt", "")[:most_chars])
        visitor = visits.sender(request, form)
        if isinstance(visitor, Refusal):
            return await conversation(request, replace(asked, refusal=visitor), shown(None))
        found = await service.limits(visitor)
        if isinstance(found, Refused):
            return await conversation(request, replace(asked, refusal=found.refusal), shown(None))
        return await conversation(request, replace(asked, key=form.get("key", "")), shown(found))

    return [welcome, chat, ask]
