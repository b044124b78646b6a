"""Whether the tests of people's limits notice when the limits are wrong.

``python -m benchmarks.mutants [MODULE ...]`` changes one thing at a time in the modules and runs
their tests on each change, in a process that has the changed module in place of the real one.
A module of which the tests notice less than 95 % ends it with 1.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import hypothesis
import hypothesis.stateful
import pytest

from benchmarks import machine
from benchmarks.mutation import Mutant, mutants
from benchmarks.table import markdown

ROOT: Final = Path(__file__).resolve().parents[1]
RESULT: Final = ROOT / "benchmarks/results/mutants.md"
REASONS: Final = ROOT / "benchmarks/survivors.toml"
SHARE: Final = 0.95
HISTORIES: Final = 50
"""How many generated ones whatever the examples let pass has to stand; the same in every run."""
PATIENCE: Final = 10
"""So many times what the tests take otherwise, and a change has made them endless."""

Outcome = Literal["examples", "laws", "endless", "survived"]
Judge = Callable[[], bool]


@dataclass(frozen=True)
class Subject:
    """A module, the tests that read as its specification, and the laws for what those let pass."""

    module: str
    examples: tuple[str, ...]
    laws: bool = False

    @property
    def path(self) -> Path:
        """Where it is written."""
        return ROOT / "src" / f"{self.module.replace('.', '/')}.py"


SUBJECTS: Final = (
    Subject("scalix_free.core.ledger", ("tests/core/test_ledger.py",), laws=True),
    Subject("scalix_free.admission.grant", ("tests/admission/test_grant.py",)),
)


# ── One change ───────────────────────────────────────────────────────────────────────────────


OPTIONS: Final = (
    *("-x", "-q", "--noconftest", "--assert=plain"),
    *("--disable-plugin-autoload", "-p", "pytest_asyncio.plugin", "-p", "pytest_timeout"),
    *("-p", "no:cacheprovider", "-p", "no:unraisableexception"),
)


def passes(tests: Sequence[str]) -> bool:
    """Whether all of these tests pass."""
    return pytest.main([*OPTIONS, *tests]) == pytest.ExitCode.OK


def keeps_the_laws() -> bool:
    """Whether generated histories are judged as the model judges them."""
    few = hypothesis.settings(
        max_examples=HISTORIES, derandomize=True, database=None, phases=[hypothesis.Phase.generate]
    )
    hypothesis.settings.register_profile("few", few)
    hypothesis.settings.load_profile("few")
    if not passes(["tests/laws/test_coarse_window_laws.py"]):
        return False
    laws = importlib.import_module("tests.laws.test_ledger_laws")
    few = hypothesis.settings(laws.SUITE, max_examples=HISTORIES)
    try:
        hypothesis.stateful.run_state_machine_as_test(laws.Ledgers, settings=few)
    except Exception:
        return False
    return True


def put_in_place(module: str, source: str) -> None:
    """Let this process have the source as the module."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[module] = made
    exec(compile(source, spec.origin or module, "exec"), made.__dict__)
    package, _, name = module.rpartition(".")
    setattr(importlib.import_module(package), name, made)


def judged(module: str, source: str, judge: Judge, limit_s: float) -> bool | None:
    """Whether the judge lets the source pass; None when it comes to no end."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            nowhere = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(nowhere, stream)
            put_in_place(module, source)
            if judge():
                os._exit(0)
        os._exit(1)
    ends, status = time.monotonic() + limit_s, None
    try:
        while status is None and time.monotonic() < ends:
            time.sleep(0.005)
            ended, said = os.waitpid(child, os.WNOHANG)
            status = said if ended else None
    finally:
        if status is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return None if status is None else status == 0


class Court:
    """The judges of a module, the quick one first, with the time that each may take."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._judges: list[tuple[Outcome, Judge, float]] = []
        self._same = reasons()
        passes(["--version"])  # so that it is loaded before the children part
        gc.freeze()
        whole = subject.path.read_text()
        judges: list[tuple[Outcome, Judge]] = [("examples", lambda: passes(subject.examples))]
        if subject.laws:
            judges.append(("laws", keeps_the_laws))
        for name, judge in judges:
            begun = time.monotonic()
            if not judged(subject.module, whole, judge, 600):
                raise SystemExit(f"{subject.module} as it is does not pass: {name}")
            took_s = time.monotonic() - begun
            self._judges.append((name, judge, 2 + PATIENCE * took_s))
            print(f"{subject.module}: {name} take {took_s:.1f} s", flush=True)

    def outcome(self, mutant: Mutant) -> Outcome:
        """Who noticed. What is known to do the same is not put before the slow judge again."""
        for name, judge, limit_s in self._judges:
            if name == "laws" and key(mutant) in self._same:
                continue
            verdict = judged(self._subject.module, mutant.source, judge, limit_s)
            if not verdict:
                return "endless" if verdict is None else name
        return "survived"


# ── All of them ──────────────────────────────────────────────────────────────────────────────


def kind(mutant: Mutant) -> str:
    """What was done, in words."""
    for beginning, words in KINDS.items():
        if mutant.operator.startswith(beginning):
            return words
    return "decision turned round"


