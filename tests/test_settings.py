"""The settings: what is read from where, what is refused with which words, what is never shown."""

import copy
import pickle
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from scalix_free.settings import (
    Keyword,
    Provider,
    ProviderLimits,
    Secret,
    SecretUrl,
    Settings,
    SettingsError,
    checks,
    effective,
    load,
    revealed,
)
from scalix_free.settings.errors import dotted, shown
from scalix_free.settings.form import patterns
from scalix_free.settings.lacking import LACKING, VARIABLES
from tests.place import Place

# The contract's sample, all of it but the providers, as values; and the keys that we added to it.
DEFAULTS: dict[str, object] = {
    "server.host": "127.0.0.1",
    "server.port": 3001,
    "server.public_url": "http://127.0.0.1:3001",
    "server.trusted_proxies": [],
    "server.secret": "env:SCALIX_FREE_SECRET",
    "server.operator_token": "",
    "server.max_body_bytes": 1048576,
    "server.header_timeout_s": 10,
    "server.body_timeout_s": 20,
    "store.ledger": "sqlite",
    "store.database": "sqlite",
    "store.on_ledger_outage": "degrade",
    "tiers.anonymous.requests_per_hour": 5,
    "tiers.anonymous.requests_per_day": 20,
    "tiers.anonymous.tokens_per_day": 5000,
    "tiers.anonymous.concurrent": 2,
    "tiers.anonymous.max_output_tokens": 2048,
    "tiers.anonymous.default_output_tokens": 1024,
    "tiers.anonymous.context_tokens": 32768,
    "tiers.registered.requests_per_hour": 10,
    "tiers.registered.requests_per_day": 50,
    "tiers.registered.tokens_per_day": 10000,
    "tiers.registered.concurrent": 2,
    "tiers.registered.max_output_tokens": 4096,
    "tiers.registered.default_output_tokens": 1024,
    "tiers.registered.context_tokens": 32768,
    "tiers.pro.daily_budget_share": 0.5,
    "tiers.pro.concurrent": 10,
    "tiers.pro.context_tokens": 1048576,
    "addresses.requests_per_minute": 30,
    "addresses.requests_per_hour": 100,
    "addresses.requests_per_day": 200,
    "addresses.users_per_hour": 50,
    "addresses.identities_per_day": 6,
    "networks.requests_per_hour": 300,
    "networks.requests_per_day": 1000,
    "networks.identities_per_day": 30,
    "content.max_prompt_chars": 10000,
    "content.blocked_keywords": ["malicious", "harmful", "illegal"],
    "content.max_requests_per_session": 100,
    "caches.user_quota.ttl_s": 300,
    "caches.user_quota.max_size": 10000,
    "caches.model_health.ttl_s": 60,
    "caches.model_health.max_size": 100,
    "caches.user_preferences.ttl_s": 3600,
    "caches.user_preferences.max_size": 5000,
    "caches.answers.ttl_s": 300,
    "caches.answers.max_size": 1000,
    "caches.answers.shared": False,
    "identity.proof_of_work": "auto",
    "local.use": "when-alone",
    "local.model_path": "",
    "routing.attempts": 3,
    "routing.first_token_timeout_s": 20,
    "routing.idle_timeout_s": 30,
    "routing.queue_wait_s": 8,
    "routing.hold_headers_s": 10,
    "routing.hedge": False,
    "accounting.tokens_counted": "total",
    "mail.url": "console",
    "mail.from": "",
    "abuse.mode": "enforce",
    "payments.stripe_api_key": "env:STRIPE_API_KEY",
    "payments.stripe_webhook_secret": "env:STRIPE_WEBHOOK_SECRET",
    "payments.stripe_api_base": "",
    "refusals.always_retry_after": False,
    "refusals.payment_required": False,
    "offer.currency": "USD",
    "offer.base_price": "29.99",
    "offer.near_limit_percent": 10,
    "offer.high_usage_percent": 15,
    "offer.referral_percent": 20,
    "offer.first_month_percent": 50,
    "offer.annual_percent": 20,
    "offer.pro_models": ["GPT-4", "Claude 3.5", "Gemini Pro"],
    "texts.first_request": "Welcome! Try Scalix Free",
    "texts.near_limit": "Almost out of free requests",
    "texts.at_limit": "Upgrade to continue using Scalix",
    "texts.quality_issue": "Get better responses with Pro",
    "texts.limit_exceeded": "Upgrade to continue your coding session",
    "texts.limit_exceeded_action": "Upgrade Now",
    "texts.limit_exceeded_promotion": "{percent}% Off First Month",
    "texts.quality_upgrade": "Get access to {models}",
    "texts.quality_upgrade_action": "Upgrade for Better AI",
    "texts.better_models": "better models",
    "texts.feature_upgrade": "Unlock advanced features like file operations and smart context",
    "texts.feature_upgrade_action": "Upgrade to Pro",
    "texts.notice": "This price was set by an algorithm using your personal data.",
    "policy.allow_training_on_prompts": True,
    "policy.allow_evaluation_only": False,
    "policy.allow_no_resale_for_pro": False,
    "policy.end_user_regions": [],
    "policy.min_age": 18,
}

# Another value for each key of the table above: some that work, and the ones this version lacks.
WORKING: dict[str, object] = {
    "server.host": "0.0.0.0",
    "server.port": 8080,
    "server.public_url": "https://free.example.org",
    "server.trusted_proxies": ["10.0.0.0/8"],
    "server.secret": "one-that-is-long",
    "server.operator_token": "operators-only",
    "server.max_body_bytes": 2048,
    "server.header_timeout_s": 5,
    "server.body_timeout_s": 2.5,
    "tiers.anonymous.requests_per_hour": 7,
    "tiers.anonymous.requests_per_day": 70,
    "tiers.anonymous.tokens_per_day": 700,
    "tiers.anonymous.concurrent": 3,
    "tiers.anonymous.max_output_tokens": 4000,
    "tiers.anonymous.default_output_tokens": 512,
    "tiers.anonymous.context_tokens": 8192,
    "addresses.requests_per_minute": 31,
    "addresses.requests_per_hour": 101,
    "addresses.requests_per_day": 201,
    "addresses.users_per_hour": 51,
    "networks.requests_per_hour": 301,
    "networks.requests_per_day": 1001,
    "caches.user_quota.ttl_s": 301,
    "caches.user_quota.max_size": 10001,
    "content.max_prompt_chars": 10001,
    "content.blocked_keywords": ["malicious"],
    "content.max_requests_per_session": 101,
    "local.use": "never",
    "local.model_path": "models/any.gguf",
    "routing.attempts": 4,
    "routing.first_token_timeout_s": 21,
    "routing.idle_timeout_s": 31,
    "routing.hold_headers_s": 0,
    "routing.hedge": True,
    "accounting.tokens_counted": "new",
    "store.ledger": "redis://cache.example:6379/0",
    "store.database": "postgresql://db.example/free",
    "store.on_ledger_outage": "deny",
    "tiers.registered.requests_per_hour": 11,
    "tiers.registered.requests_per_day": 51,
    "tiers.registered.tokens_per_day": 10001,
    "tiers.registered.concurrent": 3,
    "tiers.registered.max_output_tokens": 4097,
    "tiers.registered.default_output_tokens": 1025,
    "tiers.registered.context_tokens": 32769,
    "tiers.pro.concurrent": 11,
    "tiers.pro.context_tokens": 1048577,
    "addresses.identities_per_day": 7,
    "networks.identities_per_day": 31,
    "identity.proof_of_work": "never",
    "mail.url": "smtp://mail.example",
    "mail.from": "free@example.org",
    "refusals.always_retry_after": True,
    "refusals.payment_required": True,
    "offer.currency": "EUR",
    "offer.base_price": "19.00",
    "offer.near_limit_percent": 0,
    "offer.high_usage_percent": 1,
    "offer.referral_percent": 2,
    "offer.first_month_percent": 100,
    "offer.annual_percent": 4,
    "offer.pro_models": [],
    "texts.first_request": "1",
    "texts.near_limit": "2",
    "texts.at_limit": "3",
    "texts.quality_issue": "4",
    "texts.limit_exceeded": "5",
    "texts.limit_exceeded_action": "6",
    "texts.limit_exceeded_promotion": "7",
    "texts.quality_upgrade": "8",
    "texts.quality_upgrade_action": "9",
    "texts.better_models": "10",
    "texts.feature_upgrade": "11",
    "texts.feature_upgrade_action": "12",
    "texts.notice": "13",
    "policy.allow_training_on_prompts": False,
    "policy.allow_evaluation_only": True,
    "policy.allow_no_resale_for_pro": True,
    "policy.end_user_regions": ["DE", "GB"],
    "policy.min_age": 0,
    "tiers.pro.daily_budget_share": 0.25,
    "caches.model_health.ttl_s": 61,
    "caches.model_health.max_size": 101,
    "caches.user_preferences.ttl_s": 3601,
    "caches.user_preferences.max_size": 5001,
    "caches.answers.ttl_s": 301,
    "caches.answers.max_size": 1001,
    "caches.answers.shared": True,
    "routing.queue_wait_s": 0,
}
BESIDE = {"mail.url": "from = 'free@example.org'\n"}
"""What some of them need beside them in their table."""
MISSING_FEATURES: dict[str, object] = {
    "abuse.mode": "off",
    "payments.stripe_api_key": "sk_test_x",
    "payments.stripe_webhook_secret": "whsec_x",
    "payments.stripe_api_base": "http://127.0.0.1:9",
}
# The same for a row of [[providers]], which has no defaults to compare with in the sample.
MISSING_OF_PROVIDERS: dict[str, object] = {
    "kind = 'llama'": "providers[0].kind",
}
OTHER_VARIABLES = [
    "STRIPE_API_KEY",
    "STRIPE_WEBHOOK_SECRET",
]

