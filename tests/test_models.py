"""The catalogue that is built from the settings, and how it follows a provider's own list."""

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from scalix_free.core.budget import Allowance
from scalix_free.core.chat import OWN_MODEL
from scalix_free.models import REFRESH_S, RETRY_S, Shelf, discovered, open_catalogue
from scalix_free.pooled import NEW_QUALITY
from scalix_free.providers.openai_http import open_session
from scalix_free.providers.openrouter_models import FreeModel
from scalix_free.routing.catalogue import Catalogue, Model
from scalix_free.runtime import Runtime
from scalix_free.settings import Loaded, ModelEntry, Policy, ProviderEntry, Settings, Terms
from tests.api.caller import question
from tests.core.held_clock import HeldClock
from tests.providers.lister import Lister, lister, row
from tests.service import served

NOVEMBER = int(datetime.datetime(2026, 11, 26, tzinfo=datetime.UTC).timestamp() * 1000)
DECEMBER = int(datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC).timestamp() * 1000)
KEYS = {"GEMINI_API_KEY": "k", "OPENROUTER_API_KEY": "k", "GROQ_API_KEY": "k"}

Of = Callable[..., Settings]


@pytest.fixture
def of(loaded: Callable[..., Loaded]) -> Of:
    def settings(text: str = "", **environ: str) -> Settings:
        return loaded(text, **environ).settings

    return settings


def runtime(settings: Settings) -> Runtime:
    return Runtime(
        settings=settings,
        ledger=":memory:",
        secret=b"s" * 32,
        public_url="http://127.0.0.1:3001",
        local=None,
        started_at=0,
    )


async def built(settings: Settings, now_ms: int = NOVEMBER) -> Catalogue:
    async with open_session() as session:
        return Shelf(runtime(settings), session, HeldClock(now_ms)).catalogue


def there(catalogue: Catalogue, name: str) -> Model:
    found = catalogue.get(name)
    assert found is not None, name
    return found


# ── From the settings ────────────────────────────────────────────────────────────────────────


async def test_shipped_limits_are_where_counting_starts_and_written_ones_are_firm(of: Of) -> None:
    text = '[[providers]]\nname = "openrouter"\nlimits = { rpd = 1000 }'
    catalogue = await built(of(text, **KEYS))
    gemini = there(catalogue, "gemini/gemini-3.8-flash")
    gemma = there(catalogue, "openrouter/google/gemma-4-31b-it:free")

    assert gemini.allowance == Allowance(rpm=5, rpd=20, tpm=250_000, firm=False)
    assert gemini.account is not None
    assert gemini.account.allowance == Allowance(firm=False)
    assert (str(gemini.account.zone), gemini.account.counts_answers) == (
        "America/Los_Angeles",
        False,
    )
    assert gemma.account is not None
    assert gemma.account.allowance == Allowance(rpm=20, rpd=1000, firm=True)
    assert gemma.account.counts_answers


async def test_a_rolling_day_has_no_zone(of: Of) -> None:
    groq = there(await built(of(**KEYS)), "groq/openai/gpt-oss-120b")

    assert groq.account is not None
    assert groq.account.zone is None


async def test_an_operators_own_limits_are_carried(of: Of) -> None:
    text = """
        [[providers]]
        name = "mine"
        base_url = "https://mine.example/v1"
        limits = { rpm = 3, concurrent = 2 }
        reset = "Europe/Berlin"
        [[providers.models]]
        id = "mine/a"
        model = "a"
        limits = { tpd = 9 }
        """
    mine = there(await built(of(text)), "mine/a")

    assert mine.allowance == Allowance(tpd=9)
    assert mine.account is not None
    assert mine.account.allowance == Allowance(rpm=3, concurrent=2)
    assert str(mine.account.zone) == "Europe/Berlin"


async def test_the_plans_places_belong_to_those_who_are_there_today(of: Of) -> None:
    first = list(await built(of(**KEYS)))[:4]

    assert [(model.id, model.priority) for model in first] == [
        ("gemini/gemini-2.5-flash", 1),
        ("gemini/gemini-3.8-flash", 2),
        ("openrouter/google/gemma-4-31b-it:free", 3),
        ("openrouter/cohere/north-mini-code:free", 4),
    ]
    assert first[0].fallbacks == (
        "gemini/gemini-3.8-flash",
        "openrouter/google/gemma-4-31b-it:free",
    )
    assert first[2].fallbacks == (
        "openrouter/cohere/north-mini-code:free",
        "gemini/gemini-3.8-flash",
    )


