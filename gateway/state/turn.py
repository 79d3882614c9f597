"""Whose turn it is at a file: a lock between processes that nobody waits for without end.

Knows one file that is locked, and the machine's table of processes. Must not know what is
done in a turn.

LMDB has a lock of its own, but who waits for that stops with all its requests, and who was
stopped (by SIGSTOP) while holding it would stop every other process as well. So whoever
wants it comes here first, where a wait leaves other greenlets free, and ends.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path

import lmdb

PATIENCE = 1.0
"""Seconds to wait for a turn. One takes microseconds."""

_SHORTEST_PAUSE = 0.0002
_LONGEST_PAUSE = 0.01
_TRIES_AT_ONCE = 3
_LOCK = struct.Struct("hhqqi4x")
"""``struct flock`` of Linux on 64 bits: type, whence, start, length, process id."""

_log = logging.getLogger("gateway.state")


class BusyError(lmdb.Error):
    """It was not this process's turn in time."""


class Turn:
    """A turn at a file, as a context manager; ``path`` is locked for it, made if missing.

    A process whose threads take turns at the same time leaves it to LMDB whose is next. It may
    be made before a fork and used after it. Raises BusyError and OSError.
    """

    _descriptor = -1

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> None:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            self._wait()

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def _wait(self) -> None:
        for _ in range(_TRIES_AT_ONCE):
            os.sched_yield()
            if self._is_taken():
                return
        give_up_at, pause, has_ended = time.monotonic() + PATIENCE, _SHORTEST_PAUSE, False
        while not self._is_taken():
            if time.monotonic() > give_up_at:
                if has_ended or not self._end_stopped_holder():
                    raise BusyError(f"{self._path} is locked")
                give_up_at, has_ended = time.monotonic() + PATIENCE, True
            time.sleep(pause)  # under gevent only this greenlet waits
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _is_taken(self) -> bool:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _end_stopped_holder(self) -> bool:
        """Kill the process that has the turn if it is stopped: nobody can go on until it does."""
        holder = self._find_holder()
        if holder is None or not _is_stopped(holder):
            return False
        with suppress(OSError):
            os.kill(holder, signal.SIGKILL)
        _log.error("process %d was stopped while all had to wait for it: it was killed", holder)
        return True

    def _find_holder(self) -> int | None:
        """Return the id of the process that has the turn; None where nobody can tell."""
        if sys.platform != "linux" or struct.calcsize("P") != 8:
            return None
        asked = _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(self._descriptor, fcntl.F_GETLK, asked)
        kind, _, _, _, process_id = _LOCK.unpack(answer)
        return process_id if kind == fcntl.F_WRLCK and process_id > 0 else None


def _is_stopped(process_id: int) -> bool:
    """Return whether a signal has stopped the process; one in a debugger's hands is not meant."""
    with suppress(OSError):
        stat = Path(f"/proc/{process_id}/stat").read_bytes()
        return stat[stat.rindex(b")") + 2 :].startswith(b"T")
    return False
