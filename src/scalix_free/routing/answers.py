"""Answers that were given before, for whoever asks exactly the same again.

Only what needs nothing but itself to be answered is kept: one question, perhaps with instructions
before it. Answers lie in the memory of one process, under a keyed digest of all that shapes them;
no question is kept.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import OrderedDict
from collections.abc import Sequence
from types import TracebackType
from typing import Final, NamedTuple

import msgspec

from scalix_free.core.budget import Finding
from scalix_free.core.cache import CacheUse
from scalix_free.core.chat import OWN_MODEL, Call, Chunk, Usage
from scalix_free.core.ports import Clock
from scalix_free.routing.attempts import Asked, Asker
from scalix_free.routing.catalogue import Catalogue, Model
from scalix_free.routing.claim import Claim
from scalix_free.routing.flights import Flights
from scalix_free.routing.preferences import Preferences

MOST_BYTES: Final = 16 * 1024 * 1024
MOST_ANSWER_BYTES: Final = 256 * 1024
"""Memory of all answers, and of one."""

PIECE_CHARS: Final = 1_024
"""How much of a kept answer stands in one frame of a stream: clients bound a line's length."""

ENTRY_BYTES: Final = 512
"""What an answer takes besides its text, guessed."""

INSTRUCTIONS: Final = frozenset({"system", "developer"})

_encode = msgspec.json.Encoder().encode


def is_context_free(call: Call) -> bool:
    """Whether the same call may have the same answer.

    Who asks for a temperature above 0 wants answers that differ: asking repeatedly is the only way
    to several, since ``n`` has to be 1. With a seed they want the same one after all.
    """
    messages, parameters = call.messages, call.parameters
    if call.fresh or len(messages) not in (1, 2) or messages[-1].get("role") != "user":
        return False
    if len(messages) == 2 and messages[0].get("role") not in INSTRUCTIONS:
        return False
    if "tools" in parameters or (parameters.get("temperature") and "seed" not in parameters):
        return False
    for message in messages:
        content = message.get("content")
        if not isinstance(content, str) and not _is_text(content):
            return False
    return True


def _is_text(content: object) -> bool:
    return isinstance(content, list) and all(part.get("type") == "text" for part in content)


class Kept(NamedTuple):
    """A whole answer: who gave it, until when it holds, and what memory it takes."""

    answered_by: str
    until_ms: int
    reasoning: str
    text: str
    usage: Usage | None
    size_bytes: int

    def chunks(self) -> Sequence[Chunk]:
        """The answer in pieces, and its end."""
        pieces = [Chunk(reasoning=piece) for piece in _pieces(self.reasoning)]
        pieces += [Chunk(piece) for piece in _pieces(self.text)]
        return [*pieces, Chunk(finish="stop", usage=self.usage)]


class Answers:
    """Has calls answered, identical ones once; stands in front of whoever answers them otherwise.

    Answers hold for ``ttl_ms``; of more than ``max_size``, or ``MOST_BYTES``, the oldest go. They
    are each caller's own, or, if ``shared``, those of all callers of a class: others would have
    been answered by other models, or have waited at another place.
    """

    def __init__(
        self,
        asker: Asker,
        *,
        catalogue: Catalogue,
        preferences: Preferences,
        clock: Clock,
        ttl_ms: int,
        max_size: int,
        shared: bool = False,
    ) -> None:
        self._asker = asker
        self._catalogue = catalogue
        self._preferences = preferences
        self._clock = clock
        self._ttl_ms = ttl_ms
        self._max_size = max_size
        self._shared = shared
        self._secret = os.urandom(32)
        self._flights = Flights(asker, self._keep)
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size_bytes(self) -> int:
        """The memory of all that is kept."""
        return self._size_bytes

    def open(self, call: Call, candidates: Sequence[Model], claim: Claim) -> Asked:
        """Answer with what is kept, along with whoever asks the same now, or anew."""
        if not is_context_free(call):
            return self._asker.open(call, candidates, claim)
        is_named = call.model != OWN_MODEL and self._catalogue.has(call.model)
        key = self._key(call, call.model if is_named else OWN_MODEL, claim)
        kept = self._kept.get(key)
        if kept is not None and self._suits(
            kept, candidates[:1] if is_named else candidates, claim
        ):
            return Replay(kept)
        return self._flights.open(key, call, candidates, claim)

    def forget(self, owner: bytes) -> None:
        """Drop the answers of this caller; what is shared is nobody's."""
        if not self._shared:
            for key in [key for key in self._kept if key.startswith(owner)]:
                self._drop(key)

    def _key(self, call: Call, model: str, claim: Claim) -> bytes:
        parameters = [*call.parameters.items()]
        asked = _encode((model, call.output_tokens, call.messages, parameters))
        whose = b"%d" % claim.order if self._shared else claim.owner
        return whose + hashlib.blake2b(asked, digest_size=16, key=self._secret).digest()

    def _suits(self, kept: Kept, candidates: Sequence[Model], claim: Claim) -> bool:
        """Whether it still holds, and its model is one of those that should answer now.

        Not one with which the caller has had a bad experience, nor a fallback where one was named.
        """
        now_ms = self._clock()
        avoided = self._preferences.avoided(claim.owner, now_ms)
        if kept.until_ms <= now_ms or (avoided is not None and kept.answered_by in avoided):
            return False
        return any(model.id == kept.answered_by for model in candidates)

    def _keep(self, key: bytes, answered_by: str, chunks: Sequence[Chunk]) -> None:
        """Keep an answer if it is one: text that ended by itself."""
        if chunks[-1].finish != "stop" or [one for one in chunks if one.refusal or one.tools]:
            return
        text = "".join([chunk.text for chunk in chunks])
        reasoning = "".join([chunk.reasoning for chunk in chunks])
        size_bytes = sys.getsizeof(text) + sys.getsizeof(reasoning) + ENTRY_BYTES
        if not text or size_bytes > MOST_ANSWER_BYTES:
            return
        usages = [chunk.usage for chunk in chunks if chunk.usage is not None]
        usage = usages[-1] if usages else None
        now_ms = self._clock()
        self._drop(key)
        self._kept[key] = Kept(
            answered_by, now_ms + self._ttl_ms, reasoning, text, usage, size_bytes
        )
        self._size_bytes += size_bytes
        self._sweep(now_ms)

    def _sweep(self, now_ms: int) -> None:
        """Drop what no longer holds, and the oldest of what is too much."""
        while self._kept:
            oldest = next(iter(self._kept))
            is_over = self._kept[oldest].until_ms <= now_ms
            if not is_over and len(self._kept) <= self._max_size and self._size_bytes <= MOST_BYTES:
                return
            self._drop(oldest)

    def _drop(self, key: bytes) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._size_bytes -= kept.size_bytes


class Replay:
    """A kept answer, as the context of a request and its reply."""

    standing = None
    let_down: Sequence[str] = ()

    def __init__(self, kept: Kept) -> None:
        self._chunks = kept.chunks()
        self.answered_by = kept.answered_by
        self.attempts = 0
        self.findings: Sequence[Finding] = ()
        self.cache = CacheUse.HIT

    async def __aenter__(self) -> Replay:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._chunks = ()

    async def read(self) -> Sequence[Chunk]:
        """See ``core.ports.Reply``."""
        chunks, self._chunks = self._chunks, ()
        return chunks


def _pieces(text: str) -> Sequence[str]:
    return [text[at : at + PIECE_CHARS] for at in range(0, len(text), PIECE_CHARS)]
