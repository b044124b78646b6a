"""Mail addresses: which can be one, and which are the same mailbox."""

from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalix_free.identity.mailbox import is_disposable, mailbox_of, parse_email, read_domains

LIST = files("scalix_free.identity").joinpath("disposable_domains.txt").read_text("utf-8")
DOMAINS = read_domains(LIST)


@pytest.mark.parametrize(
    ("written", "email"),
    [
        ("ann@example.org", "ann@example.org"),
        (" Ann.O'Neil+app@Example.ORG ", "Ann.O'Neil+app@example.org"),
        ("a@mail.example.co.uk", "a@mail.example.co.uk"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
    ],
)
def test_an_address_is_read_as_mail_is_sent_to_it(written: str, email: str) -> None:
    assert parse_email(written) == email


@pytest.mark.parametrize(
    "written",
    [
        *("", "@", "ann", "ann@", "@example.org", "ann@example", "ann@127.0.0.1", "ann@[::1]"),
        *("a b@example.org", "a@b@example.org", "ann@example..org", ".ann@example.org"),
        *(
            "ann@-example.org",
            "ann.@example.org",
            "a..b@example.org",
            "ann@example.org.",
            "ann@.org",
        ),
        *("ann@example.org\r\nBcc: all@example.org", "ann\n@example.org", "<ann@example.org>"),
        *("ann@example.org,bob@example.org", f"{'a' * 65}@example.org", f"a@{'b' * 64}.org"),
        *(f"a@{'b.' * 126}org", "\ud800@example.org", "ann@\ud800.org", "änn@example.org"),
    ],
)
def test_what_can_be_no_address(written: str) -> None:
    assert parse_email(written) is None


@given(st.text() | st.tuples(st.text(), st.text()).map("@".join))
def test_no_text_makes_it_stumble(text: str) -> None:
    email = parse_email(text)

    assert email is None or (email.isascii() and "\n" not in email and "\r" not in email)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ann@example.org", "ANN@example.org", True),
        ("ann+app@example.org", "ann@example.org", True),
        ("a.nn@gmail.com", "ann@gmail.com", True),
        ("A.N.N+x@googlemail.com", "ann@gmail.com", True),
        ("a.nn@example.org", "ann@example.org", False),
        ("ann@example.org", "ann@example.com", False),
        ("+ann@example.org", "+bob@example.org", False),
    ],
)
def test_mailboxes_are_told_apart(one: str, other: str, same: bool) -> None:
    assert (mailbox_of(one) == mailbox_of(other)) is same


@pytest.mark.parametrize("domain", ["mailinator.com", "eu.mailinator.com", "YOPMAIL.com"])
def test_thrown_away_mailboxes_are_known(domain: str) -> None:
    assert is_disposable(f"ann@{domain}", DOMAINS)


@pytest.mark.parametrize(
    "domain", ["gmail.com", "example.org", "notmailinator.com", "com", "co.uk"]
)
def test_others_are_not(domain: str) -> None:
    assert not is_disposable(f"ann@{domain}", DOMAINS)


def test_the_list_is_dated_sorted_and_of_domains_alone() -> None:
    lines = [line for line in LIST.splitlines() if not line.startswith("#")]

    assert "as of 2026-11-25" in LIST.splitlines()[0]
    assert len(lines) == len(DOMAINS) > 100
    assert lines == sorted(lines)
    assert all(parse_email(f"a@{line}") == f"a@{line}" for line in lines)
