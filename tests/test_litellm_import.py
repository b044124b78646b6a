"""An operator's configuration of LiteLLM becomes ours; what does not is named, key by key."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from scalix_free.cli import main
from scalix_free.litellm_import import COST, translate
from scalix_free.settings.shipped import shipped
from tests.place import Place

FULL = """
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_API_KEY
      rpm: 60
      tpm: 100000
      temperature: 0.5
    model_info:
      max_input_tokens: 128000
      max_output_tokens: 16384
      base_model: gpt-4o
  - model_name: local
    litellm_params:
      model: hosted_vllm/qwen
      api_base: http://10.0.0.5:8000/v1
      metadata: {priority: 2, team: blue}
  - model_name: local
    litellm_params:
      model: openai/qwen
      api_base: http://10.0.0.6:8000/v1
      api_key: sk-in-the-file
  - model_name: flash
    litellm_params:
      model: gemini/gemini-3.8-flash
      api_key: os.environ/MY_GEMINI_KEY
      order: 3
  - model_name: claude
    litellm_params:
      model: anthropic/claude-4
      api_key: os.environ/ANTHROPIC_API_KEY
  - model_name: embed
    litellm_params: {model: openai/text-embedding-3-small}
    model_info: {mode: embedding}
  - model_name: "*"
    litellm_params: {model: "openrouter/*"}
  - litellm_params: {model: openai/x}
litellm_settings:
  fallbacks: [{gpt-4o: [flash, local, gone]}, {nobody: [flash]}]
  num_retries: 2
  callbacks: [langfuse]
router_settings:
  routing_strategy: simple-shuffle
  model_group_alias: {gpt-4: gpt-4o}
general_settings:
  master_key: sk-secret-master
environment_variables:
  LANGFUSE_HOST: x