PROVIDER = """
[[providers]]
name = "primary"
base_url = "http://127.0.0.1:9100/v1"
"""
MODEL = """
[[providers.models]]
id = "primary/fast"
model = "fast"
"""


def toml(key: str, value: object) -> str:
    """One key as a TOML file. JSON writes these values as TOML does."""
    table, _, name = key.rpartition(".")
    return f"[{table}]\n{name} = {msgspec.json.encode(value).decode()}\n"


def variable(key: str) -> str:
    return "SCALIX_FREE_" + key.upper().replace(".", "__")


def as_text(value: object) -> str:
    """A value as it stands in a variable."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def value_of(settings: Settings, key: str) -> object:
    """A key's value in terms of what is written for it."""
    value: object = settings
    for name in key.split("."):
        value = getattr(value, {"from": "sender"}.get(name, name))
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, tuple):
        return [item.word if isinstance(item, Keyword) else str(item) for item in value]
    return value


def sample() -> str:
    """The contract's sample, made of the table above; the providers are those of the contract."""
    text = "".join(toml(f"{key}", value) for key, value in DEFAULTS.items())
    tables: dict[str, list[str]] = {}
    header = ""
    for line in text.splitlines():
        if line.startswith("["):
            header = line
        else:
            tables.setdefault(header, []).append(line)
    return "\n".join("\n".join([header, *lines]) for header, lines in tables.items())


# The defaults


@pytest.mark.parametrize("key", DEFAULTS)
def test_a_default_is_the_contracts(at: Place, key: str) -> None:
    absent = {"env:SCALIX_FREE_SECRET", "env:STRIPE_API_KEY", "env:STRIPE_WEBHOOK_SECRET", ""}
    written = DEFAULTS[key]
    assert value_of(at.settings(), key) == (None if written in [*absent] else written)


def test_the_tables_of_this_test_hold_every_key() -> None:
    known = {path for path in patterns(Settings) if "providers" not in path and "[]" not in path}
    tables = {path.rpartition(".")[0] for path in known}
    assert known - tables == set(DEFAULTS) == set(WORKING) | set(MISSING_FEATURES)
    assert not set(WORKING) & set(MISSING_FEATURES)


def test_without_anything_there_are_the_built_in_defaults(at: Place) -> None:
    loaded = at.load()
    assert loaded.source == "built-in defaults"
    assert loaded.warnings == ()
    assert loaded.settings.data_dir == at.cwd / "data"
    assert loaded.settings.workers == 1
    alone = msgspec.structs.replace(loaded.settings, catalogue=())
    assert alone == msgspec.structs.replace(Settings(), data_dir=at.cwd / "data")


def test_the_whole_sample_changes_nothing(at: Place) -> None:
    assert at.settings(sample()) == at.settings()


def test_every_default_may_be_written_into_a_variable(at: Place) -> None:
    environ = {variable(key): as_text(value) for key, value in DEFAULTS.items()}
    assert at.settings(**environ) == at.settings()


def test_the_samples_provider_is_read_whole(at: Place) -> None:
    text = """
        [[providers]]
        name = "primary"
        kind = "openai"
        base_url = "http://127.0.0.1:9100/v1/"
        api_key = "env:PRIMARY_KEY"
        free = true
        enabled = true
        reset = "UTC"

        [[providers.models]]
        id = "primary/fast"
        model = "fast"
        priority = 1
        context_tokens = 32768
        max_output_tokens = 8192
        fallbacks = ["primary/slow"]
        abilities = ["tools", "json", "images"]

        [[providers.models]]
        id = "primary/slow"
        model = "slow"
        reasoning = true
        reasoning_allowance_tokens = 4096
    """
    (provider,) = at.settings(text, PRIMARY_KEY="pk-1").providers
    fast, slow = provider.models
    assert provider.name == "primary"
    assert provider.kind == "openai"
    assert provider.base_url == "http://127.0.0.1:9100/v1"
    assert provider.base_urls == ()
    assert provider.api_key is not None
    assert provider.api_key.reveal() == "pk-1"
    assert provider.free is True
    assert provider.enabled is True
    assert provider.reset == "UTC"
    assert provider.limits == ProviderLimits()
    assert (fast.id, fast.model, fast.priority) == ("primary/fast", "fast", 1)
    assert (fast.context_tokens, fast.max_output_tokens) == (32768, 8192)
    assert fast.fallbacks == ("primary/slow",)
    assert fast.abilities == ("tools", "json", "images")
    assert (fast.reasoning, fast.reasoning_allowance_tokens) == (False, None)
    assert (slow.priority, slow.context_tokens, slow.max_output_tokens) == (100, None, None)
    assert (slow.fallbacks, slow.abilities) == ((), None)
    assert (slow.reasoning, slow.reasoning_allowance_tokens) == (True, 4096)


def test_a_provider_needs_little(at: Place) -> None:
    (provider,) = at.settings(PROVIDER + MODEL).providers
    assert (provider.kind, provider.api_key, provider.free) == ("openai", None, True)


def test_a_row_that_is_switched_off_needs_a_name_only(at: Place) -> None:
    text = '[[providers]]\nname = "groq"\nenabled = false'
    assert at.settings(text).providers == (Provider(name="groq", enabled=False),)


@pytest.mark.parametrize("key", WORKING)
def test_a_key_is_read_from_the_file(at: Place, key: str) -> None:
    read = value_of(at.settings(toml(key, WORKING[key]) + BESIDE.get(key, "")), key)
    assert read == (at.cwd / str(WORKING[key]) if key == "local.model_path" else WORKING[key])


@pytest.mark.parametrize("key", WORKING)
def test_a_variable_overrides_the_file(at: Place, key: str) -> None:
    beside = {variable("mail.from"): "somebody@example.org"}
    said = {**beside, variable(key): as_text(WORKING[key])}
    read = value_of(at.settings(sample(), **said), key)
    assert read == (at.cwd / str(WORKING[key]) if key == "local.model_path" else WORKING[key])


def test_the_tree_is_frozen(at: Place) -> None:
    settings = at.settings(PROVIDER + MODEL)
    for value, name in [
        (settings, "workers"),
        (settings.server, "port"),
        (settings.tiers.anonymous, "concurrent"),
        (settings.providers[0].models[0], "id"),
    ]:
        with pytest.raises(AttributeError):
            setattr(value, name, 1)
    assert hash(settings) == hash(copy.deepcopy(settings))


# Files


