"""The manual against the code: what is written must be so, and what is so must be written."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from scalix_free import __version__, cli
from scalix_free.api.errors import TABLE
from scalix_free.api.headers import EXPOSED
from scalix_free.core.errors import Code
from scalix_free.core.outcome import Result
from scalix_free.settings import Settings, checks, effective, load
from scalix_free.settings.form import patterns
from scalix_free.settings.lacking import LACKING
from scalix_free.settings.shipped import shipped
from scalix_free.settings.tree import Model, Provider
from tests.catalogue_page import PAGE
from tests.catalogue_page import page as catalogue_page
from tests.service import RunningService, provider, running_service
from tests.test_telemetry import NAMES, OF_POOLS
from tests.world import RunningWorld

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    page
    for folder, ending in ((ROOT, "*.md"), (ROOT / "docs", "**/*.md"))
    for page in folder.glob(ending)
)
README = (ROOT / "README.md").read_text()
CONFIGURATION = (ROOT / "docs/configuration.md").read_text()
API = (ROOT / "docs/api.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
NOT_YET = "*Not yet.*"


def rows(page: str) -> Iterator[list[str]]:
    """The cells of every row of every table."""
    for line in page.splitlines():
        if line.startswith("| ") or line == "|":
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def blocks(page: str, language: str) -> list[str]:
    """The code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


# ── Settings ─────────────────────────────────────────────────────────────────────────────────

KEYS = {cells[0].strip("`"): cells[1:] for cells in rows(CONFIGURATION) if "." in cells[0]}


def leaves() -> list[str]:
    """Every key that holds a value."""
    known = list(patterns(Settings))
    return [
        key
        for key in known
        if not any(other.startswith((f"{key}.", f"{key}[].")) for other in known)
    ]


def test_every_key_is_described() -> None:
    missing = [key for key in leaves() if f"`{key}`" not in CONFIGURATION]

    assert missing == []


def test_no_key_is_described_that_is_none() -> None:
    assert set(KEYS) <= set(patterns(Settings))


def shown_defaults() -> dict[str, object]:
    """Each key with the default that an operator would write."""
    found: dict[str, object] = {}

    def walk(table: dict[str, object], path: str) -> None:
        for name, value in table.items():
            if isinstance(value, dict):
                walk(value, f"{path}{name}.")
            else:
                found[f"{path}{name}"] = value

    model = Model(id="a", model="b")
    written = Settings(providers=(Provider(name="a", base_url="http://a", models=(model,)),))
    shown = tomllib.loads(effective(written))
    (row,) = shown.pop("providers")
    (row_of_model,) = row.pop("models")
    walk(shown, "")
    walk(row, "providers[].")
    walk(row_of_model, "providers[].models[].")
    return found


@pytest.mark.parametrize("key", KEYS)
def test_the_default_is_the_one_described(key: str) -> None:
    described = KEYS[key][0]
    if described == "required":
        assert key.endswith((".name", ".id", ".model", ".base_url"))
    elif described == "none":
        assert key not in shown_defaults()
    else:
        value = tomllib.loads(f"value = {described.strip('`')}")["value"]
        assert value == shown_defaults().get(key, [])


@pytest.mark.parametrize("key", KEYS)
def test_what_is_not_in_this_version_is_marked(key: str) -> None:
    lacks = bool(LACKING.get(key) or LACKING.get(f"{key.rpartition('.')[0]}.*"))
    if key == "providers[].kind":  # some of its values are there
        assert "not in this version" in KEYS[key][1]
    else:
        assert KEYS[key][1].startswith(NOT_YET) == lacks


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_configuration_shown_is_one(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: True)  # as if all extras were there
    for number, text in enumerate(blocks(page.read_text(), "toml")):
        file = tmp_path / f"{number}.toml"
        file.write_text(text)
        variables = dict.fromkeys(re.findall(r'"env:(\w+)"', text), "a-key")
        load(config=file, data=None, environ=variables, cwd=tmp_path)


# ── The catalogue ────────────────────────────────────────────────────────────────────────────


def test_the_page_of_the_catalogue_is_what_the_file_says() -> None:
    assert PAGE.read_text() == catalogue_page(shipped()), "run: python -m tests.catalogue_page"


