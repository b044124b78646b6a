"""What callers think of answers."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from litestar import Response, post
from litestar.handlers import HTTPRouteHandler

from scalix_free.api.intake import PRIVATE, AnyRequest, Intake
from scalix_free.core.errors import Refusal
from scalix_free.serve import Feedback

PATH: Final = "/api/v1/free/feedback"
MOST_COMMENT_CHARS: Final = 2_000


class Rate(msgspec.Struct, kw_only=True):
    """An answer, by its ``id`` or its ``x-request-id``: 1 if it was good, -1 if it was not."""

    request_id: Annotated[str, msgspec.Meta(max_length=64)]
    rating: Literal[-1, 1]
    comment: Annotated[str, msgspec.Meta(max_length=MOST_COMMENT_CHARS)] | None = None


class Rated(msgspec.Struct, kw_only=True):
    """The rating of the answer as it stands, and the prompt that is due after it, if any."""

    request_id: str
    rating: int
    trigger: str | None


BODIES: Final = {PATH: Rate}
"""What is sent to which address."""


def feedback_routes(intake: Intake, feedback: Feedback) -> list[HTTPRouteHandler]:
    """Rate an answer."""

    @post(PATH, status_code=200, summary="Rate an answer, once")
    async def rate(request: AnyRequest) -> Response[Rated]:
        caller = await intake.caller(request)
        if isinstance(caller, Refusal):
            return intake.refuse(request, caller)
        asked = await intake.body(request, Rate)
        if isinstance(asked, Refusal):
            return intake.refuse(request, asked)
        given = await feedback.give(caller, asked.request_id, asked.rating, asked.comment)
        if isinstance(given, Refusal):
            return intake.refuse(request, given)
        rated = Rated(request_id=given.request_id, rating=given.rating, trigger=given.trigger)
        return Response(rated, headers=PRIVATE)

    return [rate]
