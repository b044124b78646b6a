"""Routers for tests: scripted models, and budgets that are the arithmetic itself."""

from collections.abc import Sequence

from scalix_free.core import budget
from scalix_free.core.budget import Budget, Close, Scope, Short, Take, Taken
from scalix_free.core.clock import wall_clock
from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ports import Clock
from scalix_free.routing.answers import Answers
from scalix_free.routing.attempt import Learning
from scalix_free.routing.attempts import Attempts, Patience, Retries
from scalix_free.routing.budgets import Spending
from scalix_free.routing.catalogue import Catalogue, Model
from scalix_free.routing.health import Health
from scalix_free.routing.plan import Ranking
from scalix_free.routing.preferences import Preferences
from scalix_free.routing.quality import Qualities
from scalix_free.routing.queue import Queue
from scalix_free.routing.router import Router

PATIENCE = Patience(attempts=3, first_token_s=5.0, idle_s=5.0)


class Arithmetic:
    """``core.budget`` with nothing around it: budgets are bytes in a dict."""

    def __init__(self, clock: Clock = wall_clock) -> None:
        self.clock = clock
        self.kept: dict[str, bytes] = {}
        self.asked: list[Take] = []
        self.ended: list[Close] = []
        self.is_away = False

    async def take(self, ask: Take) -> Taken | Short:
        if self.is_away:
            raise StoreUnavailable("away")
        self.asked.append(ask)
        budgets = await self.look(ask.scopes)
        taken = budget.take(budgets, ask, self.clock())
        if isinstance(taken, Taken):
            self._keep(ask.scopes, budgets)
        return taken

    async def close(self, end: Close) -> None:
        if self.is_away:
            raise StoreUnavailable("away")
        self.ended.append(end)
        budgets = await self.look(end.scopes)
        budget.close(budgets, end, self.clock())
        self._keep(end.scopes, budgets)

    async def beat(self, scopes: Sequence[Scope], rid: bytes) -> None:
        if self.is_away:
            raise StoreUnavailable("away")
        budgets = await self.look(scopes)
        budget.beat(budgets, rid, self.clock())
        self._keep(scopes, budgets)

    async def look(self, scopes: Sequence[Scope]) -> list[Budget]:
        return [budget.unpack(self.kept.get(scope.key)) for scope in scopes]

    def _keep(self, scopes: Sequence[Scope], budgets: Sequence[Budget]) -> None:
        for scope, one in zip(scopes, budgets, strict=True):
            self.kept[scope.key] = budget.pack(one)


def attempts(
    patience: Patience = PATIENCE,
    *,
    clock: Clock = wall_clock,
    budgets: Arithmetic | None = None,
    qualities: Qualities | None = None,
    queue: Queue | None = None,
) -> Attempts:
    return Attempts(
        spending=Spending(budgets or Arithmetic(clock), clock),
        learning=Learning(Health(), qualities or Qualities()),
        patience=patience,
        queue=queue or Queue(),
        retries=Retries(),
        clock=clock,
    )


def router(
    models: Sequence[Model],
    patience: Patience = PATIENCE,
    *,
    clock: Clock = wall_clock,
    budgets: Arithmetic | None = None,
    keeps_answers: bool = False,
) -> Router:
    qualities = Qualities()
    catalogue = Catalogue(models)
    preferences = Preferences(3_600_000, 100)
    asker = attempts(patience, clock=clock, budgets=budgets, qualities=qualities)
    answers = Answers(
        asker,
        catalogue=catalogue,
        preferences=preferences,
        clock=clock,
        ttl_ms=300_000,
        max_size=100,
    )
    return Router(
        catalogue=catalogue,
        ranking=Ranking(qualities, clock, asker.spending.spare),
        preferences=preferences,
        attempts=asker,
        answers=answers if keeps_answers else None,
        clock=clock,
    )