# ── The API ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def plain(
    world: RunningWorld, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """A service of the manual's own, with the defaults."""
    toml = provider(world.base_url, [{"id": "world/manual", "model": "manual"}])
    with running_service(tmp_path_factory.mktemp("manual"), toml) as service:
        yield service


def described_routes() -> set[tuple[str, str]]:
    table = API.partition("## Endpoints")[2].partition("\n## ")[0]
    return {tuple(cells[0].strip("`").split()) for cells in rows(table) if "/" in cells[0]}  # type: ignore[misc]


def test_every_route_is_described(plain: RunningService) -> None:
    paths = httpx.get(f"{plain.url}/openapi.json").json()["paths"]
    served = {(method.upper(), path) for path, methods in paths.items() for method in methods}

    assert served <= described_routes()
    beside = {("GET", page) for page in ("/metrics", "/openapi.json", "/docs", "/verify")}
    assert described_routes() - served == beside


WITHOUT_ANYTHING = {
    ("POST", "/api/v1/hooks/litellm"): 401,
    ("POST", "/api/v1/free/portal"): 409,
    ("POST", "/api/v1/free/session"): 200,
    ("GET", "/api/v1/free/session"): 404,
    ("GET", "/api/v1/free/keys"): 401,
    ("POST", "/api/v1/free/keys"): 401,
    ("DELETE", "/api/v1/free/keys/{key_id}"): 401,
    ("GET", "/api/v1/free/me"): 401,
    ("DELETE", "/api/v1/free/me"): 401,
}
"""What says something else, to a request without credential and body, than 200 or 415."""


def test_every_route_that_is_described_is_there(plain: RunningService) -> None:
    assert set(WITHOUT_ANYTHING) <= described_routes()
    for method, path in described_routes():
        url = plain.url + path.replace("{model_id}", "scalix-free")
        expected = WITHOUT_ANYTHING.get((method, path), 200 if method == "GET" else 415)
        assert httpx.request(method, url).status_code == expected, path


@pytest.mark.parametrize("code", list(Code))
def test_every_error_has_its_anchor_its_status_and_its_type(code: Code) -> None:
    status, kind, _ = TABLE[code]
    (text,) = re.findall(rf"^### {code}\n\n(.*?)(?=^#|\Z)", API, re.DOTALL | re.MULTILINE)
    table = API.partition("## Errors")[2].partition("\n### ")[0]
    (row,) = [cells for cells in rows(table) if f"(#{code})" in cells[2]]

    assert text.startswith(f"{status}. ")
    assert row[:2] == [str(status), f"`{kind}`"]


def test_every_header_is_described() -> None:
    assert [name for name in EXPOSED if f"`{name}`" not in API.lower().replace(": false", "")] == []


def test_every_window_is_described(plain: RunningService) -> None:
    windows = httpx.get(f"{plain.url}/api/v1/free/limits").json()["windows"]

    assert len(windows) == 4
    for window in windows:
        assert f"`{window['name']}`" in API
        assert f"`{window['unit']}`" in API


def test_what_an_answer_says_is_what_the_manual_shows(plain: RunningService) -> None:
    question = {"messages": [{"role": "user", "content": "Hi"}]}
    answer = httpx.post(f"{plain.url}/v1/chat/completions", json=question).json()
    refusal = httpx.post(f"{plain.url}/v1/chat/completions", json={}).json()
    (challenge, shown, refused) = blocks(API, "json")

    for part in (answer, answer["choices"][0], answer["choices"][0]["message"]):
        assert [key for key in part if f'"{key}"' not in shown] == []
    assert [key for key in answer["free_tier"] if f'"{key}"' not in shown] == []
    assert [key for key in refusal["error"] if f'"{key}"' not in refused] == []

    puzzle = httpx.get(f"{plain.url}/api/v1/free/challenge").json()
    for part in (puzzle, puzzle["parameters"], puzzle["parameters"]["data"]):
        assert [key for key in part if f'"{key}"' not in challenge] == []


# ── Operations ───────────────────────────────────────────────────────────────────────────────


def test_every_metric_is_described_with_its_labels() -> None:
    table = OPERATIONS.partition("## Metrics")[2].partition("\n## ")[0]
    described = {
        cells[0].strip("`"): set(re.findall(r"`(\w+)`", cells[1]))
        for cells in rows(table)
        if cells[0].startswith("`")
    }

    assert described == NAMES | OF_POOLS
    assert all(f"`{result}`" in table for result in Result)


