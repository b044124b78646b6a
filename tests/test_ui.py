"""`scalix-free ui export DIR`: the elements for a host of one's own; nobody's work is lost."""

from pathlib import Path

import pytest

from scalix_free.ui import MARK, MARKED_BYTES, export
from tests.test_cli import scalix

NAMES = ["README.md", "chat.js", "elements.js", "tokens.css"]


def written(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_everything_is_there_under_names_that_stay(tmp_path: Path) -> None:
    told = scalix(tmp_path, "ui", "export", "app/vendor")

    assert (told.returncode, told.stderr) == (0, "")
    assert "README.md says how they are used." in told.stdout
    found = written(tmp_path / "app/vendor")
    assert sorted(found) == NAMES
    assert b'"scalix-banner"' in found["elements.js"]
    assert b'"scalix-chat"' in found["chat.js"]
    assert all(MARK in body[:MARKED_BYTES] for body in found.values())


def test_what_we_wrote_before_is_replaced(tmp_path: Path) -> None:
    export(tmp_path)
    before = written(tmp_path)
    (tmp_path / "chat.js").write_bytes(b"/*! %s of long ago */" % MARK)

    assert export(tmp_path) == 0
    assert written(tmp_path) == before


@pytest.mark.parametrize("name", NAMES)
def test_somebody_elses_file_stays_and_nothing_is_written(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text("mine")

    assert export(tmp_path) == 1
    assert written(tmp_path) == {name: b"mine"}
    assert f"not ours: {name}. Nothing was written." in capsys.readouterr().err


def test_other_files_are_nobodys_business(tmp_path: Path) -> None:
    (tmp_path / "main.js").write_text("mine")

    assert export(tmp_path) == 0
    assert (tmp_path / "main.js").read_text() == "mine"


def test_a_folder_in_the_way_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "chat.js").mkdir()
    assert export(tmp_path) == 1
    (tmp_path / "file").write_text("mine")
    assert export(tmp_path / "file") == 1
    assert "cannot be written" in capsys.readouterr().err
