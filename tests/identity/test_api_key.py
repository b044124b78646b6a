"""Keys of accounts: typos are seen without a look-up."""

import secrets

from hypothesis import given
from hypothesis import strategies as st

from scalix_free.identity.api_key import ALPHABET, PREFIX, is_well_formed, new_key, shown

KEY = new_key(secrets.choice)


def test_a_new_key_is_well_formed_and_looks_as_apps_want_it() -> None:
    for _ in range(50):
        key = new_key(secrets.choice)
        assert is_well_formed(key)
        assert key.startswith(PREFIX)
        assert len(key) == len(PREFIX) + 36
        assert set(key[len(PREFIX) :]) <= set(ALPHABET)


def test_an_example_of_the_checksum() -> None:
    """Fixed, so that keys in use stay well-formed."""
    assert new_key(lambda alphabet: alphabet[1]) == f"{PREFIX}{'1' * 30}38j5bx"


@given(st.integers(0, len(KEY) - 1), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_seen(at: int, char: str) -> None:
    typo = KEY[:at] + char + KEY[at + 1 :]

    assert is_well_formed(typo) == (typo == KEY)


@given(st.integers(len(PREFIX), len(KEY) - 2))
def test_two_swapped_characters_are_seen(at: int) -> None:
    typo = KEY[:at] + KEY[at + 1] + KEY[at] + KEY[at + 2 :]

    assert is_well_formed(typo) == (typo == KEY)


@given(st.text() | st.text().map(PREFIX.__add__))
def test_no_text_makes_it_stumble(text: str) -> None:
    assert not is_well_formed(text)


def test_what_is_shown_of_a_key_does_not_give_it_away() -> None:
    assert KEY.startswith(shown(KEY))
    assert len(shown(KEY)) == len(PREFIX) + 4
