"""The settings tree: every key, its type and its default.

Units are part of the names (`_s` seconds, `_bytes`, `_tokens`). None stands for a limit that was
lifted, or for something that was not given. How a value is written is `form`'s matter.
"""

import datetime
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from scalix_free.settings import texts
from scalix_free.settings.form import Form
from scalix_free.settings.secret import Secret, SecretUrl

Count = Annotated[int, Meta(ge=1), Form(wanted="a whole number of at least 1")]
Age = Annotated[int, Meta(ge=0), Form(wanted="a whole number of at least 0")]
Port = Annotated[int, Meta(ge=0, le=65535), Form(wanted="a whole number from 0 to 65535")]
Limit = Annotated[
    Annotated[int, Meta(ge=1)] | None,
    Form(wanted='a whole number of at least 1 or "unlimited"', nothing="unlimited"),
]
Seconds = Annotated[float, Meta(gt=0), Form(wanted="a number of seconds above 0")]
Wait = Annotated[float, Meta(ge=0), Form(wanted="a number of seconds of at least 0")]
Share = Annotated[float, Meta(ge=0, le=1), Form(wanted="a number from 0 to 1")]

Percent = Annotated[int, Meta(ge=0, le=100), Form(wanted="a whole number of percent from 0 to 100")]
Money = Annotated[Decimal, Form(wanted='an amount such as "29.99"', read=texts.money)]

Text = Annotated[str, Meta(min_length=1), Form(wanted="text that is not empty")]
Name = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_.-]+$"), Form(wanted="letters, digits, and any of . _ -")
]
# Ids travel in response headers.
Id = Annotated[str, Meta(pattern=r"^[!-~]+$"), Form(wanted="visible ASCII without spaces")]
HttpUrl = Annotated[str, Form(wanted="an http:// or https:// URL", read=texts.http_url)]

SecretText = Annotated[Secret | None, Form(wanted="text", nothing="", secret=True, read=Secret)]

Ability = Literal["tools", "json", "images"]


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the service listens and whom it believes.

    port: 0 lets the system choose one.
    public_url: an origin. Follows host and port unless it is written; ends in `:0` only where the
        port is still to be chosen.
    secret: None: to be generated into the data directory.
    operator_token: None: operators come from loopback only.
    """

    host: Annotated[
        str, Form(wanted="an address or a host name without a port", read=texts.host)
    ] = "127.0.0.1"
    port: Port = 3001
    public_url: Annotated[
        str, Form(wanted="an http:// or https:// URL without a path", read=texts.origin)
    ] = "http://127.0.0.1:3001"
    trusted_proxies: tuple[
        Annotated[
            IPv4Network | IPv6Network,
            Form(wanted='a CIDR such as "10.0.0.0/8"', read=texts.network),
        ],
        ...,
    ] = ()
    secret: Annotated[
        Secret | None,
        Form(
            wanted="text", nothing="", secret=True, read=Secret, reference="env:SCALIX_FREE_SECRET"
        ),
    ] = None
    operator_token: SecretText = None
    max_body_bytes: Count = 1_048_576
    header_timeout_s: Seconds = 10.0
    body_timeout_s: Seconds = 20.0


class Store(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where things are remembered: `sqlite`, or the URL of a server."""

    ledger: Annotated[
        SecretUrl,
        Form(wanted='"sqlite" or a redis:// or rediss:// URL', secret=True, read=texts.ledger),
    ] = SecretUrl("sqlite")
    database: Annotated[
        SecretUrl,
        Form(wanted='"sqlite" or a postgresql:// URL', secret=True, read=texts.database),
    ] = SecretUrl("sqlite")
    on_ledger_outage: Literal["degrade", "deny", "allow"] = "degrade"


class FreeTier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller of a free tier may have. None: no such limit.

    max_output_tokens: ceiling for what a caller asks.
    default_output_tokens: when the caller names none; never above the ceiling.
    """

    requests_per_hour: Limit = 5
    requests_per_day: Limit = 20
    tokens_per_day: Limit = 5000
    concurrent: Limit = 2
    max_output_tokens: Limit = 2048
    default_output_tokens: Count = 1024
    context_tokens: Limit = 32_768


class ProTier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a paying caller may have; requests and tokens have no limit.

    daily_budget_share: of each free account's day, 0 to 1.
    """

    daily_budget_share: Share = 0.5
    concurrent: Limit = 10
    context_tokens: Limit = 1_048_576


class Tiers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tiers by name."""

    anonymous: FreeTier = FreeTier()
    registered: FreeTier = FreeTier(
        requests_per_hour=10, requests_per_day=50, tokens_per_day=10_000, max_output_tokens=4096
    )
    pro: ProTier = ProTier()


class Addresses(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one address: an IPv4 /32 or an IPv6 /64. None: no such limit."""

    requests_per_minute: Limit = 30
    requests_per_hour: Limit = 100
    requests_per_day: Limit = 200
    users_per_hour: Limit = 50
    identities_per_day: Limit = 6


