"""Of what use a cache was."""

from __future__ import annotations

import enum


class CacheUse(enum.StrEnum):
    """How a look into a cache ended, or that none was taken."""

    HIT = "hit"
    MISS = "miss"
    BYPASS = "bypass"
