"""``db``: upgrading, checking, backing up, restoring, and moving to PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from gateway.accounts.responses.stored_responses import StoredResponses
from gateway.accounts.store.database import Database
from gateway.accounts.store.schema import head_revision
from gateway.accounts.store.tables import metadata
from tests.commands.conftest import Gateway
from tests.postgresql import postgresql_server, postgresql_url

__all__ = ["postgresql_server", "postgresql_url"]


RESPONSE = bytes(range(256)) * 1000


def keep_response(url: str) -> None:
    """Keep responses, more than are copied at once."""
    database = Database(url)
    for number in range(25):
        assert StoredResponses(database).put("team", f"resp_{number}", RESPONSE, 30)
    database.close()


def check_response(url: str) -> None:
    """Check that responses are there, byte for byte."""
    database = Database(url)
    kept = [StoredResponses(database).get("team", f"resp_{number}") for number in range(25)]
    database.close()
    assert kept == [RESPONSE] * 25


def fill(run: Gateway) -> list[str]:
    """Make keys; returns the ids and names that are to be found again."""
    run("keys", "create", "--name", "alice", "--owner", "team", "--budget", "20.5/month")
    run("keys", "create", "--name", "böb", "--metadata", '{"ä": [1, null]}')
    run("keys", "revoke", "alice")
    return sorted(str(each) for each in run.json("keys", "list"))


def test_upgrade_makes_what_is_missing_and_says_what_was(run: Gateway) -> None:
    head = head_revision()
    assert run("db", "upgrade").stdout == f"The schema is {head} (it was empty).\n"
    assert run("db", "upgrade").stdout == f"The schema is {head} already.\n"


def test_check_tells_what_is_there_and_what_is_wrong(run: Gateway, tmp_path: Path) -> None:
    assert "no such file" in run("db", "check", status=1).stdout
    fill(run)
    report = run.json("db", "check")
    assert (report["keys"], report["tenants"], report["problems"]) == (2, 1, [])
    with sqlite3.connect(tmp_path / "data" / "gateway.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    connection.close()
    assert "the schema is 0000" in run("db", "check", status=1).stdout


def test_a_file_that_is_no_database_is_told(run: Gateway, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "gateway.db").write_bytes(b"garbage " * 1000)
    assert "not a database" in run("db", "check", status=3).stderr


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_can_be_restored(
    run: Gateway, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "postgresql":
        run.environment["DATABASE_URL"] = request.getfixturevalue("postgresql_url")
    keys = fill(run)
    keep_response(run.environment["DATABASE_URL"])
    assert "backup.db holds" in run("db", "backup", "backup.db").stdout
    assert os.stat("backup.db").st_mode & 0o777 == 0o600
    assert not Path("backup.db-wal").exists()
    assert "does not overwrite" in run("db", "backup", "backup.db", status=1).stderr
    run("keys", "create", "--name", "lost later")
    run.environment["DATABASE_URL"] = f"sqlite:///{tmp_path}/restored/gateway.db"
    run("db", "copy", "--from", "sqlite:///backup.db", "--to", "sqlite:///restored/gateway.db")
    assert sorted(str(each) for each in run.json("keys", "list")) == keys
    check_response(run.environment["DATABASE_URL"])


def test_everything_moves_to_postgresql_and_back(
    run: Gateway, postgresql_url: str, tmp_path: Path
) -> None:
    keys = fill(run)
    keep_response(run.environment["DATABASE_URL"])
    result = run("db", "copy", "--to", postgresql_url)
    words = result.stdout.split()
    counts = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    assert set(counts) == set(metadata.tables)
    assert (counts["tenants"], counts["keys"], counts["key_hashes"]) == (1, 2, 2)
    assert counts["stored_responses"] == 25
    assert "is not empty" in run("db", "copy", "--to", postgresql_url, status=2).stderr
    run.environment["DATABASE_URL"] = postgresql_url
    assert sorted(str(each) for each in run.json("keys", "list")) == keys
    run("keys", "create", "--name", "new")
    run("db", "check")
    run("db", "copy", "--to", "sqlite:///back.db")
    run.environment["DATABASE_URL"] = f"sqlite:///{tmp_path}/back.db"
    assert len(run.json("keys", "list")) == 3
    check_response(run.environment["DATABASE_URL"])


def test_a_wrong_target_is_refused_without_its_password(run: Gateway) -> None:
    fill(run)
    result = run("db", "copy", "--to", "mysql://u:hunter2@host/db", status=2)
    assert "neither SQLite nor PostgreSQL" in result.stderr
    result = run("db", "copy", "--to", "postgresql://u:hunter2@127.0.0.1:1/db", status=3)
    assert "hunter2" not in result.output
