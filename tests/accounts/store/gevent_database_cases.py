"""Run by test_database in a process that gevent has patched: prints ``ok``."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import sqlite3
import sys
import time
from itertools import pairwise

import gevent
import psycopg

from gateway.accounts.store.database import Database, StoreUnavailableError
from tests.accounts.store.test_database import add_one, read_version

SLACK = 0.9
"""Seconds that a machine busy with tests may add: less than another wait for the lock."""

WAIT = 0.9
"""Seconds: whoever had to wait for the lock took longer."""


def main(url: str) -> None:
    """A lock is held for a while: reads and other greenlets go on, writes end in time."""
    database = Database(url)
    database.write(add_one)
    lock = hold_lock(url)
    beats: list[float] = []
    beating = gevent.spawn(beat, beats)
    began = time.monotonic()
    writing = [gevent.spawn(try_to_write, database) for _ in range(20)]
    assert database.read(read_version) == 1
    assert time.monotonic() - began < WAIT
    gevent.joinall(writing)
    assert time.monotonic() - began < 1 + SLACK, time.monotonic() - began
    assert {each.value for each in writing} == {"refused"}
    beating.kill()
    longest = max(after - before for before, after in pairwise(beats))
    assert longest < WAIT, longest
    lock.rollback()
    database.write(add_one)
    reading = [gevent.spawn(database.read, read_version) for _ in range(200)]
    assert [each.get() for each in reading] == [2] * 200


def hold_lock(url: str) -> psycopg.Connection | sqlite3.Connection:
    if url.startswith("sqlite"):
        lock = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        return lock
    held = psycopg.connect(url)
    held.execute("LOCK TABLE store_version IN SHARE ROW EXCLUSIVE MODE")
    return held


def beat(beats: list[float]) -> None:
    while True:
        beats.append(time.monotonic())
        gevent.sleep(0.01)


def try_to_write(database: Database) -> str:
    try:
        database.write(add_one)
    except StoreUnavailableError:
        return "refused"
    return "written"


if __name__ == "__main__":
    main(sys.argv[1])
    print("ok")
