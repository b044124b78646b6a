"""How a pool of LiteLLM proxies is written, by tables and by LiteLLM's own variables."""

import pytest

from scalix_free.settings import Pool, ProviderEntry, Settings, effective, revealed
from tests.place import Place

TABLE = """
[[providers]]
name = "mine"
kind = "litellm-proxy"
"""
ROOTS = 'base_urls = ["http://10.0.0.1:4000", "https://proxy.example/litellm/"]\n'
MODEL = """
[[providers.models]]
id = "mine/fast"
model = "free-gemini-flash"
"""
KEYS = {"GEMINI_API_KEY": "hunter2", "GROQ_API_KEY": "hunter2"}


def pools(settings: Settings) -> list[ProviderEntry]:
    return [entry for entry in settings.catalogue if entry.pool is not None]


def entry(settings: Settings, name: str) -> ProviderEntry:
    (found,) = [one for one in settings.catalogue if one.name == name]
    return found


# Tables


def test_a_table_names_the_roots_of_the_proxies(at: Place) -> None:
    settings = at.settings(TABLE + ROOTS + "api_key = 'sk-master'\n" + MODEL)
    (pool,) = pools(settings)
    assert pool.pool == Pool(
        name="mine", roots=("http://10.0.0.1:4000", "https://proxy.example/litellm")
    )
    assert revealed(pool.api_key) == "sk-master"
    assert [model.id for model in pool.serves] == ["mine/fast"]
    assert pool.is_open
    assert not pool.asks_proxies


def test_a_table_without_models_has_those_that_the_proxies_name(at: Place) -> None:
    (pool,) = pools(at.settings(TABLE + ROOTS))
    assert pool.asks_proxies
    assert pool.is_open
    (off,) = pools(at.settings(TABLE + ROOTS + "enabled = false"))
    assert not off.is_open


def test_how_instances_are_looked_after_is_written_beside_them(at: Place) -> None:
    text = (
        TABLE
        + ROOTS
        + "balance = 'round-robin'\nhealth_path = '/health/readiness?a=b'\nhealth_interval_s = 0.5"
    )
    (pool,) = pools(at.settings(text))
    assert pool.pool is not None
    assert pool.pool.balance == "round-robin"
    assert pool.pool.health_path == "/health/readiness?a=b"
    assert pool.pool.health_interval_s == 0.5


@pytest.mark.parametrize(
    ("rest", "what"),
    [
        ("", "providers[0].base_urls: is missing: kind = "),
        ("base_urls = []", "providers[0].base_urls: is missing: kind = "),
        ("base_urls = 'http://a'", "providers[0].base_urls: expected a list, got "),
        ("base_urls = ['10.0.0.1:4000']", "providers[0].base_urls[0]: expected an http:// or "),
        ("base_urls = ['localhost']", "providers[0].base_urls[0]: expected an http:// or "),
        ("base_urls = ['http://a', '']", "providers[0].base_urls[1]: expected an http:// or "),
        (
            "base_urls = ['http://a/v1']",
            "providers[0].base_urls[0]: expected the root of the proxy, without /v1",
        ),
        (
            "base_urls = ['http://a/v1/']",
            "providers[0].base_urls[0]: expected the root of the proxy, without /v1",
        ),
        (
            "base_urls = ['http://a', 'http://b', 'http://a/']",
            'providers[0].base_urls[2]: "http://a" is there already',
        ),
        (
            "base_urls = ['http://a']\nbase_url = 'http://b'",
            'providers[0].base_url: kind = "litellm-proxy" takes base_urls, a list',
        ),
        (
            "base_urls = ['http://sk-1@a']",
            "providers[0].base_urls[0]: a user name or password does not belong into this URL",
        ),
        ("base_urls = ['http://a']\nbalance = 'random'", "providers[0].balance: expected one of "),
        (
            "base_urls = ['http://a']\nhealth_path = '/health'",
            "providers[0].health_path: /health calls every model of the proxy each time; write ",
        ),
        (
            "base_urls = ['http://a']\nhealth_path = 'health/liveliness'",
            'providers[0].health_path: expected a path such as "/health/liveliness", got ',
        ),
        (
            "base_urls = ['http://a']\nhealth_interval_s = 0",
            "providers[0].health_interval_s: expected a number of seconds above 0, got 0",
        ),
    ],
)
def test_a_mistake_is_told_in_a_line(at: Place, rest: str, what: str) -> None:
    assert at.refusal(TABLE + rest).startswith(f"scalix-free.toml: {what}")


def test_a_pool_needs_a_name_of_its_own(at: Place) -> None:
    line = at.refusal(TABLE.replace("mine", "groq") + ROOTS)
    assert line == (
        'scalix-free.toml: providers[0].name: "groq" is a provider of the catalogue; '
        "a pool of proxies needs a name of its own"
    )


