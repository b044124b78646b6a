"""Configurations for LiteLLM's proxy: the one that is shipped, and those that are printed."""

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from scalix_free import litellm_plugin
from scalix_free.cli import main
from scalix_free.litellm_config import PLANNED, heir_of
from scalix_free.litellm_import import translate
from scalix_free.litellm_plugin import FreeTierLimits, free_models
from scalix_free.settings.shipped import shipped
from tests.place import Place

SHIPPED_FILE = Path(__file__).parent.parent / "deploy/litellm/litellm_config_free.yaml"
TODAY = datetime.datetime.now(datetime.UTC).date()
SOON = datetime.date(2026, 12, 2)
"""When the plan's first model has ended."""
CALLBACKS = {
    "success_callback": ["litellm_plugin.custom_free_tier_tracker"],
    "failure_callback": ["litellm_plugin.custom_free_tier_error_handler"],
}

Config = dict[str, Any]


@pytest.fixture
def printed(at: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Prints a configuration under these variables alone."""
    for name in shipped().variables():
        monkeypatch.delenv(name, raising=False)

    def run(**environ: str) -> tuple[Config, str]:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(at.cwd)
        assert main(["litellm-config"]) == 0
        told = capsys.readouterr()
        config: Config = yaml.safe_load(told.out)
        return config, told.err

    return run


def wired(config: Config) -> None:
    """The plugin is named as LiteLLM calls it, and every name is there."""
    assert {name: config["litellm_settings"][name] for name in CALLBACKS} == CALLBACKS
    paths = [
        config["general_settings"]["custom_auth"],
        *config["litellm_settings"]["success_callback"],
        *config["litellm_settings"]["failure_callback"],
    ]
    for path in paths:
        module, _, name = path.partition(".")
        assert module == Path(litellm_plugin.__file__).stem
        assert callable(getattr(litellm_plugin, name))


def secrets(config: Config) -> list[str]:
    """Every value that has to come from the environment."""
    general, router = config["general_settings"], config["router_settings"]
    keys = [row["litellm_params"].get("api_key") for row in config["model_list"]]
    found = [general["master_key"], general["database_url"], router["redis_host"]]
    return [*found, router["redis_port"], *(key for key in keys if key is not None)]


# ── The one that is shipped ──────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def file() -> Config:
    config: Config = yaml.safe_load(SHIPPED_FILE.read_text())
    return config


def test_the_shipped_file_has_the_plans_names_and_todays_models(file: Config) -> None:
    rows = {row["model_name"]: row for row in file["model_list"]}

    assert list(rows) == list(PLANNED)
    for place, (name, planned) in enumerate(PLANNED.items(), 1):
        heir = heir_of(planned, shipped(), max(TODAY, SOON))
        row = rows[name]
        assert row["litellm_params"]["model"] == row["model_info"]["scalix_model"] == heir
        for table in (row["litellm_params"]["metadata"], row["model_info"]):
            assert (table["free_tier"], table["priority"]) == (True, place)


def test_the_shipped_file_is_wired_and_holds_no_secret(file: Config) -> None:
    wired(file)
    assert all(value.startswith("os.environ/") for value in secrets(file))
    assert tuple(FreeTierLimits.of(file)) == (10, 50, 10_000)
    assert free_models(file) == frozenset({*PLANNED, "scalix-free"})


# ── Printed ones ─────────────────────────────────────────────────────────────────────────────


def test_with_keys_the_models_of_their_providers_are_printed(printed: Any) -> None:
    config, said = printed(GROQ_API_KEY="gsk-secret", ZAI_API_KEY="zai-secret")

    wired(config)
    assert said == ""
    rows = config["model_list"]
    providers = {row["model_info"]["scalix_model"].partition("/")[0] for row in rows}
    assert providers == {"groq", "zai"}
    assert {row["litellm_params"]["api_key"] for row in rows} == {
        "os.environ/GROQ_API_KEY",
        "os.environ/ZAI_API_KEY",
    }
    assert "secret" not in yaml.safe_dump(config)
    for row in rows:
        parameters = row["litellm_params"]
        prefix = parameters["model"].partition("/")[0]
        assert prefix == ("groq" if "groq" in row["model_name"] else "openai")
        assert (prefix == "openai") == ("api_base" in parameters)
    assert [row["model_info"]["priority"] for row in rows] == list(range(1, len(rows) + 1))


def test_the_variable_that_is_set_is_named(printed: Any) -> None:
    config, _ = printed(GOOGLE_API_KEY="x")

    keys = {row["litellm_params"]["api_key"] for row in config["model_list"]}
    assert keys == {"os.environ/GOOGLE_API_KEY"}


def test_without_keys_all_that_only_need_one_are_printed(printed: Any) -> None:
    config, _ = printed()
    providers = {row["model_name"].partition("/")[0] for row in config["model_list"]}
    expected = {row.name for row in shipped().providers if row.switched_on_by == "key"}

    # The address of one needs a variable; the policy bars what is for evaluation only.
    assert providers == expected - {"cloudflare", "cohere", "nvidia_nim"}
    aliases = config["router_settings"]["model_group_alias"]
    assert aliases["scalix-free"] == config["model_list"][0]["model_name"]
    assert {aliases[name] for name in PLANNED} <= {r["model_name"] for r in config["model_list"]}
    assert set(aliases) <= (free_models(config) or frozenset())


def test_a_provider_whose_address_is_not_known_is_named(printed: Any) -> None:
    config, said = printed(GROQ_API_KEY="x", CLOUDFLARE_API_KEY="x", CLOUDFLARE_ACCOUNT_ID="a-1")
    cloud = [row for row in config["model_list"] if row["model_name"].startswith("cloudflare/")]
    assert all("accounts/a-1/ai" in row["litellm_params"]["api_base"] for row in cloud)
    assert cloud
    assert said == ""


def test_nothing_that_ended_is_printed(printed: Any) -> None:
    config, _ = printed()
    rows = {row.id_of(m): m for row in shipped().providers for m in row.models}
    for row in config["model_list"]:
        model = rows[row["model_name"]]
        assert model.status not in {"gone", "paid", "alias"}
        assert model.retires is None or model.retires > TODAY


def test_what_is_printed_can_be_imported_again(printed: Any) -> None:
    config, _ = printed(GROQ_API_KEY="x", MISTRAL_API_KEY="y")
    found = translate(config, shipped())

    assert {provider.table["name"] for provider in found.providers.values()} == {"groq", "mistral"}
    ids = [model["id"] for provider in found.providers.values() for model in provider.models]
    assert sorted(map(str, ids)) == sorted(row["model_name"] for row in config["model_list"])
