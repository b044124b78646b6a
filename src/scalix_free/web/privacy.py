"""What is kept, and who reads along."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from litestar.handlers import HTTPRouteHandler

from scalix_free.routing.catalogue import Model, Terms
from scalix_free.serve import Service
from scalix_free.web.frame import AnyRequest, Frame, Page, page_at


@dataclass(frozen=True, slots=True)
class Reader:
    """Models of one provider that stand under the same terms."""

    provider: str
    models: Sequence[str]
    terms: Terms


def privacy_pages(frame: Frame, service: Service) -> list[HTTPRouteHandler]:
    """One page, from the terms of the models that are served here."""

    @page_at("/privacy")
    async def privacy(request: AnyRequest) -> Page:
        shown = {"readers": list(_readers(service.models()))}
        return frame.page(request, "privacy.html", shown, personal=False)

    return [privacy]


def _readers(models: Iterable[Model]) -> Iterable[Reader]:
    found: dict[tuple[str, Terms], list[str]] = {}
    for model in models:
        found.setdefault((model.provider, model.terms), []).append(model.id)
    for (provider, terms), ids in sorted(found.items(), key=lambda item: item[0][0]):
        yield Reader(provider, ids, terms)
