"""Addresses that people left, and what they did about prompts."""

from __future__ import annotations

import os
from typing import Final

from sqlalchemy import delete, insert, select

from scalix_free.core.funnel import Lead, Reaction
from scalix_free.storage.database import Database
from scalix_free.storage.tables import leads, reactions

KEEP_MS: Final = 90 * 86_400_000
"""Three times the longest window in which a step is looked at."""
SWEPT_AT_ONCE: Final = 20
"""How many old ones a new one takes away: more than one, so that they do not pile up."""


class SqlFunnel:
    """The ``Funnel`` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep_lead(self, lead: Lead) -> bool:
        """See the port."""
        values = {**lead._asdict(), "owner": lead.owner or ""}
        new = self._database.insert_new(leads).values(**values)
        async with self._database.transaction() as connection:
            return (await connection.execute(new)).rowcount > 0

    async def note(self, reaction: Reaction) -> None:
        """See the port."""
        values = {name: getattr(reaction, name) for name in Reaction._fields}
        values |= {"trigger": reaction.trigger.value, "action": reaction.action.value}
        old = (
            select(reactions.c.id)
            .where(reactions.c.at_ms < reaction.at_ms - KEEP_MS)
            .limit(SWEPT_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        async with self._database.transaction() as connection:
            await connection.execute(insert(reactions).values(id=os.urandom(16), **values))
            await connection.execute(delete(reactions).where(reactions.c.id.in_(old)))
