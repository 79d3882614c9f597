"""Whether the database answers: said within a second, whatever it does."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from pathlib import Path

from gateway.accounts.store.database import Database
from gateway.accounts.store.probe import Probe
from tests.postgresql import PostgresqlServer

SLACK = 0.9
"""Seconds that a machine busy with tests may add: less than another wait."""


def test_a_database_that_can_be_read_answers(database: Database) -> None:
    database.prepare()
    assert Probe(database).answers()


def test_a_stopped_postgresql_does_not_until_it_is_back(
    postgresql_server: PostgresqlServer,
) -> None:
    database = Database(postgresql_server.create_database())
    database.prepare()
    probe = Probe(database)
    assert probe.answers()
    postgresql_server.stop()
    try:
        began = time.monotonic()
        assert not probe.answers()
        assert time.monotonic() - began < 1 + SLACK
    finally:
        postgresql_server.start()
    assert probe.answers()
    database.close()


def test_one_that_hangs_is_asked_once_for_all_and_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        probe = Probe(Database(f"postgresql://nobody@127.0.0.1:{port}/gateway"))
        answers: list[bool] = []
        askers = [
            threading.Thread(target=lambda: answers.append(probe.answers())) for _ in range(5)
        ]
        began = time.monotonic()
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        assert time.monotonic() - began < 1 + SLACK
        assert answers == [False] * 5
        server.accept()[0].close()
        server.settimeout(0)
        waiting = 0
        try:
            while True:
                server.accept()[0].close()
                waiting += 1
        except BlockingIOError:
            pass
        assert waiting <= 1, "the driver tries once more, and nobody beside it"


def test_a_locked_sqlite_answers(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/gateway.db")
    database.prepare()
    with sqlite3.connect(tmp_path / "gateway.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert Probe(database).answers()
        other.execute("ROLLBACK")
    other.close()
    database.close()


def test_a_file_that_is_no_database_does_not(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_bytes(b"no database" * 100)
    assert not Probe(Database(f"sqlite:///{tmp_path}/gateway.db")).answers()
