"""The operator's tables and the shipped catalogue together: who serves, with what, and why not."""

from collections.abc import Callable

import pytest

from scalix_free.settings import (
    Loaded,
    Policy,
    ProviderEntry,
    ProviderLimits,
    SettingsError,
    Terms,
    barred,
    effective,
    shipped,
)
from scalix_free.settings.texts import EEA

Load = Callable[..., Loaded]

GROQ_120B = "groq/openai/gpt-oss-120b"


def entry(loaded: Loaded, name: str) -> ProviderEntry:
    (found,) = [entry for entry in loaded.settings.catalogue if entry.name == name]
    return found


def serving(loaded: Loaded) -> set[str]:
    return {entry.name for entry in loaded.settings.catalogue if entry.serves}


# ── Keys ─────────────────────────────────────────────────────────────────────────────────────


def test_without_any_key_nobody_serves(loaded: Load) -> None:
    assert serving(loaded()) == set()
    assert loaded().warnings == ()


ON = [
    (row, name)
    for row in shipped().providers
    if row.switched_on_by == "key"
    for name in row.key_variables
]


@pytest.mark.parametrize(("row", "variable"), ON, ids=lambda it: it if isinstance(it, str) else "")
def test_its_key_switches_a_provider_on_and_no_other(
    loaded: Load, row: ProviderEntry, variable: str
) -> None:
    environ = {variable: "k-1", "CLOUDFLARE_ACCOUNT_ID": "abc"}
    told = loaded("policy.allow_evaluation_only = true", **environ)
    found = entry(told, row.name)

    assert serving(told) == {row.name}
    assert found.api_key is not None
    assert found.api_key.reveal() == "k-1"
    assert "{" not in found.base_url
    assert (found.off, found.missing, found.firm) == ("", (), False)
    assert "k-1" not in repr(told)


def test_the_contracts_variables_are_known() -> None:
    known = shipped().variables()

    for name in ("GEMINI", "GOOGLE", "OPENROUTER", "GROQ", "MISTRAL", "CEREBRAS", "OLLAMA"):
        assert f"{name}_API_KEY" in known


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({}, ("CLOUDFLARE_API_KEY", "CLOUDFLARE_ACCOUNT_ID")),
        ({"CLOUDFLARE_API_KEY": "k"}, ("CLOUDFLARE_ACCOUNT_ID",)),
        ({"CLOUDFLARE_ACCOUNT_ID": "a"}, ("CLOUDFLARE_API_KEY",)),
        ({"CLOUDFLARE_API_TOKEN": "k", "CLOUDFLARE_ACCOUNT_ID": ""}, ("CLOUDFLARE_ACCOUNT_ID",)),
        ({"CLOUDFLARE_API_TOKEN": "k", "CLOUDFLARE_ACCOUNT_ID": "a"}, ()),
    ],
)
def test_exactly_what_is_missing_is_named(
    loaded: Load, environ: dict[str, str], missing: tuple[str, ...]
) -> None:
    found = entry(loaded(**environ), "cloudflare")

    assert found.missing == missing
    assert bool(found.serves) == (not missing)


@pytest.mark.parametrize("value", ["../x", "a/b", "a b", "é"])
def test_an_account_id_that_would_change_the_address_stops_the_start(
    loaded: Load, value: str
) -> None:
    with pytest.raises(SettingsError, match=r"^CLOUDFLARE_ACCOUNT_ID: expected letters"):
        loaded(CLOUDFLARE_ACCOUNT_ID=value)


def test_a_key_with_a_line_break_stops_the_start_and_is_not_shown(loaded: Load) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(GROQ_API_KEY="hunter2\r\nx-other: 1")

    assert str(refused.value).startswith("GROQ_API_KEY: holds a control character")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("row", [row for row in shipped().providers if row.switched_on_by != "key"])
def test_what_may_cost_money_or_needs_no_key_waits_for_a_table(
    loaded: Load, row: ProviderEntry
) -> None:
    keys = shipped().by_name()[row.name].key_variables
    told = loaded(**dict.fromkeys(keys, "k"))

    assert serving(told) == set()
    assert len(told.warnings) == min(len(keys), 1)
    assert all(f"{keys[0]} is set, but {row.name} " in warning for warning in told.warnings)

    asked = loaded(f'[[providers]]\nname = "{row.name}"', **dict.fromkeys(keys, "k"))
    called = [model for model in shipped().by_name()[row.name].models if model.status == "live"]
    assert serving(asked) <= {row.name}
    assert bool(serving(asked)) >= bool(called)
    assert asked.warnings == ()


