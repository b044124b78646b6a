"""The draft: what file, environment and command line say together, as plain values not yet checked.

It remembers who said what, so that whoever finds a mistake can name the place.
"""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

import msgspec

from scalix_free.settings.errors import Key, SettingsError, dotted, shown
from scalix_free.settings.form import Kind, keys, kind_of, patterns
from scalix_free.settings.tree import Settings

PREFIX = "SCALIX_FREE_"
DEFAULT_FILE = "scalix-free.toml"

PROXIES, MASTER_KEY = "LITELLM_PROXY_URL", "LITELLM_MASTER_KEY"
"""LiteLLM's variables: addresses with commas between them, and the key of all."""
POOL = "litellm-proxy"
"""The kind of a provider that asks them, and the name of the one that they make."""

USUAL = {"REDIS_URL": ("store", "ledger"), "DATABASE_URL": ("store", "database")}
"""Variables of other software that set a key of ours which nothing else sets."""

# Up to 18 digits: what fits is checked later, what is longer is no number anybody means.
WHOLE = re.compile(r"-?[0-9]{1,18}")
DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")


class Draft:
    """Plain values, and where each comes from.

    source: the file, as the operator named it. folder: what relative paths start from.
    used: variables of LiteLLM that say something in it.
    """

    def __init__(self, source: str, values: dict[str, object], folder: Path) -> None:
        self.source = source
        self.values = values
        self.folder = folder
        self.used: set[str] = set()
        self._said_by: dict[Key, str] = {}

    def put(self, key: Key, value: object, said_by: str) -> None:
        """Let a variable or an option (`said_by`) overrule the file; a table does so key by key."""
        if not isinstance(value, dict):
            self._set(key, value, said_by)
            return
        for name, inner in value.items():
            self._set((*key, name), inner, said_by)

    def says(self, key: Key) -> bool:
        """Whether anything has been said of a key; of a table that is none, something has."""
        table: object = self.values
        for name in key:
            if not isinstance(table, dict):
                return True
            if name not in table:
                return False
            table = table[name]
        return True

    def fill(
        self, at: int, table: dict[str, object], name: str, value: object, said_by: str
    ) -> None:
        """Let a variable say what a table of ``providers``, the one at this place, leaves out."""
        table[name] = value
        self._said_by["providers", at, name] = said_by
        for place in range(len(value) if isinstance(value, list) else 0):
            self._said_by["providers", at, name, place] = said_by
        self.used.add(said_by)

    def _set(self, key: Key, value: object, said_by: str) -> None:
        table = self.values
        for depth, name in enumerate(key[:-1], 1):
            inner = table.setdefault(str(name), {})
            if not isinstance(inner, dict):
                raise self.error(key[:depth], f"expected a table, got {shown(inner)}")
            table = inner
        table[str(key[-1])] = value
        self._said_by[key] = said_by

    def error(self, key: Key, what: str) -> SettingsError:
        """Return the error that names the place of a key. A variable needs no path beside it."""
        for length in range(len(key), 0, -1):
            said_by = self._said_by.get(key[:length])
            if said_by is not None:
                rest = dotted(key[length:])
                return SettingsError(said_by, f"{rest}: {what}" if rest else what)
        return SettingsError(self.source, f"{dotted(key)}: {what}")


def drafted(config: Path | None, environ: Mapping[str, str], cwd: Path) -> Draft:
    """Read the file that counts, and what the environment changes in it.

    Raises SettingsError for a file that cannot be read and for variables that mean nothing.
    """
    draft = _from_file(config, environ, cwd)
    overrides = [name for name in environ if name.startswith(PREFIX) and "__" in name]
    # Shorter paths first, so that a single key has the last word over a table.
    for name in sorted(overrides, key=lambda name: (name.count("__"), name)):
        key, kind = _addressed(name)
        draft.put(key, _written(environ[name], kind, name), name)
    for name, key in USUAL.items():
        if environ.get(name) and not draft.says(key):
            draft.put(key, environ[name], name)
    _add_proxies(draft, environ)
    return draft


