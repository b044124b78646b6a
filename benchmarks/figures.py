"""Medians, spreads and ratios of what the rounds gave."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing, in its own unit."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One scenario against one subject in one round."""

    requests: int
    cpu_us: float
    """CPU of the subject's whole process tree, microseconds a request."""
    a_second: float
    """Requests answered a second of wall time."""
    p50_ms: float
    p95_ms: float
    p99_ms: float


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Give the nearest-rank percentile of values in ascending order."""
    if not ordered:
        raise ValueError("no values")
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def spread(values: Sequence[float]) -> Spread:
    """Give median, least and most."""
    return Spread(statistics.median(values), min(values), max(values))


def ratio(samples: Sequence[Sample], base: Sequence[Sample]) -> float:
    """Give the median of the rounds' ratios in CPU to the base of the same round."""
    pairs = zip(samples, base, strict=True)
    return statistics.median(sample.cpu_us / bare.cpu_us for sample, bare in pairs)
