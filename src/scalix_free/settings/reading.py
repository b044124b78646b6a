"""From the draft to the tree: every value resolved, checked and put in its place."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import NoReturn, TypeVar

import msgspec

from scalix_free.settings.draft import Draft
from scalix_free.settings.errors import Key, SettingsError, dotted, pattern, shown
from scalix_free.settings.form import Kind, UnfitError, keys, kind_of, patterns
from scalix_free.settings.tree import Settings

MOST = 2**53  # JSON and SQLite both keep whole numbers up to here

Table = TypeVar("Table", bound=msgspec.Struct)


class Written(msgspec.Struct, frozen=True):
    """A key that the operator wrote: what it says, and what it would be otherwise."""

    value: object
    default: object


class Reading:
    """One pass over a draft.

    written: the keys in it, but for references that are the default anyway.
    used: the variables that references of the operator's name.
    """

    def __init__(self, draft: Draft, environ: Mapping[str, str]) -> None:
        self._draft = draft
        self._environ = environ
        self.written: dict[Key, Written] = {}
        self.used: set[str] = set()

    def settings(self) -> Settings:
        """Return the tree; raises SettingsError at the first key that does not fit."""
        return self._table(self._draft.values, Settings, Settings(), ())

    def _table(self, raw: object, table: type[Table], default: object, key: Key) -> Table:
        """Build one table. What is left out is taken from `default`, if there is one."""
        if not isinstance(raw, dict):
            self._refuse(key, f"expected a table, got {shown(raw)}")
        fields = keys(table)
        for name in raw:
            if name not in fields:
                self._refuse((*key, name), f"unknown key{_did_you_mean((*key, name), fields)}")
        values: dict[str, object] = {}
        for name, field in fields.items():
            values[field.name] = self._field(
                raw, field, getattr(default, field.name, field.default), (*key, name)
            )
        return table(**values)

    def _field(
        self, raw: dict[str, object], field: msgspec.structs.FieldInfo, default: object, key: Key
    ) -> object:
        kind = kind_of(field.type)
        name = field.encode_name
        if kind.table is not None:
            # Also when it is left out: there may be references among its defaults.
            return self._table(raw.get(name, {}), kind.table, default, key)
        reference = kind.form.reference
        # Written out, it may still lead nowhere, unless something else would then be taken.
        if reference and (name not in raw or (raw[name] == reference and default is None)):
            return self._of_the_defaults(kind, default)
        if name not in raw:
            if default is msgspec.NODEFAULT:
                self._refuse(key, "is missing")
            return default
        value = self._value(raw[name], kind, key)
        self.written[key] = Written(value, default)
        return value

    def _value(self, raw: object, kind: Kind, key: Key) -> object:
        if kind.form.shorthand and isinstance(raw, str):
            raw = {kind.form.shorthand: raw}
        if kind.table is not None:
            return self._table(raw, kind.table, None, key)
        if kind.item is None:
            return self._leaf(raw, kind, key)
        if not isinstance(raw, list):
            self._refuse(key, f"expected {kind.wanted}, got {shown(raw)}")
        item = kind_of(kind.item)
        return tuple(self._value(each, item, (*key, at)) for at, each in enumerate(raw))

    def _leaf(self, raw: object, kind: Kind, key: Key) -> object:
        got = "" if kind.form.secret else f", got {shown(raw)}"
        if kind.is_text and isinstance(raw, str) and raw.startswith(("env:", "file:")):
            # What a reference leads to may be a secret that was put in the wrong place.
            got = f", got something else from {shown(raw)}"
            raw = self._resolved(raw, key)
        try:
            return _fitted(raw, kind)
        except UnfitError as unfit:
            self._refuse(key, str(unfit) or f"expected {kind.wanted}{got}")

    def _resolved(self, reference: str, key: Key) -> str:
        """Follow an `env:` or `file:` reference that the operator wrote."""
        kind, _, target = reference.partition(":")
        if kind == "env":
            self.used.add(target)
            value = self._environ.get(target, "")
            if not value:
                self._refuse(key, f"missing secret: the variable {target} is not set")
            return value
        try:
            value = (self._draft.folder / target).read_text("utf-8").rstrip("\r\n")
        except OSError as error:
            self._refuse(key, f"missing secret: cannot read {target}: {error.strerror}")
        except ValueError:
            self._refuse(key, f"missing secret: {target} is not a text file")
        if not value:
            self._refuse(key, f"missing secret: the file {target} is empty")
        return value

    def _of_the_defaults(self, kind: Kind, default: object) -> object:
        """Follow a reference of the built-in defaults; where it leads nowhere, take the default."""
        variable = kind.form.reference.removeprefix("env:")
        value = self._environ.get(variable, "")
        if not value:
            return default
        try:
            return _fitted(value, kind)
        except UnfitError as unfit:
            raise SettingsError(variable, str(unfit) or f"expected {kind.wanted}") from None

    def _refuse(self, key: Key, what: str) -> NoReturn:
        raise self._draft.error(key, what) from None


def _fitted(raw: object, kind: Kind) -> object:
    """Turn one written value into what the tree holds; raises UnfitError."""
    if kind.form.nothing is not None and raw == kind.form.nothing:
        return None
    if isinstance(raw, str):
        presentable(raw)
    # Written this way round, since nothing is less than or equal to anything in a nan.
    if isinstance(raw, int | float) and not abs(raw) <= MOST:
        raise UnfitError
    try:
        value: object = msgspec.convert(raw, kind.leaf)
    except msgspec.ValidationError:
        raise UnfitError from None
    return value if kind.form.read is None else kind.form.read(str(value))


def presentable(text: str) -> None:
    """Raise UnfitError for a text that no key holds."""
    if any(char < " " or char == "\x7f" for char in text):
        raise UnfitError("holds a control character, such as a line break")
    try:
        text.encode()
    except UnicodeEncodeError:  # a variable can hold any bytes
        raise UnfitError("is not UTF-8") from None


def _did_you_mean(key: Key, siblings: Mapping[str, object]) -> str:
    """Look for the nearest known key: in the same table, of the same name, anywhere."""
    name = str(key[-1])
    known = list(patterns(Settings))
    near = [dotted((*key[:-1], sibling)) for sibling in get_close_matches(name, siblings, n=1)]
    near += [path for path in known if path.endswith(f".{name}")]
    near += get_close_matches(pattern(key), known, n=1)
    return f": did you mean {near[0]}?" if near else ""
