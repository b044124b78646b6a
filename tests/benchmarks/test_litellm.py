"""What the benchmark of LiteLLM's SDK makes of its figures."""

from benchmarks.litellm import BARE, DIRECT, KINDS, MOST, OURS, report


def figures(ours: float) -> dict[str, dict[str, list[float]]]:
    return {kind: {BARE: [2.0, 4.0], OURS: [ours, 2 * ours], DIRECT: [0.1, 0.2]} for kind in KINDS}


def test_a_ratio_is_that_of_the_rounds() -> None:
    table, missed = report(figures(2.0 * MOST))
    assert not missed
    assert table.count("|  1.150 | ≤ 1.15 | met") == len(KINDS)
    assert "2 rounds" in table


def test_what_takes_more_is_missed() -> None:
    table, missed = report(figures(2.4))
    assert missed
    assert table.count("|  1.200 | ≤ 1.15 | missed") == len(KINDS)
