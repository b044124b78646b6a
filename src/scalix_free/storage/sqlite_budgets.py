"""Providers' limits in the file of people's limits, written in the same transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scalix_free.core import budget
from scalix_free.core.budget import Budget, Close, Scope, Short, Take, Taken
from scalix_free.storage.sqlite_ledger import SqliteLedger, Transaction

WRITE: Final = (
    "INSERT INTO budgets VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET state = excluded.state"
)


@dataclass(slots=True)
class _Held:
    """A budget in memory, the bytes it has in the file, and since when memory holds."""

    budget: Budget
    stored: bytes
    era: tuple[int, int]


class SqliteBudgets:
    """The port ``Budgets`` beside the ledger of one file, which has to be open.

    There are as many budgets as there are models, so all of them stay in memory.
    """

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger = ledger
        self._held: dict[str, _Held] = {}
        self._touched: dict[str, _Held] = {}

    async def take(self, ask: Take) -> Taken | Short:
        """See ``core.budget.take``."""

        def act(at: Transaction) -> Taken | Short:
            held = self._find(at, ask.scopes)
            taken = budget.take([one.budget for one in held], ask, at.now_ms)
            if isinstance(taken, Taken):
                self._touch(at, ask.scopes, held)
            return taken

        return await self._ledger.transact(act)

    async def close(self, end: Close) -> None:
        """See ``core.budget.close``."""

        def act(at: Transaction) -> None:
            held = self._find(at, end.scopes)
            budget.close([one.budget for one in held], end, at.now_ms)
            self._touch(at, end.scopes, held)

        await self._ledger.transact(act)

    async def beat(self, scopes: Sequence[Scope], rid: bytes) -> None:
        """See ``core.budget.beat``."""

        def act(at: Transaction) -> None:
            held = self._find(at, scopes)
            budget.beat([one.budget for one in held], rid, at.now_ms)
            self._touch(at, scopes, held)

        await self._ledger.transact(act)

    async def look(self, scopes: Sequence[Scope]) -> Sequence[Budget]:
        """See ``core.ports.Budgets``."""

        def act(at: Transaction) -> Sequence[Budget]:
            held = self._find(at, scopes)
            return [budget.unpack(budget.pack(one.budget)) for one in held]

        return await self._ledger.transact(act)

    def _find(self, at: Transaction, scopes: Sequence[Scope]) -> Sequence[_Held]:
        """The budgets of these scopes, from memory where that still holds."""
        found = []
        for scope in scopes:
            held = self._held.get(scope.key)
            if held is None or held.era != at.era:
                query = "SELECT state FROM budgets WHERE key = ?"
                row = at.file.execute(query, (scope.key,)).fetchone()
                stored: bytes = row[0] if row else b""
                if held is None or held.stored != stored or held.era[1] != at.era[1]:
                    held = self._held[scope.key] = _Held(budget.unpack(stored), stored, at.era)
                held.era = at.era
            found.append(held)
        return found

    def _touch(self, at: Transaction, scopes: Sequence[Scope], held: Sequence[_Held]) -> None:
        """Have these written with the transaction, once however often they change in it."""
        if self._touched and not at.at_end:
            self._touched.clear()  # of a transaction that was undone
        if not self._touched:
            at.at_end.append(lambda: self._write(at))
        for scope, one in zip(scopes, held, strict=True):
            self._touched[scope.key] = one

    def _write(self, at: Transaction) -> None:
        rows = []
        for key, one in self._touched.items():
            state = budget.pack(one.budget)
            if state != one.stored:
                one.stored = state
                rows.append((key, state))
        self._touched.clear()
        if rows:
            at.file.executemany(WRITE, rows)