def test_a_named_file_comes_first(tmp_path: Path) -> None:
    for name, port in [("scalix-free.toml", 1), ("variable.toml", 2), ("option.toml", 3)]:
        (tmp_path / name).write_text(f"server.port = {port}")

    def read(config: str | None, **environ: str) -> tuple[int, str]:
        named = None if config is None else Path(config)
        loaded = load(config=named, data=None, environ=environ, cwd=tmp_path)
        return loaded.settings.server.port, loaded.source

    assert read(None) == (1, "scalix-free.toml")
    assert read(None, SCALIX_FREE_CONFIG="") == (1, "scalix-free.toml")
    assert read(None, SCALIX_FREE_CONFIG="variable.toml") == (2, "variable.toml")
    assert read("option.toml", SCALIX_FREE_CONFIG="variable.toml") == (3, "option.toml")
    absolute = str(tmp_path / "option.toml")
    assert read(absolute) == (3, absolute)


def test_a_named_file_that_is_missing_is_an_error(at: Place) -> None:
    with pytest.raises(SettingsError) as refused:
        load(config=Path("none.toml"), data=None, environ={}, cwd=at.cwd)
    assert str(refused.value) == "none.toml: cannot be read: No such file or directory"
    assert at.refusal(SCALIX_FREE_CONFIG="none.toml") == (
        "none.toml: cannot be read: No such file or directory (named by SCALIX_FREE_CONFIG)"
    )


def test_a_file_that_cannot_be_read_is_an_error(at: Place) -> None:
    (at.cwd / "scalix-free.toml").mkdir()
    assert at.refusal() == "scalix-free.toml: cannot be read: Is a directory"
    assert at.refusal(SCALIX_FREE_CONFIG="a\0b").endswith(
        "not a path (named by SCALIX_FREE_CONFIG)"
    )


def test_a_file_that_is_no_text_is_an_error(at: Place) -> None:
    (at.cwd / "scalix-free.toml").write_bytes(b"[server]\nhost = '\xff'")
    assert at.refusal() == "scalix-free.toml: not UTF-8 at byte 17"


def test_a_byte_order_mark_does_no_harm(at: Place) -> None:
    (at.cwd / "scalix-free.toml").write_bytes(b"\xef\xbb\xbfserver.port = 5")
    assert at.settings().server.port == 5


def test_broken_toml_names_line_and_column(at: Place) -> None:
    assert at.refusal("[server]\nport = \n") == (
        "scalix-free.toml: broken TOML: Invalid value (at line 2, column 8)"
    )


@pytest.mark.parametrize("junk", ["a = " + "9" * 5000, "a = " + "[" * 5000])
def test_toml_beyond_reason_is_broken(at: Place, junk: str) -> None:
    assert at.refusal(junk).startswith("scalix-free.toml: broken TOML: ")


def test_the_data_directory(tmp_path: Path) -> None:
    def data_dir(data: str | None, **environ: str) -> Path:
        named = None if data is None else Path(data)
        return load(config=None, data=named, environ=environ, cwd=tmp_path).settings.data_dir

    assert data_dir(None) == tmp_path / "data"
    assert data_dir(None, SCALIX_FREE_DATA="") == tmp_path / "data"
    assert data_dir(None, SCALIX_FREE_DATA="other") == tmp_path / "other"
    assert data_dir("mine", SCALIX_FREE_DATA="other") == tmp_path / "mine"
    assert data_dir("/srv/data") == Path("/srv/data")
    assert list(tmp_path.iterdir()) == []


# The command line


def test_the_command_line_overrides_all(at: Place) -> None:
    loaded = load(
        config=None,
        data=None,
        environ={"SCALIX_FREE_SERVER__PORT": "junk", "SCALIX_FREE_SERVER__HOST": "::1"},
        cwd=at.cwd,
        host="localhost",
        port=0,
        workers=4,
    )
    assert (loaded.settings.server.host, loaded.settings.server.port) == ("localhost", 0)
    assert loaded.settings.workers == 4


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"port": 65536}, "--port: expected a whole number from 0 to 65535, got 65536"),
        ({"port": -1}, "--port: expected a whole number from 0 to 65535, got -1"),
        ({"workers": 0}, "--workers: expected a whole number of at least 1, got 0"),
        ({"host": ""}, '--host: expected an address or a host name without a port, got ""'),
        (
            {"host": "[::1]:80"},
            '--host: expected an address or a host name without a port, got "[::1]:80"',
        ),
    ],
)
def test_the_command_line_is_checked(at: Place, options: dict[str, object], line: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(config=None, data=None, environ={}, cwd=at.cwd, **options)  # type: ignore[arg-type]
    assert str(refused.value) == line


# Variables


def test_a_table_may_be_given_as_json(at: Place) -> None:
    file = "[caches.user_quota]\nmax_size = 7"
    settings = at.settings(
        file,
        SCALIX_FREE_CACHES__USER_QUOTA='{"ttl_s": 1.5}',
        SCALIX_FREE_TIERS__ANONYMOUS='{"requests_per_hour": 1, "requests_per_day": "unlimited"}',
        SCALIX_FREE_TIERS__ANONYMOUS__REQUESTS_PER_HOUR="2",
    )
    assert settings.caches.user_quota.ttl_s == 1.5
    assert settings.caches.user_quota.max_size == 7
    assert settings.tiers.anonymous.requests_per_hour == 2
    assert settings.tiers.anonymous.requests_per_day is None
    assert settings.tiers.anonymous.tokens_per_day == 5000


def test_variables_without_a_section_are_left_alone(at: Place) -> None:
    environ = {"SCALIX_FREE_OPERATOR_TOKEN": "x", "SCALIX_FREE_PORT": "y", "OTHER__X": "z"}
    assert at.settings(**environ) == at.settings()


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("SERVER__PORT", "abc", 'expected a whole number from 0 to 65535, got "abc"'),
        ("SERVER__PORT", "", 'expected a whole number from 0 to 65535, got ""'),
        ("SERVER__PORT", "80.0", 'expected a whole number from 0 to 65535, got "80.0"'),
        ("SERVER__PORT", " 80", 'expected a whole number from 0 to 65535, got " 80"'),
        ("SERVER__PORT", "8_0", 'expected a whole number from 0 to 65535, got "8_0"'),
        ("SERVER__PORT", "65536", "expected a whole number from 0 to 65535, got 65536"),
        ("SERVER__BODY_TIMEOUT_S", "nan", 'expected a number of seconds above 0, got "nan"'),
        ("SERVER__BODY_TIMEOUT_S", "0", "expected a number of seconds above 0, got 0.0"),
        ("POLICY__ALLOW_EVALUATION_ONLY", "1", 'expected true or false, got "1"'),
        ("POLICY__ALLOW_EVALUATION_ONLY", "True", 'expected true or false, got "True"'),
        ("LOCAL__USE", "x", 'expected one of "when-alone", "last-resort", "never", got "x"'),
        (
            "TIERS__ANONYMOUS__CONCURRENT",
            "-3",
            'expected a whole number of at least 1 or "unlimited", got -3',
        ),
        (
            "SERVER__TRUSTED_PROXIES",
            "10.0.0.0/8",
            'expected a list as JSON, such as ["a", "b"], got "10.0.0.0/8"',
        ),
        ("SERVER__TRUSTED_PROXIES", "{}", 'expected a list as JSON, such as ["a", "b"], got "{}"'),
        ("SERVER__TRUSTED_PROXIES", '["x"]', '[0]: expected a CIDR such as "10.0.0.0/8", got "x"'),
        ("SERVER__TRUSTED_PROXIES", "[1]", '[0]: expected a CIDR such as "10.0.0.0/8", got 1'),
        (
            "CACHES__USER_QUOTA",
            "5",
            'expected a table as JSON, such as {"key": 1}, got "5"',
        ),
        (
            "CACHES__USER_QUOTA",
            "[" * 100000,
            f'expected a table as JSON, such as {{"key": 1}}, got "{"[" * 80}…"',
        ),
        ("CACHES__USER_QUOTA", '{"ttl_s": null}', "expected a number of seconds above 0, got null"),
        (
            "CACHES__USER_QUOTA",
            '{"ttl": 1}',
            "unknown key: did you mean caches.user_quota.ttl_s?",
        ),
        ("CONTENT__BLOCKED_KEYWORDS", '[{"action": "deny"}]', "[0].word: is missing"),
        ("SERVER__PROT", "1", "overrides no key: did you mean SCALIX_FREE_SERVER__PORT?"),
        ("server__port", "1", "overrides no key: did you mean SCALIX_FREE_SERVER__PORT?"),
        ("_SERVER__PORT", "1", "overrides no key: did you mean SCALIX_FREE_SERVER__PORT?"),
        (
            "SERVER__PORT__MORE",
            "1",
            "overrides no key: did you mean SCALIX_FREE_SERVER__PORT?",
        ),
        ("__", "1", "overrides no key"),
        (
            "PROVIDERS__0__NAME",
            "x",
            "[[providers]] cannot be overridden by a variable, only set in the file",
        ),
        ("MAIL__SENDER", "x", "overrides no key: did you mean SCALIX_FREE_SERVER__SECRET?"),
    ],
)
def test_a_variable_that_does_not_fit_is_named(at: Place, name: str, text: str, what: str) -> None:
    line = at.refusal(**{f"SCALIX_FREE_{name}": text})
    if name in ("__", "MAIL__SENDER"):
        assert line.startswith(f"SCALIX_FREE_{name}: overrides no key")
    else:
        assert line == f"SCALIX_FREE_{name}: {what}"