KINDS: Final = {
    "NumberReplacer": "a number one more or one less",
    "OtherName": "other edge, other end",
    "WallClock": "the machine's clock",
    "MissingStep": "a step left out",
    "ZeroIteration": "a step left out",
    "OtherAmount": "sum turned round",
    "ReplaceBinaryOperator": "sum turned round",
    "ReplaceUnaryOperator_Delete_USub": "sum turned round",
    "ReplaceComparisonOperator_Lt_LtE": "other edge, other end",
    "ReplaceComparisonOperator_LtE_Lt": "other edge, other end",
    "ReplaceComparisonOperator_Gt_GtE": "other edge, other end",
    "ReplaceComparisonOperator_GtE_Gt": "other edge, other end",
}


def run(subject: Subject) -> list[tuple[Mutant, Outcome]]:
    """Judge all changes of a module."""
    court = Court(subject)
    made = list(mutants(subject.path.read_text()))
    found = []
    for count, mutant in enumerate(made, 1):
        outcome = court.outcome(mutant)
        found.append((mutant, outcome))
        if outcome == "survived":
            before, after = mutant.change
            print(f"{count}/{len(made)} {mutant.where}:{mutant.line}: {before}  ->  {after}")
        elif count % 50 == 0:
            print(f"{count}/{len(made)}", flush=True)
    return found


def reasons() -> dict[tuple[str, str, str], str]:
    """Why nobody can notice a change; by function and the text of its lines before and after."""
    listed = tomllib.loads(REASONS.read_text())["same"]
    return {
        (where, before, after): group["why"]
        for group in listed
        for where, before, after in group["changes"]
    }


def show(subject: Subject, found: Sequence[tuple[Mutant, Outcome]]) -> str:
    """What came of one module: the figures, then whatever survived."""
    why = reasons()
    counts: dict[str, Counter[str]] = {}
    for mutant, outcome in found:
        by = counts.setdefault(kind(mutant), Counter())
        by["the same" if outcome == "survived" and key(mutant) in why else outcome] += 1
    counts = dict(sorted(counts.items()))
    counts["all"] = sum(counts.values(), Counter())
    rows = []
    for name, by in counts.items():
        columns = ("examples", "laws", "endless", "the same", "survived")
        share = 1 - by["survived"] / max(1, by.total() - by["the same"])
        rows.append((name, str(by.total()), *(str(by[one]) for one in columns), f"{share:.1%}"))
    headings = ("what was changed", "mutants", *columns, "killed")
    left = [mutant for mutant, outcome in found if outcome == "survived"]
    left.sort(key=lambda mutant: (key(mutant) in why, mutant.line))
    lines = [_line(mutant, why.get(key(mutant))) for mutant in left]
    return "\n\n".join(
        [f"## `{subject.module}`", markdown(headings, rows), "\n".join(lines)]
    ).strip()


def key(mutant: Mutant) -> tuple[str, str, str]:
    """By what a change is found in the list of reasons."""
    return (mutant.where, *mutant.change)


def _line(mutant: Mutant, why: str | None) -> str:
    before, after = mutant.change
    said = why or "**No test notices this.**"
    return f"- `{mutant.where or 'module'}`, line {mutant.line}: `{before}` → `{after}`. {said}"


def killed(found: Sequence[tuple[Mutant, Outcome]]) -> float:
    """The share that was noticed of all that can be."""
    why = reasons()
    left = [mutant for mutant, outcome in found if outcome == "survived"]
    same = sum(key(mutant) in why for mutant in left)
    return 1 - (len(left) - same) / (len(found) - same)


def commit() -> str:
    """Which state of the sources and the tests this is."""
    git = ("git", "-C", str(ROOT))
    head = subprocess.run(
        (*git, "rev-parse", "--short=10", "HEAD"), capture_output=True, text=True, check=True
    )
    differs = subprocess.run((*git, "diff", "--quiet", "HEAD", "--", "src", "tests"), check=False)
    return head.stdout.strip() + (" and changes" if differs.returncode else "")


def main(names: Sequence[str]) -> int:
    """Judge the modules; only a run of all of them is written down."""
    chosen = [one for one in SUBJECTS if not names or one.module in names]
    begun, state, parts, shares = time.monotonic(), commit(), [], []
    for subject in chosen:
        found = run(subject)
        parts.append(show(subject, found))
        shares.append(killed(found))
        print(f"\n{parts[-1]}\n", flush=True)
    minutes = (time.monotonic() - begun) / 60
    if len(chosen) == len(SUBJECTS):
        RESULT.write_text(
            "\n\n".join([HEAD.format(state=state, minutes=minutes, facts=machine.facts()), *parts])
            + "\n"
        )
    return 0 if chosen and min(shares) >= SHARE else 1


HEAD: Final = """# Mutants of the limits

Each is the module with one thing changed; it is killed when a test fails. *Examples* are the
module's own tests, *laws* the generated histories, asked where the examples see nothing; *endless*
are those under which the tests come to no end. A mutant that no test can kill, since it does
*the same*, is listed with its reason; *killed* is the share of the others. Decorators and
annotations are not changed.

Commit {state}; {minutes:.0f} minutes on one core. {facts}"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