async def test_on_the_first_of_december_the_place_of_2_5_flash_is_inherited(of: Of) -> None:
    before = await built(of(**KEYS), DECEMBER - 1)
    after = await built(of(**KEYS), DECEMBER)

    assert next(iter(before)).id == "gemini/gemini-2.5-flash"
    assert next(iter(after)).id == "gemini/gemini-3.5-flash-lite"
    assert after.successor("gemini/gemini-2.5-flash") == "gemini/gemini-3.5-flash-lite"
    assert before.successor("gemini/gemini-2.5-flash") == "gemini/gemini-3.5-flash-lite"


async def test_who_pays_is_not_served_on_terms_that_forbid_resale(of: Of) -> None:
    closed = await built(of(**KEYS))
    opened = await built(of("policy.allow_no_resale_for_pro = true", **KEYS))

    assert there(closed, "groq/openai/gpt-oss-120b").barred_for_resale
    assert not there(closed, "gemini/gemini-3.8-flash").barred_for_resale
    assert not there(opened, "groq/openai/gpt-oss-120b").barred_for_resale


async def test_nobody_is_called_who_is_gone_paid_for_or_left_out(of: Of) -> None:
    catalogue = await built(of(**KEYS))
    names = {model.id for model in catalogue}
    never = {gone.id: gone.why for gone in catalogue.gone()}

    assert not names & set(never)
    assert never["gemini/gemini-pro"] == "gone"
    assert never["openrouter/microsoft/wizardlm-2-8x22b"] == "paid"
    assert never["gemini/gemini-flash-latest"] == "alias"
    assert "openrouter/nvidia/nemotron-3-super-120b-a12b:free" not in names | set(never)
    assert never["openrouter/poolside/laguna-s-2.1:free"] == "gone"  # since 2026-10-31


# ── What a list changes ──────────────────────────────────────────────────────────────────────


def listed(name: str, **fields: Any) -> FreeModel:
    known: dict[str, Any] = {
        "context_tokens": 1000,
        "max_output_tokens": 100,
        "abilities": ("tools",),
        "reasoning": False,
        "expires": None,
    }
    return FreeModel(name=name, **(known | fields))


ENTRY = ProviderEntry(
    name="router",
    label="Router",
    shipped=True,
    base_url="https://router.example/v1",
    vendor_terms=(("strict/", Terms(evaluation_only=True)),),
    models=(
        ModelEntry(
            id="router/known", model="known", quality=900, retires=datetime.date(2026, 1, 1)
        ),
        ModelEntry(id="router/former", model="former", status="gone", quality=800),
        ModelEntry(id="router/any", model="any", listed=False),
        ModelEntry(id="router/barred", model="barred", left_out="for evaluation only"),
    ),
)


def after(*found: FreeModel, policy: Policy | None = None) -> dict[str, ModelEntry]:
    entry = discovered(ENTRY, found, policy or Policy())
    return {model.id: model for model in entry.models}


def test_a_known_model_keeps_its_rating_and_takes_the_lists_facts() -> None:
    known = after(listed("known", expires=datetime.date(2027, 1, 1)))["router/known"]

    assert (known.quality, known.status) == (900, "live")
    assert (known.context_tokens, known.abilities) == (1000, ("tools",))
    assert known.retires == datetime.date(2027, 1, 1)
    assert after(listed("known"))["router/known"].retires is None  # it was said to have ended


def test_a_new_model_is_expected_to_be_worth_little() -> None:
    new = after(listed("maker/new"))["router/maker/new"]

    assert (new.quality, new.priority, new.firm) == (NEW_QUALITY, 100, False)
    assert new.is_called


def test_a_model_that_is_no_longer_listed_is_gone() -> None:
    found = after(listed("other"))

    assert found["router/known"].status == "gone"
    assert found["router/any"].status == "live"  # it never was
    assert found["router/former"].status == "gone"


def test_a_model_that_is_listed_again_is_back() -> None:
    assert (after(listed("former"))["router/former"].status) == "live"
    assert after(listed("former"))["router/former"].quality == 800


def test_what_the_policy_bars_stays_barred() -> None:
    found = after(listed("strict/new"), listed("barred"))

    assert found["router/strict/new"].left_out == "for evaluation only"
    assert not found["router/barred"].is_called
    opened = after(listed("strict/new"), policy=Policy(allow_evaluation_only=True))
    assert opened["router/strict/new"].is_called
    silent = after(listed("maker/new"), policy=Policy(allow_training_on_prompts=False))
    assert not silent["router/maker/new"].is_called


