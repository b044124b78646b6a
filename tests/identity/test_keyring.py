"""Keys from the server's secret, over its generations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.identity.keyring import GENERATION_CHARS, Keyring

OLD, NEW = Keyring(b"the old secret"), Keyring(b"a new secret, the old secret")


def test_what_an_older_secret_made_is_known_under_a_newer_one() -> None:
    (made,) = OLD.digests("api_key", "a key")

    assert made in NEW.digests("api_key", "a key")
    assert NEW.digests("api_key", "a key")[0] == NEW.digest("api_key", "a key") != made


def test_a_generation_keeps_its_name_and_key_when_a_newer_one_is_put_before_it() -> None:
    (name,) = OLD.signing

    assert NEW.signing[name] == OLD.signing[name]
    assert len(name) == GENERATION_CHARS
    assert NEW.newest != name
    assert OLD.newest == name


@pytest.mark.parametrize("written", [b"x", b" x ", b"x,", b",x", b" , x\n,"])
def test_blanks_around_a_secret_mean_nothing(written: bytes) -> None:
    assert Keyring(written).signing == Keyring(b"x").signing


@pytest.mark.parametrize("empty", [b"", b" ", b",", b" , "])
def test_there_is_no_empty_secret(empty: bytes) -> None:
    with pytest.raises(ValueError, match="empty"):
        Keyring(empty)


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_no_two_purposes_share_a_digest(one: tuple[str, str], other: tuple[str, str]) -> None:
    purposes = (one[0].replace(":", ""), other[0].replace(":", ""))
    first = OLD.digest(purposes[0], one[1])
    second = OLD.digest(purposes[1], other[1])

    assert (first == second) == ((purposes[0], one[1]) == (purposes[1], other[1]))
    assert OLD.subject(purposes[0], one[1]) == first[:16]
