"""What the world remembers of a request."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Progress:
    """How far the answer has come; only the world writes here."""

    frames: int = 0
    ended: bool = False
    aborted: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """One completion request as it arrived, and what became of its answer."""

    model: str
    body: Mapping[str, object]
    headers: Mapping[str, str]  # names in lower case
    streamed: bool
    at: float
    progress: Progress = field(default_factory=Progress, repr=False, compare=False)

    @property
    def frames(self) -> int:
        """Writes of a streamed body so far: frames, unless the row packs them otherwise."""
        return self.progress.frames

    @property
    def ended(self) -> bool:
        """Whether nothing more will be written, for whatever reason."""
        return self.progress.ended

    @property
    def aborted(self) -> bool:
        """Whether the client left before the world had said all it meant to say."""
        return self.progress.aborted
