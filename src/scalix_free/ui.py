"""The web elements for a host of one's own: an Electron app, or any page."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import msgspec

from scalix_free import __version__

EXPORTED: Final = 0
REFUSED: Final = 1

MARK: Final = b"Scalix Free: web elements"
"""Stands near the beginning of each file of ours, of whatever version."""
MARKED_BYTES: Final = 200
README: Final = "README.md"


def export(folder: Path) -> int:
    """Write the elements and how to use them into a folder; 1 where that would lose a file.

    What an earlier version exported is replaced. Anything else under our names is somebody's work:
    then nothing is written at all.
    """
    wanted = _files()
    try:
        foreign = [name for name in wanted if _is_foreign(folder / name)]
    except OSError as error:
        return _refuse(f"{folder} cannot be read: {error.strerror}.")
    if foreign:
        return _refuse(
            f"{folder} has files under these names that are not ours: {', '.join(foreign)}. "
            "Nothing was written. Name another folder, or move them away."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in wanted.items():
            (folder / name).write_bytes(body)
    except OSError as error:
        return _refuse(f"{folder} cannot be written: {error.strerror}.")
    print(f"Wrote {', '.join(wanted)} into {folder}. {README} says how they are used.")
    return EXPORTED


def _files() -> Mapping[str, bytes]:
    """What is exported, by names that stay the same from version to version."""
    web = files("scalix_free.web")
    built = web.joinpath("static/elements")
    names = msgspec.json.decode(built.joinpath("manifest.json").read_bytes(), type=dict[str, str])
    bundles = {name: built.joinpath(hashed).read_bytes() for name, hashed in names.items()}
    return {**bundles, "tokens.css": _tokens(web), README: _readme(web)}


def _tokens(web: Traversable) -> bytes:
    return (
        b"/* %s, the look of the service's own pages. */\n" % MARK
        + web.joinpath("static/tokens.css").read_bytes()
    )


def _readme(web: Traversable) -> bytes:
    text = web.joinpath("exported.md").read_text("utf-8")
    return text.replace("{version}", __version__).encode()


def _is_foreign(file: Path) -> bool:
    if not file.exists():
        return False
    if not file.is_file():
        return True
    with file.open("rb") as opened:
        return MARK not in opened.read(MARKED_BYTES)


def _refuse(words: str) -> int:
    print(f"scalix-free: {words}", file=sys.stderr)
    return REFUSED
