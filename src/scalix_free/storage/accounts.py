"""Accounts and their keys, sign-ins under way, sessions of minted identities."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Row,
    Table,
    delete,
    func,
    insert,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from scalix_free.core.account import Account, ApiKey, Session, SignIn, fingerprint
from scalix_free.storage.database import Database
from scalix_free.storage.tables import (
    accounts,
    api_keys,
    erased,
    leads,
    ratings,
    reactions,
    sessions,
    sign_ins,
    usage,
)

SWEPT_AT_ONCE: Final = 100
"""How many expired rows a new one takes away: more than one, so that they do not pile up."""
LONGEST_SIGN_IN_MS: Final = 86_400_000
"""A sign-in that ends so much earlier than a new one has ended already."""
ERASE_S: Final = 60.0
"""For all of one's data, which may be many rows."""

KEY: Final = (
    api_keys.c.id,
    api_keys.c.account_id,
    api_keys.c.shown,
    api_keys.c.created_ms,
    api_keys.c.used_ms,
)


class SqlAccounts:
    """The ``Accounts`` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ── Sign-ins ────────────────────────────────────────────────────────────────────────────

    async def expect(self, sign_in: SignIn) -> None:
        """See the port."""
        values = {**asdict(sign_in), "guesses": 0}
        upsert = self._database.insert_or_change(
            sign_ins, values, key=sign_ins.c.mailbox, changed=values.keys() - {"mailbox"}
        )
        async with self._database.transaction() as connection:
            await connection.execute(upsert)
            await _sweep(connection, sign_ins, sign_in.expires_ms - LONGEST_SIGN_IN_MS)

    async def redeem_token(self, token_digest: bytes, now_ms: int) -> SignIn | None:
        """See the port."""
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                delete(sign_ins)
                .where(sign_ins.c.token_digest == token_digest, sign_ins.c.expires_ms > now_ms)
                .returning(*sign_ins.c)
            )
            row = rows.one_or_none()
        return None if row is None else _sign_in(row)

    async def redeem_code(
        self, mailbox: str, code_digest: bytes, now_ms: int, *, tries: int
    ) -> SignIn | None:
        """See the port."""
        async with self._database.transaction() as connection:
            # Counted before it is looked at: the row is ours from here to the end.
            rows = await connection.execute(
                update(sign_ins)
                .where(
                    sign_ins.c.mailbox == mailbox,
                    sign_ins.c.expires_ms > now_ms,
                    sign_ins.c.guesses < tries,
                )
                .values(guesses=sign_ins.c.guesses + 1)
                .returning(*sign_ins.c)
            )
            row = rows.one_or_none()
            if row is None:
                return None
            right = hmac.compare_digest(row.code_digest, code_digest)
            if right or row.guesses >= tries:
                await connection.execute(delete(sign_ins).where(sign_ins.c.mailbox == mailbox))
        return _sign_in(row) if right else None

    # ── Accounts and keys ───────────────────────────────────────────────────────────────────

    async def enrol(self, account: Account) -> Account:
        """See the port."""
        # Where there is one, it gets the mailbox that it has: that gives its row back.
        upsert = self._database.insert_or_change(
            accounts, asdict(account), key=accounts.c.mailbox, changed={"mailbox"}
        )
        async with self._database.transaction() as connection:
            rows = await connection.execute(upsert.returning(*accounts.c))
            return _account(rows.one())

    async def account(self, account_id: str) -> Account | None:
        """See the port."""
        async with self._database.transaction(reads=True) as connection:
            row = await _one(connection, accounts, accounts.c.id == account_id)
        return None if row is None else _account(row)

    async def add_key(self, key: ApiKey, digest: bytes, *, most: int) -> bool:
        """See the port."""
        async with self._database.transaction() as connection:
            # Whoever counts holds the account, so that two do not count the same.
            holder = await connection.scalar(
                select(accounts.c.id).where(accounts.c.id == key.account_id).with_for_update()
            )
            count = await connection.scalar(
                select(func.count()).where(api_keys.c.account_id == key.account_id)
            )
            if holder is None or (count or 0) >= most:
                return False
            await connection.execute(insert(api_keys).values(digest=digest, **asdict(key)))
        return True

    async def by_key(self, digest: bytes) -> tuple[Account, ApiKey] | None:
        """See the port."""
        # By position: both have an id and a moment of creation.
        query = select(*accounts.c, *KEY).join_from(accounts, api_keys)
        async with self._database.transaction(reads=True) as connection:
            rows = await connection.execute(query.where(api_keys.c.digest == digest))
            row = rows.one_or_none()
        if row is None:
            return None
        count = len(accounts.c)
        account = dict(zip(accounts.c.keys(), row[:count], strict=True))
        key = dict(zip((column.name for column in KEY), row[count:], strict=True))
        return Account(**account), ApiKey(**key)

    async def keys(self, account_id: str) -> Sequence[ApiKey]:
        """See the port."""
        query = (
            select(*KEY)
            .where(api_keys.c.account_id == account_id)
            .order_by(api_keys.c.created_ms, api_keys.c.id)
        )
        async with self._database.transaction(reads=True) as connection:
            rows = (await connection.execute(query)).all()
        return [ApiKey(**row._asdict()) for row in rows]

    async def remove_key(self, account_id: str, key_id: str) -> bool:
        """See the port."""
        async with self._database.transaction() as connection:
            gone = await connection.execute(
                delete(api_keys).where(api_keys.c.account_id == account_id, api_keys.c.id == key_id)
            )
        return gone.rowcount > 0

    async def note_key_used(self, key_id: str, now_ms: int) -> None:
        """See the port."""
        earlier = or_(api_keys.c.used_ms.is_(None), api_keys.c.used_ms < now_ms)
        async with self._database.transaction() as connection:
            await connection.execute(
                update(api_keys).where(api_keys.c.id == key_id, earlier).values(used_ms=now_ms)
            )

    # ── Sessions ────────────────────────────────────────────────────────────────────────────

    async def begin_session(self, session: Session) -> None:
        """See the port."""
        insert_new = self._database.insert_new(sessions).values(**asdict(session))
        async with self._database.transaction() as connection:
            await connection.execute(insert_new)
            await _sweep(connection, sessions, session.created_ms)
            await _sweep(connection, erased, session.created_ms)

    async def session(self, user_id: str) -> Session | None:
        """See the port."""
        async with self._database.transaction(reads=True) as connection:
            row = await _one(connection, sessions, sessions.c.user_id == user_id)
        return None if row is None else Session(**row._asdict())

    async def revoke(self, user_id: str) -> bool:
        """See the port."""
        async with self._database.transaction() as connection:
            changed = await connection.execute(
                update(sessions).where(sessions.c.user_id == user_id).values(revoked=True)
            )
        return changed.rowcount > 0

    async def revoked(self, now_ms: int) -> frozenset[str]:
        """See the port."""
        query = union_all(
            select(sessions.c.user_id).where(sessions.c.revoked, sessions.c.expires_ms > now_ms),
            select(erased.c.fingerprint).where(erased.c.expires_ms > now_ms),
        )
        async with self._database.transaction(reads=True) as connection:
            return frozenset(await connection.scalars(query))

    # ── One's own data ──────────────────────────────────────────────────────────────────────

    async def export(self, owner: str) -> Mapping[str, Sequence[Mapping[str, object]]]:
        """See the port."""
        found: dict[str, Sequence[Mapping[str, object]]] = {}
        async with self._database.transaction(reads=True, deadline_s=ERASE_S) as connection:
            for table, condition in _of(owner):
                rows = (await connection.execute(select(table).where(condition))).all()
                if rows:
                    found[table.name] = [_shown(row) for row in rows]
        return found

    async def erase(self, owner: str) -> bool:
        """See the port."""
        gone = 0
        async with self._database.transaction(deadline_s=ERASE_S) as connection:
            expires_ms = await connection.scalar(
                select(sessions.c.expires_ms).where(sessions.c.user_id == owner)
            )
            if expires_ms is not None:
                left = {"fingerprint": fingerprint(owner), "expires_ms": expires_ms}
                await connection.execute(self._database.insert_new(erased).values(**left))
            for table, condition in _of(owner):
                gone += (await connection.execute(delete(table).where(condition))).rowcount
        return gone > 0


def _of(owner: str) -> Sequence[tuple[Table, ColumnElement[bool]]]:
    """Where rows about an owner stand; those that others are found by come later."""
    mailbox = select(accounts.c.mailbox).where(accounts.c.id == owner).scalar_subquery()
    return (
        (sign_ins, sign_ins.c.mailbox == mailbox),
        (leads, or_(leads.c.owner == owner, leads.c.mailbox == mailbox)),
        (reactions, reactions.c.owner == owner),
        (sessions, sessions.c.user_id == owner),
        (api_keys, api_keys.c.account_id == owner),
        (accounts, accounts.c.id == owner),
        (ratings, ratings.c.rid.in_(select(usage.c.rid).where(usage.c.owner == owner))),
        (usage, usage.c.owner == owner),
    )


def _shown(row: Row[Any]) -> dict[str, object]:
    """A row for the person whom it is about: no digest and no hash, and the request by its id."""
    fields = row._asdict()
    shown = {name: value for name, value in fields.items() if not isinstance(value, bytes)}
    return {"request_id": f"req_{fields['rid'].hex()}", **shown} if "rid" in fields else shown


# ── Rows ─────────────────────────────────────────────────────────────────────────────────────


async def _one(
    connection: AsyncConnection, table: Table, condition: ColumnElement[bool]
) -> Row[Any] | None:
    return (await connection.execute(select(table).where(condition))).one_or_none()


async def _sweep(connection: AsyncConnection, table: Table, before_ms: int) -> None:
    """Delete some rows that expired before that moment, but none that somebody else holds."""
    (key,) = table.primary_key.columns
    old = select(key).where(table.c.expires_ms < before_ms).limit(SWEPT_AT_ONCE)
    await connection.execute(delete(table).where(key.in_(old.with_for_update(skip_locked=True))))


def _account(row: Row[Any]) -> Account:
    return Account(**row._asdict())


def _sign_in(row: Row[Any]) -> SignIn:
    fields = row._asdict()
    del fields["guesses"]
    return SignIn(**fields)
