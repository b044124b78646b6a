"""Builds everything and closes everything; the only place that knows all rooms."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.resources import files
from typing import Final, Protocol, TypeAlias, TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec
from litestar.handlers import HTTPRouteHandler

from scalix_free import __version__
from scalix_free.admission.content import ContentRules
from scalix_free.admission.quotas import (
    address_policy,
    mail_policy,
    mint_policy,
    network_policy,
    post_policy,
    session_policy,
    tier_policy,
)
from scalix_free.api.account import account_routes
from scalix_free.api.admin import admin_routes
from scalix_free.api.completion import Completions
from scalix_free.api.cookie import Cookies
from scalix_free.api.desktop import desktop_routes
from scalix_free.api.errors import TABLE, ErrorWriter, status_of
from scalix_free.api.exchange import BodyLimits, Visitors, headers_of, rid_of
from scalix_free.api.feedback import feedback_routes
from scalix_free.api.free import Uplift, free_routes
from scalix_free.api.guard import Guard
from scalix_free.api.hooks import hook_routes
from scalix_free.api.intake import Intake
from scalix_free.api.offer import offer_routes
from scalix_free.api.operations import Operations, operations_routes
from scalix_free.api.reference import description, reference_routes
from scalix_free.api.routes import build_http
from scalix_free.api.session import session_routes
from scalix_free.api.usage import usage_routes
from scalix_free.core.budget import WHOLE
from scalix_free.core.caller import Tier
from scalix_free.core.clock import wall_clock
from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ledger import Policy, Subject
from scalix_free.core.ports import (
    Budgets,
    Clock,
    Funnel,
    Ledger,
    Listener,
    Mailer,
    Once,
    Ratings,
    Traffic,
    UsageLog,
)
from scalix_free.growth.messages import Messages, Texts
from scalix_free.growth.pricing import Rates
from scalix_free.growth.prompts import Prompts
from scalix_free.identity.address import honest_address, is_loopback, is_trusted
from scalix_free.identity.identify import (
    ANONYMOUS,
    KNOWN_ADDRESSES,
    PRO,
    REGISTERED,
    Identifier,
    Limits,
)
from scalix_free.identity.keyring import Keyring
from scalix_free.identity.known import KnownKeys
from scalix_free.identity.mailbox import read_domains
from scalix_free.identity.minted import Mint
from scalix_free.identity.proof import Puzzles
from scalix_free.identity.seal import Seal
from scalix_free.mail import ConsoleMailer, Outbox, SmtpMailer, mail_server
from scalix_free.models import open_catalogue
from scalix_free.pooled import pool_plans
from scalix_free.providers.http_session import Session
from scalix_free.providers.litellm_proxy import PooledModel, ProxyPool, open_pools
from scalix_free.providers.openai_http import open_session
from scalix_free.routing.answers import Answers
from scalix_free.routing.attempt import Learning
from scalix_free.routing.attempts import Attempts, Patience, Retries
from scalix_free.routing.budgets import Spending
from scalix_free.routing.catalogue import Catalogue, Model
from scalix_free.routing.health import Health as ModelHealth
from scalix_free.routing.plan import Ranking
from scalix_free.routing.preferences import Preferences
from scalix_free.routing.quality import Qualities
from scalix_free.routing.queue import Queue
from scalix_free.routing.router import Router
from scalix_free.runtime import Runtime, is_server
from scalix_free.serve import (
    Accounts,
    Callers,
    Conditions,
    Feedback,
    Identify,
    MailLimits,
    Offers,
    OwnData,
    OwnUsage,
    PostLimits,
    Pricing,
    Proxied,
    Revocations,
    Service,
    SessionOf,
    Sessions,
)
from scalix_free.settings import FreeTier, ProTier, Settings, revealed
from scalix_free.storage.accounts import SqlAccounts
from scalix_free.storage.database import Database
from scalix_free.storage.funnel import SqlFunnel
from scalix_free.storage.outage import Health, OutageLedger
from scalix_free.storage.outage_budgets import OutageBudgets
from scalix_free.storage.ratings import SqlRatings
from scalix_free.storage.redis_budgets import RedisBudgets
from scalix_free.storage.redis_ledger import RedisLedger
from scalix_free.storage.restored import Recent, RestoredLedger
from scalix_free.storage.sqlite_budgets import SqliteBudgets
from scalix_free.storage.sqlite_ledger import SqliteLedger, count_active
from scalix_free.storage.traffic import SqlTraffic
from scalix_free.storage.usage_batches import UsageBatches
from scalix_free.storage.usage_log import SqlUsageLog
from scalix_free.telemetry import Metrics
from scalix_free.web.asking import Asking
from scalix_free.web.connect import connect_pages
from scalix_free.web.frame import Frame, open_frame
from scalix_free.web.llms import llms_text
from scalix_free.web.lost import lost_page
from scalix_free.web.opinions import opinion_pages
from scalix_free.web.privacy import privacy_pages
from scalix_free.web.reference import reference_pages
from scalix_free.web.sign_up import sign_up_pages
from scalix_free.web.static import read_assets, static_routes
from scalix_free.web.status import status_pages
from scalix_free.web.upgrade import upgrade_pages
from scalix_free.web.usage import usage_pages
from scalix_free.web.verify import verify_pages
from scalix_free.web.visits import Visits
from scalix_free.web.welcome import welcome_pages

log = logging.getLogger(__name__)

UNBOUNDED_TOKENS: Final = 10_000_000
"""What stands for a lifted ceiling of tokens."""

PRO_OUTPUT_TOKENS: Final = 4_096
"""What an answer of the pro tier may have where the caller names no cap."""

DISPOSABLE: Final = files("scalix_free.identity").joinpath("disposable_domains.txt")
HOUR_MS: Final = 3_600_000
MOST_FORWARDED_CHARS: Final = 500
STATES_S: Final = 5.0
"""How old may be what one worker's metrics tell of models that another has learned about."""
TIERS: Final = (ANONYMOUS, REGISTERED, PRO)


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The running program: what a worker serves, and what the command line asks."""

    service: Service
    http: Guard
    errors: ErrorWriter


@asynccontextmanager
async def open_app(
    runtime: Runtime, *, clock: Clock = wall_clock, draining: Callable[[], bool] = lambda: False
) -> AsyncIterator[App]:
    """Build the program; on leaving, close it, last opened first."""
    settings = runtime.settings
    metrics = Metrics()
    database = Database(runtime.database)
    usage_log = SqlUsageLog(database)
    try:
        async with (
            _limits_store(runtime, metrics, clock, usage_log.recent) as (ledger, budgets),
            _opened(database),
            _opened(UsageBatches(usage_log, clock=clock)) as usage,
            _people(runtime, ledger, SqlAccounts(database), clock) as people,
            open_session() as session,
            open_pools(
                pool_plans(settings),
                session,
                clock,
                notice=lambda name, root, why: metrics.count_removal(name, root, why.name.lower()),
            ) as pools,
            open_catalogue(runtime, session, clock, pools=pools) as catalogue,
            _taste(
                settings, SqlRatings(database), prompts := _prompts(ledger, clock), metrics, clock
            ) as feedback,
        ):
            service = _service(
                runtime,
                clock,
                identify=people.callers.identify,
                session_of=people.identifier.session_of,
                ledger=ledger,
                router=_router(
                    settings,
                    catalogue,
                    budgets=budgets,
                    feedback=feedback,
                    metrics=metrics,
                    clock=clock,
                ),
                listeners=(metrics, usage, feedback.preferences),
                prompts=prompts,
            )
            errors = ErrorWriter(
                runtime.public_url,
                always_retry_after=settings.refusals.always_retry_after,
                payment_required=settings.refusals.payment_required,
            )
            http = _http(
                runtime,
                service,
                people=people,
                feedback=feedback,
                usage_log=usage_log,
                traffic=SqlTraffic(database),
                offers=_offers(
                    runtime,
                    service,
                    people=people,
                    ledger=ledger,
                    stores=(usage_log, SqlFunnel(database)),
                    feedback=feedback,
                    metrics=metrics,
                ),
                errors=errors,
                operations=Operations(
                    store=lambda: _store_health(ledger),
                    model_ready=lambda: _model_ready(runtime, service, session),
                    draining=draining,
                    metrics=lambda: _metrics(
                        runtime,
                        metrics,
                        service.router,
                        pools=pools,
                        qualities=feedback.qualities,
                        clock=clock,
                    ),
                    operator_token=revealed(settings.server.operator_token),
                    started_at=runtime.started_at,
                ),
            )
            async with _beside(_keep_telling(metrics, service.router, pools)):
                yield App(service=service, http=http, errors=errors)
    finally:
        metrics.write()


class _Closable(Protocol):
    async def open(self) -> None: ...

    async def close(self) -> None: ...


T = TypeVar("T", bound=_Closable)


@asynccontextmanager
async def _opened(thing: T, *forgiven: type[Exception]) -> AsyncIterator[T]:
    """Opened until it is left; after a failure that is forgiven, whoever needs it tries again."""
    with contextlib.suppress(*forgiven):
        await thing.open()
    try:
        yield thing
    finally:
        await thing.close()


# ── The service ──────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def _limits_store(
    runtime: Runtime, metrics: Metrics, clock: Clock, recent: Recent
) -> AsyncIterator[tuple[SqliteLedger | OutageLedger, Budgets]]:
    """Where people's and providers' limits are kept."""
    if not is_server(runtime.ledger):
        cache = runtime.settings.caches.user_quota
        file = SqliteLedger(
            runtime.ledger,
            clock=clock,
            cache_books=cache.max_size,
            cache_ms=int(cache.ttl_s * 1000),
            notice=metrics.count_books,
        )
        async with _opened(file, StoreUnavailable):
            yield file, SqliteBudgets(file)
        return
    on_outage = runtime.settings.store.on_ledger_outage
    server = RedisLedger(runtime.ledger, cache_denials=runtime.settings.caches.user_quota.max_size)
    pricing = _pricing(runtime.settings)
    ledger = OutageLedger(
        RestoredLedger(server, recent, clock=clock),
        on_outage=on_outage,
        clock=clock,
        recent=recent,
        workers=runtime.settings.workers,
        strangers=(ANONYMOUS,),
        server_only=(pricing.address.kind, pricing.network.kind),
    )
    budgets = OutageBudgets(
        RedisBudgets(server), on_outage=on_outage, clock=clock, shares=lambda: ledger.workers
    )
    async with _opened(ledger, StoreUnavailable):
        await budgets.open()
        try:
            yield ledger, budgets
        finally:
            await budgets.shut()


def _service(
    runtime: Runtime,
    clock: Clock,
    *,
    identify: Identify,
    session_of: SessionOf,
    ledger: Ledger,
    router: Router,
    listeners: Sequence[Listener],
    prompts: Prompts,
) -> Service:
    settings = runtime.settings
    return Service(
        identify=identify,
        session_of=session_of,
        content=_content(settings),
        ledger=ledger,
        router=router,
        listeners=listeners,
        clock=clock,
        counts_whole_prompt=settings.accounting.tokens_counted == "total",
        prompts=prompts,
    )


class _Shared(Protocol):
    """What is known of what other workers were told."""

    async def refresh(self) -> None: ...

    async def keep_fresh(self) -> None: ...


@asynccontextmanager
async def _fresh(known: _Shared) -> AsyncIterator[None]:
    """Known from the start, where the store is there, and kept fresh until left."""
    with contextlib.suppress(StoreUnavailable):  # it is tried again
        await known.refresh()
    async with _beside(known.keep_fresh()):
        yield


@asynccontextmanager
async def _beside(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Have something done beside, until left."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()


@asynccontextmanager
async def _taste(
    settings: Settings, ratings: Ratings, prompts: Prompts, metrics: Metrics, clock: Clock
) -> AsyncIterator[Feedback]:
    """What people think of models; until it is left, what they tell other workers is read."""
    cache = settings.caches.user_preferences
    feedback = Feedback(
        ratings=ratings,
        qualities=Qualities(),
        preferences=Preferences(
            int(cache.ttl_s * 1000), cache.max_size, notice=metrics.count_preferences
        ),
        clock=clock,
        prompts=prompts,
    )
    async with _fresh(feedback):
        yield feedback


def _router(
    settings: Settings,
    catalogue: Catalogue,
    *,
    budgets: Budgets,
    feedback: Feedback,
    metrics: Metrics,
    clock: Clock,
) -> Router:
    routing, caches = settings.routing, settings.caches
    qualities, preferences = feedback.qualities, feedback.preferences
    spending = Spending(
        budgets,
        clock,
        pro_share=int(settings.tiers.pro.daily_budget_share * WHOLE),
        ttl_ms=int(caches.model_health.ttl_s * 1000),
        max_size=caches.model_health.max_size,
        notice=metrics.count_model_health,
        retire=catalogue.retire,
    )
    attempts = Attempts(
        spending=spending,
        learning=Learning(ModelHealth(), qualities, is_alone=len(catalogue) < 2),
        patience=Patience(
            attempts=routing.attempts,
            first_token_s=routing.first_token_timeout_s,
            idle_s=routing.idle_timeout_s,
            queue_s=routing.queue_wait_s,
            hedge=routing.hedge,
        ),
        queue=Queue(),
        retries=Retries(),
        clock=clock,
    )
    answers = Answers(
        attempts,
        catalogue=catalogue,
        preferences=preferences,
        clock=clock,
        ttl_ms=int(caches.answers.ttl_s * 1000),
        max_size=caches.answers.max_size,
        shared=caches.answers.shared,
    )
    return Router(
        catalogue=catalogue,
        ranking=Ranking(qualities, clock, spending.spare),
        preferences=preferences,
        attempts=attempts,
        answers=answers if caches.answers.ttl_s else None,
        clock=clock,
    )


# ── People ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """What there is to do about being somebody."""

    callers: Callers
    sessions: Sessions
    accounts: Accounts
    store: SqlAccounts
    known: KnownKeys
    revocations: Revocations
    identifier: Identifier
    limits: Limits
    keyring: Keyring
    once: Once


@asynccontextmanager
async def _people(
    runtime: Runtime, ledger: SqliteLedger | OutageLedger, store: SqlAccounts, clock: Clock
) -> AsyncIterator[People]:
    settings = runtime.settings
    keyring = Keyring(runtime.secret)
    known, revocations = KnownKeys(clock), Revocations(store, clock)
    limits = _limits(settings)
    identifier = Identifier(limits, keyring, clock, revocations.__contains__)
    async with _fresh(revocations), Outbox(_mailer(settings)) as outbox:
        yield People(
            callers=Callers(identifier, store, known, clock),
            sessions=Sessions(
                keyring=keyring,
                mint=Mint(keyring),
                puzzles=Puzzles(keyring, clock),
                pricing=_pricing(settings),
                ledger=ledger,
                once=ledger,
                accounts=store,
                clock=clock,
            ),
            accounts=Accounts(
                keyring=keyring,
                known=known,
                ledger=ledger,
                store=store,
                mailer=outbox,
                mail_limits=MailLimits(
                    mailbox=mail_policy("mailbox"),
                    address=mail_policy("address"),
                    network=mail_policy("network"),
                ),
                disposable=read_domains(DISPOSABLE.read_text("utf-8")),
                public_url=runtime.public_url,
                clock=clock,
            ),
            store=store,
            known=known,
            revocations=revocations,
            identifier=identifier,
            limits=limits,
            keyring=keyring,
            once=ledger,
        )


def _mailer(settings: Settings) -> Mailer:
    url, sender = settings.mail.url.reveal(), settings.mail.sender
    if url == "console" or sender is None:
        return ConsoleMailer()
    return SmtpMailer(mail_server(url), sender)


def _pricing(settings: Settings) -> Pricing:
    of_address = settings.addresses.identities_per_day
    of_network = settings.networks.identities_per_day
    return Pricing(
        mode=settings.identity.proof_of_work,
        address=mint_policy("address", of_address),
        network=mint_policy("network", of_network),
        address_most=of_address,
        network_most=of_network,
    )


def _limits(settings: Settings) -> Limits:
    tiers, addresses, networks = settings.tiers, settings.addresses, settings.networks
    return Limits(
        tiers={
            ANONYMOUS: _free_tier(ANONYMOUS, tiers.anonymous),
            REGISTERED: _free_tier(REGISTERED, tiers.registered),
            PRO: _pro_tier(tiers.pro),
        },
        address=address_policy(
            per_minute=addresses.requests_per_minute,
            per_hour=addresses.requests_per_hour,
            per_day=addresses.requests_per_day,
            users_per_hour=addresses.users_per_hour,
        ),
        network=network_policy(
            per_hour=networks.requests_per_hour, per_day=networks.requests_per_day
        ),
        session=session_policy(settings.content.max_requests_per_session),
    )


def _content(settings: Settings) -> ContentRules:
    words = settings.content.blocked_keywords
    return ContentRules(
        most_chars=settings.content.max_prompt_chars,
        denied=[word.word for word in words if word.action == "deny"],
        flagged=[word.word for word in words if word.action == "flag"],
    )


def _free_tier(name: str, tier: FreeTier) -> Tier:
    return Tier(
        name=name,
        policy=tier_policy(
            name,
            requests_per_hour=tier.requests_per_hour,
            requests_per_day=tier.requests_per_day,
            tokens_per_day=tier.tokens_per_day,
            concurrent=tier.concurrent,
        ),
        max_output_tokens=tier.max_output_tokens or UNBOUNDED_TOKENS,
        default_output_tokens=tier.default_output_tokens,
        context_tokens=tier.context_tokens or UNBOUNDED_TOKENS,
    )


def _pro_tier(tier: ProTier) -> Tier:
    return Tier(
        name=PRO,
        policy=tier_policy(
            PRO,
            requests_per_hour=None,
            requests_per_day=None,
            tokens_per_day=None,
            concurrent=tier.concurrent,
        ),
        max_output_tokens=UNBOUNDED_TOKENS,
        default_output_tokens=PRO_OUTPUT_TOKENS,
        context_tokens=tier.context_tokens or UNBOUNDED_TOKENS,
    )


# ── Offers ───────────────────────────────────────────────────────────────────────────────────


def _prompts(once: Once, clock: Clock) -> Prompts:
    return Prompts(once, clock, tiers=(ANONYMOUS, REGISTERED))


def _offers(
    runtime: Runtime,
    service: Service,
    *,
    people: People,
    ledger: SqliteLedger | OutageLedger,
    stores: tuple[UsageLog, Funnel],
    feedback: Feedback,
    metrics: Metrics,
) -> Offers:
    offer, texts = runtime.settings.offer, runtime.settings.texts
    usage_log, funnel = stores
    assert service.prompts is not None
    return Offers(
        callers=people.callers,
        service=service,
        usage_log=usage_log,
        funnel=funnel,
        ledger=ledger,
        once=ledger,
        keyring=Keyring(runtime.secret),
        limits=PostLimits(
            leads=(post_policy("leads", "address"), post_policy("leads", "network")),
            events=(post_policy("events", "address"), post_policy("events", "network")),
        ),
        prompts=service.prompts,
        messages=Messages(
            Texts(**msgspec.structs.asdict(texts)), promotion=offer.first_month_percent
        ),
        rates=Rates(
            currency=offer.currency,
            base=offer.base_price,
            near_limit=offer.near_limit_percent,
            high_usage=offer.high_usage_percent,
            referral=offer.referral_percent,
            first_month=offer.first_month_percent,
            annual=offer.annual_percent,
        ),
        pro_models=offer.pro_models,
        better_models=texts.better_models,
        is_let_down=feedback.preferences.is_let_down,
        count_prompt=metrics.count_prompt,
        count_conversion=metrics.count_conversion,
        clock=service.clock,
    )


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────


def _http(
    runtime: Runtime,
    service: Service,
    *,
    people: People,
    feedback: Feedback,
    usage_log: UsageLog,
    traffic: Traffic,
    offers: Offers,
    errors: ErrorWriter,
    operations: Operations,
) -> Guard:
    settings = runtime.settings
    trusted = settings.server.trusted_proxies

    @lru_cache(1)
    def warn_of_proxy() -> None:
        log.warning(
            "requests carry X-Forwarded-For, but come from a peer that is not trusted: their "
            "address counts as the caller's. If it is your proxy, name it in "
            "server.trusted_proxies."
        )

    def told(peer: str, forwarded: str) -> str:
        if forwarded and not is_trusted(peer, trusted):
            warn_of_proxy()
        return honest_address(peer, forwarded, trusted)

    known = lru_cache(KNOWN_ADDRESSES)(told)

    def honest(peer: str, forwarded: str) -> str:
        # What strangers write is remembered only where it is as short as it should be.
        return (known if len(forwarded) <= MOST_FORWARDED_CHARS else told)(peer, forwarded)

    def is_valid(token: str, address: str) -> bool:
        return people.identifier.minted(token, address) is not None

    visitors = Visitors(honest, Cookies(runtime.public_url, is_valid))
    intake = Intake(
        errors=errors,
        visitors=visitors,
        callers=people.callers,
        body_timeout_s=settings.server.body_timeout_s,
    )
    own_data = OwnData(
        accounts=people.store,
        known=people.known,
        revocations=people.revocations,
        forget_answers=service.router.forget,
    )
    own_usage = OwnUsage(
        callers=people.callers, service=service, usage_log=usage_log, clock=service.clock
    )
    proxied = Proxied(
        service=service,
        callers=people.callers,
        limits=people.limits,
        once=people.once,
        seal=Seal(people.keyring, "grant"),
    )
    completions = Completions(
        service=service,
        errors=errors,
        visitors=visitors,
        body_limits=BodyLimits(settings.server.max_body_bytes, settings.server.body_timeout_s),
        hold_headers_s=settings.routing.hold_headers_s,
        draining=operations.draining,
    )
    assets = read_assets()
    frame = open_frame(
        assets,
        runtime.public_url,
        __version__,
        texts=offers.messages.displayed(),
        status_of=status_of,
    )
    http = build_http(
        completions=completions,
        routes=[
            *free_routes(service, errors, visitors, _account_gives(runtime)),
            *desktop_routes(intake, service, runtime.public_url, __version__),
            *llms_text(runtime.public_url),
            *session_routes(intake, people.sessions, service.clock),
            *account_routes(intake, people.accounts, own_data),
            *feedback_routes(intake, feedback),
            *usage_routes(intake, own_usage),
            *hook_routes(intake, proxied, honest, operations.operator_token),
            *offer_routes(intake, offers),
            *operations_routes(operations, errors),
            *admin_routes(service.router, errors, operator_token=operations.operator_token),
            *reference_routes(),
            *static_routes(assets),
            *_pages(
                frame,
                service,
                settings=settings,
                people=people,
                feedback=feedback,
                traffic=traffic,
                offers=offers,
                own_usage=own_usage,
                own_data=own_data,
                visitors=visitors,
            ),
        ],
        errors=errors,
        lost=partial(lost_page, frame),
        version=__version__,
    )
    return Guard(http, errors=errors, own_hosts=_own_hosts(runtime))


def _pages(
    frame: Frame,
    service: Service,
    *,
    settings: Settings,
    people: People,
    feedback: Feedback,
    traffic: Traffic,
    offers: Offers,
    own_usage: OwnUsage,
    own_data: OwnData,
    visitors: Visitors,
) -> list[HTTPRouteHandler]:
    """What people see."""
    visits = _visits(visitors)
    asking = Asking(service=service, sessions=people.sessions, visits=visits)
    conditions = Conditions(traffic=traffic, catalogue=service.catalogue, clock=service.clock)
    tiers = _limits(settings).tiers
    most_chars = settings.content.max_prompt_chars
    uplift = settings.tiers.registered.requests_per_day
    return [
        *welcome_pages(frame, asking, offers, conditions, most_chars=most_chars, uplift=uplift),
        *usage_pages(frame, own_usage, own_data, people.callers, visits, uplift=uplift),
        *upgrade_pages(frame, offers, visits, tiers),
        *connect_pages(frame, visits, asking),
        *status_pages(frame, conditions),
        *privacy_pages(frame, service),
        *sign_up_pages(frame, people.accounts, visits, tiers),
        *verify_pages(frame, people.accounts),
        *opinion_pages(frame, people.callers, feedback, visits),
        *reference_pages(
            frame,
            lambda app: description(app)(),
            {code: status for code, (status, _, _) in TABLE.items()},
        ),
    ]


def _visits(visitors: Visitors) -> Visits:
    """What pages may know of a request, in their own terms."""
    cookies = visitors.cookies
    return Visits(
        visitor=lambda request: visitors.of(request.scope, headers_of(request.scope)),
        is_own=lambda request: cookies.is_own(headers_of(request.scope)),
        is_known=lambda request: cookies.is_shown(headers_of(request.scope)),
        give=lambda request, token: cookies.give(request.scope, headers_of(request.scope), token),
        rid=lambda request: rid_of(request.scope),
    )


def _account_gives(runtime: Runtime) -> Uplift:
    """What an account gives here."""
    tier = runtime.settings.tiers.registered
    return Uplift(
        tier=REGISTERED,
        requests_per_hour=tier.requests_per_hour,
        requests_per_day=tier.requests_per_day,
        tokens_per_day=tier.tokens_per_day,
        url=f"{runtime.public_url}/sign-up",
    )


def _own_hosts(runtime: Runtime) -> list[str] | None:
    """The names that are ours on a server that only this machine reaches; None: any name."""
    if not is_loopback(runtime.settings.server.host):
        return None
    return [urlsplit(runtime.public_url).hostname or ""]


async def _store_health(ledger: SqliteLedger | OutageLedger) -> Health:
    if isinstance(ledger, OutageLedger):
        return await ledger.health()
    try:
        await ledger.peek(_NOBODY)
    except StoreUnavailable:
        return "unavailable"
    return "ok"


_NOBODY: Final = Subject(bytes(16), Policy("nobody", ()))


async def _model_ready(runtime: Runtime, service: Service, session: Session) -> bool:
    """Whether somebody could answer; a local model alone is asked whether it has woken up."""
    models = service.models()
    if any(model.provider != "local" and _may_answer(model) for model in models):
        return True
    if runtime.local is None or all(model.provider != "local" for model in models):
        return False
    url = runtime.local.base_url.removesuffix("/v1") + "/health"
    try:
        async with asyncio.timeout(1), session.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, OSError):
        return False


def _may_answer(model: Model) -> bool:
    """Whether there is anybody to ask: of a pool of proxies that is known."""
    return not (isinstance(model.backend, PooledModel) and model.backend.is_down)


Pools: TypeAlias = Mapping[str, ProxyPool]


def _instances(pools: Pools) -> Iterator[tuple[str, str, bool, int]]:
    for name, pool in pools.items():
        for state in pool.states:
            yield name, state.root, state.serves, state.calls


def _known(router: Router) -> Iterator[tuple[str, float, int]]:
    for state in router.states():
        yield state.model.id, state.success, state.priority


async def _keep_telling(metrics: Metrics, router: Router, pools: Pools) -> None:
    """Let the other workers know how models and proxies stand."""
    while True:
        metrics.note_models(_known(router))
        metrics.note_instances(_instances(pools))
        await asyncio.sleep(STATES_S)


async def _metrics(
    runtime: Runtime,
    metrics: Metrics,
    router: Router,
    *,
    pools: Pools,
    qualities: Qualities,
    clock: Clock,
) -> tuple[bytes, str]:
    liked = qualities.satisfaction
    metrics.note_models(_known(router))
    metrics.note_instances(_instances(pools))
    left_today: Mapping[str, int] = {}
    with contextlib.suppress(StoreUnavailable):
        left_today = await router.left_today()
    if is_server(runtime.ledger):  # nobody can count its books without reading all of them
        return metrics.exposition({}, left_today, liked)
    active = await asyncio.to_thread(count_active, runtime.ledger, clock() - HOUR_MS)
    return metrics.exposition({tier: active.get(tier, 0) for tier in TIERS}, left_today, liked)
