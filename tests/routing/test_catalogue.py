"""The models that there are, those that were, and who has whose place."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.core.chat import OWN_MODEL
from scalix_free.routing.catalogue import Catalogue, Gone, Model
from tests.core.held_clock import HeldClock
from tests.routing.scripted import model


def gone(name: str, successor: str | None = None, priority: int = 100, *fallbacks: str) -> Gone:
    return Gone(
        id=name, provider="scripted", successor=successor, priority=priority, fallbacks=fallbacks
    )


def ids(models: Sequence[Model]) -> list[str]:
    return [model.id for model in models]


def test_a_successor_has_the_place_of_whom_it_succeeds() -> None:
    catalogue = Catalogue(
        [model("first", priority=5), model("heir"), model("other")],
        [gone("former", "heir", 1, "other", "lost")],
    )
    heir = catalogue.get("heir")

    assert heir is not None
    assert (heir.priority, heir.fallbacks) == (1, ("other", "lost"))
    assert ids(catalogue.candidates(OWN_MODEL)) == ["heir", "other", "first"]


def test_of_several_places_the_best_is_inherited() -> None:
    catalogue = Catalogue([model("heir")], [gone("b", "heir", 4, "x"), gone("a", "heir", 2, "y")])
    heir = catalogue.get("heir")

    assert heir is not None
    assert (heir.priority, heir.fallbacks) == (2, ("y",))


def test_a_place_is_no_worse_than_ones_own() -> None:
    catalogue = Catalogue([model("heir", priority=1, fallbacks=["a"])], [gone("f", "heir", 3, "b")])
    heir = catalogue.get("heir")

    assert heir is not None
    assert (heir.priority, heir.fallbacks) == (1, ("a",))


def test_fallbacks_lead_to_heirs_and_never_back() -> None:
    catalogue = Catalogue(
        [model("a", fallbacks=["old-b", "old-a", "b"]), model("b")],
        [gone("old-a", "a"), gone("old-b", "middle"), gone("middle", "b")],
    )
    found = catalogue.get("a")

    assert found is not None
    assert found.fallbacks == ("b",)


def test_one_that_is_gone_is_never_there_and_its_heir_answers_for_it() -> None:
    catalogue = Catalogue([model("a"), model("heir", fallbacks=["a"])], [gone("old", "heir")])

    assert catalogue.get("old") is None
    assert ids(catalogue.candidates("old")) == ["heir", "a"]
    assert ids(catalogue.candidates("unheard of")) == ["a", "heir"]
    assert ids(list(catalogue)) == ["a", "heir"]
    assert len(catalogue) == 2
    assert [former.id for former in catalogue.gone()] == ["old"]


@pytest.mark.parametrize(
    ("name", "heir"),
    [
        ("old", "new"),
        ("older", "new"),
        ("lost", None),
        ("astray", None),
        ("new", None),
        ("x", None),
    ],
)
def test_a_successor_is_looked_up_by_way_of_all(name: str, heir: str | None) -> None:
    catalogue = Catalogue(
        [model("new")],
        [gone("older", "old"), gone("old", "new"), gone("lost"), gone("astray", "nowhere")],
    )

    assert catalogue.successor(name) == heir


def test_one_that_can_be_called_still_may_have_a_successor() -> None:
    ending = replace(model("ending"), successor="old")

    assert Catalogue([ending, model("new")], [gone("old", "new")]).successor("ending") == "new"


def test_a_model_is_gone_from_its_moment_on() -> None:
    clock = HeldClock(1_000)
    ending = replace(model("ending", priority=1), retires_ms=2_000, successor="heir")
    catalogue = Catalogue([ending, model("heir"), model("other", priority=5)], clock=clock)
    before = catalogue.candidates(OWN_MODEL)

    clock.now_ms = 1_999
    assert catalogue.candidates(OWN_MODEL) == before
    assert ids(before) == ["ending", "other", "heir"]
    clock.now_ms = 2_000
    assert ids(catalogue.candidates(OWN_MODEL)) == ["heir", "other"]
    assert ids(catalogue.candidates("ending")) == ["heir"]
    assert catalogue.get("ending") is None
    assert [(former.id, former.since_ms) for former in catalogue.gone()] == [("ending", 2_000)]


def test_one_that_had_ended_before_the_start_was_never_there() -> None:
    ended = replace(model("ended"), retires_ms=1_000, successor="heir")

    assert ids(list(Catalogue([ended, model("heir")], clock=HeldClock(1_000)))) == ["heir"]


def test_a_fresh_stock_takes_the_place_of_the_old_one_at_once() -> None:
    catalogue = Catalogue([model("a"), model("b")], [gone("c", "a")])
    planned = catalogue.candidates(OWN_MODEL)

    catalogue.restock([model("b"), model("d")], [gone("a", "d")])

    assert ids(planned) == ["a", "b"]  # whoever has asked before goes on with it
    assert ids(list(catalogue)) == ["b", "d"]
    assert catalogue.successor("a") == "d"
    assert catalogue.successor("c") is None


NAMES = st.sampled_from("abcdefgh")


@given(
    there=st.dictionaries(NAMES, st.tuples(st.integers(1, 9), st.lists(NAMES, max_size=3))),
    former=st.dictionaries(NAMES, st.tuples(st.none() | NAMES, st.integers(1, 9))),
)
def test_whatever_succeeds_whom_only_those_come_that_are_there_and_once(
    there: Mapping[str, tuple[int, list[str]]], former: Mapping[str, tuple[str | None, int]]
) -> None:
    models = [model(n, priority=p, fallbacks=f) for n, (p, f) in there.items()]
    left = [gone(n, s, p) for n, (s, p) in former.items() if n not in there]
    catalogue = Catalogue(models, left)

    for name in "abcdefgh":
        found = ids(catalogue.candidates(name))
        assert len(set(found)) == len(found)
        assert set(found) <= set(there)
        heir = catalogue.successor(name)
        assert heir is None or heir in there
        assert heir is None or found[0] == heir or name in there
    assert set(ids(catalogue.candidates(OWN_MODEL))) == set(there)
    assert all(m.priority <= there[m.id][0] for m in catalogue)
    assert all(m.id not in m.fallbacks for m in catalogue)
