"""A call becomes an order of candidates, or the reason why nobody can answer it.

Ranking     all models from the best to the last: by priority as it stands, then by what their
            answers are worth, then as configured; each followed by its fallbacks
plan        those of them that can answer this call, for this caller
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Final, NamedTuple

from scalix_free.core.chat import Call
from scalix_free.core.errors import Code, Refusal
from scalix_free.core.ports import Clock
from scalix_free.routing.catalogue import Catalogue, Model, followed
from scalix_free.routing.quality import Qualities

UNABLE: Final = {
    "tools": "No model that is available can call tools.",
    "json": "No model that is available can answer in this format.",
    "images": "No model that is available can look at images.",
}

NOT_FOR_SALE: Final = Refusal(
    code=Code.NO_FREE_MODEL,
    message="No free models currently available. Please try again later. "
    "The terms of those that are there do not allow it to serve callers who pay.",
)

FRESH_MS: Final = 1_000
"""How long a ranking stands before it is made anew."""

ALIKE: Final = 50
"""Scores that differ by less than that count as equal, so that models do not change places with
every answer."""


class Place(NamedTuple):
    """A model's place in the ranking, and why it has it: smaller comes first."""

    priority: int
    demotion: int
    worth: int

    @property
    def order(self) -> tuple[int, int]:
        """What decides."""
        return self.priority + self.demotion, -self.worth


class Ranking:
    """The order of all models, as it stands."""

    def __init__(self, qualities: Qualities, clock: Clock) -> None:
        self._qualities = qualities
        self._clock = clock
        self._of: Catalogue | None = None
        self._until_ms = 0
        self._ordered: tuple[Model, ...] = ()

    def order(self, catalogue: Catalogue) -> Sequence[Model]:
        """All models of a catalogue, the best first; each stands once."""
        now_ms = self._clock()
        if catalogue is not self._of or now_ms >= self._until_ms:
            self._of, self._until_ms = catalogue, now_ms + FRESH_MS
            places = {model.id: self.place(model, now_ms) for model in catalogue}
            ranked = sorted(catalogue, key=lambda model: places[model.id].order)
            fallen = {model_id for model_id, place in places.items() if place.demotion}
            self._ordered = tuple(followed(ranked, catalogue.get, fallen))
        return self._ordered

    def place(self, model: Model, now_ms: int) -> Place:
        """Where a model stands."""
        known = self._qualities.of(model)
        worth = int(known.score(now_ms)) // ALIKE
        return Place(model.priority, known.demotion(now_ms), worth)


def plan(
    catalogue: Catalogue,
    call: Call,
    ranked: Sequence[Model] | None = None,
    avoided: Set[str] | None = None,
    *,
    pays: bool = False,
) -> Sequence[Model] | Refusal:
    """Order the models that can answer; each stands once, those that are avoided come last.

    A model that is named goes first all the same. ``ranked`` is the order of all, where it is not
    the catalogue's own. Whoever ``pays`` is not served by models whose terms bar resale.
    """
    if not len(catalogue):
        return Refusal(
            code=Code.NO_FREE_MODEL,
            message="No free models currently available. Please try again later. "
            "No model is configured on this server.",
        )
    is_named = ranked is None or catalogue.get(call.model) is not None
    ordered = catalogue.candidates(call.model) if is_named else ranked or ()
    if pays:
        ordered = [model for model in ordered if not model.barred_for_resale]
        if not ordered:
            return NOT_FOR_SALE
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
    if avoided:
        fitting.sort(key=lambda model: model.id in avoided and model.id != call.model)
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
