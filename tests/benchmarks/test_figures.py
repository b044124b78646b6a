import pytest

from benchmarks.figures import Sample, Spread, percentile, ratio, spread


def sample(cpu_us: float) -> Sample:
    return Sample(requests=1, cpu_us=cpu_us, a_second=1.0, p50_ms=1.0, p95_ms=1.0, p99_ms=1.0)


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 50), (95, 95), (99, 99), (100, 100)])
def test_a_percentile_is_one_of_the_values(percent: float, value: float) -> None:
    assert percentile([float(number) for number in range(1, 101)], percent) == value


def test_a_percentile_of_few_values_is_the_nearest_above() -> None:
    assert [percentile([1.0, 2.0, 3.0], percent) for percent in (50, 67, 99)] == [2.0, 3.0, 3.0]


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_a_spread_tells_the_middle_and_the_ends() -> None:
    assert spread([5.0, 1.0, 2.0]) == Spread(median=2.0, least=1.0, most=5.0)


def test_a_ratio_is_that_of_the_same_round() -> None:
    slow_machine, quick_machine = (sample(400), sample(200)), (sample(100), sample(50))
    odd = (sample(90), sample(10))
    ours, bare = zip(slow_machine, quick_machine, odd, strict=True)
    assert ratio(ours, bare) == 2.0


def test_a_ratio_needs_the_same_rounds() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio([sample(1), sample(1)], [sample(1)])
