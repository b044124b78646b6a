"""Whom somebody had bad experiences with, for a while."""

from scalix_free.core.ledger import Policy, Subject
from scalix_free.core.outcome import Outcome, Result
from scalix_free.core.rating import Opinion
from scalix_free.routing.preferences import MOST_AVOIDED, Preferences


def test_a_bad_experience_is_remembered_for_its_time() -> None:
    preferences = Preferences(1_000, 10)
    assert preferences.avoided(b"ann", 0) is None
    preferences.avoid(b"ann", "a", 0)
    preferences.avoid(b"ann", "b", 500)
    assert preferences.avoided(b"ann", 1_499) == frozenset({"a", "b"})
    assert preferences.avoided(b"bob", 1_499) is None
    assert preferences.avoided(b"ann", 1_500) is None


def test_a_good_one_makes_up_for_it() -> None:
    preferences = Preferences(1_000, 10)
    preferences.avoid(b"ann", "a", 0)
    preferences.forgive(b"ann", "a", 1)
    assert preferences.avoided(b"ann", 1) == frozenset()


def test_memory_is_bounded() -> None:
    preferences = Preferences(1_000, 2)
    for owner in (b"a", b"b", b"c"):
        for n in range(20):
            preferences.avoid(owner, f"m{n}", 0)
    assert preferences.avoided(b"a", 0) is None
    assert len(preferences.avoided(b"c", 0) or ()) == MOST_AVOIDED


def test_whatever_order_it_is_heard_in_the_newest_counts() -> None:
    preferences = Preferences(1_000, 10)
    preferences.forgive(b"ann", "a", 5)
    preferences.avoid(b"ann", "a", 20)
    preferences.forgive(b"ann", "a", 10)
    preferences.avoid(b"ann", "a", 5)
    assert preferences.avoided(b"ann", 1_019) == frozenset({"a"})
    assert preferences.avoided(b"ann", 1_020) is None


def test_whom_a_model_let_down_is_heard() -> None:
    preferences = Preferences(1_000, 10)
    failed = Outcome(
        "req_1",
        Result.FAILED,
        "anonymous",
        subjects=(Subject(b"ann", Policy("", ())), Subject(b"home", Policy("", ()))),
        at_ms=100,
        total_ms=50.9,
        let_down=("a", "b"),
    )
    preferences.hear(failed)
    preferences.hear(failed._replace(let_down=(), subjects=()))
    assert preferences.avoided(b"ann", 1_149) == frozenset({"a", "b"})
    assert preferences.avoided(b"ann", 1_150) is None
    assert preferences.avoided(b"home", 0) is None


def test_what_people_said_is_learned_again_and_again_without_a_change() -> None:
    preferences = Preferences(1_000, 10)
    said = [
        Opinion(b"ann", "old", -1, 100),
        Opinion(b"ann", "a", -1, 500),
        Opinion(b"ann", "b", -1, 600),
        Opinion(b"bob", "b", -1, 600),
        Opinion(b"ann", "a", 1, 700),
    ]
    for now_ms in (1_100, 1_200, 1_599):
        preferences.learn(said, now_ms)
        assert preferences.avoided(b"ann", now_ms) == frozenset({"b"})
    preferences.avoid(b"ann", "a", 1_599)  # since then it broke off
    preferences.learn(said, 1_599)
    assert preferences.avoided(b"ann", 1_599) == frozenset({"a", "b"})
    assert preferences.avoided(b"bob", 1_600) is None


def test_who_asks_is_told_to_the_metrics() -> None:
    heard: list[bool] = []
    preferences = Preferences(1_000, 10, notice=heard.append)
    preferences.avoided(b"ann", 0)
    preferences.avoid(b"ann", "a", 0)
    for now_ms in (999, 1_000):
        preferences.avoided(b"ann", now_ms)
    assert heard == [False, True, False]
