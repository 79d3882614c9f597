"""Connections to SQLite where others are at work on the same new file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from gateway.accounts.store.engines import build_engine


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Return a connection in the middle of writing to a file that has no log yet."""
    path = tmp_path / "gateway.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE things (name)")
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO things VALUES ('one')")
        yield other


def test_a_new_file_that_another_writes_to_is_waited_for(
    writing: sqlite3.Connection, tmp_path: Path
) -> None:
    threading.Timer(0.2, writing.execute, ["COMMIT"]).start()
    engine = build_engine(f"sqlite:///{tmp_path}/gateway.db")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM things")) == 1
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"


def test_it_is_not_waited_for_without_end(writing: sqlite3.Connection, tmp_path: Path) -> None:
    engine = build_engine(f"sqlite:///{tmp_path}/gateway.db")
    with pytest.raises(OperationalError, match="locked"):
        engine.connect()