def _add_proxies(draft: Draft, environ: Mapping[str, str]) -> None:
    """Let LiteLLM's variables say what tables of proxies leave out, or make such a table."""
    tables = draft.values.get("providers", [])
    if not isinstance(tables, list):
        return
    pools = [one for one in tables if _is_pool(one)]
    named = [one.get("name") for one in tables if isinstance(one, dict)]
    if not pools and environ.get(PROXIES) and POOL not in named:
        pools = [{"name": POOL, "kind": POOL}]
        draft.values["providers"] = tables = [*tables, *pools]
    for at, table in enumerate(tables):
        if table not in pools:
            continue
        if environ.get(PROXIES) and "base_urls" not in table:
            roots = [root.strip() for root in environ[PROXIES].split(",") if root.strip()]
            draft.fill(at, table, "base_urls", roots, PROXIES)
        if environ.get(MASTER_KEY) and "api_key" not in table:
            draft.fill(at, table, "api_key", f"env:{MASTER_KEY}", MASTER_KEY)


def idle(environ: Mapping[str, str], used: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each of LiteLLM's variables that is set and says nothing."""
    if environ.get(PROXIES) and PROXIES not in used:
        yield f'{PROXIES} is set, but the tables of kind = "{POOL}" say who is asked'
    if environ.get(MASTER_KEY) and MASTER_KEY not in used:
        yield (
            f"{MASTER_KEY} is set, but no proxy is asked with it; to ask one, set {PROXIES}, or "
            f'add a [[providers]] table of kind = "{POOL}"'
        )


def _is_pool(table: object) -> bool:
    return (
        isinstance(table, dict) and table.get("kind") == POOL and table.get("enabled") is not False
    )


def _from_file(config: Path | None, environ: Mapping[str, str], cwd: Path) -> Draft:
    named, note = config, ""
    if named is None and (variable := environ.get("SCALIX_FREE_CONFIG")):
        named, note = Path(variable), " (named by SCALIX_FREE_CONFIG)"
    label = DEFAULT_FILE if named is None else str(named)
    path = cwd / label
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        if named is None:
            return Draft("built-in defaults", {}, cwd)
        raise SettingsError(label, f"cannot be read: {error.strerror}{note}") from None
    except OSError as error:
        raise SettingsError(label, f"cannot be read: {error.strerror}{note}") from None
    except ValueError:
        raise SettingsError(label, f"cannot be read: not a path{note}") from None
    return Draft(label, _parsed(content, label), path.parent)


def _parsed(content: bytes, label: str) -> dict[str, object]:
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SettingsError(label, f"not UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:  # also numbers and nesting beyond all reason
        raise SettingsError(label, f"broken TOML: {error}") from None


def _addressed(variable: str) -> tuple[Key, Kind]:
    """Find the key that a variable overrides."""
    kind = kind_of(Settings)
    path: tuple[str, ...] = ()
    for part in variable.removeprefix(PREFIX).split("__"):
        field = keys(kind.table).get(part.lower()) if kind.table is not None else None
        if field is None or not part.isupper():
            raise SettingsError(variable, f"overrides no key{_did_you_mean(variable)}")
        path = (*path, part.lower())
        kind = kind_of(field.type)
        if kind.is_array_of_tables:
            what = f"[[{dotted(path)}]] cannot be overridden by a variable, only set in the file"
            raise SettingsError(variable, what)
    return path, kind


def _did_you_mean(variable: str) -> str:
    known = [
        PREFIX + path.upper().replace(".", "__")
        for path in patterns(Settings)
        if "." in path and "[]" not in path
    ]
    near = get_close_matches(variable.upper(), known, n=1)
    return f": did you mean {near[0]}?" if near else ""


def _written(text: str, kind: Kind, variable: str) -> object:
    """Turn a variable's text into what a file would hold; what is no number stays text."""
    if kind.table is not None or kind.item is not None:
        return _json(text, kind, variable)
    if kind.number is bool:
        return {"true": True, "false": False}.get(text, text)
    if kind.number is int and WHOLE.fullmatch(text):
        return int(text)
    if kind.number is float and DECIMAL.fullmatch(text):
        return float(text)
    return text


def _json(text: str, kind: Kind, variable: str) -> object:
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict if kind.table is not None else list):
        return value
    example = '{"key": 1}' if kind.table is not None else '["a", "b"]'
    what = f"expected {kind.wanted} as JSON, such as {example}, got {shown(text)}"
    raise SettingsError(variable, what)
