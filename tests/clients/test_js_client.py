"""The JavaScript client and its Electron handlers: by themselves, and against the service."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.caller import QUESTION
from tests.api.models import GOOD, Fresh
from tests.api.test_stream import breaking
from tests.node import ROOT, node, node_modules, run, run_tests
from tests.service import RunningService
from tests.world import Behaviour

FOLDER = ROOT / "clients/js"
ALONE = sorted(
    f"test/{file.name}"
    for file in (FOLDER / "test").glob("*.test.js")
    if file.name != "service.test.js"
)


@pytest.mark.parametrize("file", ALONE)
def test_by_itself(file: str) -> None:
    run_tests(FOLDER, [file], {})


def test_against_the_service(
    service: RunningService, addresses: Iterator[str], fresh_ones: Iterator[Fresh]
) -> None:
    """All its tests at once; each asks from an address of its own."""
    cut, stalls, tools, fails = (next(fresh_ones) for _ in range(4))
    cut.behave(breaking("cut"))
    stalls.behave(Behaviour("stall", k=1))
    tools.behave("tools")
    fails.behave("500")
    told = {
        "url": service.url,
        "question": QUESTION,
        "echo": f"You said: {QUESTION}",
        "addresses": [next(addresses) for _ in range(30)],
        "models": {
            "good": GOOD,
            "cut": cut.id,
            "stalls": stalls.id,
            "tools": tools.id,
            "fails": fails.id,
        },
    }
    run_tests(FOLDER, ["test/service.test.js"], {"SCALIX_FREE": json.dumps(told)})
    assert stalls.aborted(within_s=1.0)
    assert len(fails.seen) == 1


# ── With its compiler ────────────────────────────────────────────────────────────────────────


def compiled(*arguments: str) -> None:
    compiler = node_modules("clients/js") / "node_modules/typescript/bin/tsc"
    run([node(), str(compiler), *arguments], FOLDER)


@pytest.mark.slow
def test_what_is_kept_is_what_is_built(tmp_path: Path) -> None:
    compiled("--outDir", str(tmp_path))
    built = {file.name: file.read_text("utf-8") for file in tmp_path.iterdir()}
    kept = {file.name: file.read_text("utf-8") for file in (FOLDER / "dist").iterdir()}
    assert built == kept


@pytest.mark.slow
def test_its_types_are_what_programs_rely_on() -> None:
    compiled("--project", "test")