def test_a_variable_below_something_that_is_no_table(at: Place) -> None:
    line = at.refusal("server = 3", SCALIX_FREE_SERVER__PORT="1")
    assert line == "scalix-free.toml: server: expected a table, got 3"


def test_an_error_of_the_file_names_the_file_beside_variables(at: Place) -> None:
    line = at.refusal("server.port = -1", SCALIX_FREE_SERVER__HOST="::1")
    assert line.startswith("scalix-free.toml: server.port: ")


# References and secrets


def test_references_are_followed(at: Place) -> None:
    (at.cwd / "etc").mkdir()
    (at.cwd / "etc" / "token").write_text("from-a-file\r\n")
    (at.cwd / "etc" / "free.toml").write_text(
        'server.operator_token = "file:token"\nserver.secret = "env:MINE"\n'
        'server.host = "env:HOST"\nserver.trusted_proxies = ["env:PROXY"]\nlocal.use = "env:USE"'
    )
    environ = {
        "MINE": "from-a-variable",
        "HOST": "::1",
        "PROXY": "10.0.0.0/8",
        "USE": "never",
        "SCALIX_FREE_CONFIG": "etc/free.toml",
    }
    settings = at.settings(**environ)
    assert settings.server.operator_token == Secret("from-a-file")
    assert settings.server.secret == Secret("from-a-variable")
    assert settings.server.host == "::1"
    assert settings.server.trusted_proxies == (ip_network("10.0.0.0/8"),)
    assert settings.local.use == "never"


def test_references_in_variables_are_followed(at: Place) -> None:
    (at.cwd / "token").write_text("abc")
    settings = at.settings(
        SCALIX_FREE_SERVER__OPERATOR_TOKEN="file:token",
        SCALIX_FREE_SERVER__SECRET="env:MINE",
        MINE="def",
    )
    assert settings.server.operator_token == Secret("abc")
    assert settings.server.secret == Secret("def")


def test_what_a_reference_leads_to_is_no_reference(at: Place) -> None:
    secret = at.settings("server.secret = 'env:A'", A="env:B", B="x").server.secret
    assert secret == Secret("env:B")
    assert at.settings("", SCALIX_FREE_SECRET="env:B").server.secret == Secret("env:B")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("env:NONE", "missing secret: the variable NONE is not set"),
        ("env:EMPTY", "missing secret: the variable EMPTY is not set"),
        ("env:", "missing secret: the variable  is not set"),
        ("file:none", "missing secret: cannot read none: No such file or directory"),
        ("file:.", "missing secret: cannot read .: Is a directory"),
        ("file:empty", "missing secret: the file empty is empty"),
        ("file:binary", "missing secret: binary is not a text file"),
    ],
)
def test_a_missing_secret_stops_the_start(at: Place, text: str, what: str) -> None:
    (at.cwd / "empty").write_text("\n")
    (at.cwd / "binary").write_bytes(b"\xff\xfe")
    line = at.refusal(f"server.operator_token = '{text}'", EMPTY="")
    assert line == f"scalix-free.toml: server.operator_token: {what}"
    line = at.refusal("", EMPTY="", SCALIX_FREE_SERVER__OPERATOR_TOKEN=text)
    assert line == f"SCALIX_FREE_SERVER__OPERATOR_TOKEN: {what}"


def test_the_references_of_the_defaults_may_lead_nowhere(at: Place) -> None:
    assert at.settings().server.secret is None
    assert at.settings('server.secret = "env:SCALIX_FREE_SECRET"').server.secret is None
    assert at.settings(SCALIX_FREE_SECRET="").server.secret is None
    assert at.settings(SCALIX_FREE_SECRET="s").server.secret == Secret("s")
    written = at.settings('server.secret = "env:SCALIX_FREE_SECRET"', SCALIX_FREE_SECRET="s")
    assert written.server.secret == Secret("s")
    assert at.refusal("", SCALIX_FREE_SECRET="s\n") == (
        "SCALIX_FREE_SECRET: holds a control character, such as a line break"
    )


def test_a_secret_prints_as_a_mask() -> None:
    secret = Secret("hunter2")
    shapes = [str(secret), repr(secret), f"{secret}", f"{[secret]}", f"{(secret,)}"]
    assert shapes == [
        "********",
        "Secret('********')",
        "********",
        "[Secret('********')]",
        "(Secret('********'),)",
    ]
    assert secret.reveal() == "hunter2"


def test_a_secret_is_a_value() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert copy.deepcopy(Secret("a")) == pickle.loads(pickle.dumps(Secret("a"))) == Secret("a")
    with pytest.raises(TypeError):
        msgspec.json.encode(Secret("a"))


