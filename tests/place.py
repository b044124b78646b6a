"""Where settings are loaded from in tests."""

from pathlib import Path

import pytest

from scalix_free.settings import Loaded, Settings, SettingsError, load


class Place:
    """A working directory in which settings are loaded."""

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd

    def load(self, text: str | None = None, /, **environ: str) -> Loaded:
        if text is not None:
            (self.cwd / "scalix-free.toml").write_text(text, "utf-8")
        return load(config=None, data=None, environ=environ, cwd=self.cwd)

    def settings(self, text: str | None = None, /, **environ: str) -> Settings:
        return self.load(text, **environ).settings

    def refusal(self, text: str | None = None, /, **environ: str) -> str:
        with pytest.raises(SettingsError) as refused:
            self.load(text, **environ)
        return str(refused.value)
