"""The models that proxies name, as rows of the catalogue: what they stand for, and whose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import msgspec

from scalix_free.core.clock import wall_clock
from scalix_free.providers.http_session import Session
from scalix_free.providers.litellm_models import ModelsUnavailable, ProxyModel, proxy_models
from scalix_free.providers.litellm_proxy import PoolPlan, ProxyPool
from scalix_free.providers.openai_http import open_session
from scalix_free.settings import (
    LISTED,
    ModelEntry,
    ProviderEntry,
    ProviderLimits,
    Settings,
    revealed,
)

NEW_QUALITY: Final = 500
"""What is expected of a model that stands for nothing that is known."""

OTHER_NAMES: Final = {"cohere_chat": "cohere", "text-completion-codestral": "codestral"}
"""LiteLLM's name of a provider → the catalogue's, where that is not the same."""


class Row(NamedTuple):
    """A model of the shipped catalogue, and its provider."""

    provider: ProviderEntry
    model: ModelEntry


Rows: TypeAlias = Mapping[tuple[str, str], Row]


def pool_plans(settings: Settings) -> Sequence[PoolPlan]:
    """The pools of proxies that the settings name."""
    pools = [entry.pool for entry in settings.catalogue if entry.is_open]
    return [
        PoolPlan(
            name=pool.name,
            roots=pool.roots,
            health_path=pool.health_path,
            health_interval_s=pool.health_interval_s,
            balance=pool.balance,
        )
        for pool in pools
        if pool is not None
    ]


async def named(
    session: Session, pool: ProxyPool, entry: ProviderEntry, catalogue: Sequence[ProviderEntry]
) -> tuple[tuple[ProviderEntry, ...], str]:
    """The accounts behind a pool with the models that its proxies name, or none and why."""
    why = ""
    for state in sorted(pool.states, key=lambda state: not state.serves):
        try:
            found = await proxy_models(session, state.root, revealed(entry.api_key))
        except ModelsUnavailable as error:
            why = f"{state.root}: {error}"
        else:
            return pooled(entry, found, catalogue), ""
    return (), why


async def look_at_pools(settings: Settings) -> tuple[Sequence[ProviderEntry], Mapping[str, str]]:
    """The catalogue with what proxies name now, and in words how each of them is, by its root.

    A pool that cannot be asked stays without models.
    """
    entries: list[ProviderEntry] = []
    states: dict[str, str] = {}
    plans = {plan.name: plan for plan in pool_plans(settings)}
    async with open_session() as session:
        for entry in settings.catalogue:
            plan = None if entry.pool is None else plans.get(entry.pool.name)
            if plan is None:
                entries.append(entry)
                continue
            pool = ProxyPool(plan, session, wall_clock)
            signs = await pool.check()
            states |= {root: sign.value for root, sign in zip(plan.roots, signs, strict=True)}
            behind: Sequence[ProviderEntry] = (entry,)
            if entry.asks_proxies:
                behind, _ = await named(session, pool, entry, settings.catalogue)
            if all(one.name != entry.name for one in behind):
                entries.append(entry)
            entries += behind
    return entries, states


def pooled(
    pool: ProviderEntry, found: Sequence[ProxyModel], catalogue: Sequence[ProviderEntry]
) -> tuple[ProviderEntry, ...]:
    """The accounts behind a pool, each with its models; ``pool`` is the pool's own entry.

    A model that stands for one of the shipped catalogue has its priority, quality, terms and
    limits, and belongs to an account with that provider, whatever instance is asked: its days and
    its limits are that provider's. Of the others nothing is known. Where the operator gave limits
    of the pool, those count for all of it, and no others.
    """
    rows = {
        (entry.name, model.model): Row(entry, model)
        for entry in catalogue
        if entry.shipped
        for model in entry.models
    }
    standing = {one.name: row_of(one, rows) for one in found}
    ids = {row.model.id: f"{pool.name}/{name}" for name, row in standing.items() if row is not None}
    is_one = pool.limits != ProviderLimits()
    accounts: dict[str, ProviderEntry] = {}
    models: dict[str, list[ModelEntry]] = {}
    for one in found:
        row = standing[one.name]
        account = pool if row is None or is_one else _account(pool, row.provider)
        model = _new(pool, one) if row is None else _of_row(pool, one, row.model, ids)
        if is_one:
            model = msgspec.structs.replace(model, limits=ProviderLimits())
        accounts.setdefault(account.name, account)
        models.setdefault(account.name, []).append(model)
    return tuple(
        msgspec.structs.replace(account, models=tuple(models[name]))
        for name, account in accounts.items()
    )


def row_of(one: ProxyModel, rows: Rows) -> Row | None:
    """The row that a model of a proxy stands for.

    By what is behind it, where the proxy tells that: LiteLLM's name of it, or the provider's
    address and its own name. Else by its name, which may be any that the catalogue has for it.
    """
    if one.stands_for:
        return _behind(one, rows)
    provider, _, name = one.name.partition("/")
    exact = rows.get((OTHER_NAMES.get(provider, provider), name))
    if exact is not None:
        return exact
    same = [row for (_, model), row in rows.items() if model == one.name]
    return min(same, key=lambda row: row.model.priority, default=None)


def _behind(one: ProxyModel, rows: Rows) -> Row | None:
    provider, _, name = one.stands_for.partition("/")
    if one.api_base:
        at_address = [
            row
            for (_, model), row in rows.items()
            if model == name and row.provider.base_url == one.api_base
        ]
        if at_address:
            return at_address[0]
    return rows.get((OTHER_NAMES.get(provider, provider), name))


def _account(pool: ProviderEntry, provider: ProviderEntry) -> ProviderEntry:
    """The account that the proxies have with this provider."""
    return msgspec.structs.replace(
        provider,
        name=f"{pool.name}.{provider.name}",
        label=f"{provider.label}, by {pool.label}",
        shipped=False,
        base_url="",
        api_key=pool.api_key,
        pool=pool.pool,
        discovers=False,
        missing=(),
        off="",
        models=(),
    )


def _of_row(
    pool: ProviderEntry, one: ProxyModel, known: ModelEntry, ids: Mapping[str, str]
) -> ModelEntry:
    return msgspec.structs.replace(
        known,
        id=f"{pool.name}/{one.name}",
        model=one.name,
        status=LISTED.get(known.status, known.status),
        context_tokens=known.context_tokens or one.context_tokens,
        max_output_tokens=known.max_output_tokens or one.max_output_tokens,
        abilities=one.abilities if known.abilities is None else known.abilities,
        fallbacks=tuple(_there(known.fallbacks, ids, but=one.name, pool=pool)),
        successor=ids.get(known.successor or ""),
    )


def _there(
    names: Sequence[str], ids: Mapping[str, str], *, but: str, pool: ProviderEntry
) -> Iterator[str]:
    """Those of these models that the pool has, by its ids."""
    own = f"{pool.name}/{but}"
    yield from dict.fromkeys(ids[name] for name in names if name in ids and ids[name] != own)


def _new(pool: ProviderEntry, one: ProxyModel) -> ModelEntry:
    return msgspec.structs.replace(
        ModelEntry(id=f"{pool.name}/{one.name}", model=one.name, firm=False, quality=NEW_QUALITY),
        context_tokens=one.context_tokens,
        max_output_tokens=one.max_output_tokens,
        abilities=one.abilities,
    )
