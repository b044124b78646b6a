"""Statements that come back: ours are known, under every secret of ours, and no others."""

import pytest

from scalix_free.identity.keyring import Keyring
from scalix_free.identity.seal import Seal

SEAL = Seal(Keyring(b"new,old"), "grant")


@pytest.mark.parametrize("payload", [b"", b"x", b"\0\xff" * 100, b'{"a":1}'])
def test_a_statement_comes_back_as_it_went(payload: bytes) -> None:
    assert SEAL.read(SEAL.write(payload)) == payload


def test_an_older_secret_is_known_and_a_foreign_one_is_not() -> None:
    assert SEAL.read(Seal(Keyring(b"old"), "grant").write(b"x")) == b"x"
    assert SEAL.read(Seal(Keyring(b"other"), "grant").write(b"x")) is None


def test_a_statement_of_another_purpose_is_none() -> None:
    assert SEAL.read(Seal(Keyring(b"new"), "other").write(b"x")) is None


@pytest.mark.parametrize("statement", ["", ".", "eA==", "eA==.", "é.é", "\ud800.x", "eA==.AAAA"])
def test_what_nobody_signed_is_none(statement: str) -> None:
    assert SEAL.read(statement) is None


def test_one_changed_letter_is_enough() -> None:
    statement = SEAL.write(b"whose limits")
    for i, letter in enumerate(statement):
        changed = "A" if letter != "A" else "B"
        assert SEAL.read(statement[:i] + changed + statement[i + 1 :]) is None
