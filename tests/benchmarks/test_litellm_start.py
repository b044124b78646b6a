"""What the benchmark of a start with LiteLLM makes of its figures."""

import tomllib
from pathlib import Path

import pytest

from benchmarks.litellm_start import ROOMS, Moment, Row, Start, Variant, imported, report
from benchmarks.processes import ROOT

LOG = """\
import time: self [us] | cumulative | imported package
import time:       120 |        120 |   zlib
import time:       900 |       1020 | scalix_free.pooled
scalix-free is ready
import time:      4000 |       4000 | litellm.router
"""


def test_what_an_interpreter_says_it_imported_is_read() -> None:
    assert imported(LOG) == {"zlib": 120, "scalix_free.pooled": 900, "litellm.router": 4000}


def test_the_page_tells_modules_and_medians() -> None:
    starts = [Start(Moment(s, s, 90.0), 0.01, Moment(4.0, 2.0, 95.0)) for s in (1.0, 3.0, 1.5)]
    page = report([Row("default", starts, {"zlib": 120, "scalix_free.pooled": 900})])

    line = "| default |       2 |          0 |    1.50 |  1.50 |   90.0 |"
    assert line in page
    assert "1 of the 2 modules of a default start, and 88.2% of the time" in page


@pytest.mark.parametrize(("kind", "model"), [("openai", "instant"), ("litellm", "openai/instant")])
def test_a_variant_asks_the_upstream_in_its_way(kind: str, model: str) -> None:
    text = Variant("x", Path("python"), kind).configuration(1)
    (provider,) = tomllib.loads(text)["providers"]

    assert provider["kind"] == kind
    assert provider["models"][0]["id"] == "instant/instant"
    assert provider["models"][0]["model"] == model


def test_the_rooms_that_are_counted_are_there() -> None:
    for name in ROOMS:
        assert (ROOT / "src" / Path(*name.split(".")).with_suffix(".py")).is_file(), name
