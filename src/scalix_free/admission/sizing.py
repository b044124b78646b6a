"""How many messages of the desktop app a day's limits hold.

The app sends its instructions and the code of the whole project with every message: far more than
what a person typed. Figures of the research notes on clients, section 0.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class AppMessage(NamedTuple):
    """One message of the app, in tokens: all that is sent, what was typed of it, the answer."""

    prompt: int = 9_000
    typed: int = 200
    answer: int = 1_000

    def price(self, *, counts_whole_prompt: bool) -> int:
        """What it costs a caller."""
        return (self.prompt if counts_whole_prompt else self.typed) + self.answer


BUILD: Final = AppMessage()
"""A message about a new project: the app's instructions and a scaffold."""


def messages_a_day(
    message: AppMessage,
    *,
    requests: int | None,
    tokens: int | None,
    context_tokens: int | None,
    counts_whole_prompt: bool,
) -> int | None:
    """How many of these a day holds; None: as many as one likes. None lifts a limit, too."""
    if context_tokens is not None and message.prompt >= context_tokens:
        return 0
    held = [] if requests is None else [requests]
    if tokens is not None:
        held.append(tokens // message.price(counts_whole_prompt=counts_whole_prompt))
    return min(held, default=None)
