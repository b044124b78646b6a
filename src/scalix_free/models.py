"""Builds the catalogue from the settings, and keeps it fresh while the service runs."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from scalix_free.core.budget import Allowance
from scalix_free.core.ports import Backend, Clock
from scalix_free.pooled import NEW_QUALITY, named
from scalix_free.providers.http_session import Session
from scalix_free.providers.litellm_proxy import PooledModel, ProxyPool
from scalix_free.providers.litellm_sdk import Deployment, LiteLLMSdk, Sdk
from scalix_free.providers.openai_http import Endpoint, OpenAIHttp
from scalix_free.providers.openrouter_models import FreeModel, ListUnavailable, free_models
from scalix_free.providers.quirks import PROXY
from scalix_free.routing.catalogue import Account, Catalogue, Gone, Model, Terms, Why
from scalix_free.runtime import LocalModel, Runtime
from scalix_free.settings import (
    CALLED,
    ModelEntry,
    Policy,
    ProviderEntry,
    ProviderLimits,
    barred,
    revealed,
    vendor_terms,
)
from scalix_free.settings import Terms as WrittenTerms

log = logging.getLogger(__name__)

LOCAL_PRIORITY: Final = 1_000_000
HIDDEN_TOKENS: Final = 1_024
"""A reasoning model's allowance for thought, where the configuration names none."""
REFRESH_S: Final = 4 * 3_600.0
RETRY_S: Final = 600.0
PROXIES_REFRESH_S: Final = 60.0
PROXIES_RETRY_S: Final = 2.0
"""A proxy takes some ten seconds to start, and until it has there are no models of it."""
FIRST_LISTS_S: Final = 5.0
"""So long the start waits for what proxies name."""

Pause = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """Where a model is asked that several proxies have."""

    pool: str
    model: str
    api_key: str


Place: TypeAlias = Endpoint | Deployment | Pooled
NO_POOLS: Final[Mapping[str, ProxyPool]] = {}


@asynccontextmanager
async def open_catalogue(
    runtime: Runtime,
    session: Session,
    clock: Clock,
    pause: Pause = asyncio.sleep,
    pools: Mapping[str, ProxyPool] = NO_POOLS,
) -> AsyncIterator[Catalogue]:
    """The catalogue; until it is left, lists of models are read in the background.

    ``pools`` are those of ``pool_plans``. What they name is waited for, for some seconds.
    """
    sdk = Sdk()
    shelf = Shelf(runtime, session, clock, sdk=sdk, pools=pools)
    if any(entry.kind == "litellm" and entry.serves for entry in runtime.settings.catalogue):
        sdk.begin()  # it takes seconds, which the first caller need not wait for
    reading = [
        asyncio.create_task(shelf.keep_fresh(entry, pause))
        for entry in runtime.settings.catalogue
        if entry.discovers and not entry.off
    ]
    asked = [entry for entry in runtime.settings.catalogue if entry.asks_proxies]
    reading += [asyncio.create_task(shelf.keep_asking(entry, pause)) for entry in asked]
    try:
        await shelf.has_asked(asked)
        yield shelf.catalogue
    finally:
        for task in reading:
            task.cancel()
        for task in reading:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await sdk.close()


