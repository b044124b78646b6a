"""The whole harness, in small: references and a stand-in for the service."""

import dataclasses
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import hop, start, subjects
from benchmarks.answer import KINDS
from benchmarks.processes import ROOT, BenchmarkError
from benchmarks.subjects import Subject

FAKE = "tests.benchmarks.fake_service"
SMALL = hop.Plan(rounds=1, requests=128)


def fakes(**changes: object) -> list[Subject]:
    return [
        dataclasses.replace(it, drain_s=0.05, **changes)  # type: ignore[arg-type]
        for it in subjects.services(FAKE)
    ]


@pytest.mark.slow
def test_the_command_measures_prints_and_writes(tmp_path: Path) -> None:
    file = tmp_path / "results" / "hop.md"
    amount = ("--rounds", "1", "--requests", "200")
    only = ("--only", "bare", "--only", "unstreamed", "--check")
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", *amount, *only, "--output", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert file.read_text() == ended.stdout
    assert "| unstreamed | bare Python proxy |" in ended.stdout
    assert platform.node() not in ended.stdout
    assert str(ROOT) not in ended.stdout


@pytest.mark.slow
def test_the_service_is_measured_in_all_scenarios_and_started_anew() -> None:
    bare = subjects.references()[0]
    high, low = fakes()
    one_scenario = SMALL.asked(high) + SMALL.warmup(high)
    result = hop.measure([bare, dataclasses.replace(high, life=one_scenario), low], KINDS, SMALL)
    ratios = {(row.subject.key, row.kind): row.ratio for row in result.rows}
    assert set(ratios) == {
        ("bare", "unstreamed"),
        ("bare", "stream"),
        ("service", "unstreamed"),
        ("service", "stream"),
        ("service", "refused"),
    }
    assert ratios["bare", "stream"] == 1.0
    assert 0 < ratios["service", "refused"] < ratios["service", "unstreamed"]
    assert result.starts == 2
    assert "it was started 2 times" in hop.report(result)


def test_an_answer_that_the_upstream_never_saw_spoils_the_run() -> None:
    bare = subjects.references()[0]
    exhausted = dataclasses.replace(fakes()[1], kinds=("unstreamed",))
    with pytest.raises(BenchmarkError, match="Scalix Free, unstreamed: status 429"):
        hop.measure([bare, exhausted], ["unstreamed"], SMALL)


def test_starts_are_timed_and_memory_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "REST_S", 0.1)
    [row] = start.measure(start.VARIANTS[:1], 1, FAKE, Path(sys.executable))
    [measured] = row.starts
    assert measured.processes == 2
    assert 0 < measured.ready_s < 30
    assert 0 < measured.token_s < 5
    assert "ready ≤ 2 s, PSS ≤ 100 MB" in start.report([row])


def test_slow_subjects_are_asked_less_but_never_with_idle_connections() -> None:
    plan, bare = hop.Plan(rounds=1, requests=2000), subjects.references()[0]
    assert plan.slices(bare) == [250] * 8
    assert plan.slices(dataclasses.replace(bare, share=0.3)) == [75] * 8
    assert plan.slices(dataclasses.replace(bare, share=0.04)) == [80]
    assert plan.slices(dataclasses.replace(bare, share=0.0001)) == [64]
