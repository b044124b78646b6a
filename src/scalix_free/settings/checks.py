"""What no single value shows: how the keys of a configuration have to fit together."""

from collections.abc import Collection, Iterator
from importlib.util import find_spec

from scalix_free.settings.errors import Key
from scalix_free.settings.shipped import Shipped
from scalix_free.settings.tree import (
    Addresses,
    FreeTier,
    Mail,
    Model,
    Provider,
    Server,
    Settings,
)

Complaint = tuple[Key, str]

MOST_ROWS = 1_000  # core.ledger's: larger windows are not kept row by row
OURS = "scalix-free"  # the model that is not one: the router itself


def complaints(settings: Settings, catalogue: Shipped) -> Iterator[Complaint]:
    """Yield what does not fit, as a key and what is wrong with it."""
    shipped = catalogue.by_name()
    yield from _secret(settings.server)
    yield from _tier(settings.tiers.anonymous, ("tiers", "anonymous"))
    yield from _tier(settings.tiers.registered, ("tiers", "registered"))
    yield from _mail(settings.mail)
    yield from _users(settings.addresses)
    yield from _names(settings.providers)
    for at, provider in enumerate(settings.providers):
        yield from _provider(provider, ("providers", at), is_shipped=provider.name in shipped)
    yield from _models(settings.providers, catalogue.ids())


def _secret(server: Server) -> Iterator[Complaint]:
    secret = server.secret
    if secret is not None and not all(part.strip() for part in secret.reveal().split(",")):
        yield ("server", "secret"), "is empty before or after a comma: commas part several secrets"


def _tier(tier: FreeTier, key: Key) -> Iterator[Complaint]:
    ceiling = tier.max_output_tokens
    if ceiling is not None and tier.default_output_tokens > ceiling:
        what = f"is more than max_output_tokens, which is {ceiling}"
        yield (*key, "default_output_tokens"), what


def _mail(mail: Mail) -> Iterator[Complaint]:
    if mail.url.reveal() != "console" and mail.sender is None:
        yield ("mail", "from"), "is missing: a mail server has to be told whose mail it is"


def bounds_users(addresses: Addresses) -> bool:
    """Whether a window of requests bounds what has to be remembered to count users."""
    limits = (addresses.requests_per_hour, addresses.requests_per_day)
    return any(limit is not None and limit <= MOST_ROWS for limit in limits)


def _users(addresses: Addresses) -> Iterator[Complaint]:
    if addresses.users_per_hour is not None and not bounds_users(addresses):
        what = (
            "needs requests_per_hour or requests_per_day to be at most "
            f'{MOST_ROWS:,}; or write "unlimited"'
        )
        yield ("addresses", "users_per_hour"), what


def _names(providers: tuple[Provider, ...]) -> Iterator[Complaint]:
    seen: dict[str, int] = {}
    for at, provider in enumerate(providers):
        first = seen.setdefault(provider.name, at)
        if first != at:
            what = f'"{provider.name}" is the name of providers[{first}] already'
            yield ("providers", at, "name"), what


def _provider(provider: Provider, key: Key, *, is_shipped: bool) -> Iterator[Complaint]:
    is_pool = provider.kind == "litellm-proxy"
    if provider.base_urls and not is_pool:
        yield (*key, "base_urls"), 'is for kind = "litellm-proxy"; write base_url'
    if provider.base_url is not None and is_pool:
        yield (*key, "base_url"), 'kind = "litellm-proxy" takes base_urls, a list'
    if not provider.enabled:
        return  # a row that only switches one of the catalogue off
    if provider.kind == "litellm":
        yield from _litellm(provider, key)
    if is_pool:
        yield from _pool(provider, key, is_shipped=is_shipped)
    if is_shipped:
        return  # the catalogue says the rest
    if provider.kind == "openai" and provider.base_url is None:
        yield (*key, "base_url"), 'is missing: kind = "openai" needs one'
    if provider.kind == "openai" and not provider.models:
        yield (
            (*key, "models"),
            'is missing: kind = "openai" needs at least one [[providers.models]]',
        )


def _litellm(provider: Provider, key: Key) -> Iterator[Complaint]:
    if find_spec("litellm") is None:
        yield (*key, "kind"), "needs an extra: pip install 'scalix-free[litellm]'"
    if not provider.models:
        yield (
            (*key, "models"),
            'is missing: kind = "litellm" needs at least one [[providers.models]]',
        )
    for at, model in enumerate(provider.models):
        if not all(model.model.partition("/")):
            what = 'is no model of LiteLLM: it begins with its provider, as in "groq/llama-3.3-70b"'
            yield (*key, "models", at, "model"), what


def _pool(provider: Provider, key: Key, *, is_shipped: bool) -> Iterator[Complaint]:
    if not provider.base_urls:
        yield (*key, "base_urls"), 'is missing: kind = "litellm-proxy" needs at least one'
    for at, root in enumerate(provider.base_urls):
        if root in provider.base_urls[:at]:
            yield (*key, "base_urls", at), f'"{root}" is there already'
    if is_shipped:
        what = "is a provider of the catalogue; a pool of proxies needs a name of its own"
        yield (*key, "name"), f'"{provider.name}" {what}'


def _models(providers: tuple[Provider, ...], shipped: Collection[str]) -> Iterator[Complaint]:
    models: dict[Key, Model] = {
        ("providers", at, "models", position): model
        for at, provider in enumerate(providers)
        for position, model in enumerate(provider.models)
    }
    seen: dict[str, Key] = {}
    for key, model in models.items():
        if seen.setdefault(model.id, key) != key:
            yield (*key, "id"), f'"{model.id}" is the id of another model already'
    for key, model in models.items():
        yield from _model(model, key, {*seen, *shipped})


def _model(model: Model, key: Key, known: Collection[str]) -> Iterator[Complaint]:
    if model.id == OURS:
        yield (*key, "id"), f'"{OURS}" is the name of the service itself'
    for at, fallback in enumerate(model.fallbacks):
        if fallback == model.id:
            yield (*key, "fallbacks", at), "a model cannot be its own fallback"
        elif fallback not in known:
            yield (*key, "fallbacks", at), f'no model has the id "{fallback}"'
    if model.reasoning_allowance_tokens is not None and not model.reasoning:
        yield (*key, "reasoning_allowance_tokens"), "is for a model with reasoning = true"
