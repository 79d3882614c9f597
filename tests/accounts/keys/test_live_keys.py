"""Stored keys in one process: found, forgotten, told of, and as fast among many as among few."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert
from sqlalchemy.engine import Engine

from gateway.accounts.keys import known_keys, live_keys
from gateway.accounts.keys.key_format import build_key
from gateway.accounts.keys.keys import KeyRing
from gateway.accounts.keys.service import Accounts
from gateway.accounts.store.database import Database, StoreUnavailableError
from gateway.accounts.store.tables import key_hashes, keys
from gateway.errors import AuthenticationError, GatewayError
from gateway.state import LocalState
from tests.resilience.away import AwayState


class Process:
    """The accounts of one process, which look only when a test tells them to."""

    def __init__(self, url: str, state: Any) -> None:
        self.database = Database(url)
        self.ended: list[str] = []
        self.accounts = Accounts(KeyRing.from_keys(), self.database, state, self._end)

    def _end(self, key_id: str, build_error: Callable[[], GatewayError]) -> None:
        assert isinstance(build_error(), AuthenticationError)
        self.ended.append(key_id)

    def knows(self, key: str) -> bool:
        try:
            return self.accounts.authenticate(key) is not None
        except AuthenticationError:
            return False


@pytest.fixture
def processes(database_url: str, local_state: LocalState) -> Iterator[tuple[Process, Process]]:
    both = Process(database_url, local_state), Process(database_url, local_state)
    yield both
    for process in both:
        process.database.close()


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Every statement that is executed by SQLAlchemy from now on."""
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


def test_a_known_key_needs_no_database(
    processes: tuple[Process, Process], statements: list[str]
) -> None:
    one, _ = processes
    key = one.accounts.keys.create({"name": "a"}).key
    assert one.knows(key)
    statements.clear()
    assert all(one.knows(key) for _ in range(100))
    assert statements == []


def test_what_has_not_the_form_of_a_key_is_never_looked_up(
    processes: tuple[Process, Process], statements: list[str]
) -> None:
    one, _ = processes
    one.database.prepare()
    statements.clear()
    wrong = build_key()
    for token in ("", "gw_", "x" * 41, wrong[:-1], wrong[:-1] + "!", wrong.lower(), "\ud800"):
        assert not one.knows(token)
    assert statements == []
    assert not one.knows(wrong)
    assert statements != []


def test_an_announced_change_is_seen_at_once_by_the_other(
    processes: tuple[Process, Process],
) -> None:
    one, other = processes
    new = one.accounts.keys.create({"name": "a"})
    assert other.knows(new.key)
    one.accounts.keys.revoke(new.record.id)
    other.accounts.live.look()
    assert not other.knows(new.key)
    assert other.ended == []