@pytest.mark.parametrize(
    ("url", "shown_as"),
    [
        ("sqlite", "sqlite"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://:hunter2@host:6379/0", "redis://********@host:6379/0"),
        ("smtps://me:hunter2@hunter2@host", "smtps://********@host"),
        ("postgresql://host/db?password=hunter2", "postgresql://********"),
        ("postgresql://host/db?password=x@hunter2", "postgresql://********"),
        ("redis://:hunter2#x@host", "redis://********"),
    ],
)
def test_a_secret_url_shows_where_and_not_how(url: str, shown_as: str) -> None:
    secret = SecretUrl(url)
    assert str(secret) == shown_as
    assert repr(secret) == f"SecretUrl({shown_as!r})"
    assert secret.reveal() == url


SECRETS: Mapping[str, str] = {
    "server.secret": "hunter2-secret",
    "server.operator_token": "hunter2-token",
    "providers.api_key": "hunter2-key",
}


@pytest.fixture
def with_secrets(at: Place) -> Settings:
    rows = PROVIDER + 'api_key = "env:PRIMARY_KEY"\n' + MODEL
    settings = at.settings(
        f"server.secret = '{SECRETS['server.secret']}'\n{rows}",
        PRIMARY_KEY=SECRETS["providers.api_key"],
        STRIPE_API_KEY="hunter2-stripe",
        STRIPE_WEBHOOK_SECRET="hunter2-hook",
        SCALIX_FREE_SERVER__OPERATOR_TOKEN=SECRETS["server.operator_token"],
    )
    # Not to be had from a file yet, and to be masked all the same.
    return msgspec.structs.replace(
        settings,
        store=msgspec.structs.replace(
            settings.store,
            ledger=SecretUrl("redis://:hunter2@host"),
            database=SecretUrl("postgresql://me:hunter2@host/db"),
        ),
        mail=msgspec.structs.replace(settings.mail, url=SecretUrl("smtp://me:hunter2@host")),
    )


def test_no_secret_is_printed_with_the_settings(with_secrets: Settings) -> None:
    assert with_secrets.server.secret == Secret("hunter2-secret")
    assert with_secrets.payments.stripe_api_key == Secret("hunter2-stripe")
    for text in [repr(with_secrets), str(with_secrets), effective(with_secrets)]:
        assert "hunter2" not in text
        assert "********" in text


@pytest.mark.parametrize(
    "text",
    [
        "server.secret = ['hunter2']",
        "server.secret = {x = 'hunter2'}",
        "server.secret = 'hunter2\\n'".replace("'", '"'),
        "server.operator_token = 1234567",
        "store.ledger = 'rediz://:hunter2@host'",
        "store.database = 'mysql://me:hunter2@host'",
        "mail.url = 'hunter2'",
        "store.ledger = 'redis://:hunter2@host:port'",
        "store.ledger = 'redis://:hunter2@'",
        "payments.stripe_api_key = 'hunter2'",
        "server.public_url = 'http://me:hunter2@host'",
        "server.public_url = 'htp://me:hunter2@host'",
        "server.host = 'env:HUNTER'",
        "local.use = 'env:HUNTER'",
        "server.port = 'http://me:hunter2@host'",
        "[[providers]]\nname = 'x'\nbase_url = 'http://me:hunter2@host'",
        "[[providers]]\nname = 'x'\nbase_url = 'env:HUNTER'",
    ],
)
def test_no_refusal_tells_a_secret(at: Place, text: str) -> None:
    line = at.refusal(text, HUNTER="hunter2 hunter2")
    assert "hunter2" not in line
    assert "1234567" not in line
    assert line.startswith("scalix-free.toml: ")


# What is refused


def refusals() -> Iterator[tuple[str, str]]:
    yield (
        "[tiers.anonymous]\nrequests_per_hour = -3",
        'tiers.anonymous.requests_per_hour: expected a whole number of at least 1 or "unlimited", '
        "got -3",
    )
    yield "[server]\nprot = 1", "server.prot: unknown key: did you mean server.port?"
    yield "[sever]\nport = 1", "sever: unknown key: did you mean server?"
    yield "[server]\nattempts = 3", "server.attempts: unknown key: did you mean routing.attempts?"
    yield "zzzzzzzzz = 3", "zzzzzzzzz: unknown key"
    yield '"a b" = 3', '"a b": unknown key'
    yield "[tiers.enterprise]", "tiers.enterprise: unknown key"
    yield "[tiers.pro]\ntokens_per_day = 3", "tiers.pro.tokens_per_day: unknown key"
    yield "data_dir = 'x'", "data_dir: unknown key"
    yield "workers = 2", "workers: unknown key"
    yield "server = 3", "server: expected a table, got 3"
    yield "[[server]]", "server: expected a table, got a list"
    yield "server.port = true", "server.port: expected a whole number from 0 to 65535, got true"
    yield "server.port = 1.0", "server.port: expected a whole number from 0 to 65535, got 1.0"
    yield "server.port = '1'", 'server.port: expected a whole number from 0 to 65535, got "1"'
    yield "server.port = 1979-05-27", "server.port: expected a whole number from 0 to 65535, got 19"
    yield "server.max_body_bytes = 0", "server.max_body_bytes: expected a whole number of at least"
    yield (
        "server.max_body_bytes = 9007199254740993",
        "server.max_body_bytes: expected a whole number of at least 1, got 9007199254740993",
    )
    yield (
        f"server.max_body_bytes = 0x{'f' * 9000}",
        "server.max_body_bytes: expected a whole number of at least 1, got a far larger one",
    )
    for number in ["inf", "nan", "-1", "0", "0.0"]:
        yield (
            f"routing.idle_timeout_s = {number}",
            f"routing.idle_timeout_s: expected a number of seconds above 0, got {number}",
        )
    yield "routing.hold_headers_s = -1", "routing.hold_headers_s: expected a number of seconds of"
    yield f"server.body_timeout_s = 0x{'f' * 9000}", "server.body_timeout_s: expected a number of"
    yield "server.host = 1", "server.host: expected an address or a host name without a port, got 1"
    yield "server.host = 'a:1'", "server.host: expected an address or a host name without a port"
    yield "server.host = 1979-05-27T07:32:00Z", "server.host: expected an address"
    yield "tiers.pro.daily_budget_share = 1.1", "tiers.pro.daily_budget_share: expected a number "
    yield "tiers.pro.daily_budget_share = -1", "tiers.pro.daily_budget_share: expected a number "
    yield "abuse.mode = 'on'", 'abuse.mode: expected one of "enforce", "shadow", "off", got "on"'
    yield "policy.min_age = -1", "policy.min_age: expected a whole number of at least 0, got -1"
    for amount in ("30", "29.9", "29,99", "-1.00", "1e3.00", "29.999", ""):
        yield (
            f"offer.base_price = '{amount}'",
            'offer.base_price: expected an amount such as "29.99"',
        )
    yield (
        "offer.base_price = 29.99",
        'offer.base_price: expected an amount such as "29.99", got 29.99',
    )
    yield "offer.annual_percent = 101", "offer.annual_percent: expected a whole number of percent"
    yield "offer.currency = 'usd'", 'offer.currency: expected a currency code such as "USD"'
    yield "texts.notice = ''", "texts.notice: expected text that is not empty"
    for country in ["UK", "EU", "de", "DEU", ""]:
        yield (
            f"policy.end_user_regions = ['AT', '{country}']",
            f'policy.end_user_regions[1]: expected an ISO country code such as "DE", '
            f'got "{country}"',
        )
    yield (
        "content.blocked_keywords = ['a', {word = 'b', action = 'drop'}]",
        'content.blocked_keywords[1].action: expected one of "deny", "flag", got "drop"',
    )
    yield "content.blocked_keywords = ['']", "content.blocked_keywords[0].word: expected text that"
    yield "content.blocked_keywords = [1]", "content.blocked_keywords[0]: expected "
    yield "content.blocked_keywords = 'a'", 'content.blocked_keywords: expected a list, got "a"'
    yield "mail.from = 'nobody'", 'mail.from: expected a mail address, got "nobody"'
    yield "mail.sender = 'a@b'", "mail.sender: unknown key"
    for url in ("smtp://", "smtp://:25", "smtp://x:y", "smtps://x:0", "smtp://x:99999"):
        yield f"mail.url = '{url}'", 'mail.url: expected "console" or an smtp:// or smtps:// URL'
    for secret in ("a,", ",", "a, ,b"):
        yield f"server.secret = '{secret}'", "server.secret: is empty before or after a comma"
    yield "mail.url = 'smtp://x'", "mail.from: is missing: a mail server has to be told whose mail"
    yield "mail.url = 'http://x'", 'mail.url: expected "console" or an smtp:// or smtps:// URL'
    yield "store.ledger = 'redis://'", 'store.ledger: expected "sqlite" or a redis:// or rediss://'
    yield "store.database = 'redis://x'", 'store.database: expected "sqlite" or a postgresql:// URL'
    yield "payments.stripe_api_base = 'x'", "payments.stripe_api_base: expected an http:// or http"
    yield (
        "[tiers.anonymous]\nmax_output_tokens = 10\ndefault_output_tokens = 11",
        "tiers.anonymous.default_output_tokens: is more than max_output_tokens, which is 10",
    )
    for default in ["0", "'unlimited'"]:
        yield (
            f"[tiers.anonymous]\ndefault_output_tokens = {default}",
            "tiers.anonymous.default_output_tokens: expected a whole number of at least 1, got ",
        )


@pytest.mark.parametrize(("text", "what"), list(refusals()))
def test_what_does_not_fit_is_refused(at: Place, text: str, what: str) -> None:
    line = at.refusal(text)
    assert line.startswith(f"scalix-free.toml: {what}")
    assert line.isprintable()


@pytest.mark.parametrize(
    ("proxy", "what"),
    [
        ("*", '"*" is refused: anybody could then claim any address; list the networks of your'),
        ("0.0.0.0/0", '"0.0.0.0/0" is refused: anybody could'),
        ("::/0", '"::/0" is refused: anybody could'),
        ("10.0.0.1/8", 'expected a network, got the address of a machine in it: did you mean "10.'),
        ("10.0.0.0/33", 'expected a CIDR such as "10.0.0.0/8", got "10.0.0.0/33"'),
        ("localhost", 'expected a CIDR such as "10.0.0.0/8", got "localhost"'),
    ],
)
def test_a_proxy_that_is_no_network_is_refused(at: Place, proxy: str, what: str) -> None:
    line = at.refusal(f"server.trusted_proxies = ['::1/128', '{proxy}']")
    assert line.startswith(f"scalix-free.toml: server.trusted_proxies[1]: {what}")


def test_proxies_are_networks(at: Place) -> None:
    proxies = at.settings("server.trusted_proxies = ['127.0.0.1', 'fd00::/8']")
    assert proxies.server.trusted_proxies == (ip_network("127.0.0.1/32"), ip_network("fd00::/8"))


LIMITS = sorted(
    key
    for key in DEFAULTS
    if key.split(".")[0] in ("addresses", "networks", "tiers")
    and not key.endswith(("default_output_tokens", "daily_budget_share"))
)


@pytest.mark.parametrize("key", [key for key in LIMITS if key in WORKING])
def test_unlimited_lifts_a_limit(at: Place, key: str) -> None:
    assert value_of(at.settings(toml(key, "unlimited")), key) is None
    assert value_of(at.settings("", **{variable(key): "unlimited"}), key) is None


@pytest.mark.parametrize("key", LIMITS)
@pytest.mark.parametrize("value", [0, -1, 1.5, "Unlimited", "", "env:X", True])
def test_a_limit_is_a_number_or_unlimited(at: Place, key: str, value: object) -> None:
    line = at.refusal(toml(key, value), X="5")
    wanted = 'expected a whole number of at least 1 or "unlimited"'
    assert line == f"scalix-free.toml: {key}: {wanted}, got {shown(value)}"


def test_a_lower_ceiling_lowers_the_default_below_it(at: Place) -> None:
    tier = at.settings("tiers.anonymous.max_output_tokens = 100").tiers.anonymous
    assert tier.default_output_tokens == 100
    tier = at.settings("tiers.anonymous.max_output_tokens = 'unlimited'").tiers.anonymous
    assert (tier.max_output_tokens, tier.default_output_tokens) == (None, 1024)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[[providers]]\nenabled = false", "providers[0].name: is missing"),
        ("[[providers]]\nname = 'a b'", "providers[0].name: expected letters, digits, and any of "),
        ("providers = {}", "providers: expected a list, got a table"),
        ("providers = [1]", "providers[0]: expected a table, got 1"),
        (PROVIDER + "nmae = 1", "providers[0].nmae: unknown key: did you mean providers[0].name?"),
        (PROVIDER + "kind = 'gemini'", 'providers[0].kind: expected one of "openai", "litellm", '),
        (PROVIDER + "free = 'yes'", 'providers[0].free: expected true or false, got "yes"'),
        (PROVIDER + "reset = 'Mars/Base'", 'providers[0].reset: expected a time zone such as "Am'),
        (PROVIDER + "reset = '../etc'", "providers[0].reset: expected a time zone"),
        (PROVIDER + "reset = 'America'", "providers[0].reset: expected a time zone"),
        (PROVIDER + "limits = {rpm = 0}", "providers[0].limits.rpm: expected a whole number of at"),
        (PROVIDER + "limits = {rps = 1}", "providers[0].limits.rps: unknown key: did you mean "),
        (PROVIDER + "limits = 3", "providers[0].limits: expected a table, got 3"),
        (PROVIDER, 'providers[0].models: is missing: kind = "openai" needs at least one [['),
        ("[[providers]]\nname = 'x'" + MODEL, "providers[0].base_url: is missing: kind = "),
        (PROVIDER + "base_urls = ['http://x']", "providers[0].base_urls: is for kind = "),
        (PROVIDER + "base_urls = ['http://x/v1']", "providers[0].base_urls[0]: expected the root"),
        ("[[providers]]\nname='x'\nkind='litellm-proxy'", "providers[0].base_urls: is missing: "),
        (PROVIDER + "kind='litellm-proxy'", "providers[0].base_url: kind = "),
        (PROVIDER + MODEL + PROVIDER + MODEL, 'providers[1].name: "primary" is the name of prov'),
        (PROVIDER + MODEL + MODEL, 'providers[0].models[1].id: "primary/fast" is the id of anot'),
        (
            PROVIDER + MODEL + PROVIDER.replace("primary", "b") + MODEL,
            'providers[1].models[0].id: "primary/fast" is the id of another model already',
        ),
        (
            PROVIDER + MODEL.replace("primary/fast", "scalix-free"),
            'providers[0].models[0].id: "scalix-free" is the name of the service itself',
        ),
        (
            PROVIDER + MODEL.replace("primary/fast", "a b"),
            "providers[0].models[0].id: expected visible ASCII without spaces",
        ),
        (PROVIDER + "[[providers.models]]\nid = 'x'", "providers[0].models[0].model: is missing"),
        (PROVIDER + "[[providers.models]]\nmodel = 'x'", "providers[0].models[0].id: is missing"),
        (
            PROVIDER + MODEL + "fallbacks = ['nobody']",
            'providers[0].models[0].fallbacks[0]: no model has the id "nobody"',
        ),
        (
            PROVIDER + MODEL + "fallbacks = ['primary/fast']",
            "providers[0].models[0].fallbacks[0]: a model cannot be its own fallback",
        ),
        (
            PROVIDER + MODEL + "abilities = ['json', 'audio']",
            'providers[0].models[0].abilities[1]: expected one of "tools", "json", "images", got "',
        ),
        (PROVIDER + MODEL + "priority = 0", "providers[0].models[0].priority: expected a whole "),
        (PROVIDER + MODEL + "limits = {rpm = 1.5}", "providers[0].models[0].limits.rpm: expected "),
        (
            PROVIDER + MODEL + "context_tokens = 'unlimited'",
            "providers[0].models[0].context_tokens: expected a whole number of at least 1, got ",
        ),
        (
            PROVIDER + MODEL + "reasoning_allowance_tokens = 1",
            "providers[0].models[0].reasoning_allowance_tokens: is for a model with reasoning",
        ),
        (PROVIDER + MODEL + "extra = 1", "providers[0].models[0].extra: unknown key"),
    ],
)
def test_a_provider_that_does_not_fit_is_refused(at: Place, text: str, what: str) -> None:
    assert at.refusal(text).startswith(f"scalix-free.toml: {what}")


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://x", "http://", "http://x:0", "http://x:99999", "http://[x", "http://x/?a=1",
     "http://x/#a", "http://x y", "//x", "http://x\\y"],
)  # fmt: skip
def test_a_base_url_is_an_http_url(at: Place, url: str) -> None:
    text = f"[[providers]]\nname = 'x'\nbase_url = '{url}'" + MODEL
    wanted = "providers[0].base_url: expected an http:// or https:// URL, got"
    assert at.refusal(text).startswith(f"scalix-free.toml: {wanted}")


