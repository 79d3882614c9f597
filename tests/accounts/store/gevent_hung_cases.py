"""Run by test_database in a process that gevent has patched: prints ``ok``."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import os
import signal
import sys
import time
from pathlib import Path

import gevent

from gateway.accounts.store.database import Database, StoreUnavailableError
from tests.accounts.store.test_database import add_one, read_version

SLACK = 0.9
"""Seconds that a machine busy with tests may add: less than another wait."""


def main(url: str, server: int) -> None:
    """A server that does not answer is given up after a second, and used again when it does."""
    database = Database(url)
    database.write(add_one)
    processes = [server, *children(server)]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        for _ in range(2):
            began = time.monotonic()
            asking = [gevent.spawn(ask, database, writes) for writes in (False, True) * 10]
            gevent.joinall(asking)
            assert {each.value for each in asking} == {"refused"}
            assert time.monotonic() - began < 1 + SLACK, time.monotonic() - began
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
    deadline = time.monotonic() + 15
    while ask(database, False) == "refused":
        assert time.monotonic() < deadline
        gevent.sleep(0.05)
    before = database.read(read_version)
    database.write(add_one)
    assert database.read(read_version) == before + 1


def ask(database: Database, writes: bool) -> str:
    try:
        if writes:
            database.write(add_one)
        else:
            database.read(read_version)
    except StoreUnavailableError:
        return "refused"
    return "done"


def children(process: int) -> list[int]:
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in text.split()]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
    print("ok")
