"""Values that may be used and never shown."""

MASK = "********"


class Secret:
    """Text that prints as a mask. Not empty: what is absent is None."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, for the one place that uses it."""
        return self._text

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)


def revealed(secret: Secret | None) -> str:
    """Return the text of a secret that may be absent; "" where it is."""
    return "" if secret is None else secret.reveal()


class SecretUrl(Secret):
    """An address that may hold a password: it prints without its user part and its query.

    A word without `://`, such as `sqlite`, prints as it is.
    """

    __slots__ = ()

    def __str__(self) -> str:
        scheme, mark, rest = self._text.partition("://")
        if not mark:
            return self._text
        # An unescaped password may hold any of these characters, so nothing beside one is shown.
        if "?" in rest or "#" in rest:
            return f"{scheme}://{MASK}"
        user, at, host = rest.rpartition("@")
        return f"{scheme}://{MASK}@{host}" if at else f"{scheme}://{host if not user else rest}"
