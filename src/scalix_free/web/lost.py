"""The page for whoever went to an address that gives none."""

from __future__ import annotations

from scalix_free.core.errors import Refusal
from scalix_free.web.frame import AnyRequest, Frame, Page


def lost_page(frame: Frame, request: AnyRequest, refusal: Refusal) -> Page:
    """Why there is nothing, and where to go on."""
    return frame.page(request, "lost.html", {}, refusal=refusal)
