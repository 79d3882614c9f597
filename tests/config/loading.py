"""Loading a configuration written in a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.config.load import load_settings
from gateway.config.settings import Settings
from gateway.errors import ConfigurationError


class Place:
    """A directory to start in; no Ollama is there unless ``ollama_listens``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ollama_listens = False

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, environ: Mapping[str, str] | None = None, yaml: str | None = None) -> Settings:
        if yaml is not None:
            self.write("gateway.yaml", yaml)
        return load_settings(
            environ or {}, self.directory, is_listening=lambda: self.ollama_listens
        )

    def problems(
        self, environ: Mapping[str, str] | None = None, yaml: str | None = None
    ) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            self.load(environ, yaml)
        return str(caught.value).splitlines()