class Networks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one network: an IPv4 /24 or an IPv6 /48. None: no such limit."""

    requests_per_hour: Limit = 300
    requests_per_day: Limit = 1000
    identities_per_day: Limit = 30


class Keyword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole word of the newest user message, and what follows from it."""

    word: Text
    action: Literal["deny", "flag"] = "deny"


class Content(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be asked.

    max_prompt_chars: of the newest user message's text.
    max_requests_per_session: not for pro.
    """

    max_prompt_chars: Limit = 10_000
    blocked_keywords: tuple[
        Annotated[
            Keyword, Form(wanted='text or a table {word = "…", action = "…"}', shorthand="word")
        ],
        ...,
    ] = (Keyword(word="malicious"), Keyword(word="harmful"), Keyword(word="illegal"))
    max_requests_per_session: Limit = 100


class Cache(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cache's time to live in seconds, and its size in entries."""

    ttl_s: Seconds
    max_size: Count


class AnswerCache(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answers that were given before.

    ttl_s: 0: none are kept, and each request is asked by itself. shared: among callers.
    """

    ttl_s: Wait = 300.0
    max_size: Count = 1_000
    shared: bool = False


class Caches(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The caches by name."""

    user_quota: Cache = Cache(ttl_s=300.0, max_size=10_000)
    model_health: Cache = Cache(ttl_s=60.0, max_size=100)
    user_preferences: Cache = Cache(ttl_s=3600.0, max_size=5000)
    answers: AnswerCache = AnswerCache()


class ProviderLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a provider allows an account, or one model of it. None: not known.

    rpm, rpd: requests a minute and a day. tpm, tpd: tokens. concurrent: calls at once.
    """

    rpm: Count | None = None
    rpd: Count | None = None
    tpm: Count | None = None
    tpd: Count | None = None
    concurrent: Count | None = None


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model of a provider.

    id: ours, unique; model: the provider's. priority: 1 is asked first.
    fallbacks: ids tried first after this one.
    abilities: None: not known, so assumed.
    reasoning: it thinks in hidden tokens, for which reasoning_allowance_tokens come on top of the
        caller's cap; None: the router's own figure.
    """

    id: Id
    model: Text
    priority: Count = 100
    context_tokens: Count | None = None
    max_output_tokens: Count | None = None
    limits: ProviderLimits = ProviderLimits()
    fallbacks: tuple[Id, ...] = ()
    abilities: tuple[Ability, ...] | None = None
    reasoning: bool = False
    reasoning_allowance_tokens: Count | None = None


Kind = Literal["openai", "litellm", "litellm-proxy", "llama"]
Balance = Literal["least-connections", "round-robin"]
HealthPath = Annotated[
    str, Form(wanted='a path such as "/health/liveliness"', read=texts.health_path)
]
HEALTH_PATH = "/health/liveliness"
HEALTH_INTERVAL_S = 5.0


class Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account with somebody who runs models.

    base_url: without a final `/`; None leaves it to the shipped catalogue, or to LiteLLM.
    base_urls: roots of LiteLLM proxies, several instances of one. health_path: is answered with 200
    where an instance is well; balance: who of them is asked. api_key: None: none is sent.
    limits: shared by all models. reset: IANA zone of the provider's day, or `rolling`.
    """

    name: Name
    kind: Kind = "openai"
    base_url: HttpUrl | None = None
    base_urls: tuple[
        Annotated[str, Form(wanted="an http:// or https:// URL", read=texts.proxy_root)], ...
    ] = ()
    balance: Balance = "least-connections"
    health_path: HealthPath = HEALTH_PATH
    health_interval_s: Seconds = HEALTH_INTERVAL_S
    api_key: SecretText = None
    free: bool = True
    enabled: bool = True
    limits: ProviderLimits = ProviderLimits()
    reset: Annotated[
        str, Form(wanted='a time zone such as "America/Los_Angeles", or "rolling"', read=texts.zone)
    ] = "UTC"
    models: tuple[Model, ...] = ()


class Identity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a new identity costs its owner."""

    proof_of_work: Literal["auto", "always", "never"] = "auto"


class Local(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model in this machine. model_path: a GGUF file; None: the demonstration model."""

    use: Literal["when-alone", "last-resort", "never"] = "when-alone"
    model_path: Annotated[
        Path | None, Form(wanted="the path of a GGUF file", nothing="", read=texts.path)
    ] = None


class Routing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How patiently an answer is looked for.

    attempts: upstream calls one request may use.
    hold_headers_s: how long status and headers wait for the first content of a stream.
    hedge: whether the next model is asked beside one whose first token is late.
    """

    attempts: Count = 3
    first_token_timeout_s: Seconds = 20.0
    idle_timeout_s: Seconds = 30.0
    queue_wait_s: Wait = 8.0
    hold_headers_s: Wait = 10.0
    hedge: bool = False


class Accounting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts as used: `total`, prompt and completion; `new`, newest message and completion."""

    tokens_counted: Literal["total", "new"] = "total"


class Mail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where mail goes, `console` or the URL of a server, and from whom (key `from`)."""

    url: Annotated[
        SecretUrl,
        Form(wanted='"console" or an smtp:// or smtps:// URL', secret=True, read=texts.mail_server),
    ] = SecretUrl("console")
    sender: Annotated[
        Annotated[str, Meta(pattern="@")] | None, Form(wanted="a mail address", nothing="")
    ] = msgspec.field(name="from", default=None)


class Abuse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether what looks like abuse is acted upon."""

    mode: Literal["enforce", "shadow", "off"] = "enforce"


class Payments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stripe. Without a key the upgrade page collects leads."""

    stripe_api_key: Annotated[
        Secret | None,
        Form(wanted="text", nothing="", secret=True, read=Secret, reference="env:STRIPE_API_KEY"),
    ] = None
    stripe_webhook_secret: Annotated[
        Secret | None,
        Form(
            wanted="text",
            nothing="",
            secret=True,
            read=Secret,
            reference="env:STRIPE_WEBHOOK_SECRET",
        ),
    ] = None
    stripe_api_base: Annotated[
        str | None, Form(wanted="an http:// or https:// URL", nothing="", read=texts.http_url)
    ] = None


class Refusals(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How limits that last longer than a minute are told to clients.

    always_retry_after: in `Retry-After`, too. payment_required: as 402 instead of 429.
    """

    always_retry_after: bool = False
    payment_required: bool = False


class Offer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What Pro costs, and who pays less. Percentages are taken off; 0: there is no such discount.

    currency: an ISO 4217 code. base_price: of a month. pro_models: what the texts call the models
        of Pro by, as long as the catalogue has them.
    """

    currency: Annotated[
        Annotated[str, Meta(pattern="^[A-Z]{3}$")], Form(wanted='a currency code such as "USD"')
    ] = "USD"
    base_price: Money = Decimal("29.99")
    near_limit_percent: Percent = 10
    high_usage_percent: Percent = 15
    referral_percent: Percent = 20
    first_month_percent: Percent = 50
    annual_percent: Percent = 20
    pro_models: tuple[Text, ...] = ("GPT-4", "Claude 3.5", "Gemini Pro")


class Texts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What people are told when they are offered more.

    `{percent}` stands for the first month's discount, `{models}` for the models of Pro.
    """

    first_request: Text = "Welcome! Try Scalix Free"
    near_limit: Text = "Almost out of free requests"
    at_limit: Text = "Upgrade to continue using Scalix"
    quality_issue: Text = "Get better responses with Pro"
    limit_exceeded: Text = "Upgrade to continue your coding session"
    limit_exceeded_action: Text = "Upgrade Now"
    limit_exceeded_promotion: Text = "{percent}% Off First Month"
    quality_upgrade: Text = "Get access to {models}"
    quality_upgrade_action: Text = "Upgrade for Better AI"
    better_models: Text = "better models"
    feature_upgrade: Text = "Unlock advanced features like file operations and smart context"
    feature_upgrade_action: Text = "Upgrade to Pro"
    notice: Text = "This price was set by an algorithm using your personal data."


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which providers of the catalogue suit the operator and the people served.

    end_user_regions: ISO country codes served. min_age: of the people served, in years.
    """

    allow_training_on_prompts: bool = True
    allow_evaluation_only: bool = False
    allow_no_resale_for_pro: bool = False
    end_user_regions: tuple[
        Annotated[str, Form(wanted='an ISO country code such as "DE"', read=texts.country)], ...
    ] = ()
    min_age: Age = 18


# ── What follows from them and from the shipped catalogue ────────────────────────────────────


S = TypeVar("S", bound=msgspec.Struct)


def laid_over(own: S, other: S) -> S:
    """What the one says, and what it leaves open, being None, as the other has it."""
    said = {
        name: value for name in own.__struct_fields__ if (value := getattr(own, name)) is not None
    }
    return msgspec.structs.replace(other, **said)


class Terms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider's terms, as others read them. None: nobody said.

    blocked_regions: ISO country codes, and `EEA`, whose end users may not be served. min_age: of
    end users, in years. says: the reading in a sentence.
    """

    trains_on_prompts: bool | None = None
    human_review: bool | None = None
    evaluation_only: bool | None = None
    no_resale: bool | None = None
    blocked_regions: tuple[str, ...] | None = None
    min_age: int | None = None
    public_service: (
        Literal["yes", "conditional", "restricted", "ambiguous", "unclear", "no"] | None
    ) = None
    says: str | None = None

    def over(self, other: "Terms") -> "Terms":
        """These terms, and what they leave open as the others have it."""
        return laid_over(self, other)


Class = Literal["high", "medium", "low"]
Fit = Literal["coding", "general", "reasoning"]
Status = Literal["live", "preview", "restricted", "trial", "alias", "paid", "gone"]
CALLED: tuple[Status, ...] = ("live", "preview", "restricted", "trial")
AVERAGE_QUALITY = 600


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the catalogue as it holds here.

    firm: whether `limits` are the operator's. quality: thousandths. grade: its class.
    retires: the first day on which it is gone, by UTC. left_out: why the policy bars it, or "".
    listed: whether the provider's own list names it, so that its absence there means something.
    """

    id: str
    model: str
    priority: int = 100
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    limits: ProviderLimits = ProviderLimits()
    firm: bool = True
    fallbacks: tuple[str, ...] = ()
    abilities: tuple[Ability, ...] | None = None
    reasoning: bool = False
    reasoning_allowance_tokens: int | None = None
    quality: int = AVERAGE_QUALITY
    grade: Class | None = None
    fit: tuple[Fit, ...] = ()
    status: Status = "live"
    retires: datetime.date | None = None
    successor: str | None = None
    listed: bool = True
    terms: Terms = Terms()
    left_out: str = ""

    @property
    def is_called(self) -> bool:
        """Whether it may be asked anything, until it retires."""
        return self.status in CALLED and not self.left_out

    def has_retired(self, today: datetime.date) -> bool:
        """Whether its last day is over."""
        return self.retires is not None and self.retires <= today


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """Several instances of LiteLLM's proxy, as the provider of this name; see `Provider`."""

    name: str
    roots: tuple[str, ...]
    balance: Balance = "least-connections"
    health_path: str = HEALTH_PATH
    health_interval_s: float = HEALTH_INTERVAL_S


class ProviderEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An account of the catalogue as it holds here: an operator's, or a shipped one.

    kind: how it is asked. base_url: "" leaves it to LiteLLM.
    missing: variables that have to be set to switch it on. off: why it is off, or "".
    vendor_terms: terms of models by how their names begin. discovers: whether it has a list of
    free models that is read while the service runs. pool: who is asked in place of `base_url`;
    without models it has those that the proxies name.
    """

    name: str
    label: str
    shipped: bool
    kind: Kind = "openai"
    base_url: str
    api_key: Secret | None = None
    limits: ProviderLimits = ProviderLimits()
    firm: bool = True
    reset: str = "UTC"
    counts_answers: bool = True
    terms: Terms = Terms()
    vendor_terms: tuple[tuple[str, Terms], ...] = ()
    discovers: bool = False
    pool: Pool | None = None
    missing: tuple[str, ...] = ()
    off: str = ""
    models: tuple[ModelEntry, ...] = ()

    @property
    def serves(self) -> tuple[ModelEntry, ...]:
        """The models that may be asked."""
        return () if self.off else tuple(model for model in self.models if model.is_called)

    @property
    def asks_proxies(self) -> bool:
        """Whether its models are those that its proxies name, once they were asked."""
        return self.pool is not None and not self.models and not self.off

    @property
    def is_open(self) -> bool:
        """Whether it has models that may be asked, now or once its proxies have named them."""
        return self.asks_proxies or bool(self.serves)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an operator decides.

    data_dir and workers come from the command line and the environment, not from the file.
    catalogue: what follows from `providers`, `policy`, the variables of keys and the shipped
    catalogue; an operator's own providers come first.
    """

    data_dir: Annotated[Path, Form(outside=True)] = Path("data")
    workers: Annotated[int, Form(outside=True)] = 1
    catalogue: Annotated[tuple[ProviderEntry, ...], Form(outside=True)] = ()
    server: Server = Server()
    store: Store = Store()
    tiers: Tiers = Tiers()
    addresses: Addresses = Addresses()
    networks: Networks = Networks()
    content: Content = Content()
    caches: Caches = Caches()
    providers: tuple[Provider, ...] = ()
    identity: Identity = Identity()
    local: Local = Local()
    routing: Routing = Routing()
    accounting: Accounting = Accounting()
    mail: Mail = Mail()
    abuse: Abuse = Abuse()
    payments: Payments = Payments()
    refusals: Refusals = Refusals()
    offer: Offer = Offer()
    texts: Texts = Texts()
    policy: Policy = Policy()
