"""A pytest plugin: with NO_SKIPS set, a test that is skipped has failed.

A skip says "not here". Where everything that tests need is said to be there, it would hide that
something is not. Loaded by the Makefile with ``-p tests.no_skips``.
"""

import os
from collections.abc import Generator

import pytest

ON = os.environ.get("NO_SKIPS", "").lower() not in {"", "0", "false", "no"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test into a failure; an expected failure is none."""
    report = yield
    if ON and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which NO_SKIPS forbids: {_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole file into an error."""
    report = yield
    if ON and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which NO_SKIPS forbids: {_reason(report)}"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    where = report.longrepr
    return str(where[2]) if isinstance(where, tuple) else str(where)
