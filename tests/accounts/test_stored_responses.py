"""Responses kept for their tenants on this machine."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from gateway.accounts import stored_responses
from gateway.accounts.stored_responses import StoredResponses
from gateway.errors import ServiceUnavailableError


@pytest.fixture
def kept(tmp_path: Path) -> StoredResponses:
    return StoredResponses(tmp_path / "new" / "responses.db")


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


def test_it_is_there_after_a_restart_and_for_every_process(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    StoredResponses(path).put("a", "resp_1", b"1", 30)
    assert StoredResponses(path).get("a", "resp_1") == b"1"
    assert path.stat().st_mode & 0o077 == 0


def test_it_is_kept_for_its_days(kept: StoredResponses, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("gateway.accounts.stored_responses.time.time", lambda: now)
    kept.put("a", "resp_1", b"1", 2)
    now += 2 * 86400 - 1
    assert kept.get("a", "resp_1") == b"1"
    now += 1
    assert kept.get("a", "resp_1") is None
    assert not kept.delete("a", "resp_1")
    kept.put("a", "resp_2", b"2", 2)
    with sqlite3.connect(kept._path) as connection:
        assert connection.execute("SELECT count(*) FROM responses").fetchone() == (1,)
    connection.close()


def test_what_is_too_large_is_not_kept(kept: StoredResponses) -> None:
    assert not kept.put("a", "resp_1", bytes(stored_responses.LARGEST + 1), 30)
    assert kept.get("a", "resp_1") is None


def test_many_threads_keep_theirs(kept: StoredResponses) -> None:
    threads = [
        threading.Thread(target=kept.put, args=("a", f"resp_{number}", b"x", 30))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(kept.get("a", f"resp_{number}") == b"x" for number in range(8))


def test_a_file_that_can_not_be_used_is_told(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    path.write_bytes(b"this is no database, but it is long enough to look like one" * 20)
    broken = StoredResponses(path)
    assert not broken.put("a", "resp_1", b"1", 30)
    with pytest.raises(ServiceUnavailableError) as caught:
        broken.get("a", "resp_1")
    assert caught.value.code == "store_unavailable"
    path.unlink()
    assert broken.put("a", "resp_1", b"1", 30)
    path.unlink()
    path.with_name("responses.db-wal").unlink(missing_ok=True)
    path.with_name("responses.db-shm").unlink(missing_ok=True)
    assert not broken.put("a", "resp_2", b"2", 30)
    assert broken.put("a", "resp_2", b"2", 30)
