"""Metrics: a Listener that counts outcomes for Prometheus.

Every worker process counts into files of one folder (``PROMETHEUS_MULTIPROC_DIR``, set by the
parent before a worker starts), and whichever is asked reads them all. Counts are gathered in plain
numbers and written down a few times a second, because a write costs as much as a tenth of a
request. Label values come from our own tables and the configuration, never from a caller.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from scalix_free.core.funnel import Action, Step, Trigger
from scalix_free.core.outcome import Outcome, Result

SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)
DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
WRITE_S: Final = 0.2
"""How long a count may be known to its own process alone."""


class Metrics:
    """The service's metrics, by the names of the contract."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter(
            "free_api_requests",
            "Completion requests by how they ended",
            ("tier", "model", "outcome"),
        )
        self._errors = self._counter(
            "free_api_errors",
            "Failures that are ours or a provider's, and streams that broke",
            ("code",),
        )
        self._refusals = self._counter(
            "free_api_refusals", "Requests refused for a reason of the caller's", ("code",)
        )
        self._cache = self._counter("free_api_cache", "Use of caches", ("cache", "result"))
        self._prompts = self._counter(
            "free_api_upgrade_prompts",
            "What people did about prompts",
            ("trigger", "action"),
        )
        self._conversions = self._counter(
            "free_api_conversions", "People who came to a step on the way to paying", ("step",)
        )
        self._seconds = Histogram(
            "free_api_response_seconds",
            "Time to the first token and to the end of answered requests",
            ("kind",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._success = self._gauge(
            "free_model_success_ratio", "Part of a model's calls that succeed", "livemin"
        )
        self._priority = self._gauge(
            "free_model_priority", "A model's priority, with the places it has lost", "livemax"
        )
        self._serving = self._of_instances(
            "free_proxy_serving", "Whether a LiteLLM proxy gets new calls", "livemin"
        )
        self._running = self._of_instances(
            "free_proxy_calls", "Calls that a LiteLLM proxy has now", "livesum"
        )
        self._removals = self._counter(
            "free_proxy_removals",
            "How often a LiteLLM proxy was left out, and why",
            ("provider", "instance", "reason"),
        )
        self._observed = {kind: self._seconds.labels(kind) for kind in ("total", "first_token")}
        self._unwritten: Tally[tuple[Counter, tuple[str, ...]]] = Tally()
        self._durations: list[tuple[str, float]] = []
        self._looks: Tally[tuple[str, str]] = Tally()
        self._due: asyncio.TimerHandle | None = None

    def _counter(self, name: str, about: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, about, labels, registry=self._registry)

    def _gauge(self, name: str, about: str, worst: Literal["livemin", "livemax"]) -> Gauge:
        """A gauge of models; of several workers that one counts which thinks worst of a model."""
        return Gauge(name, about, ("model",), registry=self._registry, multiprocess_mode=worst)

    def _of_instances(self, name: str, about: str, of: Literal["livemin", "livesum"]) -> Gauge:
        labels = ("provider", "instance")
        return Gauge(name, about, labels, registry=self._registry, multiprocess_mode=of)

    def hear(self, outcome: Outcome) -> None:
        """Count one ended request."""
        self._write_soon()
        labels = (outcome.tier, outcome.model or "none", outcome.result.value)
        self._unwritten[self._requests, labels] += 1
        if outcome.cache is not None:
            self._looks["answer", outcome.cache.value] += 1
        if outcome.result is Result.ANSWERED:
            self._durations.append(("total", outcome.total_ms / 1000))
            if outcome.first_token_ms is not None:
                self._durations.append(("first_token", outcome.first_token_ms / 1000))
        elif outcome.code is not None:
            counter = self._errors if outcome.result is Result.FAILED else self._refusals
            self._unwritten[counter, (outcome.code.value,)] += 1

    def count_books(self, hits: int, misses: int) -> None:
        """Count looks into the ledger's cache of books."""
        self._looks["user_quota", "hit"] += hits
        self._looks["user_quota", "miss"] += misses

    def count_model_health(self, hit: bool) -> None:
        """Count a look at a model's state: whether it was known, or the store was asked."""
        self._looks["model_health", "hit" if hit else "miss"] += 1

    def count_prompt(self, trigger: Trigger, action: Action) -> None:
        """Count what somebody did about a prompt."""
        self._write_soon()
        self._unwritten[self._prompts, (trigger.value, action.value)] += 1

    def count_conversion(self, step: Step) -> None:
        """Count somebody who came to a step."""
        self._write_soon()
        self._unwritten[self._conversions, (step.value,)] += 1

    def note_models(self, states: Iterable[tuple[str, float, int]]) -> None:
        """Write down how models stand: id, part of the calls that succeed, priority in force."""
        for model, success, priority in states:
            self._success.labels(model).set(success)
            self._priority.labels(model).set(priority)

    def note_instances(self, states: Iterable[tuple[str, str, bool, int]]) -> None:
        """Write down how proxies stand: provider, root, whether it gets calls, those that run."""
        for provider, root, serves, calls in states:
            self._serving.labels(provider, root).set(int(serves))
            self._running.labels(provider, root).set(calls)

    def count_removal(self, provider: str, root: str, reason: str) -> None:
        """Count a proxy that was left out, and write it down: that is seldom."""
        self._removals.labels(provider, root, reason).inc()

    def count_preferences(self, hit: bool) -> None:
        """Count a look at whom a caller avoids: whether anything was known of them."""
        self._looks["user_preferences", "hit" if hit else "miss"] += 1

    def write(self) -> None:
        """Write down what was gathered."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        looks, self._looks = self._looks, Tally()
        for (cache, result), count in looks.items():
            if count:
                self._cache.labels(cache, result).inc(count)
        unwritten, self._unwritten = self._unwritten, Tally()
        durations, self._durations = self._durations, []
        for (counter, labels), count in unwritten.items():
            counter.labels(*labels).inc(count)
        for kind, seconds in durations:
            self._observed[kind].observe(seconds)

    def _write_soon(self) -> None:
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(WRITE_S, self.write)

    def exposition(
        self,
        active_users: Mapping[str, int],
        left_today: Mapping[str, int],
        satisfaction: float | None = None,
    ) -> tuple[bytes, str]:
        """All workers' metrics as text, and its content type.

        ``active_users`` is by tier, ``left_today`` by provider, ``satisfaction`` 0 to 1, or None
        where nobody said anything: they are what all workers share.
        """
        self.write()
        registry = self._registry
        if DIRECTORY in os.environ:
            registry = CollectorRegistry()
            _EveryWorker(registry)
        shared = CollectorRegistry()
        shared.register(
            _Shared("free_api_active_users", "Callers of the last hour", "tier", active_users)
        )
        shared.register(
            _Shared(
                "free_tier_remaining_requests",
                "Requests that a provider has left of its day",
                "provider",
                left_today,
            )
        )
        if satisfaction is not None:
            shared.register(_Satisfaction(satisfaction))
        return generate_latest(registry) + generate_latest(shared), CONTENT_TYPE_LATEST


class _EveryWorker(MultiProcessCollector):
    """Reads the files of all workers but those that are just being made, which hold nothing yet.

    Of workers that have ended the counts still count, but not how models stand.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)  # type: ignore[no-untyped-call]

    def collect(self) -> Iterable[Metric]:
        files = [entry.path for entry in os.scandir(os.environ[DIRECTORY]) if _is_begun(entry)]
        merged: Iterable[Metric] = self.merge(files)  # type: ignore[no-untyped-call]
        return merged


def _is_begun(entry: os.DirEntry[str]) -> bool:
    if not entry.name.endswith(".db") or not entry.stat().st_size:
        return False
    return not entry.name.startswith("gauge_live") or _runs(int(entry.name[:-3].split("_")[2]))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


class _Shared:
    """A gauge that is not kept but asked for."""

    def __init__(self, name: str, about: str, label: str, values: Mapping[str, int]) -> None:
        self._gauge = GaugeMetricFamily(name, about, labels=(label,))
        for value in values:
            self._gauge.add_metric((value,), values[value])

    def collect(self) -> list[GaugeMetricFamily]:
        return [self._gauge]


class _Satisfaction:
    """What people think of answers; without a value where nobody said anything."""

    def __init__(self, part: float) -> None:
        self._gauge = GaugeMetricFamily(
            "free_api_user_satisfaction", "The part of a week's ratings that were good, 0 to 1"
        )
        self._gauge.add_metric((), part)

    def collect(self) -> list[GaugeMetricFamily]:
        return [self._gauge]