def test_a_variable_that_a_table_uses_switches_on_nothing_else(loaded: Load) -> None:
    told = loaded(
        """
        [[providers]]
        name = "mine"
        base_url = "https://api.groq.com/openai/v1"
        api_key = "env:GROQ_API_KEY"
        [[providers.models]]
        id = "mine/a"
        model = "a"
        """,
        GROQ_API_KEY="k",
    )

    assert serving(told) == {"mine"}


# ── Tables ───────────────────────────────────────────────────────────────────────────────────


def test_a_table_replaces_what_it_says_and_nothing_else(loaded: Load) -> None:
    plain = entry(loaded(OPENROUTER_API_KEY="k"), "openrouter")
    raised = entry(
        loaded(
            '[[providers]]\nname = "openrouter"\nlimits = { rpd = 1000 }', OPENROUTER_API_KEY="k"
        ),
        "openrouter",
    )

    assert (plain.limits, plain.firm) == (ProviderLimits(rpm=20, rpd=50), False)
    assert (raised.limits, raised.firm) == (ProviderLimits(rpm=20, rpd=1000), True)
    assert (raised.base_url, raised.reset) == (plain.base_url, plain.reset)
    assert (raised.models, raised.api_key) == (plain.models, plain.api_key)
    assert raised.discovers


def test_a_reset_that_is_written_counts_even_where_it_is_the_default(loaded: Load) -> None:
    table = '[[providers]]\nname = "gemini"\n'

    assert entry(loaded(table), "gemini").reset == "America/Los_Angeles"
    assert entry(loaded(f'{table}reset = "UTC"'), "gemini").reset == "UTC"


def test_a_table_switches_off(loaded: Load) -> None:
    told = loaded('[[providers]]\nname = "groq"\nenabled = false', GROQ_API_KEY="k")

    assert serving(told) == set()
    assert entry(told, "groq").off == "switched off"


def test_models_that_are_listed_are_all_and_filled_up(loaded: Load) -> None:
    told = loaded(
        """
        [[providers]]
        name = "groq"
        [[providers.models]]
        id = "fast"
        model = "openai/gpt-oss-20b"
        priority = 3
        limits = { rpd = 10 }
        [[providers.models]]
        id = "groq/unheard-of"
        model = "unheard-of"
        """,
        GROQ_API_KEY="k",
    )
    fast, other = entry(told, "groq").models
    (row,) = [m for m in shipped().by_name()["groq"].models if m.model == "openai/gpt-oss-20b"]

    assert (fast.id, fast.priority, fast.reasoning) == ("fast", 3, True)
    assert (fast.quality, fast.context_tokens) == (row.quality, row.context_tokens)
    assert (fast.limits, fast.firm) == (ProviderLimits(rpm=30, rpd=10, tpm=8000, tpd=200000), True)
    assert fast.terms.no_resale is True
    assert (other.model, other.abilities, other.limits) == ("unheard-of", None, ProviderLimits())
    assert other.terms.no_resale is True


def test_what_a_listed_model_says_counts_even_where_it_is_the_default(loaded: Load) -> None:
    told = loaded(
        """
        [[providers]]
        name = "groq"
        [[providers.models]]
        id = "fast"
        model = "openai/gpt-oss-20b"
        reasoning = false
        """,
        GROQ_API_KEY="k",
    )

    assert entry(told, "groq").models[0].reasoning is False


def test_a_listed_model_is_called_whatever_it_costs_unless_it_is_gone(loaded: Load) -> None:
    names = ["gemini-2.5-pro", "gemini-flash-latest", "gemini-pro"]
    rows = "".join(f'[[providers.models]]\nid = "{n}"\nmodel = "{n}"\n' for n in names)
    found = entry(loaded(f'[[providers]]\nname = "gemini"\n{rows}', GEMINI_API_KEY="k"), "gemini")

    assert [model.id for model in found.serves] == ["gemini-2.5-pro", "gemini-flash-latest"]


def test_a_key_of_the_environment_goes_to_its_own_provider_alone(loaded: Load) -> None:
    table = '[[providers]]\nname = "groq"\nbase_url = "https://elsewhere.example/v1"\n'

    moved = entry(loaded(table, GROQ_API_KEY="hunter2"), "groq")

    assert (moved.api_key, moved.off) == (None, "")
    assert len(moved.serves) > 1


