"""What a caller may claim of budgets that do not suffice for everybody."""

from __future__ import annotations

from typing import Final, NamedTuple

from scalix_free.core.budget import WHOLE


class Claim(NamedTuple):
    """A caller as the router sees them.

    ``order`` says whose class goes first, 0 before 1. ``headroom`` and ``received`` are thousandths
    (see ``core.budget``). ``owner`` and ``address`` tell callers and their addresses apart, by keys
    that name nobody. A ``pro`` caller spends within a share of each free account's day.
    """

    order: int = 0
    headroom: int = WHOLE
    received: int = 0
    owner: bytes = b""
    address: bytes = b""
    pro: bool = False


UNBOUNDED: Final = Claim()
"""The claim of whoever has no limits: the operator."""