class Shelf:
    """All providers as they are known now, and the catalogue that is made of them."""

    def __init__(
        self,
        runtime: Runtime,
        session: Session,
        clock: Clock,
        *,
        sdk: Sdk | None = None,
        pools: Mapping[str, ProxyPool] = NO_POOLS,
    ) -> None:
        self._runtime = runtime
        self._session = session
        self._clock = clock
        self._sdk = sdk or Sdk()
        self._pools = pools
        self._entries = list(runtime.settings.catalogue)
        self._behind: dict[str, tuple[ProviderEntry, ...]] = {}
        self._changed = asyncio.Condition()
        self._backends: dict[Place, Backend] = {}
        self.catalogue = Catalogue(*self._stock(), clock=clock)

    async def keep_fresh(self, entry: ProviderEntry, pause: Pause) -> None:
        """Read a provider's list now and every few hours. That it fails changes nothing."""
        at = self._entries.index(entry)
        fails = False
        while True:
            try:
                found = await free_models(self._session, entry.base_url)
            except ListUnavailable as error:
                if not fails:
                    log.warning("the list of %s cannot be read: %s", entry.name, error)
                fails = True
            else:
                fails = False
                self._entries[at] = discovered(entry, found, self._runtime.settings.policy)
                self.catalogue.restock(*self._stock())
            await pause(RETRY_S if fails else REFRESH_S)

    async def keep_asking(self, entry: ProviderEntry, pause: Pause) -> None:
        """Ask the proxies of a pool for their models, now and again; the first who tells is heard.

        That all of them fail changes nothing.
        """
        fails = False
        while True:
            assert entry.pool is not None
            pool = self._pools[entry.pool.name]
            behind, why = await named(self._session, pool, entry, self._runtime.settings.catalogue)
            if not behind and not fails:
                log.warning("the models of %s cannot be read: %s", entry.name, why)
            fails = not behind
            if behind and behind != self._behind.get(entry.name):
                self._behind[entry.name] = behind
                self.catalogue.restock(*self._stock())
                async with self._changed:
                    self._changed.notify_all()
            await pause(PROXIES_RETRY_S if fails else PROXIES_REFRESH_S)

    async def has_asked(self, entries: Sequence[ProviderEntry]) -> None:
        """Return once the models of all these pools are known, or some seconds have passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LISTS_S), self._changed:
                await self._changed.wait_for(
                    lambda: all(entry.name in self._behind for entry in entries)
                )

    def _stock(self) -> tuple[list[Model], list[Gone]]:
        models: list[Model] = []
        gone: list[Gone] = []
        known = [part for one in self._entries for part in self._behind.get(one.name, (one,))]
        for entry in known:
            if entry.off:
                continue
            account = _account(entry)
            models += [self._model(entry, account, model) for model in entry.serves]
            gone += [_gone(entry, model) for model in entry.models if model.status not in CALLED]
        local = self._runtime.local
        if local is not None and (not models or self._runtime.settings.local.use == "last-resort"):
            models.append(self._local(local))
        return models, gone

    def _model(self, entry: ProviderEntry, account: Account, model: ModelEntry) -> Model:
        policy = self._runtime.settings.policy
        return Model(
            id=model.id,
            provider=entry.name,
            backend=self._backend(_place(entry, model)),
            account=account,
            allowance=_allowance(model.limits, firm=model.firm),
            quality=model.quality,
            priority=model.priority,
            context_tokens=model.context_tokens,
            max_output_tokens=model.max_output_tokens,
            abilities=None if model.abilities is None else frozenset(model.abilities),
            fallbacks=model.fallbacks,
            hidden_tokens=(
                (model.reasoning_allowance_tokens or HIDDEN_TOKENS) if model.reasoning else None
            ),
            grade=model.grade,
            fit=model.fit,
            status=model.status,
            retires_ms=_start_ms(model.retires),
            successor=model.successor,
            terms=_terms(model.terms),
            barred_for_resale=bool(model.terms.no_resale) and not policy.allow_no_resale_for_pro,
        )

    def _local(self, local: LocalModel) -> Model:
        return Model(
            id=local.id,
            provider="local",
            backend=self._backend(
                Endpoint(base_url=local.base_url, model=local.name, api_key=local.key)
            ),
            priority=LOCAL_PRIORITY,
            context_tokens=local.context_tokens,
            max_output_tokens=local.max_output_tokens,
            abilities=frozenset(("json",)),
            demonstration=local.demonstration,
            terms=Terms(trains_on_prompts=False, human_review=False),
        )

    def _backend(self, place: Place) -> Backend:
        """The one that there is, so that a fresh catalogue goes on with what it learned."""
        known = self._backends.get(place)
        if known is None:
            known = self._backends[place] = self._asking(place)
        return known

    def _asking(self, place: Place) -> Backend:
        if isinstance(place, Deployment):
            return LiteLLMSdk(self._sdk, place, self._clock)
        if isinstance(place, Pooled):
            return self._by_proxies(self._pools[place.pool], place)
        return OpenAIHttp(self._session, place, self._clock)

    def _by_proxies(self, pool: ProxyPool, place: Pooled) -> Backend:
        return PooledModel(
            pool,
            [
                self._asking(
                    Endpoint(
                        base_url=f"{root}/v1",
                        model=place.model,
                        api_key=place.api_key,
                        provider=PROXY,
                        keeps_books=True,
                    )
                )
                for root in pool.plan.roots
            ],
        )


def _place(entry: ProviderEntry, model: ModelEntry) -> Place:
    key = revealed(entry.api_key)
    if entry.kind == "litellm":
        # Whose habits it has: a shipped provider's, or those of whom LiteLLM names.
        own = entry.name if entry.shipped or entry.base_url else model.model.partition("/")[0]
        return Deployment(model=model.model, api_base=entry.base_url, api_key=key, provider=own)
    if entry.pool is not None:
        return Pooled(pool=entry.pool.name, model=model.model, api_key=key)
    return Endpoint(base_url=entry.base_url, model=model.model, api_key=key, provider=entry.name)


def _gone(entry: ProviderEntry, model: ModelEntry) -> Gone:
    return Gone(
        id=model.id,
        provider=entry.name,
        why=cast(Why, model.status),
        since_ms=_start_ms(model.retires),
        successor=model.successor,
        priority=model.priority,
        fallbacks=model.fallbacks,
    )


def _account(entry: ProviderEntry) -> Account:
    return Account(
        name=entry.name,
        allowance=_allowance(entry.limits, firm=entry.firm),
        zone=_zone(entry),
        counts_answers=entry.counts_answers,
    )


def _zone(entry: ProviderEntry) -> ZoneInfo | None:
    if entry.reset == "rolling":
        return None
    try:
        return ZoneInfo(entry.reset)
    except ZoneInfoNotFoundError:  # a rolling day allows no more than theirs does
        log.warning(
            "no time zone %s on this machine (install tzdata): the day of %s is taken for rolling",
            *(entry.reset, entry.name),
        )
        return None


def _allowance(limits: ProviderLimits, *, firm: bool) -> Allowance:
    return Allowance(
        rpm=limits.rpm,
        rpd=limits.rpd,
        tpm=limits.tpm,
        tpd=limits.tpd,
        concurrent=limits.concurrent,
        firm=firm,
    )


def _terms(terms: WrittenTerms) -> Terms:
    return Terms(
        trains_on_prompts=terms.trains_on_prompts,
        human_review=terms.human_review,
        evaluation_only=terms.evaluation_only,
        no_resale=terms.no_resale,
        blocked_regions=terms.blocked_regions or (),
        min_age=terms.min_age,
        public_service=terms.public_service,
        says=terms.says,
    )


def _start_ms(day: datetime.date | None) -> int | None:
    if day is None:
        return None
    start = datetime.datetime.combine(day, datetime.time(), datetime.UTC)
    return int(start.timestamp() * 1000)


# ── What a provider's list changes ───────────────────────────────────────────────────────────


def discovered(entry: ProviderEntry, found: Sequence[FreeModel], policy: Policy) -> ProviderEntry:
    """The provider with the models that its list names: what is new, and what is gone.

    A model that the shipped catalogue knows keeps its rating; of the rest nothing is known, and
    little expected. One that the list no longer names is gone.
    """
    listed = {free.name: free for free in found}
    models = [_seen(model, listed.pop(model.model, None), policy) for model in entry.models]
    models += [_new(entry, free, policy) for free in listed.values()]
    return msgspec.structs.replace(entry, models=tuple(models))


def _seen(model: ModelEntry, free: FreeModel | None, policy: Policy) -> ModelEntry:
    if free is None:
        is_over = model.is_called and model.listed
        return msgspec.structs.replace(model, status="gone") if is_over else model
    status = model.status if model.status in CALLED else "live"
    return msgspec.structs.replace(_told(model, free), status=status)


def _new(entry: ProviderEntry, free: FreeModel, policy: Policy) -> ModelEntry:
    terms = vendor_terms(entry.vendor_terms, free.name, entry.terms)
    model = ModelEntry(
        id=f"{entry.name}/{free.name}",
        model=free.name,
        firm=False,
        quality=NEW_QUALITY,
        grade="low",
        fit=("general",),
        terms=terms,
        left_out=barred(terms, policy),
    )
    return _told(model, free)


def _told(model: ModelEntry, free: FreeModel) -> ModelEntry:
    return msgspec.structs.replace(
        model,
        context_tokens=free.context_tokens or model.context_tokens,
        max_output_tokens=free.max_output_tokens or model.max_output_tokens,
        abilities=free.abilities,
        reasoning=free.reasoning,
        retires=free.expires,
    )