# ── While it runs ────────────────────────────────────────────────────────────────────────────


class Pauses:
    """Pauses that end when the test says so; ``taken`` are their lengths."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self._begun, self._go = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        self._begun.release()
        await self._go.acquire()

    async def begun(self) -> None:
        """Wait for the next pause."""
        async with asyncio.timeout(5):
            await self._begun.acquire()

    async def over(self) -> None:
        """End a pause, and wait for the next one."""
        self._go.release()
        await self.begun()


@pytest.fixture
async def server() -> AsyncIterator[Lister]:
    async with lister() as server:
        yield server


def table(server: Lister) -> str:
    return (
        '[[providers]]\nname = "openrouter"\n'
        f'base_url = "{server.base_url}"\napi_key = "sk-of-the-router"\n'
    )


async def test_the_list_is_followed_and_its_failure_harms_nobody(
    of: Of, server: Lister, caplog: pytest.LogCaptureFixture
) -> None:
    pauses, clock = Pauses(), HeldClock(NOVEMBER)
    server.status = 503
    async with (
        open_session() as session,
        open_catalogue(runtime(of(table(server))), session, clock, pauses) as catalogue,
    ):
        shipped = catalogue.candidates(OWN_MODEL)
        await pauses.begun()
        assert catalogue.candidates(OWN_MODEL) == shipped  # it fails

        server.status = 200
        server.rows = [row("maker/new:free"), row("google/gemma-4-31b-it:free")]
        await pauses.over()
        assert {model.id for model in catalogue} == {
            "openrouter/maker/new:free",
            "openrouter/google/gemma-4-31b-it:free",
        }
        gemma = there(catalogue, "openrouter/google/gemma-4-31b-it:free")
        assert gemma.backend in [model.backend for model in shipped]  # with what it learned

        server.status = 500
        await pauses.over()
        await pauses.over()
        assert catalogue.get("openrouter/maker/new:free") is not None

        server.status = 200
        server.rows = [row("google/gemma-4-31b-it:free")]
        await pauses.over()
        assert {model.id for model in catalogue} == {"openrouter/google/gemma-4-31b-it:free"}

    assert pauses.taken == [RETRY_S, REFRESH_S, RETRY_S, RETRY_S, REFRESH_S]
    warnings = [record.getMessage() for record in caplog.records]
    assert warnings == [
        "the list of openrouter cannot be read: status 503",
        "the list of openrouter cannot be read: status 500",
    ]


@pytest.mark.parametrize(
    "more", ["enabled = false", '[[providers.models]]\nid = "mine"\nmodel = "a"']
)
async def test_nothing_is_discovered_where_nobody_wants_it(
    of: Of, server: Lister, more: str
) -> None:
    tasks = asyncio.all_tasks()
    async with (
        open_session() as session,
        open_catalogue(runtime(of(table(server) + more)), session, HeldClock(NOVEMBER)),
    ):
        assert asyncio.all_tasks() == tasks


async def test_a_discovered_model_is_listed_and_answers(server: Lister, tmp_path: Path) -> None:
    server.rows = [row("maker/new:free", context_length=4096, supported_parameters=["tools"])]
    async with (
        served(tmp_path, table(server)) as service,
        httpx.AsyncClient(base_url=service.url, trust_env=False) as client,
    ):
        async with asyncio.timeout(5):
            while service.app.service.catalogue.get("openrouter/maker/new:free") is None:
                await asyncio.sleep(0.002)
        data = (await client.get("/v1/models")).json()
        answer = await client.post("/v1/chat/completions", json=question())

    (_, card) = data["data"]
    assert card["id"] == "openrouter/maker/new:free"
    assert (card["quality"], card["class"], card["fit"]) == (NEW_QUALITY, "low", ["general"])
    assert (card["context_tokens"], card["abilities"]) == (4096, ["tools"])
    assert card["terms"]["no_resale"] is True
    assert card["terms"]["trains_on_prompts"] is None
    assert "openrouter/google/gemma-4-31b-it:free" in {gone["id"] for gone in data["gone"]}
    assert answer.json()["choices"][0]["message"]["content"] == "I am maker/new:free."
    assert answer.headers["x-scalix-model"] == "openrouter/maker/new:free"
    (asked,) = [asked for asked in server.asked if asked.method == "POST"]
    assert asked.headers["authorization"] == "Bearer sk-of-the-router"
