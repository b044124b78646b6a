"""The arrows between the rooms, and what may not be imported where."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src/scalix_free"
HEAVY = (
    *("aiohttp", "litestar", "prometheus_client", "uvicorn", "uvloop", "xllamacpp", "jinja2"),
    *("sqlalchemy", "alembic", "aiosqlite", "asyncpg"),
)


def test_the_arrows_between_the_rooms_hold(tmp_path: Path) -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    told = subprocess.run(
        [lint, "--cache-dir", str(tmp_path)],
        cwd=SOURCE.parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert told.returncode == 0, told.stdout
    assert "0 broken" in told.stdout


def imports(file: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def test_core_knows_the_standard_library_alone() -> None:
    strangers = {
        f"{file.name}: {module}"
        for file in (SOURCE / "core").glob("**/*.py")
        for module in imports(file)
        if module.partition(".")[0] not in sys.stdlib_module_names
        and not module.startswith("scalix_free.core")
    }

    assert strangers == set()


@pytest.mark.parametrize("module", ["scalix_free.parent", "scalix_free.cli"])
def test_the_parent_stays_small(module: str) -> None:
    program = (
        f"import sys, {module}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(told.stdout.split())

    assert "scalix_free" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_only_the_command_line_and_what_it_starts_read_the_environment() -> None:
    """Whatever configures a room is an argument; in LiteLLM's proxy nobody gives us one."""
    allowed = {"cli.py", "parent.py", "telemetry.py", "llama_child.py", "litellm_plugin.py"}
    allowed.add("litellm_sdk.py")  # it writes what LiteLLM reads there and nowhere else
    readers = {
        file.name
        for file in SOURCE.glob("**/*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }

    assert readers <= allowed


def test_every_room_says_what_it_is() -> None:
    silent = [
        str(file.relative_to(SOURCE))
        for file in SOURCE.glob("**/*.py")
        if not ast.get_docstring(ast.parse(file.read_text()))
    ]

    assert silent == []
