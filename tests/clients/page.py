"""Writes `docs/clients.md` from a run of all clients: `python -m tests.clients.page`."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from tests.clients.run import CLIENTS, SITUATIONS, Report, Seen, bench
from tests.node import ROOT

PAGE = ROOT / "docs/clients.md"

HEAD = """\
# Clients

What programs get that use a client of others, pointed at this service and otherwise left as it
comes: its address, a key that is none, the model `scalix-free`. Both tables are made by `python -m
tests.clients.page` from a run of all of them against the real service; `make test-all` runs it too.
[Our own in JavaScript](../clients/js/README.md) has its own page.

What to know of each:

- **OpenAI's** have `free_tier` as an extra field (`model_extra` in Python) and all of an error's
  body: `code`, and `body["reset_at"]` (`error.error.reset_at` in JavaScript). They believe
  `x-should-retry: false`: who has reached a limit is told at once.
- **The Vercel AI SDK** believes no such header: a limit is asked for three times, within some six
  seconds, before its error comes. Refusals cost nothing here, but people wait for them: set
  `maxRetries: 0`, or look at `GET /api/v1/free/limits` first; an operator whose callers all use it
  may set [`refusals.payment_required`](configuration.md). The error of several tries is a
  `RetryError`; its `lastError.responseBody` is our body, as text.
  A stream that breaks is told to `onError`, and is a part of type `error` in `fullStream`: a plain
  object, no `Error`. **`textStream` just ends**, as if all were said. `free_tier` comes through a
  `metadataExtractor`, usage of streams with `includeUsage: true`.
- **LangChain** drops `free_tier`; `GET /api/v1/free/limits` has it. Usage of streams comes with
  `stream_usage=True`. Its errors are OpenAI's by another name, with the same `code` and `body`.
- **LiteLLM** (as `openai/scalix-free`) has a `code` of its own; ours is `body["code"]` of a
  refusal. A stream that breaks raises `MidStreamFallbackError`, whose words alone tell more.

For all: a stream that breaks after its first words is an error, and what a person reads of a limit
says which one it was and when more returns.
"""

ARRIVES = """
## What arrives

*usage*: the tokens. *left*: `free_tier`.

"""

WRONG = """
## What goes wrong

*When*: the error has `reset_at`, beside its words. *Asked*: how many requests it took.

"""

GOOD = ("whole", "stream", "usage", "tools", "stream-tools", "wait")


def page(reports: Mapping[str, Report]) -> str:
    """The whole page."""
    bad = tuple(name for name in SITUATIONS if name not in GOOD)
    parts = [
        HEAD,
        ARRIVES,
        *_table(("client", "version"), GOOD, reports, lambda report: (report.version,)),
        WRONG,
        *_table(("client",), bad, reports, lambda _: ()),
    ]
    return "".join(parts)


def _table(
    head: tuple[str, ...],
    situations: tuple[str, ...],
    reports: Mapping[str, Report],
    more: Callable[[Report], tuple[str, ...]],
) -> Iterator[str]:
    abouts = tuple(SITUATIONS[name].about for name in situations)
    yield _row((*head, *abouts))
    yield _row(("---",) * (len(head) + len(abouts)))
    for client, report in reports.items():
        cells = (_cell(report.seen[name]) for name in situations)
        yield _row((client, *more(report), *cells))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _cell(seen: Seen) -> str:
    got = {"text": seen.text, "calls": seen.tools, "usage": seen.usage, "left": seen.left}
    words = [word for word, is_there in got.items() if is_there]
    if seen.error is not None:
        words += [f"`{seen.error}`", *([f"`{seen.code}`"] if seen.code else [])]
        words += ["when"] if seen.when else []
    if seen.asked > 1:
        words.append(f"asked {seen.asked} times")
    return ", ".join(words)


def main() -> None:
    """Run all clients and write the page."""
    with tempfile.TemporaryDirectory() as folder, bench(Path(folder)) as running:
        PAGE.write_text(page({name: running.run(client) for name, client in CLIENTS.items()}))


if __name__ == "__main__":
    main()
