"""Where this process's configuration comes from: the environment as it was, the file as it is.

Knows the names of files. Must not know what settings mean. The environment and
``.env`` are read once, so that a file loaded again later stands on the same ground.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gateway.config.document import read_text
from gateway.config.environment import Given, current_environment, read_environment
from gateway.config.local_ollama import is_ollama_listening

CONFIG_NAME = "gateway.yaml"
CONFIG_VARIABLE = "GATEWAY_CONFIG"


@dataclass(frozen=True)
class Sources:
    """What ``load_from`` builds settings of; ``problems`` are sentences about ``.env``."""

    directory: Path
    given: Mapping[str, Given]
    problems: tuple[str, ...]
    is_listening: Callable[[], bool]
    """Tells whether Ollama is on this machine: asked once, and only where nothing is configured."""

    @property
    def config_name(self) -> str:
        """The file's name, as people know it."""
        found = self.given.get(CONFIG_VARIABLE)
        return found.text if found and found.text else CONFIG_NAME

    @property
    def config_path(self) -> Path:
        """Where the file is, or would be."""
        return self.directory / self.config_name

    def read_text(self) -> str | None:
        """Return what is in the file now, None if there is none and ``GATEWAY_CONFIG`` names none.

        Raises ``ConfigurationError`` where it can't be read.
        """
        found = self.given.get(CONFIG_VARIABLE)
        if not (found and found.text) and not self.config_path.exists():
            return None
        return read_text(self.config_path, self.config_name)


def read_sources(
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
    *,
    is_listening: Callable[[], bool] = is_ollama_listening,
) -> Sources:
    """Read the environment and ``directory/.env``.

    They are this process's and the working directory's unless given. Raises
    ``ConfigurationError`` where ``.env`` can't be read.
    """
    directory = Path.cwd() if directory is None else directory
    problems: list[str] = []
    environ = current_environment() if environ is None else environ
    given = read_environment(environ, directory, problems)
    return Sources(directory, given, tuple(problems), cache(is_listening))
