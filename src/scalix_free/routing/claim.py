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

    @property
    def is_paced(self) -> bool:
        """Whether a day's budget has to last for others too."""
        return self.headroom < WHOLE

    def unpaced(self) -> Claim:
        """The same, free to use a whole day at once."""
        return self._replace(headroom=WHOLE)


UNBOUNDED: Final = Claim()
"""The claim of whoever has no limits: the operator."""
