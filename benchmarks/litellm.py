"""What our backend adds to a bare call of LiteLLM, in CPU: both in one process, taking turns.

`.venv/sdk/bin/python -m benchmarks.litellm`. The upstream answers at once, from a process of its
own. In each round a bare `acompletion`, one through the backend and one without LiteLLM take a
slice each, in an order that turns. What is put off until after the answer is counted too.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from benchmarks import loop, machine
from benchmarks.answer import TEXT
from benchmarks.figures import spread
from benchmarks.processes import ROOT, Command, await_ready, free_port, python, running
from benchmarks.table import markdown, verdict
from scalix_free.core.chat import Call
from scalix_free.core.clock import wall_clock
from scalix_free.core.ports import Backend
from scalix_free.providers.litellm_sdk import Deployment, LiteLLMSdk, Sdk
from scalix_free.providers.openai_http import Endpoint, OpenAIHttp, open_session

MOST: Final = 1.15
"""The CPU of a call through the backend, in that of a bare one."""
CALLS: Final = 20
ROUNDS: Final = 40
WARM: Final = 3
RESULT: Final = ROOT / "benchmarks" / "results" / "litellm.md"
KINDS: Final = {"unstreamed": False, "22-frame stream": True}
BARE, OURS, DIRECT = SUBJECTS = (
    "bare acompletion",
    "kind = litellm",
    "kind = openai, without LiteLLM",
)

CALL: Final = Call(
    rid=bytes(16),
    messages=[
        {"role": "system", "content": "You are a helpful assistant. Answer briefly."},
        {"role": "user", "content": "Explain in one sentence what a hop costs."},
    ],
    output_tokens=64,
    parameters={"temperature": 0.7},
    session_id="session",
    caller=bytes(16),
)

Ask = Callable[[], Awaitable[None]]
Figures = Mapping[str, Mapping[str, Sequence[float]]]
"""Kind → subject → milliseconds of CPU a call, by round."""


def main() -> int:
    """Measure, print, and write the results of a whole run."""
    parser = argparse.ArgumentParser(prog="benchmarks.litellm", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--output", type=Path, help="where to write, instead of the results")
    options = parser.parse_args()
    port, busy = free_port(), machine.Busy()
    found: dict[str, Mapping[str, Sequence[float]]] = {}
    command = Command(python("benchmarks.upstream", "--port", str(port)))
    with (
        tempfile.TemporaryDirectory() as folder,
        running("upstream", command, Path(folder, "log")) as child,
    ):
        await_ready(child, command, port)

        async def run() -> None:
            found.update(await measure(f"http://127.0.0.1:{port}/v1", options.rounds))

        loop.run(run())
    text, missed = report(found)
    version, others = metadata.version("litellm"), busy.others()
    about = f"litellm {version}; {machine.facts()} Others kept {others:.1f} cores busy meanwhile."
    page = f"# LiteLLM's SDK\n\n{about}\n\n{text}"
    print(page)
    if options.output is not None or options.rounds >= ROUNDS:
        (options.output or RESULT).write_text(page + "\n")
    return int(missed)


async def measure(base_url: str, rounds: int) -> Figures:
    """Have all subjects take turns; the CPU of their calls, round by round."""
    sdk = Sdk()
    await sdk.library()
    found: dict[str, dict[str, list[float]]] = {}
    async with open_session() as session:
        place = Deployment(model="openai/instant", api_base=base_url, api_key="k")
        ours = LiteLLMSdk(sdk, place, wall_clock)
        endpoint = Endpoint(base_url=base_url, model="instant", api_key="k")
        direct = OpenAIHttp(session, endpoint, wall_clock)
        for kind, streamed in KINDS.items():
            call = CALL._replace(stream=streamed)
            asks = {
                BARE: _bare(dict(ours.question(call)), streamed),
                OURS: _through(ours, call),
                DIRECT: _through(direct, call),
            }
            for ask in asks.values():
                for _ in range(WARM):
                    await _slice(ask)
            rows = found[kind] = {name: [] for name in asks}
            for at in range(rounds):
                for name in (*SUBJECTS[at % 3 :], *SUBJECTS[: at % 3]):
                    rows[name].append(await _slice(asks[name]))
    await sdk.close()
    return found


def _bare(question: Mapping[str, Any], streamed: bool) -> Ask:
    # Loaded by now, as the backend loads it: by itself it would ask the network for prices.
    import litellm  # noqa: PLC0415

    async def ask() -> None:
        # LiteLLM writes into the metadata that it is given.
        about = dict(question["metadata"])
        answer = await litellm.acompletion(**{**question, "metadata": about})
        if not streamed:
            text = answer.choices[0].message.content
        else:
            text = ""
            async for piece in answer:
                text += (piece.choices[0].delta.content or "") if piece.choices else ""
        assert text == TEXT, text

    return ask


def _through(backend: Backend, call: Call) -> Ask:
    async def ask() -> None:
        text = ""
        async with backend.open(call) as reply:
            while chunks := await reply.read():
                text += "".join([chunk.text for chunk in chunks])
        assert text == TEXT, text

    return ask


async def _slice(ask: Ask) -> float:
    """Milliseconds of CPU a call, of this process and all its threads."""
    before = time.process_time()
    for _ in range(CALLS):
        await ask()
    await _settled()
    return (time.process_time() - before) / CALLS * 1000


async def _settled() -> None:
    """Return when what was put off is done: LiteLLM tells its callbacks after an answer."""
    idle = 0
    while idle < 3:
        await asyncio.sleep(0.001)
        running = {task.get_name() for task in asyncio.all_tasks() if "handlers" in repr(task)}
        idle = 0 if running else idle + 1


def report(found: Figures) -> tuple[str, bool]:
    """Give the table, and whether the target was missed."""
    rows, missed = [], False
    for kind, subjects in found.items():
        for name, ms in subjects.items():
            ratios = [one / bare for one, bare in zip(ms, subjects[BARE], strict=True)]
            ratio, seen = statistics.median(ratios), spread(ms)
            target = MOST if name == OURS else None
            said = verdict(ratio, target)
            missed |= said == "missed"
            rows.append(
                [
                    kind,
                    name,
                    f"{seen.median:.2f}",
                    f"{seen.least:.2f}..{seen.most:.2f}",
                    f"{ratio:.3f}",
                    f"≤ {MOST}" if target else "",
                    said or "",
                ]
            )
    headings = ["scenario", "asked by", "CPU ms a call", "least..most", "÷ bare", "target", ""]
    rounds = len(next(iter(found.values()))[BARE])
    note = (
        f"{rounds} rounds; in each, every one asks {CALLS} times, one call after the other, in an"
        " order that turns. CPU is that of the one process with all its threads, what is put off"
        " until after the answer included. ÷ bare is the median of the rounds' ratios. Bare is"
        " LiteLLM's acompletion with the same arguments, its answer read to the end."
    )
    return f"{markdown(headings, rows)}\n\n{note}", missed


if __name__ == "__main__":
    sys.exit(main())
