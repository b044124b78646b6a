"""The bundle of elements: what is committed is what the sources give, and it is small."""

import gzip
import json
import re
from pathlib import Path

import pytest

from tests.node import ROOT, node_modules, run

BUILT = ROOT / "src/scalix_free/web/static/elements"
BUDGETS = {"elements.js": 40_000, "chat.js": 90_000}
"""Bytes, packed: of any page, and of the page with the chat and all that stands beside it."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def frontend() -> Path:
    return node_modules("frontend")


def manifest() -> dict[str, str]:
    names: dict[str, str] = json.loads((BUILT / "manifest.json").read_text())
    return names


def packed(name: str) -> int:
    return len(gzip.compress((BUILT / manifest()[name]).read_bytes(), 9))


def test_types_are_sound(frontend: Path) -> None:
    run(["npm", "run", "--silent", "check"], frontend)


def test_its_own_tests_pass(frontend: Path) -> None:
    told = run(["npm", "run", "--silent", "test"], frontend)

    assert re.search(r"^# pass [1-9]", told, re.MULTILINE), told


def test_what_is_committed_is_what_the_sources_give(frontend: Path, tmp_path: Path) -> None:
    run(["node", "build.mjs", str(tmp_path)], frontend)

    built = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    committed = {file.name: file.read_bytes() for file in BUILT.iterdir()}
    assert sorted(built) == sorted(committed), "run: make frontend"
    assert built == committed, "run: make frontend"


def test_the_manifest_names_all_of_it() -> None:
    assert set(manifest()) == set(BUDGETS)
    assert {*manifest().values(), "manifest.json"} == {file.name for file in BUILT.iterdir()}


def test_a_page_is_within_its_budget() -> None:
    assert packed("elements.js") <= BUDGETS["elements.js"]


def test_the_chat_with_all_beside_it_is_within_its_budget() -> None:
    assert packed("chat.js") + packed("elements.js") <= BUDGETS["chat.js"]


def test_nothing_of_it_needs_what_the_policy_of_our_pages_forbids() -> None:
    for name in manifest().values():
        text = (BUILT / name).read_text()
        assert not re.search(r"\beval\(|new Function\b|\.setAttribute\(\"style\"", text)


def test_the_lock_is_exact_and_names_no_place() -> None:
    for lock in (ROOT / "frontend/package-lock.json", ROOT / "clients/react/package-lock.json"):
        text = lock.read_text()
        assert '"integrity"' in text
        assert '"resolved"' not in text
        assert "://" not in text
    package = json.loads((ROOT / "frontend/package.json").read_text())
    assert [v for v in package["devDependencies"].values() if not re.fullmatch(r"[\d.]+", v)] == []
