"""Mail addresses: whether one can be, and the one form in which mailboxes are told apart."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Final

MOST_CHARS: Final = 254
_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN: Final = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")

SAME: Final = {"googlemail.com": "gmail.com"}
DOTLESS: Final = frozenset({"gmail.com"})
"""Where dots in the local part mean nothing."""


def parse_email(text: str) -> str | None:
    """The address as mail is sent to it, its domain in ASCII; None where it can be none."""
    local, at, domain = text.strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode().lower()
    except UnicodeError:
        return None
    email = f"{local}@{domain}"
    if not at or len(email) > MOST_CHARS or len(local) > 64:
        return None
    return email if _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain) else None


def mailbox_of(email: str) -> str:
    """The mailbox that an address leads to, by which accounts are told apart.

    Mail is never sent to this form: a server may well treat what it drops as a difference.
    """
    local, _, domain = email.lower().rpartition("@")
    domain = SAME.get(domain, domain)
    local = local.partition("+")[0] or local
    if domain in DOTLESS:
        local = local.replace(".", "")
    return f"{local}@{domain}"


def read_domains(text: str) -> frozenset[str]:
    """The domains of a list: one a line, ``#`` begins a comment."""
    lines = (line.partition("#")[0].strip().lower() for line in text.splitlines())
    return frozenset(line for line in lines if line)


def is_disposable(email: str, domains: Set[str]) -> bool:
    """Whether an address, or a domain above its own, is one that is thrown away after use."""
    labels = email.rpartition("@")[2].lower().split(".")
    return any(".".join(labels[i:]) in domains for i in range(len(labels) - 1))
