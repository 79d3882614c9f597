"""A place to load configurations from: a directory and an environment of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.loading import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)
