"""Shared state in a file on this machine, exact across all of its processes.

Knows LMDB's transactions and how they fail. Must not know what is counted.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import lmdb

from gateway.state.base import Counter, StateUnavailableError
from gateway.state.clock import Clock, load_clock
from gateway.state.counters import (
    NANOSECONDS,
    delete_window,
    encode_key,
    increment_window,
    iter_windows,
    load_window,
    prune_windows,
)
from gateway.state.file import DAMAGE, MAP_SIZE, file_identity, open_environment, replace_damaged

_CHECK = b"\0check"
_PRUNED_AT_ONCE = 16
_PRUNINGS_WHEN_FULL = 20
_USABLE = 0.75
_INSPECTED_EVERY = 1.0
_log = logging.getLogger("gateway.state")
_Result = TypeVar("_Result")


class LocalState:
    """A ``State`` in the file ``path``, which is made with its directory at the first use.

    Every operation is one write transaction: the lock is held for microseconds,
    never while anything waits, and the system frees it when its holder dies.
    A file that was deleted or replaced is noticed within a second.
    """

    def __init__(self, path: Path, *, clock: Clock | None = None, map_size: int = MAP_SIZE) -> None:
        self._path = path
        self._clock = clock or load_clock()
        self._map_size = map_size
        self._opening = threading.Lock()
        self._environment: lmdb.Environment | None = None
        self._identity: tuple[int, ...] = ()
        self._process = 0
        self._is_failing = False
        self._inspect_at = 0.0

    def increment(
        self, key: str, window: float, amount: int = 1, limit: int | None = None
    ) -> Counter:
        """See ``State.increment``."""
        name, length = encode_key(key), int(window * NANOSECONDS)

        def increment(txn: lmdb.Transaction, now: int) -> Counter:
            counter = increment_window(txn, name, length, amount, limit, now)
            if counter.value == amount:  # a new window
                self._require_room(txn)
            return counter

        return self._run(increment)

    def read(self, key: str) -> Counter | None:
        """See ``State.read``."""
        name = encode_key(key)

        def read(txn: lmdb.Transaction, now: int) -> Counter | None:
            window = load_window(txn, name)
            return window.counter(now) if window and window.is_running(now) else None

        return self._run(read)

    def clear(self, key: str) -> None:
        """See ``State.clear``."""
        name = encode_key(key)
        self._run(lambda txn, now: delete_window(txn, name))

    def reset(self) -> None:
        """See ``State.reset``."""

        def reset(txn: lmdb.Transaction, now: int) -> None:
            for name, _ in list(iter_windows(txn)):
                delete_window(txn, name)

        self._run(reset)

    def check(self) -> None:
        """See ``State.check``; writes, so that a full disk is found."""
        self._run(lambda txn, now: txn.put(_CHECK, now.to_bytes(8, "big")))

    def close(self) -> None:
        """See ``State.close``."""
        with self._opening:
            if self._environment is not None:
                self._environment.close()
            self._environment = None

    def _run(self, operation: Callable[[lmdb.Transaction, int], _Result]) -> _Result:
        """Run ``operation`` in a transaction; say so once when that stops or works again."""
        try:
            result = self._run_or_repair(operation)
        except (OSError, lmdb.Error, struct.error) as error:
            if not self._is_failing:
                _log.error("%s can't be used: %s", self._path, error)
            self._is_failing = True
            is_full = isinstance(error, lmdb.MapFullError)
            what = "is full" if is_full else "can't be written"
            raise StateUnavailableError(f"The gateway's shared state {what}") from error
        if self._is_failing:
            _log.warning("%s can be used again", self._path)
            self._is_failing = False
        return result

    def _run_or_repair(self, operation: Callable[[lmdb.Transaction, int], _Result]) -> _Result:
        try:
            return self._transact(operation)
        except lmdb.MapFullError:
            self._make_room()
        except DAMAGE as error:
            replace_damaged(self._path, self._identity, str(error))
            self.close()
        except lmdb.PanicError:  # an earlier write failed half-way; opening again recovers
            self.close()
        return self._transact(operation)

    def _make_room(self) -> None:
        """Remove windows that have ended, a few at a time: that too takes room until committed."""
        for _ in range(_PRUNINGS_WHEN_FULL):
            if not self._transact(lambda txn, now: prune_windows(txn, now, _PRUNED_AT_ONCE)):
                return

    def _require_room(self, txn: lmdb.Transaction) -> None:
        """Raise lmdb.MapFullError if the tree takes more than its share of the file.

        A file that is really full can't even delete: LMDB copies the pages it changes.
        """
        stat = txn.stat()
        pages = stat["branch_pages"] + stat["leaf_pages"]
        if pages * stat["psize"] > self._map_size * _USABLE:
            raise lmdb.MapFullError("the share of the file that may be used is used")

    def _transact(self, operation: Callable[[lmdb.Transaction, int], _Result]) -> _Result:
        environment = self._environment
        if (
            environment is None
            or self._process != os.getpid()
            or time.monotonic() >= self._inspect_at
        ):
            environment = self._open()
        with environment.begin(write=True) as txn:
            # Read while we hold the lock: windows never begin before an earlier one's time.
            return operation(txn, self._clock.now())

    def _open(self) -> lmdb.Environment:
        """Return this process's own environment for the file that is at ``path`` now."""
        with self._opening:
            environment = self._environment
            if environment is not None:
                if self._process == os.getpid() and self._is_in_place():
                    self._inspect_at = time.monotonic() + _INSPECTED_EVERY
                    return environment
                # Of a parent process, or of a file that is no more.
                environment.close()
                self._environment = None
            environment = open_environment(self._path, self._clock, self._map_size)
            self._identity = file_identity(self._path)
            self._process = os.getpid()
            self._inspect_at = time.monotonic() + _INSPECTED_EVERY
            self._environment = environment
            return environment

    def _is_in_place(self) -> bool:
        try:
            return file_identity(self._path) == self._identity
        except FileNotFoundError:
            return False
