"""How requests ended, hour by hour: sums of the usage log, nobody's in particular."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Case, case, func, select

from scalix_free.core.clock import HOUR_MS
from scalix_free.core.outcome import Ended, Result
from scalix_free.storage.database import Database
from scalix_free.storage.tables import usage


class SqlTraffic:
    """The ``Traffic`` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ended(self, since_ms: int) -> Sequence[Ended]:
        """See the port."""
        hour = usage.c.at_ms - usage.c.at_ms % HOUR_MS
        query = (
            select(
                hour.label("hour_ms"),
                usage.c.model,
                func.sum(_is(Result.ANSWERED)),
                func.sum(_is(Result.FAILED)),
            )
            .where(usage.c.at_ms >= since_ms)
            .group_by(hour, usage.c.model)
            .order_by(hour, usage.c.model)
        )
        async with self._database.transaction(reads=True) as connection:
            rows = (await connection.execute(query)).all()
        return [
            Ended(hour_ms, model, int(answered), int(failed))
            for hour_ms, model, answered, failed in rows
            if answered or failed
        ]


def _is(result: Result) -> Case[int]:
    return case((usage.c.result == result.value, 1), else_=0)
