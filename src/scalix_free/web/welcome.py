"""The first page, and the conversation that it leads to."""

from __future__ import annotations

from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from scalix_free.core.errors import Refusal
from scalix_free.core.standing import Standing
from scalix_free.serve import Conditions, Refused
from scalix_free.web.asking import MOST_FORM_BYTES, Asked, Asking, turns_of
from scalix_free.web.frame import AnyRequest, Frame, Page
from scalix_free.web.meters import binding, today

SAMPLES: Final = (
    "Explain what an API is to a ten-year-old",
    "Write a Python function that reverses a string",
    "Plan a week of quick dinners for two",
    "What is the capital of France?",
)


def welcome_pages(
    frame: Frame,
    asking: Asking,
    conditions: Conditions,
    most_chars: int | None,
    uplift: int | None,
) -> list[HTTPRouteHandler]:
    """Where people begin.

    ``most_chars`` is how long a question may be, ``uplift`` how many requests a day whoever signs
    up has; None: there is no such limit.
    """
    service, visits = asking.service, asking.visits

    def shown(standing: Standing | None) -> dict[str, object]:
        models = service.models()
        return {
            "samples": SAMPLES,
            "most_chars": most_chars,
            "standing": standing,
            "left": None if standing is None else binding(standing),
            "today": None if standing is None else today(standing),
            "uplift": uplift or "",
            "models": len(models),
            "demonstration": bool(models) and all(model.demonstration for model in models),
        }

    async def read(request: AnyRequest) -> dict[str, object]:
        found = await service.limits(visits.visitor(request))
        return shown(None if isinstance(found, Refused) else found)

    async def is_degraded() -> bool:
        condition = await conditions.now()
        return condition is not None and condition.state in {"degraded", "down"}

    @get("/", include_in_schema=False)
    async def welcome(request: AnyRequest) -> Page:
        known = visits.is_known(request)
        about = {"known": known, "asked": Asked(), "degraded": await is_degraded()}
        return frame.page(request, "welcome.html", about | await read(request))

    @get("/chat", include_in_schema=False)
    async def chat(request: AnyRequest) -> Page:
        prompt = request.query_params.get("prompt", "")[:most_chars]
        asked = Asked(question=prompt)
        return frame.page(request, "chat.html", {"asked": asked} | await read(request))

    @post(
        ["/", "/chat"],
        include_in_schema=False,
        status_code=200,
        request_max_body_size=MOST_FORM_BYTES,
    )
    async def ask(request: AnyRequest) -> Page:
        form = await visits.form(request)
        if isinstance(form, Refusal):
            asked = Asked(refusal=form)
            return frame.page(request, "chat.html", {"asked": asked} | shown(None), status=403)
        if "trim" in form:
            asked = Asked(turns=turns_of(form), question=form.get("prompt", "")[:most_chars])
            return frame.page(request, "chat.html", {"asked": asked} | await read(request))
        asked = await asking.ask(request, form)
        return frame.page(request, "chat.html", {"asked": asked} | shown(asked.standing))

    return [welcome, chat, ask]
