"""How a value of the tree is written in a configuration: derived from the field's annotation."""

from collections.abc import Callable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

import msgspec


class UnfitError(Exception):
    """A reader refuses the text. Its own sentence, if it has one, replaces `expected …, got …`."""


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """Stands in an annotation beside the type and says what the type cannot.

    wanted: what to write, as the end of "expected …".
    read: turns the text into the value; raises UnfitError.
    nothing: what is written for None: `"unlimited"`, or `""`.
    reference: the default is this reference; the tree's own default stands where it leads nowhere.
    shorthand: the text alone stands for a table with this one key.
    secret: the value is never shown.
    outside: not a key of the configuration at all.
    """

    wanted: str = ""
    read: Callable[[str], object] | None = None
    nothing: str | None = None
    reference: str = ""
    shorthand: str = ""
    secret: bool = False
    outside: bool = False


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """An annotation, understood. Exactly one of `table`, `item` and `leaf` is set.

    leaf: the type that msgspec checks a single value against; text where a reader follows.
    """

    form: Form
    wanted: str
    table: type[msgspec.Struct] | None = None
    item: object = None
    leaf: object = None

    @property
    def is_text(self) -> bool:
        """Whether a string is what belongs here, so that `env:` and `file:` are understood."""
        return self.form.read is not None or _peeled(self.leaf)[0] is str or _is_choice(self.leaf)

    @property
    def is_array_of_tables(self) -> bool:
        """Whether this is written as `[[name]]`."""
        if self.item is None:
            return False
        item = kind_of(self.item)
        return item.table is not None and not item.form.shorthand

    @property
    def number(self) -> object:
        """Return int, float or bool where one of them is written; else None."""
        base = _peeled(self.leaf)[0]
        return base if base in (int, float, bool) else None


def kind_of(annotation: object) -> Kind:
    """Understand the annotation of a field."""
    outer, outer_form = _peeled(annotation)
    inner = _without_none(outer)
    base, inner_form = _peeled(inner)
    form = outer_form or inner_form or Form()
    if form.read is not None:
        return Kind(form=form, wanted=form.wanted, leaf=str)
    if isinstance(base, type) and issubclass(base, msgspec.Struct):
        return Kind(form=form, wanted=form.wanted or "a table", table=base)
    if get_origin(base) is tuple:
        return Kind(form=form, wanted=form.wanted or "a list", item=get_args(base)[0])
    leaf = annotation if inner is outer else inner
    return Kind(form=form, wanted=form.wanted or _wanted(base), leaf=leaf)


def keys(table: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """Return the fields of a table by the name that a configuration uses for them."""
    return {
        field.encode_name: field
        for field in msgspec.structs.fields(table)
        if not kind_of(field.type).form.outside
    }


def patterns(table: type[msgspec.Struct], before: str = "") -> Iterator[str]:
    """Yield every known key below a table as `routing.attempts` or `providers[].models[].id`."""
    for name, field in keys(table).items():
        kind = kind_of(field.type)
        path = f"{before}{name}"
        yield path
        if kind.item is not None:
            kind, path = kind_of(kind.item), f"{path}[]"
        if kind.table is not None:
            yield from patterns(kind.table, f"{path}.")


def _peeled(annotation: object) -> tuple[object, Form | None]:
    """Take `Annotated` off, and find the Form in it."""
    if get_origin(annotation) is not Annotated:
        return annotation, None
    base, *extras = get_args(annotation)
    return base, next((extra for extra in extras if isinstance(extra, Form)), None)


def _without_none(annotation: object) -> object:
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    others = [member for member in get_args(annotation) if member is not NoneType]
    return others[0] if len(others) == 1 else annotation


def _is_choice(annotation: object) -> bool:
    return get_origin(_peeled(annotation)[0]) is Literal


def _wanted(base: object) -> str:
    if get_origin(base) is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in get_args(base))
    return "true or false" if base is bool else "text"
