"""The words at the start: who answers and on what terms, and what would switch on more."""

import datetime
from collections.abc import Callable

import msgspec
import pytest

from scalix_free.banner import banner, model_lines
from scalix_free.runtime import LocalModel, Runtime
from scalix_free.settings import Loaded, ModelEntry, checks, shipped

TODAY = datetime.date(2026, 11, 26)
NOON = datetime.datetime(2026, 11, 26, 12, tzinfo=datetime.UTC).timestamp()
LOCAL = LocalModel(
    id="local/demo",
    name="demo",
    path="/demo.gguf",
    demonstration=True,
    context_tokens=2048,
    max_output_tokens=None,
)
OWN = """
[[providers]]
name = "mine"
base_url = "https://mine.example/v1"
[[providers.models]]
id = "mine/a"
model = "a"
"""

Load = Callable[..., Loaded]


def words(loaded: Loaded, local: LocalModel | None = None) -> dict[str, list[str]]:
    """What stands under each head, wrapped lines joined."""
    runtime = Runtime(
        settings=loaded.settings,
        ledger=":memory:",
        secret=b"s" * 32,
        public_url="http://127.0.0.1:3001",
        local=local,
        started_at=NOON,
    )
    found: dict[str, list[str]] = {}
    head = ""
    for line in banner(runtime, loaded, "ready", None).partition("\n\nAsk now")[0].splitlines()[2:]:
        head = line[2:12].strip() or head
        if line[12:].startswith("  "):
            found[head][-1] += line[13:]
        else:
            found.setdefault(head, []).append(line[12:])
    return found


def all_lines(loaded: Loaded, local: LocalModel | None = None) -> list[str]:
    return list(model_lines(loaded.settings.catalogue, local, TODAY))


# ── At the start ─────────────────────────────────────────────────────────────────────────────


def test_a_newcomer_sees_the_local_model_and_a_variable_a_line(loaded: Load) -> None:
    said = words(loaded(), LOCAL)

    assert said["Models"][0].startswith("local/demo  ready, a demonstration model")
    assert "gemini  needs GEMINI_API_KEY (11 models)" in said["Models"]
    assert said["Models"][5] == (
        "cloudflare  needs CLOUDFLARE_API_KEY and CLOUDFLARE_ACCOUNT_ID (9 models)"
    )
    assert len(said["Models"]) < 12
    assert "Terms" not in said
    assert "no provider is configured" in said["Note"][0]


def test_whom_the_policy_bars_whole_is_not_offered(loaded: Load) -> None:
    offered = " ".join(words(loaded(), LOCAL)["Models"])
    opened = " ".join(words(loaded("policy.allow_evaluation_only = true"), LOCAL)["Models"])

    assert "COHERE_API_KEY" not in offered
    assert "COHERE_API_KEY (5 models)" in opened


def test_what_answers_stands_with_its_terms_and_what_is_missing_in_a_line(loaded: Load) -> None:
    said = words(loaded(GEMINI_API_KEY="hunter2", OPENROUTER_API_KEY="hunter2"))
    gemini, openrouter, more = said["Models"]

    assert gemini.startswith("gemini  ready: gemini-3.8-flash, ")
    assert "gemini-pro" not in gemini
    assert openrouter.endswith("; left out: for evaluation only")
    assert "laguna" not in openrouter  # since 2026-10-31
    assert more.startswith("more with GROQ_API_KEY, MISTRAL_API_KEY, CLOUDFLARE_API_KEY and ")
    assert said["Terms"] == [
        "gemini will serve strangers: may train on prompts, people may read prompts, "
        "not for end users in EEA CH GB, from 18 years on, as a public service: conditional",
        "openrouter will serve strangers: some models may train on prompts, no resale, "
        "as a public service: restricted",
    ]
    assert "Note" not in said
    assert "hunter2" not in str(said)


@pytest.mark.parametrize(
    ("variable", "terms"),
    [
        ("GROQ_API_KEY", "does not train on prompts"),
        ("ZAI_API_KEY", "nobody said whether it may train on prompts"),
        ("MISTRAL_API_KEY", "as a public service: no"),
    ],
)
def test_terms_say_what_is_known_and_what_is_not(loaded: Load, variable: str, terms: str) -> None:
    assert terms in words(loaded(**{variable: "k"}))["Terms"][0]


def test_evaluation_is_named_where_it_was_allowed(loaded: Load) -> None:
    said = words(loaded("policy.allow_evaluation_only = true", NVIDIA_API_KEY="k"))

    assert "for evaluation only" in said["Terms"][0]


def test_ones_own_provider_serves_on_the_terms_of_ones_account(loaded: Load) -> None:
    said = words(loaded(OWN))

    assert said["Models"][0] == "mine/a  ready (priority 100)"
    assert said["Terms"] == ["mine will serve strangers, on the terms of your account there"]


def test_a_model_that_is_asked_through_litellm_says_so(
    loaded: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: True)
    table = "[[providers]]\nname = 'mine'\nkind = 'litellm'\n"
    model = "[[providers.models]]\nid = 'mine/a'\nmodel = 'groq/a'\n"
    said = words(loaded(table + model))
    assert said["Models"][0] == "mine/a  ready (priority 100, through LiteLLM)"


