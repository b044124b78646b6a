"""Whom somebody had bad experiences with, for a while."""

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
    preferences.forgive(b"ann", "a")
    assert preferences.avoided(b"ann", 1) == frozenset()


def test_memory_is_bounded() -> None:
    preferences = Preferences(1_000, 2)
    for owner in (b"a", b"b", b"c"):
        for n in range(20):
            preferences.avoid(owner, f"m{n}", 0)
    assert preferences.avoided(b"a", 0) is None
    assert len(preferences.avoided(b"c", 0) or ()) == MOST_AVOIDED
