"""Who answers a call: the plan for it, and the attempts to carry it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scalix_free.core.budget import Short
from scalix_free.core.chat import Call
from scalix_free.core.errors import Refusal
from scalix_free.core.ports import Clock
from scalix_free.routing.answers import Answers
from scalix_free.routing.attempts import Asked, Attempts
from scalix_free.routing.catalogue import Catalogue, Model
from scalix_free.routing.claim import Claim
from scalix_free.routing.plan import Place, Ranking, plan
from scalix_free.routing.preferences import Preferences


class State(NamedTuple):
    """How a model stands, as this process has learned it.

    ``success`` is the part of its calls that succeed, ``priority`` the one that counts.
    """

    model: Model
    success: float
    priority: int
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """Answers calls with the best model that still has budget. Built once, in ``app.py``.

    Without ``answers`` nothing is kept or shared.
    """

    catalogue: Catalogue
    ranking: Ranking
    preferences: Preferences
    attempts: Attempts
    answers: Answers | None = None
    clock: Clock

    @property
    def is_metered(self) -> bool:
        """Whether any model has a limit, so that it matters who has received how much."""
        return self.catalogue.is_metered

    def plan(self, call: Call, owner: bytes, *, pays: bool) -> Sequence[Model] | Refusal:
        """The models that can answer, the best for this caller first."""
        return plan(
            self.catalogue,
            call,
            self.ranking.order(self.catalogue),
            self.preferences.avoided(owner, self.clock()),
            pays=pays,
        )

    def states(self) -> Iterable[State]:
        """How all models stand, in the order in which they are asked."""
        now_ms = self.clock()
        places = self.ranking.places(self.catalogue)
        for model in self.ranking.order(self.catalogue):
            success = self.ranking.success(model, now_ms)
            priority = self.ranking.priority(model, now_ms)
            yield State(model, success, priority, places[model.id])

    async def shortages(self) -> Mapping[str, Short]:
        """What is missing for a call of a model; see ``Spending.shortages``."""
        return await self.attempts.spending.shortages(self.catalogue)

    async def left_today(self) -> Mapping[str, int]:
        """Requests that accounts have left of their day; see ``Spending.left_today``."""
        return await self.attempts.spending.left_today(self.catalogue)

    def open(self, call: Call, candidates: Sequence[Model], claim: Claim) -> Asked:
        """Ask the candidates, one after the other; a context as ``Backend.open`` gives it."""
        asker = self.attempts if self.answers is None else self.answers
        return asker.open(call, candidates, claim)

    def forget(self, owner: bytes) -> None:
        """Drop the answers that are kept for this caller."""
        if self.answers is not None:
            self.answers.forget(owner)