# LiteLLM's own variables


def test_the_variable_alone_makes_a_pool(at: Place) -> None:
    loaded = at.load(
        "",
        LITELLM_PROXY_URL="http://10.0.0.1:4000, http://10.0.0.2:4000/",
        LITELLM_MASTER_KEY="sk-hunter2",
    )
    (pool,) = pools(loaded.settings)
    assert pool.pool == Pool(
        name="litellm-proxy", roots=("http://10.0.0.1:4000", "http://10.0.0.2:4000")
    )
    assert revealed(pool.api_key) == "sk-hunter2"
    assert pool.asks_proxies
    assert loaded.warnings == ()
    assert "hunter2" not in effective(loaded.settings)


def test_a_proxy_without_a_key_is_asked_without_one(at: Place) -> None:
    (pool,) = pools(at.settings("", LITELLM_PROXY_URL="http://a", LITELLM_MASTER_KEY=""))
    assert pool.api_key is None


def test_with_it_keys_of_the_environment_are_not_used(at: Place) -> None:
    assert not entry(at.settings("", **KEYS), "gemini").off
    loaded = at.load("", LITELLM_PROXY_URL="http://a", **KEYS)
    for name in ("gemini", "groq", "openrouter"):
        one = entry(loaded.settings, name)
        assert one.off == "models are asked by LITELLM_PROXY_URL alone"
        assert one.api_key is None
        assert one.missing == ()
    (warning,) = loaded.warnings
    assert warning == (
        "GEMINI_API_KEY, GROQ_API_KEY: not used, as models are asked by LITELLM_PROXY_URL alone"
    )


def test_a_key_that_a_table_names_is_used_beside_it(at: Place) -> None:
    text = "[[providers]]\nname = 'groq'\napi_key = 'env:GROQ_API_KEY'\n"
    loaded = at.load(text, LITELLM_PROXY_URL="http://a", **KEYS)
    assert not entry(loaded.settings, "groq").off
    assert len(pools(loaded.settings)) == 1
    bare = at.load("[[providers]]\nname = 'groq'\n", LITELLM_PROXY_URL="http://a", **KEYS)
    assert entry(bare.settings, "groq").off == "models are asked by LITELLM_PROXY_URL alone"


def test_the_variables_say_what_a_table_leaves_out(at: Place) -> None:
    both = {"LITELLM_PROXY_URL": "http://a", "LITELLM_MASTER_KEY": "sk-x"}
    (pool,) = pools(at.settings(TABLE + "balance = 'round-robin'\n", **both))
    assert pool.pool == Pool(name="mine", roots=("http://a",), balance="round-robin")
    assert revealed(pool.api_key) == "sk-x"
    loaded = at.load(TABLE + ROOTS, **both)
    (pool,) = pools(loaded.settings)
    assert pool.pool is not None
    assert len(pool.pool.roots) == 2
    assert revealed(pool.api_key) == "sk-x"
    (warning,) = loaded.warnings
    assert warning == (
        'LITELLM_PROXY_URL is set, but the tables of kind = "litellm-proxy" say who is asked'
    )


def test_a_table_that_names_its_proxies_leaves_other_providers_alone(at: Place) -> None:
    settings = at.settings(TABLE + ROOTS, LITELLM_PROXY_URL="http://a", **KEYS)
    assert not entry(settings, "gemini").off


def test_who_wants_it_off_says_so_under_its_name(at: Place) -> None:
    text = "[[providers]]\nname = 'litellm-proxy'\nenabled = false\n"
    loaded = at.load(text, LITELLM_PROXY_URL="http://a", **KEYS)
    assert pools(loaded.settings) == []
    assert not entry(loaded.settings, "gemini").off
    assert loaded.warnings[0].startswith("LITELLM_PROXY_URL is set, but ")


def test_a_key_for_no_proxy_is_told(at: Place) -> None:
    (warning,) = at.load("", LITELLM_MASTER_KEY="sk-hunter2").warnings
    assert warning.startswith("LITELLM_MASTER_KEY is set, but no proxy is asked with it; ")
    assert "hunter2" not in warning


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("10.0.0.1:4000", "expected an http:// or https:// URL, got "),
        ("http://a,b", "expected an http:// or https:// URL, got "),
        ("http://a/v1", "expected the root of the proxy, without /v1"),
        ("http://a,http://a", '"http://a" is there already'),
        (", ,", 'is missing: kind = "litellm-proxy" needs at least one'),
        ("redis://:hunter2@host", "expected an http:// or https:// URL, got "),
    ],
)
def test_a_mistake_in_the_variable_names_it(at: Place, value: str, what: str) -> None:
    line = at.refusal("", LITELLM_PROXY_URL=value)
    assert line.startswith(f"LITELLM_PROXY_URL: {what}")
    assert "hunter2" not in line
