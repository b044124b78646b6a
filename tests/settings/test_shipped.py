"""The shipped catalogue: that it fits together, and that what does not would be found."""

from importlib.resources import files

import pytest

from scalix_free.settings.shipped import faults, read, shipped
from scalix_free.settings.texts import COUNTRIES, EEA
from scalix_free.settings.tree import CALLED

GOOD = """
[sources]
page = "a page"

[[providers]]
name = "one"
label = "One"
base_url = "https://one.example/v1"
key_variables = ["ONE_API_KEY"]
switched_on_by = "key"
free = "recurring"
reset = "UTC"
headers_tell = "nothing"
as_of = 2026-10-10
sources = ["page"]

[[providers.models]]
model = "old"
status = "gone"
successor = "one/new"
quality = 800
class = "medium"
fit = ["general"]
fallbacks = ["one/new"]
as_of = 2026-10-10
sources = ["page"]
plan = { name = "old", limits = "some", stars = 4, fit = "general" }

[[providers.models]]
model = "new"
quality = 700
class = "medium"
fit = ["general"]
limits = { rpm = 1 }
as_of = 2026-10-10
sources = ["page"]
facts = { limits = "2026-10-11 page" }
"""


def test_nothing_contradicts_itself() -> None:
    assert list(faults(shipped())) == []


def test_a_catalogue_without_fault_has_none() -> None:
    assert list(faults(read(GOOD))) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('successor = "one/new"', 'successor = "one/x"', "one/old: there is no one/x"),
        ('successor = "one/new"', 'successor = "one/old"', "one/old: one/old succeeds itself"),
        ('fallbacks = ["one/new"]', 'fallbacks = ["one/x"]', "one/old: one/x cannot be"),
        ('fallbacks = ["one/new"]', 'fallbacks = ["one/old"]', "one/old: one/old cannot be"),
        ("stars = 4", "stars = 5", "one/old: quality is not 200"),
        ("quality = 700", "quality = 900", "one/new: class is not"),
        ("limits = { rpm = 1 }", "", "one/new: has no limit at all"),
        ('"2026-10-11 page"', '"2026-10-11 rumour"', "one/new: rumour is no source"),
        ("facts = { limits =", "facts = { colour =", "one/new: colour is no fact"),
        ('model = "new"', 'model = "old"', "one/old: is there twice"),
        ('reset = "UTC"', 'reset = "Mars/Base"', "one: Mars/Base is no zone"),
        ('key_variables = ["ONE_API_KEY"]', "key_variables = []", "one: needs a key"),
        (
            'model = "new"',
            'model = "new"\nterms = { blocked_regions = ["UK"] }',
            "one: UK is no region",
        ),
        ('status = "gone"\nsuccessor = "one/new"', 'status = "alias"', "one/old: is another name"),
    ],
)
def test_what_does_not_fit_is_found(old: str, new: str, fault: str) -> None:
    assert old in GOOD

    found = list(faults(read(GOOD.replace(old, new))))

    assert any(line.startswith(fault) for line in found), found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('free = "recurring"', 'free = "perhaps"'),
        ("quality = 700", "quality = 1001"),
        ("https://one", "http://one"),
        (
            "as_of = 2026-10-10\n",
            "",
        ),
        ("headers_tell", "headers_say"),
        ('"2026-10-11 page"', '"page"'),
        ('sources = ["page"]', "sources = []"),
    ],
)
def test_what_is_no_catalogue_is_not_read(old: str, new: str) -> None:
    with pytest.raises(ValueError, match=r"Object|Expected|Invalid"):
        read(GOOD.replace(old, new))


PLANNED = {
    "gemini/gemini-2.5-flash": (1, 5),
    "gemini/gemini-pro": (2, 5),
    "openrouter/deepseek/deepseek-chat-v3-0324:free": (3, 4),
    "openrouter/microsoft/wizardlm-2-8x22b": (4, 4),
}
FALLBACKS = {
    "gemini/gemini-2.5-flash": [
        "gemini/gemini-pro",
        "openrouter/deepseek/deepseek-chat-v3-0324:free",
    ],
    "gemini/gemini-pro": [
        "openrouter/deepseek/deepseek-chat-v3-0324:free",
        "openrouter/microsoft/wizardlm-2-8x22b",
    ],
    "openrouter/deepseek/deepseek-chat-v3-0324:free": [
        "openrouter/microsoft/wizardlm-2-8x22b",
        "gemini/gemini-pro",
    ],
}
"""The plan's own order, stars and map of fallbacks."""


def test_the_plan_keeps_its_rows_its_order_and_its_fallbacks() -> None:
    models = {row.id_of(model): model for row in shipped().providers for model in row.models}

    assert {
        name: (models[name].priority, plan.stars if (plan := models[name].plan) else None)
        for name in PLANNED
    } == PLANNED
    assert {name for name, model in models.items() if model.priority < 100} == set(PLANNED)
    assert {name: list(models[name].fallbacks) for name in FALLBACKS} == FALLBACKS
    assert shipped().by_name()["together_ai"].plan is not None
    assert models["openrouter/openrouter/free"].plan is not None


def test_whatever_is_called_says_how_much_it_can_take() -> None:
    silent = [
        row.id_of(model)
        for row in shipped().providers
        for model in row.models
        if model.status in CALLED and model.context_tokens is None
    ]

    assert silent == []


def test_the_european_economic_area_has_its_thirty_countries() -> None:
    assert len(EEA.split()) == len(set(EEA.split())) == 30
    assert set(EEA.split()) <= set(COUNTRIES.split())
    assert not {"GB", "CH"} & set(EEA.split())


def test_the_file_is_part_of_the_package() -> None:
    text = files("scalix_free").joinpath("catalogue.toml").read_text("utf-8")

    assert read(text) == shipped()
