"""Providers' limits in Redis or Valkey, for many machines, beside the limits of people.

The arithmetic runs inside the server (``lua/budgets.lua``). All scopes of one account live on one
server of a cluster, so a call is taken from all of them in one act and one round trip.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

from scalix_free.core.budget import (
    FOREVER_MS,
    Budget,
    Close,
    Scope,
    Short,
    Take,
    Taken,
    Why,
    unpack,
)
from scalix_free.storage.redis_ledger import RedisLedger


class RedisBudgets:
    """The port ``Budgets`` on the servers of a ledger, which has to be open."""

    def __init__(self, ledger: RedisLedger) -> None:
        self._ledger = ledger

    async def take(self, ask: Take) -> Taken | Short:
        """See ``core.budget.take``."""
        numbers = (ask.tokens, ask.headroom, ask.received)
        said = await self._ask("budget_take", ask.scopes, ask.rid, *numbers)
        place, *rest = cast("list[int]", said)
        if not place:
            return Taken(rest[0], tuple(rest[1:]))
        why, until_ms = rest
        key = ask.scopes[place - 1].key
        return Short(key, Why(why), None if until_ms < 0 else until_ms)

    async def close(self, end: Close) -> None:
        """See ``core.budget.close``."""
        findings = " ".join(
            f"{place} {found.act:d} {min(found.until_ms, FOREVER_MS)} {found.window:d} "
            f"{min(found.amount, FOREVER_MS)}"
            for place, found in end.findings
        )
        tokens = -1 if end.tokens is None else end.tokens
        words = (end.rid, end.at_ms, end.reserved, tokens, int(end.verdict), findings)
        await self._ask("budget_close", end.scopes, *words)

    async def beat(self, scopes: Sequence[Scope], rid: bytes) -> None:
        """See ``core.budget.beat``."""
        await self._ledger.ask("budget_beat", [_key(scope.key) for scope in scopes], rid)

    async def look(self, scopes: Sequence[Scope]) -> Sequence[Budget]:
        """See ``core.ports.Budgets``."""
        kept = await self._ledger.read([_key(scope.key) for scope in scopes])
        return [unpack(cast("bytes | None", blob)) for blob in kept]

    async def _ask(self, what: str, scopes: Sequence[Scope], *words: bytes | int | str) -> object:
        keys = [_key(scope.key) for scope in scopes]
        return await self._ledger.ask(what, keys, *words, *map(_words, scopes))


@lru_cache(4_096)
def _key(scope_key: str) -> bytes:
    """A scope's key: its account is the hash tag."""
    account, slash, rest = scope_key.partition("/")
    return f"scalix:1:budget:{{{account}}}{slash}{rest}".encode()


@lru_cache(4_096)
def _words(scope: Scope) -> str:
    """A scope as the functions read it."""
    allowed = scope.allowance
    limits = (allowed.rpm, allowed.rpd, allowed.tpm, allowed.tpd, allowed.concurrent)
    told = ("-1" if limit is None else str(limit) for limit in limits)
    return " ".join([*told, str(int(allowed.firm)), str(scope.day_end_ms)])
