"""What is wrong with a configuration, in one line that names the place."""

import re
from collections.abc import Sequence

Key = tuple[str | int, ...]
"""Where a value stands: `("providers", 0, "name")`."""


class SettingsError(Exception):
    """The configuration cannot be used. `str()` is one line: `where: what`.

    `where` is a file, a variable or a command-line option; `what` starts with the dotted path of
    the key, unless `where` names that key already. Secrets are never part of it.
    """

    def __init__(self, where: str, what: str) -> None:
        super().__init__(where, what)
        self.where = where
        self.what = what

    def __str__(self) -> str:
        return "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode()
            for char in f"{self.where}: {self.what}"
        )


def dotted(key: Sequence[str | int]) -> str:
    """`("providers", 0, "name")` as `providers[0].name`; names that need quotes get them."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else shown(part)
            text += f".{name}" if text else name
    return text


def pattern(key: Sequence[str | int]) -> str:
    """`("providers", 0, "name")` as `providers[].name`: the key's kind rather than its place."""
    return re.sub(r"\[\d+\]", "[]", dotted(key))


def shown(value: object) -> str:
    """Return a short form of a refused value; what could be a password in a URL is masked."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        masked = re.sub(r"://.*@", "://********@", value, flags=re.DOTALL)
        return f'"{masked[:80]}…"' if len(masked) > 80 else f'"{masked}"'
    if isinstance(value, int) and value.bit_length() > 63:
        return "a far larger one"  # Python refuses to write out the very long ones
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return "null" if value is None else str(value)
