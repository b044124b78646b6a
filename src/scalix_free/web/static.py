"""The files that pages load, named after what is in them: a browser may keep them for ever."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

KINDS: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""What is served, by its ending; other files beside them are not."""

PACKED: Final = frozenset({".css", ".js", ".svg"})
"""What gets smaller by packing."""

ELEMENTS: Final = "elements"
"""The folder of the bundle that frontend/ builds: its files have hashed names already, and its
manifest says which of them stands for which name."""
MANIFEST: Final = "manifest.json"
HASH_CHARS: Final = 10
FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its address, its bytes, and those of them packed where that is worth it."""

    address: str
    kind: str
    body: bytes
    packed: bytes | None = None


class Assets:
    """All files, by the name that templates use: ``site.css``, ``elements/elements.js``."""

    def __init__(self, assets: Mapping[str, Asset]) -> None:
        self._by_name = assets
        self._by_address = {asset.address: asset for asset in assets.values()}

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def url(self, name: str) -> str:
        """Where it is. Raises ``KeyError`` for what is not there."""
        return self._by_name[name].address

    @property
    def addresses(self) -> Iterable[str]:
        """Where they all are."""
        return self._by_address

    def at(self, address: str) -> Asset:
        """What is there. Raises ``KeyError`` where nothing is."""
        return self._by_address[address]


def read_assets() -> Assets:
    """Read them out of the package."""
    folder = files("scalix_free.web").joinpath("static")
    found = {name: _hashed(name, file.read_bytes()) for name, file in _files(folder)}
    return Assets({**found, **dict(_elements(folder.joinpath(ELEMENTS)))})


def _files(folder: Traversable) -> Iterator[tuple[str, Traversable]]:
    for file in folder.iterdir():
        if file.is_file() and _ending(file.name) in KINDS:
            yield file.name, file


def _hashed(name: str, body: bytes) -> Asset:
    stem, _, ending = name.rpartition(".")
    digest = hashlib.sha256(body).hexdigest()[:HASH_CHARS]
    return _asset(f"/static/{stem}.{digest}.{ending}", body)


def _elements(folder: Traversable) -> Iterator[tuple[str, Asset]]:
    """The bundle: by the manifest's names, its other pieces by their own."""
    if not folder.joinpath(MANIFEST).is_file():
        return
    shape = dict[str, str]
    names = msgspec.json.decode(folder.joinpath(MANIFEST).read_bytes(), type=shape)
    logical = {hashed: name for name, hashed in names.items()}
    for name, file in _files(folder):
        asset = _asset(f"/static/{ELEMENTS}/{name}", file.read_bytes())
        yield f"{ELEMENTS}/{logical.get(name, name)}", asset


def _asset(address: str, body: bytes) -> Asset:
    ending = _ending(address)
    packed = gzip.compress(body, 9, mtime=0) if ending in PACKED else None
    return Asset(address, KINDS[ending], body, packed)


def _ending(name: str) -> str:
    return "." + name.rpartition(".")[2]


def static_routes(assets: Assets) -> list[HTTPRouteHandler]:
    """They are all in memory: a few hundred kilobytes."""

    @get([*assets.addresses], include_in_schema=False)
    async def static(request: Request[Any, Any, Any]) -> Response[bytes]:
        asset = assets.at(request.url.path)
        headers = {"cache-control": FOR_EVER, "vary": "accept-encoding"}
        body = asset.body
        if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            body, headers["content-encoding"] = asset.packed, "gzip"
        return Response(body, headers=headers, media_type=asset.kind)

    return [static]
