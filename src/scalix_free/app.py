"""Builds everything and closes everything; the only place that knows all rooms."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

import msgspec
from litestar.handlers import HTTPRouteHandler

from scalix_free import __version__
from scalix_free.admission.quotas import (
    mail_policy,
    post_policy,
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
from scalix_free.api.peers import Peers
from scalix_free.api.reference import description, reference_routes
from scalix_free.api.routes import build_http
from scalix_free.api.session import session_routes
from scalix_free.api.usage import usage_routes
from scalix_free.core.budget import WHOLE
from scalix_free.core.clock import wall_clock
from scalix_free.core.errors import StoreUnavailable
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
from scalix_free.identity.address import is_loopback
from scalix_free.identity.identify import (
    ANONYMOUS,
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
from scalix_free.lifetimes import beside, fresh, opened
from scalix_free.limits import content_of, limits_of, pricing_of
from scalix_free.mail import ConsoleMailer, Outbox, SmtpMailer, mail_server
from scalix_free.models import open_catalogue
from scalix_free.pooled import pool_plans
from scalix_free.providers.litellm_proxy import open_pools
from scalix_free.providers.openai_http import open_session
from scalix_free.routing.answers import Answers
from scalix_free.routing.attempt import Learning
from scalix_free.routing.attempts import Attempts, Patience, Retries
from scalix_free.routing.budgets import Spending
from scalix_free.routing.catalogue import Catalogue
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
    Proxied,
    Revocations,
    Service,
    SessionOf,
    Sessions,
)
from scalix_free.settings import Settings, revealed
from scalix_free.storage.accounts import SqlAccounts
from scalix_free.storage.database import Database
from scalix_free.storage.funnel import SqlFunnel
from scalix_free.storage.outage import OutageLedger
from scalix_free.storage.outage_budgets import OutageBudgets
from scalix_free.storage.ratings import SqlRatings
from scalix_free.storage.redis_budgets import RedisBudgets
from scalix_free.storage.redis_ledger import RedisLedger
from scalix_free.storage.restored import Recent, RestoredLedger
from scalix_free.storage.sqlite_budgets import SqliteBudgets
from scalix_free.storage.sqlite_ledger import SqliteLedger
from scalix_free.storage.traffic import SqlTraffic
from scalix_free.storage.usage_batches import UsageBatches
from scalix_free.storage.usage_log import SqlUsageLog
from scalix_free.telemetry import Metrics
from scalix_free.vitals import Vitals
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


DISPOSABLE: Final = files("scalix_free.identity").joinpath("disposable_domains.txt")
MOST_FORWARDED_CHARS: Final = 500


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
            opened(database),
            opened(UsageBatches(usage_log, clock=clock)) as usage,
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
            vitals = Vitals(
                runtime=runtime,
                ledger=ledger,
                router=service.router,
                qualities=feedback.qualities,
                pools=pools,
                session=session,
                metrics=metrics,
                clock=clock,
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
                    store=vitals.store,
                    model_ready=vitals.model_ready,
                    draining=draining,
                    metrics=vitals.exposition,
                    operator_token=revealed(settings.server.operator_token),
                    started_at=runtime.started_at,
                ),
            )
            async with beside(vitals.keep_telling()):
                yield App(service=service, http=http, errors=errors)
    finally:
        metrics.write()


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
        async with opened(file, StoreUnavailable):
            yield file, SqliteBudgets(file)
        return
    on_outage = runtime.settings.store.on_ledger_outage
    server = RedisLedger(runtime.ledger, cache_denials=runtime.settings.caches.user_quota.max_size)
    pricing = pricing_of(runtime.settings)
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
    async with opened(ledger, StoreUnavailable):
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
        content=content_of(settings),
        ledger=ledger,
        router=router,
        listeners=listeners,
        clock=clock,
        counts_whole_prompt=settings.accounting.tokens_counted == "total",
        prompts=prompts,
    )


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
    async with fresh(feedback):
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
    limits = limits_of(settings)
    identifier = Identifier(limits, keyring, clock, revocations.__contains__)
    async with fresh(revocations), Outbox(_mailer(settings)) as outbox:
        yield People(
            callers=Callers(identifier, store, known, clock),
            sessions=Sessions(
                keyring=keyring,
                mint=Mint(keyring),
                puzzles=Puzzles(keyring, clock),
                pricing=pricing_of(settings),
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
    peers = Peers(settings.server.trusted_proxies)

    def is_valid(token: str, address: str) -> bool:
        return people.identifier.minted(token, address) is not None

    visitors = Visitors(peers.honest, Cookies(runtime.public_url, is_valid))
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
            *hook_routes(intake, proxied, peers.honest, operations.operator_token),
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
    tiers = people.limits.tiers
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
