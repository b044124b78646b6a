"""A call becomes an order of candidates, or the reason why nobody can answer it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scalix_free.core.chat import Call
from scalix_free.core.errors import Code, Refusal
from scalix_free.routing.catalogue import Catalogue, Model

UNABLE: Final = {
    "tools": "No model that is available can call tools.",
    "json": "No model that is available can answer in this format.",
    "images": "No model that is available can look at images.",
}


def plan(catalogue: Catalogue, call: Call) -> Sequence[Model] | Refusal:
    """Order the models that can answer; each stands once."""
    if not len(catalogue):
        return Refusal(
            code=Code.NO_FREE_MODEL,
            message="No free models currently available. Please try again later. "
            "No model is configured on this server.",
        )
    ordered = catalogue.candidates(call.model)
    able = [model for model in ordered if not call.needs or not model.lacks(call.needs)]
    if not able:
        lacking = ordered[0].lacks(call.needs)[0]
        return Refusal(
            code=Code.INVALID_REQUEST, message=UNABLE[lacking], param=call.needs[lacking]
        )
    fitting = [model for model in able if model.fits(call.prompt_tokens)]
    if not fitting:
        largest = max(model.context_tokens or 0 for model in able)
        return too_long(call.prompt_tokens, largest)
    return fitting


def too_long(prompt_tokens: int, most: int | None) -> Refusal:
    """The refusal of a conversation that fits nowhere."""
    room = f"at most {most} tokens fit" if most else "it does not fit any model"
    return Refusal(
        code=Code.CONTEXT_LENGTH_EXCEEDED,
        message=(
            f"This conversation has about {prompt_tokens} tokens, but {room}. "
            "Shorten it or start a new one."
        ),
        param="messages",
    )
