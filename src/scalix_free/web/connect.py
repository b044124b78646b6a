"""Settings for every client that is known to work, and a try from here."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import msgspec
from litestar.handlers import HTTPRouteHandler

from scalix_free.core.errors import Refusal
from scalix_free.web.asking import Asked, Asking
from scalix_free.web.frame import AnyRequest, Frame, Page, page_at, takes
from scalix_free.web.visits import Visits

QUESTION: Final = "Answer with the one word: ready"


class Client(msgspec.Struct, frozen=True):
    """An app or a library. ``settings`` and ``extra`` are to be copied as they are."""

    id: str
    name: str
    about: str
    settings: str
    more: str = ""
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a try."""

    asked: Asked

    @property
    def worked(self) -> bool:
        """Whether an answer came, whole."""
        return self.asked.receipt is not None and self.asked.cut is None

    @property
    def why_not(self) -> str | None:
        """The reason in words."""
        return self.asked.cut if self.asked.refusal is None else self.asked.refusal.message


def clients(base: str) -> Sequence[Client]:
    """All of them, with our address in their settings."""
    text = files("scalix_free.web").joinpath("clients.toml").read_text("utf-8")
    rows = msgspec.convert(tomllib.loads(text)["clients"], list[Client])
    return [
        msgspec.structs.replace(
            row,
            settings=row.settings.strip().replace("{base}", base),
            extra=row.extra.replace("{base}", base),
        )
        for row in rows
    ]


def connect_pages(frame: Frame, visits: Visits, asking: Asking) -> list[HTTPRouteHandler]:
    """The settings, and the form that tries; script tries from the reader's own machine."""
    rows = clients(frame.public_url)

    def page(request: AnyRequest, tried: Tried | None) -> Page:
        shown = {"clients": rows, "tried": tried, "question": QUESTION}
        refusal = None if tried is None else tried.asked.refusal
        return frame.page(request, "connect.html", shown, refusal=refusal)

    @page_at("/connect")
    async def connect(request: AnyRequest) -> Page:
        return page(request, None)

    @takes("/connect")
    async def attempt(request: AnyRequest) -> Page:
        form = await visits.form(request)
        if isinstance(form, Refusal):
            return page(request, Tried(Asked(refusal=form)))
        return page(request, Tried(await asking.ask(request, {"prompt": QUESTION})))

    return [connect, attempt]
