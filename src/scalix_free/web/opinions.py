"""Help, and the box in which people say what they think of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from litestar.handlers import HTTPRouteHandler

from scalix_free.core.errors import Code, Refusal
from scalix_free.serve import Callers, Feedback
from scalix_free.web.frame import AnyRequest, Frame, Page, page_at, takes
from scalix_free.web.visits import Visits

MOST_FORM_BYTES: Final = 16_384
MOST_COMMENT_CHARS: Final = 2_000
RATINGS: Final = {"1": 1, "-1": -1}


def opinion_pages(
    frame: Frame, callers: Callers, feedback: Feedback, visits: Visits
) -> list[HTTPRouteHandler]:
    """The page and its form; buttons under an answer send the same form."""

    def page(
        request: AnyRequest,
        *,
        answer: str = "",
        rating: str = "",
        comment: str = "",
        key: str = "",
        refusal: Refusal | None = None,
    ) -> Page:
        shown = {
            "answer": answer,
            "rating": rating,
            "comment": comment,
            "key": key,
            "thanks": bool(rating) and refusal is None,
            "most_chars": MOST_COMMENT_CHARS,
        }
        return frame.page(request, "feedback.html", shown, refusal=refusal)

    @page_at("/feedback")
    async def ask(request: AnyRequest) -> Page:
        return page(request, answer=request.query_params.get("answer", "")[:64])

    @takes("/feedback", MOST_FORM_BYTES)
    async def give(request: AnyRequest) -> Page:
        form = await visits.form(request)
        if isinstance(form, Refusal):
            return page(request, refusal=form)
        return page(
            request,
            answer=form.get("answer", ""),
            rating=form.get("rating", ""),
            comment=form.get("comment", "")[:MOST_COMMENT_CHARS],
            key=form.get("key", ""),
            refusal=await rate(request, form),
        )

    async def rate(request: AnyRequest, form: Mapping[str, str]) -> Refusal | None:
        rating = RATINGS.get(form.get("rating", ""))
        if rating is None:
            return NO_RATING
        visitor = visits.sender(request, form)
        caller = visitor if isinstance(visitor, Refusal) else await callers.caller(visitor)
        if isinstance(caller, Refusal):
            return caller
        comment = form.get("comment", "")[:MOST_COMMENT_CHARS]
        given = await feedback.give(caller, form.get("answer", ""), rating, comment or None)
        return given if isinstance(given, Refusal) else None

    return [ask, give]


NO_RATING: Final = Refusal(
    code=Code.INVALID_REQUEST, message="Say whether the answer was good or bad.", param="rating"
)
