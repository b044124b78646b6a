"""The wrappers for React: what is kept is what is built, and what a server sends."""

import re
from pathlib import Path

import pytest

from tests.node import node_modules, run

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def folder() -> Path:
    return node_modules("clients/react")


def test_types_are_sound_and_wrong_uses_are_found(folder: Path) -> None:
    run(["npm", "run", "--silent", "check"], folder)


def test_what_is_kept_is_what_is_built(folder: Path, tmp_path: Path) -> None:
    run(["node", "node_modules/typescript/bin/tsc", "--outDir", str(tmp_path)], folder)

    built = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert built == {file.name: file.read_bytes() for file in (folder / "dist").iterdir()}


def test_what_a_server_sends_with_react_18_and_19(folder: Path) -> None:
    told = run(["npm", "test", "--silent"], folder)

    assert re.findall(r"^# pass (\d+)$", told, re.MULTILINE) == ["5", "5"]
