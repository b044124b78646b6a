"""The models that there are, those that were, and who has whose place."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.core.budget import Allowance
from scalix_free.core.chat import OWN_MODEL
from scalix_free.routing.catalogue import Account, Catalogue, Gone, Model
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


# ── Gone by their provider's word ────────────────────────────────────────────────────────────


def succeeded(name: str, successor: str | None, priority: int = 100, *fallbacks: str) -> Model:
    return replace(model(name, priority=priority, fallbacks=fallbacks), successor=successor)


def test_one_that_its_provider_does_not_know_is_gone_for_as_long_as_that_is_believed() -> None:
    clock = HeldClock(1_000)
    catalogue = Catalogue(
        [succeeded("old", "heir", 1, "other"), model("other", priority=5), model("heir")],
        clock=clock,
    )
    before = catalogue.candidates(OWN_MODEL)
    catalogue.retire("old", 2_000)

    assert catalogue.get("old") is None
    assert ids(catalogue.candidates(OWN_MODEL)) == ["heir", "other"]
    assert ids(catalogue.candidates("old")) == ["heir", "other"]
    assert [(one.id, one.since_ms) for one in catalogue.gone()] == [("old", 1_000)]
    clock.now_ms = 1_999
    assert catalogue.get("old") is None
    clock.now_ms = 2_000
    assert catalogue.candidates(OWN_MODEL) == before
    assert catalogue.gone() == ()


def test_it_stays_gone_when_the_list_of_models_is_read_anew() -> None:
    catalogue = Catalogue([succeeded("old", "heir"), model("heir")])
    catalogue.retire("old", 2**53)
    catalogue.restock([succeeded("old", "heir"), model("heir"), model("new")])

    assert ids(list(catalogue)) == ["heir", "new"]


def test_without_a_successor_that_can_be_called_it_stays_where_it_is() -> None:
    catalogue = Catalogue(
        [model("a"), succeeded("b", "lost"), succeeded("c", "d"), succeeded("d", "c")],
        [gone("before", "a"), gone("lost")],
    )
    for name in ("a", "b", "c", "d", "unheard of"):
        catalogue.retire(name, 2**53)

    assert ids(list(catalogue)) == ["a", "b", "c", "d"]
    assert catalogue.successor("before") == "a"


def test_a_later_word_lasts_longer_and_an_earlier_one_changes_nothing() -> None:
    clock = HeldClock(1_000)
    catalogue = Catalogue([succeeded("old", "heir"), model("heir")], clock=clock)
    catalogue.retire("old", 900)
    assert catalogue.get("old") is not None
    catalogue.retire("old", 3_000)
    clock.now_ms = 1_500
    catalogue.retire("old", 2_000)
    catalogue.retire("old", 4_000)

    assert [one.since_ms for one in catalogue.gone()] == [1_000]
    clock.now_ms = 3_999
    assert catalogue.get("old") is None
    clock.now_ms = 4_000
    assert catalogue.get("old") is not None


def test_they_are_followed_along_all_that_are_gone() -> None:
    ended = replace(succeeded("b", "c"), retires_ms=1_000)
    catalogue = Catalogue([succeeded("a", "b"), ended, model("c")], clock=HeldClock(1_000))
    catalogue.retire("a", 2_000)

    assert catalogue.successor("a") == "c"
    assert ids(list(catalogue)) == ["c"]


NAMES = st.sampled_from("abcdefgh")


@given(
    there=st.dictionaries(NAMES, st.tuples(st.integers(1, 9), st.lists(NAMES, max_size=3))),
    former=st.dictionaries(NAMES, st.tuples(st.none() | NAMES, st.integers(1, 9))),
    retired=st.sets(NAMES),
)
def test_whatever_succeeds_whom_only_those_come_that_are_there_and_once(
    there: Mapping[str, tuple[int, list[str]]],
    former: Mapping[str, tuple[str | None, int]],
    retired: Set[str],
) -> None:
    models = [
        replace(model(n, priority=p, fallbacks=f), successor=former.get(n, (None, 0))[0])
        for n, (p, f) in there.items()
    ]
    left = [gone(n, s, p) for n, (s, p) in former.items() if n not in there]
    catalogue = Catalogue(models, left)
    for name in retired:
        catalogue.retire(name, 2**53)
    now = set(ids(list(catalogue)))
    assert {*now, *(one.id for one in catalogue.gone())} == {*there, *(one.id for one in left)}
    assert set(there) - now <= retired
    assert all(catalogue.successor(name) in now for name in set(there) - now)

    for name in "abcdefgh":
        found = ids(catalogue.candidates(name))
        assert len(set(found)) == len(found)
        assert set(found) <= now
        heir = catalogue.successor(name)
        assert heir is None or heir in now
        assert heir is None or found[0] == heir or name in now
    assert set(ids(catalogue.candidates(OWN_MODEL))) == now
    assert all(m.priority <= there[m.id][0] for m in catalogue)
    assert all(m.id not in m.fallbacks for m in catalogue)


@pytest.mark.parametrize(
    ("own", "shared", "renews"),
    [
        *(({}, {}, True), ({"rpm": 2}, {}, True)),
        ({"rpm": 2, "rpd": 2_880}, {}, True),
        ({"rpm": 2, "rpd": 2_879}, {}, False),
        ({"rpd": 10**6}, {}, False),
        ({"rpm": 2}, {"tpd": 32_000_000}, True),
        ({"rpm": 2}, {"tpd": 2 * 1_440 * 4_096 - 1}, False),
        ({"tpm": 1}, {"tpd": 10**9}, False),
        ({"rpm": 30}, {"rpm": 2, "rpd": 2_880}, True),
    ],
)
def test_what_its_minutes_cannot_use_up_is_no_day_s_limit(
    own: dict[str, int], shared: dict[str, int], renews: bool
) -> None:
    account = Account(name="a", allowance=Allowance(**shared))  # type: ignore[arg-type]
    one = replace(model("m"), account=account, allowance=Allowance(**own))  # type: ignore[arg-type]
    assert one.renews is renews
