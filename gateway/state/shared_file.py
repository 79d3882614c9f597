"""One LMDB file as a machine's processes use it: each opens it itself, and again when it must.

Knows forks, deleted files and damage. Must not know what lies in the file, nor how it is opened.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import lmdb

from gateway.state.clock import Clock
from gateway.state.file import DAMAGE, file_identity, replace_damaged

_INSPECTED_EVERY = 1.0
_Result = TypeVar("_Result")
Operation = Callable[[lmdb.Transaction, int], _Result]
"""What to do in a transaction, at a time in nanoseconds."""


class SharedFile:
    """The file at ``path``, which ``open_file`` opens, or makes, at the first use.

    Who only reads takes the lock as well: a reader of LMDB that is stopped or has
    lost the processor pins every page that others replace meanwhile, until the
    file is full. The lock is held for microseconds, never while anything waits,
    and the system frees it when its holder dies. A file that was deleted or replaced is noticed
    within a second.
    """

    def __init__(self, path: Path, clock: Clock, open_file: Callable[[], lmdb.Environment]) -> None:
        self._path = path
        self._clock = clock
        self._open_file = open_file
        self._opening = threading.Lock()
        self._environment: lmdb.Environment | None = None
        self._identity: tuple[int, ...] = ()
        self._process = 0
        self._inspect_at = 0.0

    def run(self, operation: Operation[_Result]) -> _Result:
        """Run ``operation`` in a transaction and return its result.

        It runs again after a repair. Raises OSError, lmdb.Error and struct.error.
        """
        environment = self._environment
        try:
            if (
                environment is None
                or self._process != os.getpid()
                or time.monotonic() >= self._inspect_at
            ):
                environment = self._open()
            with environment.begin(write=True) as txn:
                # Read while we hold the lock: nothing begins before the time of what came earlier.
                return operation(txn, self._clock.now())
        except DAMAGE as error:
            replace_damaged(self._path, self._identity, str(error))
            self.close()
        except lmdb.PanicError:  # an earlier write failed half-way; opening again recovers
            self.close()
        with self._open().begin(write=True) as txn:
            return operation(txn, self._clock.now())

    def close(self) -> None:
        """Let go of the file; a later use opens it again."""
        with self._opening:
            if self._environment is not None:
                self._environment.close()
            self._environment = None

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
            environment = self._open_file()
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