def test_a_change_that_was_not_announced_is_found_in_the_database(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = AwayState(tmp_path / "state")
    state.is_away = True
    monkeypatch.setattr(live_keys, "ASK_SECONDS", 0.05)
    one, other = Process(database_url, state), Process(database_url, state)
    new = one.accounts.keys.create({"name": "a"})
    assert other.knows(new.key)
    one.accounts.keys.revoke(new.record.id, cut=True)
    time.sleep(0.06)
    other.accounts.live.look()
    assert not other.knows(new.key)
    assert other.ended == [new.record.id]
    for process in (one, other):
        process.database.close()


def test_other_keys_stay_known_through_a_change(
    processes: tuple[Process, Process], statements: list[str]
) -> None:
    one, other = processes
    kept, gone = (one.accounts.keys.create({"name": name}) for name in "ab")
    assert other.knows(kept.key)
    assert other.knows(gone.key)
    one.accounts.keys.revoke(gone.record.id)
    other.accounts.live.look()
    statements.clear()
    assert other.knows(kept.key)
    assert statements == []


def test_a_request_that_began_just_before_its_keys_end_is_refused(
    processes: tuple[Process, Process],
) -> None:
    one, other = processes
    new = one.accounts.keys.create({"name": "a"})
    assert other.knows(new.key)
    other.accounts.live.raise_if_ended(new.record.id)
    one.accounts.keys.revoke(new.record.id, cut=True)
    other.accounts.live.look()
    with pytest.raises(AuthenticationError, match="its requests were ended"):
        other.accounts.live.raise_if_ended(new.record.id)


def test_many_changes_at_once_are_all_seen(
    processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_keys, "MAX_CHANGES", 3)
    one, other = processes
    made = [one.accounts.keys.create({"name": "a", "owner": "team"}) for _ in range(8)]
    assert all(other.knows(new.key) for new in made)
    (tenant,) = one.accounts.tenants.find_by_name("team")
    one.accounts.tenants.delete(tenant.id, cut=True)
    other.accounts.live.look()
    assert not any(other.knows(new.key) for new in made)
    assert sorted(other.ended) == sorted(new.record.id for new in made)


def test_only_so_many_keys_are_remembered(
    processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch, statements: list[str]
) -> None:
    monkeypatch.setattr(known_keys, "MAX_KNOWN", 2)
    one, _ = processes
    made = [one.accounts.keys.create({"name": "a"}).key for _ in range(3)]
    assert all(one.knows(key) for key in made)
    statements.clear()
    assert one.knows(made[1])
    assert one.knows(made[2])
    assert statements == []
    assert one.knows(made[0])
    assert statements != []


def test_a_burst_with_a_key_not_seen_before_asks_the_database_once(
    processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = processes
    new = one.accounts.keys.create({"name": "a"})
    asked = _slow_reads(other, monkeypatch)
    with ThreadPoolExecutor(50) as pool:
        assert all(pool.map(lambda _: other.knows(new.key), range(50)))
    assert len(asked) < 5


def test_who_waits_for_another_asker_asks_itself_if_that_one_is_ended(
    processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = processes
    new = one.accounts.keys.create({"name": "a"})
    asked = _slow_reads(other, monkeypatch, first=KeyboardInterrupt())
    with ThreadPoolExecutor(10) as pool:
        found = [pool.submit(other.knows, new.key) for _ in range(10)]
    failed = [each for each in found if each.exception() is not None]
    assert len(failed) == 1
    assert all(each.result() for each in found if each not in failed)
    assert len(asked) < 5


def _slow_reads(
    process: Process, monkeypatch: pytest.MonkeyPatch, first: BaseException | None = None
) -> list[object]:
    """Make reads of the database take a while, the first fail; return a list of them."""
    asked: list[object] = []
    read = process.database.read

    def slow(work: Any, *rest: Any) -> Any:
        asked.append(work)
        time.sleep(0.2)
        if first is not None and len(asked) == 1:
            raise first
        return read(work, *rest)

    monkeypatch.setattr(process.database, "read", slow)
    return asked


def test_threads_that_ask_while_keys_change_never_get_an_old_answer(
    processes: tuple[Process, Process],
) -> None:
    one, other = processes
    new = one.accounts.keys.create({"name": "a", "priority": 0})
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            other.accounts.authenticate(new.key)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for priority in range(1, 8):
            one.accounts.keys.change(new.record.id, {"priority": priority})
            other.accounts.live.look()
            principal = other.accounts.authenticate(new.key)
            assert principal is not None
            assert principal.priority == priority
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_known_key_is_let_in_while_the_database_is_away(
    local_state: LocalState, tmp_path: Path
) -> None:
    process = Process(f"sqlite:///{tmp_path}/gateway.db", local_state)
    known, unknown = (process.accounts.keys.create({"name": name}).key for name in "ab")
    assert process.knows(known)
    process.database.close()
    (tmp_path / "gateway.db").rename(tmp_path / "away.db")
    (tmp_path / "gateway.db").mkdir()
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"gateway.db{suffix}").unlink(missing_ok=True)
    assert process.knows(known)
    with pytest.raises(StoreUnavailableError):
        process.accounts.authenticate(unknown)
    process.accounts.live.look()
    assert process.knows(known)


def test_among_a_hundred_thousand_keys_one_is_found_as_fast_as_among_ten(
    local_state: LocalState, tmp_path: Path
) -> None:
    seconds = {}
    for count in (10, 100_000):
        process = Process(f"sqlite:///{tmp_path}/{count}.db", local_state)
        fill(process, count)
        for kind, ask in (("read", look_up), ("known", recall)):
            seconds[count, kind] = min(ask(process) for _ in range(5))
        process.database.close()
    # As a busy machine can tell: a scan of the table would take a thousand times as long.
    assert seconds[100_000, "read"] < 10 * seconds[10, "read"]
    assert seconds[100_000, "known"] < 10 * seconds[10, "known"]


def fill(process: Process, count: int) -> None:
    """Store ``count`` keys and the key ``process.accounts`` is asked for."""
    empty = {
        "role": "user",
        "enabled": True,
        "models": "[]",
        "allowed_ips": "[]",
        "priority": 0,
        "metadata": "{}",
        "updated_at": 0.0,
        "cuts_streams": False,
        "version": 0,
    }
    rows = [
        {"id": f"key_{n}", "name": f"k{n}", "created_at": float(n)} | empty for n in range(count)
    ]
    hashes = [
        {"hash": hashlib.sha256(b"%d" % n).digest(), "key_id": f"key_{n}", "created_at": 0.0}
        for n in range(count)
    ]

    def work(connection: Any) -> None:
        connection.execute(insert(keys), rows)
        connection.execute(insert(key_hashes), hashes)

    process.database.write(work, patience=60)


def look_up(process: Process) -> float:
    """Return the seconds for 50 keys that are not there: each asks the database."""
    tokens = [build_key() for _ in range(50)]
    began = time.perf_counter()
    assert not any(process.knows(token) for token in tokens)
    return time.perf_counter() - began


def recall(process: Process) -> float:
    """Return the seconds for one key 200 times."""
    key = process.accounts.keys.create({"name": "a"}).key
    assert process.knows(key)
    began = time.perf_counter()
    assert all(process.knows(key) for _ in range(200))
    return time.perf_counter() - began