def test_a_provider_whose_models_are_all_barred_says_why(loaded: Load) -> None:
    said = words(loaded('policy.end_user_regions = ["DE"]', GEMINI_API_KEY="k"), LOCAL)

    assert said["Models"][0] == "gemini  no model is left; left out: not for end users in DE"


def test_no_line_is_longer_than_a_screen(loaded: Load) -> None:
    keys = dict.fromkeys(shipped().variables(), "k")
    told = loaded(**keys)
    runtime = Runtime(
        settings=told.settings,
        ledger=":memory:",
        secret=b"s" * 32,
        public_url="http://127.0.0.1:3001",
        local=None,
        started_at=NOON,
    )
    text = banner(runtime, told, "", None)

    listed = text.partition("  Models")[2].partition("  Note")[0].splitlines()
    assert max(map(len, listed)) <= 132
    assert len(listed) < 40


# ── All of it ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "line",
    [
        "gemini  ready  (Google Gemini API (AI Studio free tier))",
        "  gemini/gemini-3.8-flash  ready (priority 100, quality 950, general, coding, reasoning)",
        "  gemini/gemini-flash-latest  another name of gemini/gemini-3.8-flash",
        "  gemini/gemini-4-argon  paid for",
        "  gemini/gemini-pro  gone since 2025-02-15; in its place gemini/gemini-3.8-flash",
        "  gemini/gemini-2.5-flash  ready (priority 1, quality 1000, general, coding), "
        "until 2026-12-01; in its place gemini/gemini-3.5-flash-lite",
        "  gemini/gemini-3-flash-preview  ready "
        "(preview, priority 100, quality 860, general, coding, reasoning)",
        "  openrouter/poolside/laguna-s-2.1:free  gone since 2026-10-31; "
        "in its place openrouter/cohere/north-mini-code:free",
        "  openrouter/nvidia/nemotron-3.5-lightning:free  left out: for evaluation only",
        "groq  needs GROQ_API_KEY  (GroqCloud free plan)",
        "  groq/openai/gpt-oss-20b  off (priority 100, quality 700, general, reasoning)",
        "ovhcloud  needs no key; a [[providers]] table switches it on  "
        "(OVHcloud AI Endpoints, anonymous)",
        "together_ai  gives nothing away any more  (Together AI)",
    ],
)
def test_every_state_has_its_line(loaded: Load, line: str) -> None:
    assert line in all_lines(loaded(GEMINI_API_KEY="k", OPENROUTER_API_KEY="k"))


def test_every_model_of_the_catalogue_has_a_line(loaded: Load) -> None:
    lines = all_lines(loaded(OWN), LOCAL)
    names = {line.split()[0] for line in lines if line}

    assert shipped().ids() <= names
    assert lines[:3] == [
        "mine/a  ready (priority 100)",
        "local/demo  ready, a demonstration model: it shows that all works and is no assistant",
        "",
    ]


def test_on_its_day_a_model_is_gone(loaded: Load) -> None:
    catalogue = loaded(GEMINI_API_KEY="k").settings.catalogue
    line = next(
        line
        for line in model_lines(catalogue, None, datetime.date(2026, 12, 1))
        if line.startswith("  gemini/gemini-2.5-flash  ")
    )

    assert line.endswith("  gone since 2026-12-01; in its place gemini/gemini-3.5-flash-lite")


# ── Pools of proxies ─────────────────────────────────────────────────────────────────────────

ROOTS = "http://10.0.0.1:4000,http://10.0.0.2:4000"


def test_a_pool_says_where_its_models_come_from(loaded: Load) -> None:
    told = words(loaded("", LITELLM_PROXY_URL=ROOTS, GEMINI_API_KEY="k"))
    assert told["Models"] == [
        "litellm-proxy  the models that these proxies name, by least-connections: "
        "http://10.0.0.1:4000, http://10.0.0.2:4000"
    ]
    assert told["Terms"] == [
        "litellm-proxy will serve strangers, on the terms of your account there"
    ]
    assert told["Note"] == [
        "GEMINI_API_KEY: not used, as models are asked by LITELLM_PROXY_URL alone"
    ]


def test_all_lines_say_how_each_proxy_is(loaded: Load) -> None:
    settings = loaded("", LITELLM_PROXY_URL=ROOTS).settings
    (pool,) = [entry for entry in settings.catalogue if entry.pool is not None]
    behind = msgspec.structs.replace(
        pool, name="litellm-proxy.x", models=(ModelEntry(id="litellm-proxy/a", model="a"),)
    )
    states = {"http://10.0.0.1:4000": "is well", "http://10.0.0.2:4000": "cannot be reached"}
    lines = list(model_lines([pool, behind], None, TODAY, states))
    assert lines == [
        "litellm-proxy  the models that these proxies name, by least-connections: "
        "http://10.0.0.1:4000 is well, http://10.0.0.2:4000 cannot be reached",
        "litellm-proxy/a  ready (priority 100)",
    ]
