"""Tokens of minted identities: what is signed here is read here, and nothing else is."""

import os
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.identity.keyring import Keyring
from scalix_free.identity.minted import LIFETIME_S, PREFIX, TOKEN_CHARS, Mint
from tests.core.held_clock import NOON

MINT = Mint(Keyring(b"a secret"))
TOKEN, IDENTITY = MINT.new(NOON, os.urandom)


def test_a_token_tells_whose_it_is_and_until_when() -> None:
    assert MINT.read(TOKEN) == IDENTITY
    assert (IDENTITY.tier, IDENTITY.issued_ms) == ("anonymous", NOON)
    assert IDENTITY.expires_ms - NOON == LIFETIME_S * 1000 == 30 * 86_400_000
    assert IDENTITY.user_id.startswith("anon_")
    assert IDENTITY.session_id.startswith("ses_")
    assert IDENTITY.user_id[5:] != IDENTITY.session_id[4:]


def test_it_looks_as_apps_want_a_key_to_look() -> None:
    assert TOKEN.startswith(PREFIX)
    assert len(TOKEN) == TOKEN_CHARS >= 20
    assert set(TOKEN) <= set(string.ascii_letters + string.digits + "-_")


def test_no_two_are_the_same() -> None:
    made = [MINT.new(NOON, os.urandom) for _ in range(50)]

    assert len({token for token, _ in made}) == 50
    assert len({identity.user_id for _, identity in made}) == 50


@given(st.integers(0, TOKEN_CHARS - 1), st.characters())
def test_a_token_with_another_character_anywhere_is_none(at: int, char: str) -> None:
    altered = TOKEN[:at] + char + TOKEN[at + 1 :]

    assert MINT.read(altered) == (IDENTITY if altered == TOKEN else None)


@given(st.text() | st.text(string.ascii_letters + "-_", min_size=TOKEN_CHARS).map(PREFIX.__add__))
def test_no_text_makes_it_stumble(text: str) -> None:
    assert MINT.read(text) is None


@pytest.mark.parametrize("altered", [TOKEN[:-1], TOKEN + "A", TOKEN + "=", f" {TOKEN}", ""])
def test_a_token_of_another_length_is_none(altered: str) -> None:
    assert MINT.read(altered) is None


def test_a_token_of_the_secret_before_is_still_read_and_new_ones_are_of_the_newest() -> None:
    rotated = Mint(Keyring(b"a newer secret,a secret"))
    dropped = Mint(Keyring(b"a newer secret"))
    token, identity = rotated.new(NOON, os.urandom)

    assert rotated.read(TOKEN) == IDENTITY
    assert dropped.read(TOKEN) is None
    assert dropped.read(token) == identity
    assert MINT.read(token) is None


def test_a_generation_s_name_cannot_be_swapped() -> None:
    both = Mint(Keyring(b"a newer secret,a secret"))
    token, _ = both.new(NOON, os.urandom)
    start = len(PREFIX)
    swapped = PREFIX + TOKEN[start : start + 4] + token[start + 4 :]

    assert both.read(swapped) is None
