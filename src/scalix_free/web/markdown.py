"""What a model wrote, as HTML that can do no harm.

A model may have been told to write anything: its HTML is shown as text, nothing is loaded from
elsewhere, and links lead to the web alone, without a word of where the reader came from.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup

SCHEMES: Final = frozenset({"http", "https", "mailto"})
MOST_NESTING: Final = 20
LEVELS_DOWN: Final = 2
"""Headings of an answer stand below those of the page."""


def render(text: str) -> Markup:
    """The HTML of a text in Markdown."""
    return Markup(_parser().render(text))  # noqa: S704  (made of escaped pieces alone)


class _Renderer(RendererHTML):
    def link_open(
        self,
        tokens: Sequence[Token],
        idx: int,
        options: OptionsDict,
        env: MutableMapping[str, Any],
    ) -> str:
        tokens[idx].attrSet("rel", "noopener nofollow ugc")
        return self.renderToken(tokens, idx, options, env)

    def heading_open(
        self,
        tokens: Sequence[Token],
        idx: int,
        options: OptionsDict,
        env: MutableMapping[str, Any],
    ) -> str:
        token = tokens[idx]
        token.tag = f"h{min(int(token.tag[1]) + LEVELS_DOWN, 6)}"
        return self.renderToken(tokens, idx, options, env)

    heading_close = heading_open

    def fence(
        self,
        tokens: Sequence[Token],
        idx: int,
        options: OptionsDict,
        env: MutableMapping[str, Any],
    ) -> str:
        """Code can be scrolled with the keyboard."""
        return f'<pre tabindex="0"><code>{_escape(tokens[idx].content)}</code></pre>\n'

    code_block = fence


def _escape(text: str) -> str:
    return str(Markup.escape(text))


def _is_safe(address: str) -> bool:
    try:
        return urlsplit(address.strip()).scheme.lower() in SCHEMES
    except ValueError:
        return False


@lru_cache(1)
def _parser() -> MarkdownIt:
    options = {"html": False, "linkify": False, "breaks": True, "maxNesting": MOST_NESTING}
    parser = MarkdownIt("commonmark", options, renderer_cls=_Renderer)
    parser.enable("table").disable("image")
    parser.validateLink = _is_safe  # type: ignore[method-assign, assignment]
    return parser
