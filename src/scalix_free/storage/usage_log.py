"""The usage log: one row for each request of somebody who has limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import (
    Select,
    and_,
    case,
    delete,
    func,
    literal,
    literal_column,
    not_,
    select,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from scalix_free.core.clock import DAY_MS
from scalix_free.core.outcome import Charge, Day, Outcome, Receipt
from scalix_free.storage.database import Database
from scalix_free.storage.tables import CHARGED, accounts, sessions, usage

MOST_TOKENS: Final = 2**53
"""A provider may claim anything; what is larger than any number of tokens is written as this."""


class SqlUsageLog:
    """The ``UsageLog`` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, events: Sequence[Outcome]) -> None:
        """See the port."""
        known = {_rid(event): event for event in events if event.subjects}
        if not known:
            return
        async with self._database.transaction() as connection:
            if owners := {event.owner for event in known.values() if event.owner is not None}:
                known = await self._of_known_owners(connection, known, sorted(owners))
            if known:
                # In one order, so that of two batches with the same rows neither waits for the
                # other while it is waited for.
                rows = [_row(rid, known[rid]) for rid in sorted(known)]
                await self._database.insert_new_rows(connection, usage, rows)

    async def _of_known_owners(
        self, connection: AsyncConnection, events: dict[bytes, Outcome], owners: Sequence[str]
    ) -> dict[bytes, Outcome]:
        """Leave out what belongs to nobody any more, and count the rest in its sessions.

        Rows of owners stay locked, so that nobody is erased between this and the writing.
        """
        of_sessions = await connection.scalars(
            select(sessions.c.user_id)
            .where(sessions.c.user_id.in_(owners))
            .order_by(sessions.c.user_id)
            .with_for_update()
        )
        counted = set(of_sessions)
        of_accounts = await connection.scalars(
            select(accounts.c.id)
            .where(accounts.c.id.in_(owners))
            .order_by(accounts.c.id)
            .with_for_update(read=True, key_share=True)
        )
        living = counted.union(of_accounts, (None,))
        events = {rid: event for rid, event in events.items() if event.owner in living}
        if counted:
            fresh = await self._fresh(connection, events, counted)
            for user_id in sorted(counted.intersection(event.owner for event in fresh)):
                await _count(
                    connection, user_id, [event for event in fresh if event.owner == user_id]
                )
        return events

    async def _fresh(
        self, connection: AsyncConnection, events: dict[bytes, Outcome], owners: set[Any]
    ) -> Sequence[Outcome]:
        """Those of these owners' that are not kept yet."""
        rids = [rid for rid, event in events.items() if event.owner in owners]
        kept = set(await connection.scalars(select(usage.c.rid).where(usage.c.rid.in_(rids))))
        return [events[rid] for rid in rids if rid not in kept]

    async def recent(self, subject: bytes, since_ms: int) -> Sequence[Charge]:
        """See the port."""
        query = union_all(*(_charges(column, subject, since_ms) for column in SUBJECTS))
        async with self._database.transaction(reads=True) as connection:
            rows = (await connection.execute(query)).all()
        charges = [Charge(rid, at_ms, tokens, bool(counts)) for rid, at_ms, tokens, counts in rows]
        return sorted(charges, key=itemgetter(1, 0))

    async def days(self, own: bytes, since_ms: int) -> Sequence[Day]:
        """See the port."""
        query = (
            select(DAY, func.sum(case((OWN_COUNTS, 1), else_=0)), func.sum(usage.c.charged_tokens))
            .where(usage.c.own == own, usage.c.at_ms >= since_ms, CHARGED)
            .group_by(DAY)
            .order_by(DAY)
        )
        async with self._database.transaction(reads=True) as connection:
            rows = (await connection.execute(query)).all()
        return [Day(int(day), int(requests), int(tokens)) for day, requests, tokens in rows]

    async def receipts(self, owner: str, *, most: int) -> Sequence[Receipt]:
        """See the port."""
        newest = (
            select(*RECEIPT)
            .where(usage.c.owner == owner)
            .order_by(usage.c.at_ms.desc(), usage.c.rid)
            .limit(most)
        )
        async with self._database.transaction(reads=True) as connection:
            rows = (await connection.execute(newest)).all()
        return [Receipt(*row) for row in rows]

    async def forget(self, before_ms: int, *, most: int) -> int:
        """See the port."""
        old = select(usage.c.rid).where(usage.c.at_ms < before_ms).limit(most)
        async with self._database.transaction() as connection:
            return (await connection.execute(delete(usage).where(usage.c.rid.in_(old)))).rowcount


SUBJECTS: Final = ("own", "address", "network")
DAY: Final = usage.c.at_ms.op("/")(literal_column(str(DAY_MS)))
"""The UTC day of a request. A literal, so that a server sees one expression wherever it stands."""
OWN_COUNTS: Final = and_(usage.c.counts, not_(usage.c.spared))
"""Whether a request counts as one of the caller's own; at its address and network all count."""
RECEIPT: Final = tuple(
    OWN_COUNTS.label(name) if name == "counts" else usage.c[name] for name in Receipt._fields
)


def _charges(column: str, subject: bytes, since_ms: int) -> Select[Any]:
    counts = OWN_COUNTS if column == "own" else usage.c.counts
    return select(usage.c.rid, usage.c.at_ms, usage.c.charged_tokens, counts).where(
        usage.c[column] == subject, usage.c.at_ms >= since_ms, CHARGED
    )


async def _count(connection: AsyncConnection, user_id: str, events: Iterable[Outcome]) -> None:
    """Bring a session up to date with requests of its own."""
    moments = [event.at_ms for event in events]
    days = [moment // DAY_MS for moment in moments]
    day, seen = max(days), max(moments)
    later = sessions.c.day < day
    same = sessions.c.day == day
    await connection.execute(
        update(sessions)
        .where(sessions.c.user_id == user_id)
        .values(
            seen_ms=case((sessions.c.seen_ms > seen, sessions.c.seen_ms), else_=literal(seen)),
            day=case((later, day), else_=sessions.c.day),
            requests_today=case(
                (later, days.count(day)),
                (same, sessions.c.requests_today + days.count(day)),
                else_=sessions.c.requests_today,
            ),
        )
    )


def _rid(event: Outcome) -> bytes:
    return bytes.fromhex(event.request_id.removeprefix("req_"))


def _row(rid: bytes, event: Outcome) -> tuple[object, ...]:
    """A value for every column of ``usage``, in their order."""
    keys = [subject.key for subject in event.subjects]
    prompt_tokens, completion_tokens = event.usage or (None, None)
    return (
        rid,
        event.at_ms,
        *(*keys, None, None)[:3],
        event.owner,
        event.tier,
        event.model,
        event.result.value,
        None if event.code is None else event.code.value,
        event.attempts,
        _bounded(prompt_tokens),
        _bounded(completion_tokens),
        _bounded(event.charged_tokens),
        event.counts,
        event.first_token_ms,
        event.total_ms,
        None if event.cache is None else event.cache.value,
        event.spared,
    )


def _bounded(tokens: int | None) -> int | None:
    return None if tokens is None else min(tokens, MOST_TOKENS)
