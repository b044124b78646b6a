"""Help, and the box in which people say what they think of an answer."""

from __future__ import annotations

from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from scalix_free.core.errors import Code, Refusal
from scalix_free.serve import Callers, Feedback
from scalix_free.web.frame import AnyRequest, Frame, Page
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
        refusal: Refusal | None = None,
        status: int = 200,
    ) -> Page:
        shown = {
            "answer": answer,
            "rating": rating,
            "comment": comment,
            "refusal": refusal,
            "thanks": bool(rating) and refusal is None,
            "most_chars": MOST_COMMENT_CHARS,
        }
        return frame.page(request, "feedback.html", shown, status=status)

    @get("/feedback", include_in_schema=False)
    async def ask(request: AnyRequest) -> Page:
        return page(request, answer=request.query_params.get("answer", "")[:64])

    @post(
        "/feedback",
        include_in_schema=False,
        status_code=200,
        request_max_body_size=MOST_FORM_BYTES,
    )
    async def give(request: AnyRequest) -> Page:
        form = await visits.form(request)
        if isinstance(form, Refusal):
            return page(request, refusal=form, status=403)
        answer, rating = form.get("answer", ""), form.get("rating", "")
        comment = form.get("comment", "")[:MOST_COMMENT_CHARS]
        refusal: Refusal | None = NO_RATING
        if rating in RATINGS:
            caller = await callers.caller(visits.visitor(request))
            if isinstance(caller, Refusal):
                refusal = caller
            else:
                given = await feedback.give(caller, answer, RATINGS[rating], comment or None)
                refusal = given if isinstance(given, Refusal) else None
        return page(
            request,
            answer=answer,
            rating=rating,
            comment=comment,
            refusal=refusal,
            status=200 if refusal is None else 400,
        )

    return [ask, give]


NO_RATING: Final = Refusal(
    code=Code.INVALID_REQUEST, message="Say whether the answer was good or bad.", param="rating"
)
