"""Commands run in the test's own process, in a directory of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli import build_command


class Gateway:
    """``python -m gateway`` with its own environment."""

    def __init__(self, **environment: str) -> None:
        self._runner = CliRunner()
        self.environment = environment
        self._command = build_command(lambda settings: [], lambda settings, model: iter(()))

    def __call__(self, *arguments: str, status: int = 0) -> Result:
        """Run a command that is to exit with ``status``."""
        result = self._runner.invoke(self._command, arguments, env=self.environment)
        assert result.exit_code == status, result.output
        return result

    def json(self, *arguments: str) -> Any:
        """Return what a command prints with ``--json``."""
        return json.loads(self(*arguments, "--json").stdout)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    monkeypatch.chdir(tmp_path)
    return Gateway(DATABASE_URL=f"sqlite:///{tmp_path}/data/gateway.db", AI_PROVIDER="demo")