# The public address


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("127.0.0.1", 3001, "http://127.0.0.1:3001"),
        ("0.0.0.0", 8080, "http://127.0.0.1:8080"),
        ("::", 8080, "http://127.0.0.1:8080"),
        ("::1", 80, "http://[::1]"),
        ("free.example.org", 80, "http://free.example.org"),
        ("localhost", 0, "http://localhost:0"),
    ],
)
def test_the_public_url_follows_host_and_port(at: Place, host: str, port: int, url: str) -> None:
    assert at.settings(toml("server.host", host) + f"port = {port}").server.public_url == url
    loaded = load(config=None, data=None, environ={}, cwd=at.cwd, host=host, port=port)
    assert loaded.settings.server.public_url == url


def test_a_public_url_that_is_written_stays(at: Place) -> None:
    text = "[server]\nport = 80\npublic_url = 'http://127.0.0.1:3001'"
    assert at.settings(text).server.public_url == "http://127.0.0.1:3001"
    override = at.settings(text, SCALIX_FREE_SERVER__PUBLIC_URL="https://a.example")
    assert override.server.public_url == "https://a.example"


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("HTTPS://Free.Example.ORG:443/", "https://free.example.org"),
        ("http://free.example.org:80", "http://free.example.org"),
        ("http://free.example.org:443", "http://free.example.org:443"),
        ("http://[::1]:3001", "http://[::1]:3001"),
    ],
)
def test_a_public_url_becomes_an_origin(at: Place, written: str, origin: str) -> None:
    assert at.settings(toml("server.public_url", written)).server.public_url == origin


