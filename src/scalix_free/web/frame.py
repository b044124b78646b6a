"""What all pages have in common: the frame around them, their headers, their templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from litestar import MediaType, Request, Response, get, post

from scalix_free.core.clock import utc
from scalix_free.core.errors import Refusal
from scalix_free.web.static import Assets

if TYPE_CHECKING:
    import jinja2

AnyRequest = Request[Any, Any, Any]
Page = Response[str]

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)

HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "referrer-policy": "same-origin",
}
"""Of every page. Without a referrer at all a browser would hide the origin of our own forms."""


SMALL_FORM_BYTES: Final = 4_096


class Entry(NamedTuple):
    """A link of the frame."""

    address: str
    label: str


ABOVE: Final = (
    Entry("/chat", "Chat"),
    Entry("/usage", "Usage"),
    Entry("/upgrade", "Upgrade"),
    Entry("/connect", "Connect"),
    Entry("/docs", "Docs"),
)
BELOW: Final = (
    Entry("/status", "Status"),
    Entry("/privacy", "Privacy"),
    Entry("/sign-up", "Sign up"),
    Entry("/feedback", "Help and feedback"),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """Renders templates into responses.

    ``public_url`` is where people reach us, ``status_of`` the status of a page that tells a
    refusal.
    """

    templates: Callable[[], jinja2.Environment]
    public_url: str
    version: str
    status_of: Callable[[Refusal], int]

    def html(self, here: str, template: str, shown: Mapping[str, object]) -> str:
        """A page as text, at the address where it stands."""
        return (
            self.templates()
            .get_template(template)
            .render(
                here=here,
                above=ABOVE,
                below=BELOW,
                public_url=self.public_url,
                version=self.version,
                **shown,
            )
        )

    def page(
        self,
        request: AnyRequest,
        template: str,
        shown: Mapping[str, object],
        *,
        refusal: Refusal | None = None,
        headers: Mapping[str, str] | None = None,
        personal: bool = True,
    ) -> Page:
        """A page as it is sent, with the ``refusal`` that it tells.

        A ``personal`` one is for its reader alone, and kept nowhere.
        """
        text = self.html(request.url.path, template, {**shown, "refusal": refusal})
        kept = {"cache-control": "no-store" if personal else "no-cache"}
        return Response(
            text,
            status_code=200 if refusal is None else self.status_of(refusal),
            headers={**HEADERS, **kept, **(headers or {})},
            media_type=MediaType.HTML,
        )


def page_at(path: str) -> get:
    """Makes a handler the one of a page's address."""
    return get(path, include_in_schema=False)


def takes(path: str | list[str], most_bytes: int = SMALL_FORM_BYTES) -> post:
    """Makes a handler the one of a form that a page sends there."""
    return post(path, include_in_schema=False, status_code=200, request_max_body_size=most_bytes)


def open_frame(
    assets: Assets,
    public_url: str,
    version: str,
    *,
    texts: Mapping[str, str],
    status_of: Callable[[Refusal], int],
) -> Frame:
    """The frame, with the templates of the package.

    ``texts`` are the operator's words for prompts, by the trigger of each.
    """

    @lru_cache(1)
    def templates() -> jinja2.Environment:
        import jinja2  # noqa: PLC0415  (with the first page: an API that shows none does without)

        made = jinja2.Environment(
            loader=jinja2.PackageLoader("scalix_free.web"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        made.globals["asset"] = assets.url
        made.globals["utc"] = utc
        made.globals["texts"] = texts
        made.globals["bundle"] = "elements/elements.js" in assets
        made.globals["chat_bundle"] = "elements/chat.js" in assets
        return made

    return Frame(templates, public_url, version, status_of)
