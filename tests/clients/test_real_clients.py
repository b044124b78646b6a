"""Clients that others wrote, each from an environment of its own, against the running service."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.clients.expected import EXPECTED
from tests.clients.page import PAGE, page
from tests.clients.run import CLIENTS, SITUATIONS, Report, bench

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Report]]:
    """Runs a client, once."""
    with bench(tmp_path_factory.mktemp("bench")) as running:
        yield cache(lambda name: running.run(CLIENTS[name]))


@pytest.mark.parametrize("name", CLIENTS)
def test_it_sees_what_it_must(report: Callable[[str], Report], name: str) -> None:
    assert dict(report(name).seen) == EXPECTED[name]


@pytest.mark.parametrize("name", CLIENTS)
def test_no_break_and_no_limit_is_silent(name: str) -> None:
    """Whatever else is expected of a client."""
    broken = EXPECTED[name]["break"]
    assert broken.error is not None
    assert broken.finish in {None, "error"}
    for situation in ("hour", "day", "failure"):
        assert EXPECTED[name][situation].error is not None
    assert EXPECTED[name].keys() == SITUATIONS.keys()


def test_the_page_says_what_was_seen(report: Callable[[str], Report]) -> None:
    made = page({name: report(name) for name in CLIENTS})
    assert PAGE.read_text() == made, "make it anew: python -m tests.clients.page"
