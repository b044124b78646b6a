"""A call becomes an order of candidates, or the reason why nobody can answer it.

Ranking     all models from the best to the last, each followed by its fallbacks
plan        those of them that can answer this call, for this caller
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Final, NamedTuple, TypeAlias

from scalix_free.core.budget import WHOLE
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

LEVEL: Final = 60
"""What a model's answers have to turn out better, or a better one's worse, to make up for a level:
for the next lower priority, or for ``ALIKE`` that less is expected of it."""
DEMOTION_STEP: Final = 300
DAY_AHEAD: Final = 300
"""What a model's place is worth less when its day's budget is a whole day ahead of the clock.
Chosen by simulation: ``benchmarks/results/scarcity.md``."""


class Place(NamedTuple):
    """What a model's place in the ranking is made of.

    ``level`` is 0 for the best of the best priority, and 1 more for each kind of model that should
    come before it. ``learned`` is what its answers turned out to be worth more than was expected.
    ``spare`` says how far its day is behind the clock, in thousandths.
    """

    level: int
    demotion: int
    learned: int
    spare: int = WHOLE

    @property
    def value(self) -> int:
        """What decides; the greater value comes first."""
        lost = self.level * LEVEL + self.demotion * DEMOTION_STEP
        return self.learned - lost + self.spare * DAY_AHEAD // WHOLE


Spare: TypeAlias = Callable[[Model], int]


class Ranking:
    """The order of all models, as it stands.

    By priority and by what is expected of them; what their answers turn out to be worth moves them,
    and what is used up ahead of the clock gives way to what comes back by itself.
    """

    def __init__(
        self, qualities: Qualities, clock: Clock, spare: Spare = lambda model: WHOLE
    ) -> None:
        self._qualities = qualities
        self._clock = clock
        self._spare = spare
        self._of: Catalogue | None = None
        self._until_ms = 0
        self._ordered: tuple[Model, ...] = ()

    def order(self, catalogue: Catalogue) -> Sequence[Model]:
        """All models of a catalogue, the best first; each stands once."""
        now_ms = self._clock()
        is_fresh = catalogue is self._of and now_ms < self._until_ms
        if not is_fresh or not self._ordered:  # the first models may come later than the first call
            self._of, self._until_ms = catalogue, now_ms + FRESH_MS
            places = self.places(catalogue)
            ranked = sorted(catalogue, key=lambda model: -places[model.id].value)
            fallen = {model_id for model_id, place in places.items() if place.demotion}
            self._ordered = tuple(followed(ranked, catalogue.get, fallen))
        return self._ordered

    def success(self, model: Model, now_ms: int) -> float:
        """The part of a model's calls that succeed, 0 to 1."""
        return self._qualities.of(model).success.at(now_ms)

    def priority(self, model: Model, now_ms: int) -> int:
        """A model's priority with the places that it has lost."""
        return model.priority + self._qualities.of(model).demotion(now_ms)

    def places(self, catalogue: Catalogue) -> Mapping[str, Place]:
        """Where each model stands, by its id."""
        now_ms = self._clock()
        kinds = sorted({_kind(model) for model in catalogue})
        levels = {kind: level for level, kind in enumerate(kinds)}
        return {model.id: self._place(model, levels[_kind(model)], now_ms) for model in catalogue}

    def _place(self, model: Model, level: int, now_ms: int) -> Place:
        known = self._qualities.of(model)
        learned = round((known.score(now_ms) - known.expected) / ALIKE) * ALIKE
        return Place(level, known.demotion(now_ms), learned, self._spare(model))


def _kind(model: Model) -> tuple[int, int]:
    """The smaller one should come first."""
    return model.priority, -(model.quality // ALIKE)


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
    if ranked is None or catalogue.has(call.model):
        ordered: Sequence[Model] = catalogue.candidates(call.model)
    else:
        ordered = ranked
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
