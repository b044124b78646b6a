"""Writes `docs/failures.md` from a run of all faults: `python -m tests.failures_page`."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from scalix_free.core.budget import FOREVER_MS, Act, Extent
from scalix_free.core.errors import Kind
from scalix_free.providers.quirks import DAY, QUIRKS, Row, Then
from tests.fault_run import ANYBODY, GOOD, Ended, Run, every_fault

PAGE = Path(__file__).resolve().parent.parent / "docs/failures.md"

HEAD = """\
# Failures

What a model's provider can do wrong, and what becomes of it. Both tables are made by `python -m
tests.failures_page`: the first from a run of every fault that the tests' providers know, over HTTP
and through the whole service; the second from the rows of
[`providers/quirks.py`](../src/scalix_free/providers/quirks.py).

- **Before the first content** another model takes over, at most `routing.attempts` in all, unless
  the request itself is at fault. Of an answer that is not streamed nothing is shown before its end,
  so until then.
- **After it** nobody takes over: the stream ends with an error frame, without a finish reason and
  without `[DONE]`. It is never dressed up as a whole answer.
- **Nothing is charged** for an answer that did not begin. One that broke gives the request back and
  keeps the tokens that were shown.
- **A failure of an account** rests its own models and nobody else's, one of a model that model
  alone. What follows for a budget is known to all workers and machines that share it. Of two waits
  that a provider tells the longer one counts.
- **Headers** of answers tell limits, and what is left, where the provider's habit is known: of
  groq, openai, cerebras, mistral and sambanova, by the names of their tables. They lower a limit
  that the operator wrote, and never raise it.
- **A model that is gone** (404, 410) gives its place to its successor, where [the
  catalogue](catalogue.md) knows one, for a day; `GET /v1/models` shows it so.
- Whoever hangs, fails twice in a row, or fails half of its calls where those are many, rests for
  half a minute, twice as long each time, and is tried again by one real request.

Providers without any limit of their own are not counted: of what follows for a budget, they know
only that rest.
"""

RUN = """
## What callers see

*Alone*: no other model could be asked. *With another*: there was one. k is 2 and more.

"""

ROWS = """
## What providers write

The first row that fits counts, a provider's own before everybody's. Texts that could be anybody's
are believed of the provider of that name alone (*only*).

"""


def page(runs: Mapping[str, Run]) -> str:
    """The whole page."""
    order = {of: n for n, of in enumerate(dict.fromkeys([ANYBODY, *(r.of for r in runs.values())]))}
    sorted_runs = sorted(runs.items(), key=lambda item: order[item[1].of])
    parts = [HEAD, RUN, *_table(SEEN, (_seen(fault, run) for fault, run in sorted_runs))]
    parts += [ROWS, *_table(WRITTEN, map(_written, QUIRKS))]
    return "".join(parts)


SEEN = (
    "provider",
    "fault",
    "what it does",
    "alone, whole",
    "alone, streamed",
    "with another",
    "follows",
)
WRITTEN = ("provider", "status", "text", "means", "follows")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for cells in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(cells)} |\n"


def _seen(fault: str, run: Run) -> tuple[str, ...]:
    return (
        run.of,
        f"`{fault}`",
        run.about.replace("|", "\\|"),
        str(run.alone[False]),
        str(run.alone[True]),
        _with_another(run),
        ", ".join(run.follows),
    )


def _with_another(run: Run) -> str:
    whole, streamed = (_taken(run.then_good[is_stream]) for is_stream in (False, True))
    return whole if whole == streamed else f"whole: {whole}; streamed: {streamed}"


def _taken(ended: Ended) -> str:
    return "the other answers" if ended.model == GOOD else "the same"


MEANS = {
    Kind.RATE_LIMITED: "budget spent",
    Kind.REFUSED_KEY: "key refused",
    Kind.GONE: "gone",
    Kind.BAD_REQUEST: "bad request",
    Kind.TOO_LONG: "too long",
    Kind.FILTERED: "filtered",
    Kind.TIMEOUT: "timeout",
    Kind.BROKEN: "broken",
}


def _written(row: Row) -> tuple[str, ...]:
    return (
        f"{row.of or ANYBODY}{', only' if row.of and row.only else ''}",
        " ".join(map(str, row.statuses)),
        f"`{row.text.decode()}`" if row.text else "",
        MEANS[row.kind],
        "" if row.then is None else _then(row.then),
    )


def _then(then: Then) -> str:
    whose = {Extent.MODEL: "model", Extent.ACCOUNT: "account"}[then.extent]
    if then.act is Act.RETIRE:
        return f"{whose} retired {_span(then.for_ms)}"
    if then.act is Act.BACK_OFF:
        return f"{whose} rests as long as told, else longer each time"
    if then.sure:
        return f"{whose} rests {_span(then.for_ms)}"
    least = f", {_span(then.least_ms)} at least" if then.least_ms > 1_000 else ""
    return f"{whose} rests as long as told, else {_span(then.for_ms)}{least}"


def _span(ms: int) -> str:
    if ms == DAY:
        return "until its day ends"
    if ms >= FOREVER_MS:
        return "for good"
    return (
        f"for {ms // 3_600_000} h"
        if ms >= 3_600_000
        else f"for {ms // 60_000} min"
        if ms
        else "not"
    )


def main() -> None:
    """Run all faults and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(page(every_fault(Path(folder))))


if __name__ == "__main__":
    main()
