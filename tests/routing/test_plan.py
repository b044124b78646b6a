"""Who may answer a call, and in which order."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.core.chat import OWN_MODEL, Call
from scalix_free.core.errors import Code, Refusal
from scalix_free.routing.catalogue import Catalogue, Gone, Model
from scalix_free.routing.plan import plan
from tests.routing.scripted import model

FIELDS = {"tools": "tools", "json": "response_format", "images": "messages"}


def call(name: str = OWN_MODEL, needs: Sequence[str] = (), prompt_tokens: int = 10) -> Call:
    return Call(
        rid=bytes(16),
        messages=[],
        model=name,
        needs={need: FIELDS[need] for need in needs},
        prompt_tokens=prompt_tokens,
    )


def order(models: Sequence[Model], asked: Call) -> list[str]:
    planned = plan(Catalogue(models), asked)
    assert not isinstance(planned, Refusal), planned
    return [one.id for one in planned]


def refused(models: Sequence[Model], asked: Call) -> Refusal:
    planned = plan(Catalogue(models), asked)
    assert isinstance(planned, Refusal)
    return planned


# ── Order ────────────────────────────────────────────────────────────────────────────────────


def test_models_are_asked_by_priority_and_else_as_configured() -> None:
    models = [model("c", priority=2), model("a", priority=1), model("d", priority=2), model("b")]

    assert order(models, call()) == ["a", "c", "d", "b"]


def test_a_model_s_fallbacks_come_right_after_it() -> None:
    models = [model("a", fallbacks=["d", "c"]), model("b"), model("c", fallbacks=["e"])]
    models += [model("d"), model("e")]

    assert order(models, call()) == ["a", "d", "c", "e", "b"]


def test_whom_a_caller_avoids_comes_last_unless_they_name_it() -> None:
    catalogue = Catalogue([model("a", fallbacks=["b", "c"]), model("b"), model("c")])

    def orders(name: str) -> list[str]:
        planned = plan(catalogue, call(name), avoided={"a", "b"})
        assert not isinstance(planned, Refusal)
        return [one.id for one in planned]

    assert orders(OWN_MODEL) == ["c", "a", "b"]
    assert orders("a") == ["a", "c", "b"]


def test_fallbacks_that_go_round_or_nowhere_harm_nobody() -> None:
    models = [model("a", fallbacks=["b", "nobody"]), model("b", fallbacks=["a", "b"])]

    assert order(models, call()) == ["a", "b"]


def test_whoever_names_a_model_gets_it_and_its_fallbacks_alone() -> None:
    models = [model("a"), model("b", fallbacks=["c"]), model("c"), model("d")]

    assert order(models, call("b")) == ["b", "c"]
    assert order(models, call("d")) == ["d"]


def test_whoever_names_a_model_that_is_not_there_gets_any() -> None:
    assert order([model("a"), model("b")], call("gpt-9")) == ["a", "b"]


# ── Abilities ────────────────────────────────────────────────────────────────────────────────


def test_whoever_names_a_model_that_is_gone_gets_its_successor_also_where_all_are_ranked() -> None:
    catalogue = Catalogue(
        [model("a"), model("heir")],
        [Gone(id="old", provider="scripted", successor="heir"), Gone(id="lost", provider="x")],
    )
    ranked = [*catalogue]
    for name, expected in {"old": ["heir"], "lost": ["a", "heir"], "heir": ["heir"]}.items():
        planned = plan(catalogue, call(name), ranked)
        assert not isinstance(planned, Refusal)
        assert [one.id for one in planned] == expected


def test_who_lacks_an_ability_is_left_out_and_who_names_none_is_believed_able() -> None:
    models = [model("a", abilities=[]), model("b", abilities=["tools", "json"]), model("c")]

    assert order(models, call(needs=["tools"])) == ["b", "c"]
    assert order(models, call(needs=["tools", "images"])) == ["c"]
    assert order(models, call()) == ["a", "b", "c"]


@pytest.mark.parametrize("need", FIELDS)
def test_what_nobody_can_do_is_refused_by_the_name_of_its_field(need: str) -> None:
    refusal = refused([model("a", abilities=[])], call(needs=[need]))

    assert (refusal.code, refusal.param) == (Code.INVALID_REQUEST, FIELDS[need])
    assert refusal.retry_ms is None


def test_a_named_model_without_the_ability_leaves_it_to_its_fallbacks() -> None:
    models = [model("a", abilities=[], fallbacks=["b"]), model("b"), model("c")]

    assert order(models, call("a", needs=["json"])) == ["b"]
    models[0] = model("a", abilities=[])
    assert refused(models, call("a", needs=["json"])).param == "response_format"


# ── Context ──────────────────────────────────────────────────────────────────────────────────


def test_a_prompt_has_to_leave_room_for_an_answer() -> None:
    models = [model("a", context_tokens=100), model("b", context_tokens=101), model("c")]

    assert order(models, call(prompt_tokens=99)) == ["a", "b", "c"]
    assert order(models, call(prompt_tokens=100)) == ["b", "c"]
    assert order(models, call(prompt_tokens=101)) == ["c"]


def test_a_prompt_that_fits_nowhere_is_told_how_much_would_fit() -> None:
    models = [model("a", context_tokens=100), model("b", context_tokens=300)]
    refusal = refused(models, call(prompt_tokens=500))

    assert (refusal.code, refusal.param) == (Code.CONTEXT_LENGTH_EXCEEDED, "messages")
    assert "500" in refusal.message
    assert "300" in refusal.message


def test_whoever_pays_is_not_served_by_a_model_that_may_not_be_resold() -> None:
    models = [replace(model("a"), barred_for_resale=True), model("b")]
    planned = plan(Catalogue(models), call(), pays=True)
    assert not isinstance(planned, Refusal)
    assert [one.id for one in planned] == ["b"]

    refusal = plan(Catalogue(models[:1]), call(), pays=True)
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.NO_FREE_MODEL


# ── Nobody ───────────────────────────────────────────────────────────────────────────────────


def test_without_models_nothing_can_be_answered() -> None:
    refusal = refused([], call())

    assert refusal.code is Code.NO_FREE_MODEL
    assert refusal.message.startswith("No free models currently available. Please try again later.")


# ── Laws ─────────────────────────────────────────────────────────────────────────────────────

names = st.sampled_from("abcdefg")


@st.composite
def catalogues(draw: st.DrawFn) -> list[Model]:
    return [
        model(
            name,
            priority=draw(st.integers(0, 3)),
            context_tokens=draw(st.none() | st.integers(0, 30)),
            abilities=draw(st.none() | st.lists(st.sampled_from(sorted(FIELDS)))),
            fallbacks=draw(st.lists(names, max_size=3)),
        )
        for name in draw(st.lists(names, unique=True))
    ]


calls = st.builds(
    call,
    names | st.just(OWN_MODEL),
    st.lists(st.sampled_from(sorted(FIELDS)), unique=True),
    st.integers(0, 30),
)


@given(catalogues(), calls)
def test_every_plan_is_a_total_order_of_those_who_can(models: list[Model], asked: Call) -> None:
    planned = plan(Catalogue(models), asked)
    able = {
        one.id for one in models if not one.lacks(asked.needs) and one.fits(asked.prompt_tokens)
    }
    if isinstance(planned, Refusal):
        assert not able or asked.model in {one.id for one in models}
        return
    ids = [one.id for one in planned]

    assert len(set(ids)) == len(ids) > 0
    if asked.model in {one.id for one in models}:
        assert set(ids) <= able
    else:
        assert set(ids) == able
    assert plan(Catalogue(models), asked) == planned


@given(catalogues(), calls)
def test_of_two_without_fallbacks_the_better_priority_comes_first(
    models: list[Model], asked: Call
) -> None:
    lonely = [model(one.id, priority=one.priority) for one in models]
    planned = plan(Catalogue(lonely), asked._replace(model=OWN_MODEL, needs={}))
    if not isinstance(planned, Refusal):
        assert [one.priority for one in planned] == sorted(one.priority for one in lonely)