MINE = f"""
[[providers]]
name = "mine"
base_url = "https://mine.example/v1"
[[providers.models]]
id = "{GROQ_120B}"
model = "a"
"""


@pytest.mark.parametrize("table", ["", '[[providers]]\nname = "groq"\n'])
def test_an_operators_id_wins_over_a_shipped_one(loaded: Load, table: str) -> None:
    told = loaded(table + MINE, GROQ_API_KEY="k")
    found = [(model.id, entry.name) for entry in told.settings.catalogue for model in entry.serves]

    assert [name for model, name in found if model == GROQ_120B] == ["mine"]


def test_what_is_switched_off_takes_no_id(loaded: Load) -> None:
    off = MINE.replace('name = "mine"', 'name = "mine"\nenabled = false')

    assert GROQ_120B in [m.id for m in entry(loaded(off, GROQ_API_KEY="k"), "groq").serves]


def test_a_fallback_may_be_a_shipped_model(loaded: Load) -> None:
    text = """
        [[providers]]
        name = "mine"
        base_url = "https://mine.example/v1"
        [[providers.models]]
        id = "mine/a"
        model = "a"
        fallbacks = ["{}"]
        """

    assert entry(loaded(text.format(GROQ_120B)), "mine").models[0].fallbacks == (GROQ_120B,)
    with pytest.raises(SettingsError, match='no model has the id "groq/x"'):
        loaded(text.format("groq/x"))


def test_the_effective_configuration_is_the_operators_alone(loaded: Load) -> None:
    text = effective(loaded(GROQ_API_KEY="k").settings)

    assert "groq" not in text
    assert "catalogue" not in text


# ── Policy ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("terms", "policy", "why"),
    [
        (Terms(), Policy(), ""),
        (Terms(trains_on_prompts=True), Policy(), ""),
        (Terms(trains_on_prompts=False), Policy(allow_training_on_prompts=False), ""),
        (
            Terms(trains_on_prompts=True),
            Policy(allow_training_on_prompts=False),
            "may train on prompts",
        ),
        (
            Terms(),
            Policy(allow_training_on_prompts=False),
            "not known to spare prompts from training",
        ),
        (Terms(evaluation_only=True), Policy(), "for evaluation only"),
        (Terms(evaluation_only=True), Policy(allow_evaluation_only=True), ""),
        (Terms(no_resale=True), Policy(), ""),  # it depends on who asks
        (Terms(min_age=18), Policy(), ""),
        (Terms(min_age=18), Policy(min_age=17), "for people from 18 years on"),
        (Terms(blocked_regions=("EEA",)), Policy(), ""),
        (Terms(blocked_regions=("EEA",)), Policy(end_user_regions=("US", "GB", "CH")), ""),
        (
            Terms(blocked_regions=("EEA", "GB")),
            Policy(end_user_regions=("US", "GB", "DE")),
            "not for end users in DE, GB",
        ),
    ],
)
def test_a_policy_bars_what_it_says(terms: Terms, policy: Policy, why: str) -> None:
    assert barred(terms, policy) == why


@pytest.mark.parametrize("country", EEA.split())
def test_the_european_economic_area_is_all_of_its_countries(loaded: Load, country: str) -> None:
    told = loaded(f'policy.end_user_regions = ["{country}"]', GEMINI_API_KEY="k")

    assert serving(told) == set()


def test_a_policy_leaves_out_single_models(loaded: Load) -> None:
    told = loaded("policy.allow_training_on_prompts = false", OPENROUTER_API_KEY="k")
    left = {model.model: model.left_out for model in entry(told, "openrouter").models}

    assert left["google/gemma-4-31b-it:free"] == ""
    assert left["thinkingmachines/inkling:free"] == "may train on prompts"
    assert left["openrouter/free"]  # it may pick any


def test_a_policy_does_not_touch_what_is_the_operators_alone(loaded: Load) -> None:
    told = loaded(
        """
        policy = { allow_training_on_prompts = false, end_user_regions = ["DE"], min_age = 0 }
        [[providers]]
        name = "mine"
        base_url = "https://mine.example/v1"
        [[providers.models]]
        id = "mine/a"
        model = "a"
        """
    )

    assert serving(told) == {"mine"}
