"""The effective configuration as TOML, fit to be shown."""

from collections.abc import Iterator, Mapping

import msgspec

from scalix_free.settings.form import keys, kind_of
from scalix_free.settings.tree import Keyword, Settings


def effective(settings: Settings) -> str:
    """Return every key with its value as TOML text; secrets are masked as `********`."""
    head = (
        "# The effective configuration; secrets are masked.\n"
        f"# data directory: {_value(str(settings.data_dir))}, workers: {settings.workers}\n"
    )
    return head + "".join(_tables(_plain(settings), ""))


def tables(table: Mapping[str, object]) -> str:
    """Return plain values as TOML text; lists of tables have their own headers."""
    return "".join(_tables(table, ""))


def _plain(table: msgspec.Struct) -> dict[str, object]:
    """Return a table as it would be written; what cannot be written is left out."""
    plain: dict[str, object] = {}
    for name, field in keys(type(table)).items():
        kind = kind_of(field.type)
        value: object = getattr(table, field.name)
        if value is None:
            value = kind.form.reference or kind.form.nothing
        # A list of tables cannot be empty and have rows added below.
        if value is not None and not (value == () and kind.is_array_of_tables):
            plain[name] = _written(value)
    return plain


def _written(value: object) -> object:
    if isinstance(value, Keyword) and value.action == "deny":
        return value.word
    if isinstance(value, msgspec.Struct):
        return _plain(value)
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _tables(table: Mapping[str, object], path: str) -> Iterator[str]:
    """Yield a table's own keys, then the tables in it, each under its header."""
    inner: dict[str, object] = {}
    for name, value in table.items():
        if isinstance(value, dict) or _is_tables(value):
            inner[name] = value
        else:
            yield f"{name} = {_value(value)}\n"
    for name, value in inner.items():
        header = f"{path}{name}"
        if isinstance(value, dict):
            yield from _section(f"[{header}]", value, header)
        elif isinstance(value, list):
            for row in value:
                yield from _section(f"[[{header}]]", row, header)


def _section(title: str, table: Mapping[str, object], path: str) -> Iterator[str]:
    if title.startswith("[[") or not all(isinstance(value, dict) for value in table.values()):
        yield f"\n{title}\n"
    yield from _tables(table, f"{path}.")


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_value(item)}" for name, item in value.items()) + " }"
    # JSON writes a string as TOML does, with one exception. The data directory may be no UTF-8.
    text = str(value).encode(errors="backslashreplace").decode()
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")