@pytest.mark.parametrize("url", ["http://x/path", "x.org", "https://münchen.example", "http://x/?"])
def test_a_public_url_is_an_origin(at: Place, url: str) -> None:
    wanted = "server.public_url: expected an http:// or https:// URL without a path, got"
    assert at.refusal(toml("server.public_url", url)) == f'scalix-free.toml: {wanted} "{url}"'


# Usual variables


@pytest.mark.parametrize("url", ["postgresql://me:hunter2@db/free", "postgres://db/free"])
def test_the_usual_variable_is_the_database_where_the_key_is_not_written(
    at: Place, url: str
) -> None:
    assert at.settings("").store.database == SecretUrl("sqlite")
    assert at.settings("", DATABASE_URL="").store.database == SecretUrl("sqlite")
    assert at.settings("", DATABASE_URL=url).store.database == SecretUrl(url)
    assert at.load("", DATABASE_URL=url).warnings == ()
    written = at.settings('store.database = "sqlite"', DATABASE_URL=url)
    assert written.store.database == SecretUrl("sqlite")


def test_a_database_that_is_asked_for_is_not_replaced_by_another(at: Place) -> None:
    asked = 'store.database = "env:DATABASE_URL"'
    assert at.settings(asked, DATABASE_URL="postgres://db/x").store.database.reveal() == (
        "postgres://db/x"
    )
    assert "the variable DATABASE_URL is not set" in at.refusal(asked)


def test_a_database_that_is_none_of_ours_is_refused_without_its_password(at: Place) -> None:
    line = at.refusal("", DATABASE_URL="mysql://me:hunter2@db/free")
    assert line == 'DATABASE_URL: expected "sqlite" or a postgresql:// URL'


# What this version lacks


@pytest.mark.parametrize("key", MISSING_FEATURES)
def test_a_key_of_a_missing_feature_stops_the_start(at: Place, key: str) -> None:
    line = at.refusal(toml(key, MISSING_FEATURES[key]))
    assert line.startswith(f"scalix-free.toml: {key}: not in this version (")
    line = at.refusal("", **{variable(key): as_text(MISSING_FEATURES[key])})
    assert line.startswith(f"{variable(key)}: not in this version (")


@pytest.mark.parametrize("row", MISSING_OF_PROVIDERS)
def test_a_provider_of_a_missing_feature_stops_the_start(at: Place, row: str) -> None:
    address = "" if "proxy" in row else "base_url = 'http://127.0.0.1:9100/v1'\n"
    line = at.refusal(f"[[providers]]\nname = 'x'\n{address}{row}\n{MODEL}")
    assert line.startswith(f"scalix-free.toml: {MISSING_OF_PROVIDERS[row]}: not in this version (")


LITELLM = PROVIDER + "kind = 'litellm'\n"


