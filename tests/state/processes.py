"""Other processes that use the same state."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TypeVar

from gateway.state import State

PROCESSES = 8
_FORK = multiprocessing.get_context("fork")
_Outcome = TypeVar("_Outcome")
_Shared = TypeVar("_Shared")


def in_processes(
    shared: _Shared, work: Callable[[_Shared], list[_Outcome]], processes: int = PROCESSES
) -> list[_Outcome]:
    """Return what ``work`` returned in each of several forked processes, as one list."""
    results = _FORK.Queue()
    started = [
        _FORK.Process(target=lambda: results.put(work(shared)), daemon=True)
        for _ in range(processes)
    ]
    for process in started:
        process.start()
    outcomes = [outcome for _ in started for outcome in results.get(timeout=30)]
    for process in started:
        process.join(30)
    results.close()
    return outcomes


@dataclass(frozen=True)
class Other:
    """Another process; ``said`` is what it sent with the function that its work was given."""

    process_id: int
    said: str


@contextmanager
def another_process(
    state: State, work: Callable[[State, Callable[[str], None]], None]
) -> Iterator[Other]:
    """Run ``work`` in a forked process; go on when it has said something; kill it at the end."""
    ours, theirs = _FORK.Pipe()
    process = _FORK.Process(target=lambda: work(state, theirs.send), daemon=True)
    process.start()
    try:
        yield Other(process.pid or 0, _receive(ours))
    finally:
        process.kill()
        process.join(10)
        process.close()
        ours.close()
        theirs.close()


def _receive(connection: Connection) -> str:
    assert connection.poll(10), "the other process said nothing"
    said: str = connection.recv()
    return said
