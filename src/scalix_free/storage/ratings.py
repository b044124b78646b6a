"""What people thought of answers: a row beside that of the request in the usage log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, and_, select, update

from scalix_free.core.caller import Caller
from scalix_free.core.rating import Kept, Opinion, Rating
from scalix_free.storage.database import Database
from scalix_free.storage.tables import ratings, usage


class SqlRatings:
    """The ``Ratings`` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def answered(self, caller: Caller, rid: bytes) -> str | None:
        """See the port."""
        async with self._database.transaction(reads=True) as connection:
            model: str | None = await connection.scalar(_answer(caller, rid))
        return model

    async def rate(self, caller: Caller, rating: Rating) -> Kept | None:
        """See the port."""
        insert = self._database.insert_new(ratings).values(**rating._asdict())
        same = (ratings.c.rid == rating.rid, ratings.c.rating == rating.rating)
        async with self._database.transaction() as connection:
            # Locked, so that nobody is erased between this and the writing.
            answer = _answer(caller, rating.rid).with_for_update(read=True, key_share=True)
            if await connection.scalar(answer) is None:
                return None
            if (await connection.execute(insert)).rowcount:
                return Kept(rating.rating, first=True)
            if rating.comment is not None:
                await connection.execute(
                    update(ratings)
                    .where(*same, ratings.c.comment.is_(None))
                    .values(comment=rating.comment)
                )
            kept = await connection.scalars(
                select(ratings.c.rating).where(ratings.c.rid == rating.rid)
            )
            return Kept(kept.one(), first=False)

    async def opinions(self, since_ms: int, *, most: int) -> Sequence[Opinion]:
        """See the port."""
        newest = (
            select(usage.c.own, usage.c.model, ratings.c.rating, ratings.c.at_ms)
            .join_from(ratings, usage)
            .where(ratings.c.at_ms >= since_ms)
            .order_by(ratings.c.at_ms.desc(), ratings.c.rid)
            .limit(most)
        )
        async with self._database.transaction(reads=True) as connection:
            rows = (await connection.execute(newest)).all()
        return [Opinion(*row) for row in reversed(rows)]


def _answer(caller: Caller, rid: bytes) -> Select[Any]:
    """The model of an answer that this caller got."""
    mine = usage.c.owner == caller.owner
    if caller.owner is None:
        mine = and_(usage.c.owner.is_(None), usage.c.own == caller.subjects[0].key)
    return select(usage.c.model).where(usage.c.rid == rid, usage.c.model.is_not(None), mine)
