"""Responses kept for their tenants, on both engines."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.accounts.ledger.keeper import Keeper
from gateway.accounts.ledger.ledger import Ledger
from gateway.accounts.responses import stored_responses
from gateway.accounts.responses.stored_responses import PRUNED_AT_ONCE, StoredResponses
from gateway.accounts.store import response_tables
from gateway.accounts.store.database import Database, StoreUnavailableError


@pytest.fixture
def kept(database: Database) -> StoredResponses:
    return StoredResponses(database)


def count(database: Database) -> int:
    rows = select(func.count()).select_from(response_tables.stored_responses)
    return database.read(lambda connection: int(connection.scalar(rows) or 0))


def test_what_is_kept_is_there_for_its_tenant_alone(kept: StoredResponses) -> None:
    assert kept.get("a", "resp_1") is None
    assert kept.put("a", "resp_1", b"1", 30)
    assert kept.put("b", "resp_1", b"2", 30)
    assert kept.get("a", "resp_1") == b"1"
    assert kept.get("b", "resp_1") == b"2"
    assert not kept.delete("c", "resp_1")
    assert kept.delete("a", "resp_1")
    assert not kept.delete("a", "resp_1")
    assert kept.get("a", "resp_1") is None
    assert kept.get("b", "resp_1") == b"2"


def test_it_is_there_for_every_process(kept: StoredResponses, database_url: str) -> None:
    data = bytes(range(256))
    kept.put("a", "resp_1", b"an earlier one of the same id", 30)
    kept.put("a", "resp_1", data, 30)
    another = Database(database_url)
    assert StoredResponses(another).get("a", "resp_1") == data
    another.close()


def test_it_is_kept_for_its_days(kept: StoredResponses, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("gateway.accounts.responses.stored_responses.time.time", lambda: now)
    kept.put("a", "resp_1", b"1", 2)
    now += 2 * 86400 - 1
    assert kept.get("a", "resp_1") == b"1"
    now += 1
    assert kept.get("a", "resp_1") is None
    assert not kept.delete("a", "resp_1")


def test_what_was_kept_for_long_enough_goes_in_the_background(
    kept: StoredResponses, database: Database, tmp_path: Path
) -> None:
    kept.put("a", "resp_new", b"new", 1)
    for number in range(PRUNED_AT_ONCE + 1):
        kept.put("a", f"resp_{number}", b"old", 0)
    time.sleep(0.01)
    Keeper(Ledger(database, tmp_path), 90, None, lambda url, body: True).prune()
    assert count(database) == 1
    assert kept.get("a", "resp_new") == b"new"


def test_what_is_too_large_is_not_kept(kept: StoredResponses) -> None:
    assert not kept.put("a", "resp_1", bytes(stored_responses.LARGEST + 1), 30)
    assert kept.get("a", "resp_1") is None
    assert kept.put("a", "resp_1", bytes(stored_responses.LARGEST), 30)
    assert len(kept.get("a", "resp_1") or b"") == stored_responses.LARGEST


@pytest.mark.parametrize("response_id", ["resp_\0", "resp_\ud800", "resp_é", "x" * 10_000])
def test_an_id_that_no_response_has_is_unknown(kept: StoredResponses, response_id: str) -> None:
    assert not kept.put("a", response_id, b"1", 30)
    assert kept.get("a", response_id) is None
    assert not kept.delete("a", response_id)


def test_many_threads_keep_theirs(kept: StoredResponses, database: Database) -> None:
    database.prepare()
    threads = [
        threading.Thread(target=kept.put, args=("a", f"resp_{number}", b"x", 30))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(kept.get("a", f"resp_{number}") == b"x" for number in range(8))


def test_a_locked_sqlite_is_read_and_keeps_nothing_new(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/gateway.db")
    kept = StoredResponses(database)
    assert kept.put("a", "resp_1", b"1", 30)
    with sqlite3.connect(tmp_path / "gateway.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert not kept.put("a", "resp_2", b"2", 30)
        assert kept.get("a", "resp_1") == b"1"
        with pytest.raises(StoreUnavailableError):
            kept.delete("a", "resp_1")
        other.execute("ROLLBACK")
    other.close()
    assert kept.delete("a", "resp_1")
    database.close()


def test_a_database_that_is_away_is_told() -> None:
    kept = StoredResponses(Database("postgresql://nobody@127.0.0.1:1/gateway"))
    assert not kept.put("a", "resp_1", b"1", 30)
    with pytest.raises(StoreUnavailableError) as caught:
        kept.get("a", "resp_1")
    assert (caught.value.status, caught.value.code) == (503, "store_unavailable")
    with pytest.raises(StoreUnavailableError):
        kept.delete("a", "resp_1")
