"""What the models of a proxy stand for, and whose they are."""

from collections.abc import Sequence

import pytest

from scalix_free.pooled import NEW_QUALITY, look_at_pools, pooled
from scalix_free.providers.litellm_models import ProxyModel
from scalix_free.settings import ModelEntry, Policy, ProviderEntry, ProviderLimits, Settings
from tests.place import Place
from tests.providers.instances import instances

URL = "http://127.0.0.1:4000"


def settings(at: Place, text: str = "") -> Settings:
    return at.settings(text, LITELLM_PROXY_URL=URL)


def pool(settings: Settings) -> ProviderEntry:
    (found,) = [entry for entry in settings.catalogue if entry.pool is not None]
    return found


def stood(at: Place, *found: ProxyModel, text: str = "") -> dict[str, ProviderEntry]:
    having = settings(at, text)
    return {one.name: one for one in pooled(pool(having), found, having.catalogue)}


def shipped(at: Place, provider: str, model: str) -> ModelEntry:
    (entry,) = [one for one in at.settings("").catalogue if one.name == provider]
    (found,) = [one for one in entry.models if one.model == model]
    return found


def models(accounts: dict[str, ProviderEntry]) -> dict[str, ModelEntry]:
    return {model.id: model for one in accounts.values() for model in one.models}


FLASH = "gemini-3.1-flash-lite"


@pytest.mark.parametrize(
    "one",
    [
        ProxyModel(name="free-gemini-flash", stands_for=f"gemini/{FLASH}"),
        ProxyModel(name=f"gemini/{FLASH}"),
        ProxyModel(name=FLASH),
        ProxyModel(
            name="mine",
            stands_for=f"openai/{FLASH}",
            api_base="https://generativelanguage.googleapis.com/v1beta/openai",
        ),
    ],
    ids=["litellm's name", "id", "name", "address"],
)
def test_it_has_the_place_and_the_account_of_what_it_stands_for(at: Place, one: ProxyModel) -> None:
    known = shipped(at, "gemini", FLASH)
    accounts = stood(at, one)
    (account,) = accounts.values()
    (model,) = account.models
    assert (model.id, model.model) == (f"litellm-proxy/{one.name}", one.name)
    assert (model.priority, model.quality, model.limits) == (
        known.priority,
        known.quality,
        known.limits,
    )
    assert (model.terms, model.firm) == (known.terms, False)
    assert (account.name, account.reset) == ("litellm-proxy.gemini", "America/Los_Angeles")
    assert account.pool is not None
    assert not account.off
    assert account.serves == (model,)


@pytest.mark.parametrize(
    "one",
    [
        ProxyModel(name="anything"),
        ProxyModel(name=FLASH, stands_for=f"vertex_ai/{FLASH}"),
        ProxyModel(name="x", stands_for=f"openai/{FLASH}", api_base="http://127.0.0.1:9/v1"),
    ],
    ids=["unknown", "another's", "another address"],
)
def test_what_stands_for_nothing_known_comes_last_and_has_no_limit(
    at: Place, one: ProxyModel
) -> None:
    accounts = stood(at, one)
    (model,) = accounts["litellm-proxy"].models
    assert (model.priority, model.quality) == (100, NEW_QUALITY)
    assert model.limits == accounts["litellm-proxy"].limits == ProviderLimits()


def test_each_provider_behind_it_is_an_account_of_its_own(at: Place) -> None:
    accounts = stood(
        at,
        ProxyModel(name="a", stands_for=f"gemini/{FLASH}"),
        ProxyModel(name="b", stands_for="groq/openai/gpt-oss-120b"),
        ProxyModel(name="c"),
        ProxyModel(name="d", stands_for="groq/openai/gpt-oss-20b"),
    )
    assert {name: [one.model for one in account.models] for name, account in accounts.items()} == {
        "litellm-proxy.gemini": ["a"],
        "litellm-proxy.groq": ["b", "d"],
        "litellm-proxy": ["c"],
    }


def test_limits_of_the_operators_are_those_of_the_whole_pool(at: Place) -> None:
    text = "[[providers]]\nname = 'mine'\nkind = 'litellm-proxy'\nlimits = { rpm = 100 }\n"
    accounts = stood(at, ProxyModel(name=FLASH), ProxyModel(name="other"), text=text)
    assert list(accounts) == ["mine"]
    assert accounts["mine"].limits == ProviderLimits(rpm=100)
    found = models(accounts)
    assert found[f"mine/{FLASH}"].limits == ProviderLimits()
    assert found[f"mine/{FLASH}"].priority == shipped(at, "gemini", FLASH).priority


def test_fallbacks_and_successors_are_those_that_the_pool_has(at: Place) -> None:
    rows = [
        (entry, model)
        for entry in at.settings("").catalogue
        for model in entry.models
        if model.fallbacks and model.is_called
    ]
    known = rows[0][1]

    def named(ids: Sequence[str]) -> list[ProxyModel]:
        return [ProxyModel(name=name.replace("/", "-"), stands_for=name) for name in ids]

    (alone,) = models(stood(at, *named([known.id]))).values()
    assert alone.fallbacks == ()
    found = models(stood(at, *named([known.id, *known.fallbacks])))
    own = found["litellm-proxy/" + known.id.replace("/", "-")]
    assert own.fallbacks == tuple(
        "litellm-proxy/" + name.replace("/", "-") for name in known.fallbacks
    )


def test_the_policy_holds_for_what_is_behind_a_proxy(at: Place) -> None:
    assert shipped(at, "gemini", FLASH).terms.trains_on_prompts
    text = "policy.allow_training_on_prompts = false"
    (model,) = models(stood(at, ProxyModel(name=FLASH), text=text)).values()
    assert model.left_out
    assert not model.is_called
    assert Policy().allow_training_on_prompts


def test_what_is_gone_stays_gone_and_what_is_paid_for_is_called(at: Place) -> None:
    by_status = {
        model.status: model for entry in at.settings("").catalogue for model in entry.models
    }
    for status, called in (("gone", False), ("paid", True)):
        known = by_status[status]  # type: ignore[index]
        (model,) = models(stood(at, ProxyModel(name="x", stands_for=known.id))).values()
        assert model.is_called is called, known.id


async def test_whoever_looks_sees_each_instance_and_what_they_name(at: Place) -> None:
    async with instances() as (gone, there):
        await gone.close()
        there.models = (FLASH, "anything")
        roots = f"{gone.root},{there.root}"
        having = at.settings("", LITELLM_PROXY_URL=roots)
        catalogue, states = await look_at_pools(having)
        assert states == {gone.root: "cannot be reached", there.root: "is well"}
        own = [entry for entry in catalogue if entry.pool is not None]
        assert {entry.name: [model.id for model in entry.models] for entry in own} == {
            "litellm-proxy.gemini": [f"litellm-proxy/{FLASH}"],
            "litellm-proxy": ["litellm-proxy/anything"],
        }
        await there.close()
        catalogue, states = await look_at_pools(having)
        assert set(states.values()) == {"cannot be reached"}
        (bare,) = [entry for entry in catalogue if entry.pool is not None]
        assert (bare.name, bare.models) == ("litellm-proxy", ())