"""


def run(text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    file = folder / "config.yaml"
    file.write_text(text)
    code = main(["import", "litellm", str(file)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_what_can_be_translated_is_a_configuration_of_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(FULL, tmp_path, capsys)
    rows = {row["name"]: row for row in tomllib.loads(out)["providers"]}

    assert code == 0
    assert list(rows) == ["openai", "10.0.0.5", "10.0.0.6", "gemini", "anthropic"]
    assert rows["openai"]["base_url"] == "https://api.openai.com/v1"
    assert rows["openai"]["api_key"] == "env:OPENAI_API_KEY"
    (gpt,) = rows["openai"]["models"]
    assert gpt == {
        "id": "gpt-4o",
        "model": "gpt-4o",
        "context_tokens": 128_000,
        "max_output_tokens": 16_384,
        "limits": {"rpm": 60, "tpm": 100_000},
        "fallbacks": ["flash", "local", "local-2"],
    }
    assert rows["10.0.0.5"]["models"] == [{"id": "local", "model": "qwen", "priority": 2}]
    assert rows["10.0.0.6"]["api_key"] == "env:PROVIDER_10_0_0_6_API_KEY"
    assert rows["10.0.0.6"]["models"] == [{"id": "local-2", "model": "qwen"}]
    assert rows["gemini"] == {
        "name": "gemini",
        "api_key": "env:MY_GEMINI_KEY",
        "models": [{"id": "flash", "model": "gemini-3.8-flash", "priority": 3}],
    }
    assert rows["anthropic"]["kind"] == "litellm"
    assert rows["anthropic"]["models"] == [{"id": "claude", "model": "anthropic/claude-4"}]


def test_the_service_loads_what_was_translated(
    at: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run(FULL.replace("anthropic/", "groq/"), at.cwd, capsys)  # no SDK, no extra
    names = ("OPENAI_API_KEY", "MY_GEMINI_KEY", "PROVIDER_10_0_0_6_API_KEY", "ANTHROPIC_API_KEY")
    settings = at.settings(out, **dict.fromkeys(names, "k"))

    asked = {model.id for entry in settings.catalogue for model in entry.serves}
    assert {"gpt-4o", "local", "local-2", "flash", "claude"} <= asked


def test_whatever_could_not_be_translated_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, said = run(FULL, tmp_path, capsys)
    keys = {line.partition(": ")[0] for line in said.splitlines()}

    assert keys == {
        "model_list[0].litellm_params.temperature",
        "model_list[0].model_info.base_model",
        "model_list[1].litellm_params.metadata.team",
        "model_list[2].model_name",
        "model_list[2].litellm_params.api_key",
        "model_list[4].litellm_params.model",
        "model_list[5].model_info.mode",
        "model_list[6].model_name",
        "model_list[7]",
        "litellm_settings.fallbacks[0].gpt-4o",
        "litellm_settings.fallbacks[1].nobody",
        "litellm_settings.num_retries",
        "litellm_settings.callbacks",
        "router_settings.routing_strategy",
        "router_settings.model_group_alias.gpt-4",
        "general_settings.master_key",
        "environment_variables.LANGFUSE_HOST",
        COST,
    }
    assert "sk-" not in out + said


def models(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"model_list": [{"model_name": "a", "litellm_params": row} for row in rows]}


def test_two_keys_are_two_accounts(at: Place) -> None:
    found = translate(
        models(
            {"model": "groq/x", "api_key": "sk-1"},
            {"model": "groq/y", "api_key": "sk-2"},
            {"model": "groq/z", "api_key": "sk-1"},
        ),
        shipped(),
    )
    accounts = [
        (one.table["name"], one.table["api_key"], [model["id"] for model in one.models])
        for one in found.providers.values()
    ]

    assert accounts == [
        ("groq", "env:GROQ_API_KEY", ["a", "a-3"]),
        ("groq-2", "env:GROQ_2_API_KEY", ["a-2"]),
    ]
    at.settings(found.toml(), GROQ_API_KEY="k", GROQ_2_API_KEY="k")


@pytest.mark.parametrize(
    ("parameters", "name", "model"),
    [
        ({"model": "gpt-4o"}, "openai", "gpt-4o"),
        ({"model": "claude-opus-4-6"}, "anthropic", "anthropic/claude-opus-4-6"),
        ({"model": "x", "custom_llm_provider": "azure"}, "azure", "azure/x"),
        ({"model": "openai/a/b", "api_base": "https://openrouter.ai/api/v1/"}, "openrouter", "a/b"),
        ({"model": "x/y", "custom_llm_provider": "groq"}, "groq", "x/y"),
        ({"model": "openai/a/b", "base_url": "https://free.example/v1"}, "free.example", "a/b"),
    ],
)
def test_a_model_is_found_as_litellm_finds_it(
    parameters: dict[str, Any], name: str, model: str
) -> None:
    (provider,) = translate(models(parameters), shipped()).providers.values()

    assert provider.table["name"] == name
    assert provider.models[0]["model"] == model


def test_a_key_goes_to_nobody_but_its_owner(at: Place) -> None:
    """LiteLLM finds OpenAI's key in the environment; Anthropic's is not for OpenAI."""
    found = translate(models({"model": "gpt-4o"}, {"model": "openai/x"}), shipped())
    (openai,) = found.providers.values()

    assert openai.table["api_key"] == "env:OPENAI_API_KEY"
    at.settings(found.toml(), OPENAI_API_KEY="k")
    own = models({"model": "openai/x", "api_base": "http://10.0.0.1/v1"})
    (server,) = translate(own, shipped()).providers.values()
    assert "api_key" not in server.table


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ({"litellm_params": {"model": "command-r"}}, "command-r is no provider/model"),
        ({"litellm_params": {"model": "azure/"}}, "azure/ is no provider/model"),
        ({"litellm_params": {"model": "mistral/mistral-embed"}}, "does not chat"),
        (
            {"litellm_params": {"model": "groq/x"}, "model_info": {"free_tier": False}},
            "marked as not free",
        ),
    ],
)
def test_what_is_left_out_is_told_with_its_reason(row: dict[str, Any], word: str) -> None:
    found = translate({"model_list": [{"model_name": "a", **row}]}, shipped())

    assert not found.providers
    (sentence,) = found.lost
    assert word in sentence


def test_limits_of_a_model_are_kept_and_what_is_set_elsewhere_is_said() -> None:
    given = {"model": "azure/x", "rpm": 1, "max_parallel_requests": 3, "api_version": "2023-05-15"}
    found = translate(models(given), shipped())
    (provider,) = found.providers.values()

    assert provider.models[0]["limits"] == {"rpm": 1, "concurrent": 3}
    assert found.lost[-1].endswith("api_version: LiteLLM reads AZURE_API_VERSION")


def test_a_fallback_with_parameters_is_named() -> None:
    config = models({"model": "groq/x"}, {"model": "groq/y"})
    config["router_settings"] = {"fallbacks": [{"a": [{"model": "a", "messages": []}, "a"]}]}
    found = translate(config, shipped())
    (provider,) = found.providers.values()

    assert "a fallback with parameters" in found.lost[-1]
    assert [model["fallbacks"] for model in provider.models] == [["a-2"], ["a"]]


@pytest.mark.parametrize(
    "config",
    [
        models({"model": 1}),
        {"model_list": [1, None, {}, {"model_name": "a"}]},
        {"model_list": [], "router_settings": 1, "litellm_settings": {"fallbacks": 1}},
        {"model_list": [], "litellm_settings": {"fallbacks": [1, {"a": 1}]}},
    ],
)
def test_what_is_of_no_form_is_left_out_and_breaks_nothing(config: dict[str, Any]) -> None:
    assert not translate(config, shipped()).providers


@pytest.mark.parametrize(
    ("text", "word"),
    [("a: [", "broken YAML in line"), ("[]", "model_list"), ("model_list: 1", "model_list")],
)
def test_a_file_that_is_none_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, word: str
) -> None:
    code, out, said = run(text, tmp_path, capsys)

    assert (code, out) == (2, "")
    assert word in said
    assert len(said.splitlines()) == 1


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "litellm", "nowhere.yaml"]) == 2
    assert "nowhere.yaml: cannot be read" in capsys.readouterr().err


def test_nothing_translated_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, said = run("model_list: []", tmp_path, capsys)

    assert (code, out) == (1, "")
    assert "no model of it could be translated" in said
