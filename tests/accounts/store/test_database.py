"""Transactions on real databases: what they keep, undo and refuse, and how soon."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import IntegrityError

from gateway.accounts.store.database import Database, StoreUnavailableError
from gateway.accounts.store.tables import store_version
from tests.gateway_process import ROOT
from tests.postgresql import PostgresqlServer

SLACK = 0.9
"""Seconds that a machine busy with tests may add: less than another wait for the lock."""


def read_version(connection: Connection) -> int:
    return int(connection.scalar(select(store_version.c.version)) or 0)


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


def add_one(connection: Connection) -> None:
    connection.execute(store_version.update().values(version=store_version.c.version + 1))


def test_what_is_written_is_there_for_everybody(database: Database, database_url: str) -> None:
    database.write(add_one)
    with opened(database_url) as another:
        assert another.read(read_version) == 1


def test_what_is_raised_undoes_the_transaction(database: Database) -> None:
    def fail(connection: Connection) -> None:
        add_one(connection)
        raise KeyError("a defect")

    with pytest.raises(KeyError):
        database.write(fail)
    assert database.read(read_version) == 0


def test_a_violated_constraint_is_the_callers_matter(database: Database) -> None:
    with pytest.raises(IntegrityError):
        database.write(lambda c: c.execute(store_version.insert().values(id=1, version=5)))
    assert database.read(read_version) == 0


def test_increments_of_many_processes_all_count(database: Database, database_url: str) -> None:
    database.prepare()
    code = (
        "import sys; from gateway.accounts.store.database import Database; "
        "from tests.accounts.store.test_database import add_one; "
        "d = Database(sys.argv[1]); [d.write(add_one) for _ in range(25)]"
    )
    command = [sys.executable, "-c", code, database_url]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert database.read(read_version) == 75


def test_a_locked_sqlite_is_read_and_refuses_writes_within_a_second(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/gateway.db")
    database.write(add_one)
    with sqlite3.connect(tmp_path / "gateway.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert database.read(read_version) == 1
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError) as caught:
            database.write(add_one)
        assert time.monotonic() - began < 1 + SLACK
        assert caught.value.status == 503
        assert caught.value.retry_after == 1
        other.execute("ROLLBACK")
    database.write(add_one)
    assert database.read(read_version) == 2


def test_a_file_that_is_no_database_is_refused_as_unavailable(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_bytes(b"no database" * 100)
    with pytest.raises(StoreUnavailableError):
        Database(f"sqlite:///{tmp_path}/gateway.db").read(read_version)


def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    Database(f"sqlite:///{tmp_path}/data/gateway.db").prepare()
    assert os.stat(tmp_path / "data").st_mode & 0o777 == 0o700
    assert os.stat(tmp_path / "data" / "gateway.db").st_mode & 0o777 == 0o600


def test_a_restarted_postgresql_is_used_again(postgresql_server: PostgresqlServer) -> None:
    with opened(postgresql_server.create_database()) as database:
        database.write(add_one)
        postgresql_server.stop()
        with pytest.raises(StoreUnavailableError):
            database.read(read_version)
        postgresql_server.start()
        assert database.read(read_version) == 1


def test_a_password_never_gets_into_an_error(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        Database("postgresql://u:hunter2@127.0.0.1:1/gateway").read(read_version)
    assert "hunter2" not in caplog.text + str(caught.value)
    assert "the database can't be written" in caplog.text


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_under_gevent_a_wait_for_the_database_keeps_nobody_else(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/gateway.db"
    if kind == "postgresql":
        url = request.getfixturevalue("postgresql_url")
    Database(url).prepare()
    run = subprocess.run(
        [sys.executable, "-m", "tests.accounts.store.gevent_database_cases", url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.returncode) == ("ok\n", 0), run.stderr
    assert "Traceback" not in run.stderr


def test_under_gevent_a_postgresql_that_hangs_is_given_up_in_time(
    postgresql_server: PostgresqlServer,
) -> None:
    url = postgresql_server.create_database()
    pid = postgresql_server.process.pid
    case = "tests.accounts.store.gevent_hung_cases"
    try:
        run = subprocess.run(
            [sys.executable, "-m", case, url, str(pid)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (run.stdout, run.returncode) == ("ok\n", 0), run.stderr
    assert "Traceback" not in run.stderr


def test_many_processes_make_one_schema(database_url: str) -> None:
    code = "import sys; from gateway.accounts.store.database import Database; "
    command = [sys.executable, "-c", code + "Database(sys.argv[1]).prepare()", database_url]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    count = text("SELECT count(*) FROM store_version")
    with opened(database_url) as database:
        assert database.read(lambda connection: connection.scalar(count)) == 1