@pytest.fixture
def extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra litellm were installed."""
    monkeypatch.setattr(checks, "find_spec", lambda name: name == "litellm")


def test_litellm_without_its_extra_stops_the_start_with_the_command(
    at: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    assert at.refusal(LITELLM + MODEL.replace('"fast"', '"groq/fast"')) == (
        "scalix-free.toml: providers[0].kind: needs an extra: pip install 'scalix-free[litellm]'"
    )
    (off,) = at.settings(LITELLM + "enabled = false").providers
    assert not off.enabled


@pytest.mark.usefixtures("extra")
@pytest.mark.parametrize("model", ["fast", "/fast", "groq/"])
def test_a_model_of_litellm_begins_with_its_provider(at: Place, model: str) -> None:
    line = at.refusal(LITELLM + MODEL.replace('"fast"', f'"{model}"'))
    assert line.startswith("scalix-free.toml: providers[0].models[0].model: is no model of LiteLLM")
    assert at.refusal(LITELLM).startswith("scalix-free.toml: providers[0].models: is missing: ")


@pytest.mark.usefixtures("extra")
def test_litellm_asks_at_the_address_that_is_given_or_at_its_own(at: Place) -> None:
    text = LITELLM + MODEL.replace('"fast"', '"groq/fast"')
    own, groq = text, text.replace('"primary"', '"groq"')
    for row, name in ((own, "primary"), (groq, "groq")):
        (entry,) = [one for one in at.settings(row).catalogue if one.name == name]
        assert (entry.kind, entry.base_url) == ("litellm", "http://127.0.0.1:9100/v1")
        without = row.replace('base_url = "http://127.0.0.1:9100/v1"\n', "")
        (entry,) = [one for one in at.settings(without).catalogue if one.name == name]
        assert (entry.kind, entry.base_url, entry.off) == ("litellm", "", "")
        assert [model.model for model in entry.serves] == ["groq/fast"]


@pytest.mark.usefixtures("extra")
def test_litellm_under_a_shipped_name_keeps_its_terms_and_limits_and_takes_its_key(
    at: Place,
) -> None:
    text = "[[providers]]\nname = 'groq'\nkind = 'litellm'\n" + MODEL.replace('"fast"', '"groq/x"')
    plain, keyed = at.settings(""), at.settings(text, GROQ_API_KEY="k")
    (shipped,) = [one for one in plain.catalogue if one.name == "groq"]
    (entry,) = [one for one in keyed.catalogue if one.name == "groq"]
    assert (entry.terms, entry.limits) == (shipped.terms, shipped.limits)
    assert revealed(entry.api_key) == "k"


def test_the_table_of_missing_features_names_real_keys() -> None:
    known = set(patterns(Settings))
    assert {path.removesuffix(".*") for path in LACKING} <= known


def test_default_keywords_may_be_written_as_tables(at: Place) -> None:
    words = '[{word = "malicious"}, "harmful", {word = "illegal", action = "deny"}]'
    assert at.settings(f"content.blocked_keywords = {words}") == at.settings("")


# Warnings


def test_this_test_knows_every_variable() -> None:
    assert set(OTHER_VARIABLES) == set(VARIABLES)


@pytest.mark.parametrize("name", OTHER_VARIABLES)
def test_a_variable_of_a_missing_feature_gives_one_warning(at: Place, name: str) -> None:
    (warning,) = at.load(**{name: "redis://:hunter2@host"}).warnings
    assert warning.startswith(f"{name} is set, but ")
    assert "not in this version" in warning
    assert "hunter2" not in warning


def test_a_variable_that_a_key_names_gives_no_warning(at: Place) -> None:
    text = PROVIDER + "api_key = 'env:CEREBRAS_API_KEY'\n" + MODEL
    loaded = at.load(text, CEREBRAS_API_KEY="hunter2", HF_TOKEN="hunter2", ZAI_API_KEY="")
    assert [warning.split()[0] for warning in loaded.warnings] == ["HF_TOKEN"]


def test_all_variables_together_give_a_warning_each(at: Place) -> None:
    assert len(at.load(**dict.fromkeys(VARIABLES, "x")).warnings) == len(VARIABLES)


# Variables of other software


def test_redis_url_says_where_limits_are_kept(at: Place) -> None:
    loaded = at.load(REDIS_URL="rediss://:hunter2@cache.example:6380/1")

    assert loaded.warnings == ()
    assert loaded.settings.store.ledger.reveal() == "rediss://:hunter2@cache.example:6380/1"
    assert str(loaded.settings.store.ledger) == "rediss://********@cache.example:6380/1"


def test_what_is_written_counts_more_than_redis_url(at: Place) -> None:
    url = "redis://cache.example"
    file = at.load("store.ledger = 'sqlite'", REDIS_URL=url)
    variable = at.load(REDIS_URL=url, SCALIX_FREE_STORE__LEDGER="sqlite")
    empty = at.load(REDIS_URL="")

    for loaded in (file, variable, empty):
        assert loaded.settings.store.ledger.reveal() == "sqlite"


def test_a_redis_url_that_is_none_is_told_by_its_name(at: Place) -> None:
    assert at.refusal(REDIS_URL="http://:hunter2@host").startswith("REDIS_URL: expected ")
    assert at.refusal("store = 1", REDIS_URL="redis://host").startswith("scalix-free.toml: store")


# Users of an address


def test_users_are_limited_where_requests_are(at: Place) -> None:
    free = "[addresses]\nrequests_per_hour = 'unlimited'\nrequests_per_day = 1001\n"

    assert at.settings().addresses.users_per_hour == 50
    assert at.settings(free).addresses.users_per_hour is None
    assert at.settings(f"{free}users_per_hour = 'unlimited'").addresses.users_per_hour is None
    assert at.refusal(f"{free}users_per_hour = 7").startswith(
        "scalix-free.toml: addresses.users_per_hour: needs requests_per_hour or"
    )
    bounded = free.replace("1001", "1000")
    assert at.settings(f"{bounded}users_per_hour = 7").addresses.users_per_hour == 7


# The effective configuration


def test_the_effective_configuration_is_the_contracts_sample(at: Place) -> None:
    settings = at.settings()
    written = tomllib.loads(effective(settings))
    assert written == tomllib.loads(sample())
    assert load_again(at, settings) == settings


def load_again(at: Place, settings: Settings) -> Settings:
    return at.settings(effective(settings))


def test_the_effective_configuration_can_be_loaded_again(at: Place) -> None:
    text = """
        [server]
        trusted_proxies = ["10.0.0.0/8"]
        [tiers.anonymous]
        requests_per_day = "unlimited"
        [routing]
        idle_timeout_s = 0.25
        [[providers]]
        name = "off"
        enabled = false
        [[providers]]
        name = "primary"
        base_url = "http://127.0.0.1:9100/v1"
        [[providers.models]]
        id = "primary/fast"
        model = 'an ü, a " and a \\'
        abilities = []
        fallbacks = ["primary/slow"]
        [[providers.models]]
        id = "primary/slow"
        model = "slow"
    """
    settings = at.settings(text)
    assert load_again(at, settings) == settings


def test_the_effective_configuration_masks_secrets(with_secrets: Settings) -> None:
    written = tomllib.loads(effective(with_secrets))
    assert written["server"]["secret"] == "********"
    assert written["server"]["operator_token"] == "********"
    assert written["providers"][0]["api_key"] == "********"
    assert written["payments"]["stripe_api_key"] == "********"
    assert written["store"]["ledger"] == "redis://********@host"
    assert written["mail"]["url"] == "smtp://********@host"


def test_flagged_keywords_and_limits_are_written_as_tables() -> None:
    settings = Settings()
    content = msgspec.structs.replace(
        settings.content,
        blocked_keywords=(Keyword(word="a"), Keyword(word='b "c"', action="flag")),
    )
    limited = Provider(name="x", enabled=False, limits=ProviderLimits(rpm=3))
    settings = msgspec.structs.replace(settings, content=content, providers=(limited,))
    written = tomllib.loads(effective(settings))
    assert written["content"]["blocked_keywords"] == ["a", {"word": 'b "c"', "action": "flag"}]
    assert written["providers"][0]["limits"] == {"rpm": 3}


@given(st.text())
def test_any_text_survives_in_the_effective_configuration(text: str) -> None:
    settings = msgspec.structs.replace(
        Settings(), providers=(Provider(name="x", base_url=text),), data_dir=Path(text)
    )
    assert tomllib.loads(effective(settings))["providers"][0]["base_url"] == text


# Junk


# Without a deadline: files are written, and a busy machine proves nothing.
patient = trials(deadline=None)
names = st.sampled_from(sorted(DEFAULTS))
numbers = st.integers() | st.floats() | st.booleans()
strings = st.text() | st.sampled_from(
    ["env:X", "env:", "file:", "file:x\0", "unlimited", "http://"]
)
values = st.recursive(
    numbers | strings | st.dates() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def only_settings_errors(text: str | bytes, environ: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cwd = Path(folder)
        content = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
        (cwd / "scalix-free.toml").write_bytes(content)
        try:
            loaded = load(config=None, data=None, environ=environ, cwd=cwd)
        except SettingsError as error:
            line = str(error)
        else:
            line = ""
            tomllib.loads(effective(loaded.settings))
        assert line.isprintable()
        assert folder not in line


def as_toml(value: object) -> str:
    if isinstance(value, dict):
        items = (f"{as_toml(name)} = {as_toml(item)}" for name, item in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    if isinstance(value, str):
        return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
    if isinstance(value, bool | int | float):
        return str(value).lower()
    return str(value)


@patient
@given(names, values)
@example("server.header_timeout_s", 10**400)
@example("server.port", 10**400)
@example("tiers.anonymous.concurrent", {"requests": "x"})
def test_a_junk_value_gives_nothing_but_settings_errors(key: str, value: object) -> None:
    only_settings_errors(f"{key} = {as_toml(value)}", {})


@patient
@given(
    st.sampled_from([path for path in patterns(Settings) if path.startswith("providers[].")]),
    values,
)
def test_a_junk_provider_gives_nothing_but_settings_errors(path: str, value: object) -> None:
    name = path.rpartition("[].")[2]
    rows = PROVIDER + (MODEL if "models" in path else "")
    kept = [line for line in rows.splitlines() if not line.startswith(f"{name} =")]
    only_settings_errors("\n".join(kept) + f"\n{name} = {as_toml(value)}", {})


@patient
@given(st.binary() | st.text())
@example("a." * 500 + "a = 1")
def test_a_junk_file_gives_nothing_but_settings_errors(text: str | bytes) -> None:
    only_settings_errors(text, {})


@patient
@given(
    st.dictionaries(
        names.map(variable)
        | st.sampled_from(["SCALIX_FREE_TIERS__ANONYMOUS", "SCALIX_FREE_CACHES__USER_QUOTA"])
        | st.text().map("SCALIX_FREE_{}".format)
        | st.sampled_from(["SCALIX_FREE_DATA", "SCALIX_FREE_CONFIG", "X", *VARIABLES]),
        st.text()
        | strings
        | values.map(str)
        | st.sampled_from(["\udc80", '"\\ud800"', '{"a":{}}']),
        max_size=4,
    )
)
@example({"SCALIX_FREE_SERVER__HOST": "\udc80"})
@example({"SCALIX_FREE_LOCAL__USE": "\udc80"})
@example({"SCALIX_FREE_SERVER__SECRET": "\udc80"})
@example({"SCALIX_FREE_SERVER__\udc80": "x"})
@example({"SCALIX_FREE_LOCAL__MODEL_PATH": "\udc80"})
@example({"SCALIX_FREE_DATA": "\udc80\n"})
@example({"SCALIX_FREE_SECRET": "\udc80"})
@example({"SCALIX_FREE_SERVER__SECRET": "env:\udc80"})
@example({"SCALIX_FREE_SERVER__SECRET": "file:\udc80"})
@example({"SCALIX_FREE_CACHES__USER_QUOTA": '{"ttl_s": {"a": 1}}'})
@example({"SCALIX_FREE_CACHES__USER_QUOTA": '{"ttl_s": 1' + "0" * 400 + "}"})
def test_a_junk_environment_gives_nothing_but_settings_errors(environ: dict[str, str]) -> None:
    only_settings_errors("", environ)


# Small parts


def test_an_error_is_one_line_that_can_travel() -> None:
    error = SettingsError("a.toml", "x: bad\nvalue \udc80")
    assert str(error) == "a.toml: x: bad\\nvalue \\udc80"
    again = pickle.loads(pickle.dumps(error))
    assert (again.where, again.what) == (error.where, error.what)


def test_a_key_that_needs_quotes_gets_them() -> None:
    assert dotted(("providers", 0, "a b", "c")) == 'providers[0]."a b".c'


def test_the_import_is_light() -> None:
    code = "import sys, scalix_free.settings; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in result.stdout.split()}
    assert not loaded & {"aiohttp", "asyncio", "litestar", "uvicorn", "zoneinfo", "sqlite3", "ssl"}
    ours = {name for name in result.stdout.split() if name.startswith("scalix_free.")}
    assert all(name.startswith("scalix_free.settings") for name in ours)