def options() -> Iterator[tuple[str, str]]:
    parser = cli._parser()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                for option in command._actions:
                    yield name, max(option.option_strings, key=len, default="")


@pytest.mark.parametrize(("command", "option"), sorted(set(options())))
def test_every_command_and_option_is_described(command: str, option: str) -> None:
    commands = OPERATIONS.partition("## Commands")[2].partition("\n## ")[0]

    assert f"`scalix-free {command}" in commands
    assert option in {"", "--help"} or f"`{option}" in commands


def test_every_target_of_make_is_described() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)
    contributing = (ROOT / "CONTRIBUTING.md").read_text()

    assert {"serve", "test", "test-all"} <= set(targets)
    assert [target for target in targets if f"`make {target}`" not in contributing] == []


# ── The first page ───────────────────────────────────────────────────────────────────────────


def run(command: list[str], folder: Path) -> str:
    told = subprocess.run(
        command,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_its_curl_works(plain: RunningService, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl on this machine")
    (line,) = blocks(README, "sh")
    assert line.startswith("curl http://127.0.0.1:3001/")

    told = run(["sh", "-c", line.replace("http://127.0.0.1:3001", plain.url)], tmp_path)

    assert "You said: What is the capital of France?" in told


def test_its_sample_of_openais_client_works(plain: RunningService, tmp_path: Path) -> None:
    (program,) = blocks(README, "python")
    assert "http://127.0.0.1:3001/v1" in program

    program = program.replace("http://127.0.0.1:3001", plain.url)

    assert run([sys.executable, "-c", program], tmp_path) == (
        "You said: What is the capital of France?\n"
    )


def test_its_first_screen_has_what_a_newcomer_types() -> None:
    screen = "\n".join(README.splitlines()[:24])

    assert screen.index("make serve") < screen.index("curl ") < screen.index("make test")


# ── All pages ────────────────────────────────────────────────────────────────────────────────


def anchors(page: Path) -> set[str]:
    """What a heading can be linked by, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        found = page.parent / path if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_every_decision_is_listed_and_numbered_once() -> None:
    folder = ROOT / "docs/decisions"
    names = sorted(file.name for file in folder.glob("0*.md"))
    listed = re.findall(r"\((\d{4}-[^)]+)\)", (folder / "README.md").read_text())

    assert listed == names
    assert len({name[:4] for name in names}) == len(names)
    for name in names:
        text = (folder / name).read_text()
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Context", "Decision", "Alternatives that lost", "Consequences"]
        assert text.startswith(f"# {name[:4]}: ")


def test_decisions_that_the_code_names_are_there() -> None:
    named = {
        number
        for file in (ROOT / "src").glob("**/*.py")
        for number in re.findall(r"docs/decisions/(\d{4})", file.read_text())
    }

    assert [number for number in named if not list(ROOT.glob(f"docs/decisions/{number}-*"))] == []


def test_the_changelog_knows_this_version() -> None:
    assert f"\n## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_rooms_of_the_page_on_architecture_are_those_that_there_are() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    source = ROOT / "src/scalix_free"
    rooms = {f"{path.parent.name}/" for path in source.glob("*/__init__.py")}
    rooms |= {path.name for path in source.glob("*.py") if path.name != "__init__.py"}

    assert {name for cells in rows(page) for name in re.findall(r"`([\w.]+/?)`", cells[0])} == rooms
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    arrows = page.partition("## Arrows")[2]
    assert "\n".join(f"    {layer}" for layer in layers["contracts"][0]["layers"]) in arrows


# ── What CI promises ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("forbidden", "exit_code"), [("true", 1), ("", 0)])
def test_a_skip_fails_where_none_is_allowed(tmp_path: Path, forbidden: str, exit_code: int) -> None:
    (tmp_path / "test_skip.py").write_text(
        "import pytest\ndef test_it():\n    pytest.skip('because there is none')\n"
    )
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.no_skips", "-c", os.devnull, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_SKIPS": forbidden},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert told.returncode == exit_code, told.stdout
    assert ("NO_SKIPS forbids: Skipped: because there is none" in told.stdout) == bool(forbidden)
