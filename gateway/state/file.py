"""Opening the state's file so that it can be trusted: LMDB, shared by this machine's processes.

Knows files, boots and damage. Must not know what callers keep there.

Writes are not synced to the disk: whatever a killed process had committed is in
the system's page cache, so within one boot the file stays whole. A crash of the
machine can tear it, and LMDB trusts what it reads; so each opening verifies it
first. Windows of another boot are moved to this boot's clock; values are dropped, for
the times and processes they speak of are gone.
"""

from __future__ import annotations

import fcntl
import logging
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import lmdb
import lmdb.verify

from gateway.state.clock import Clock
from gateway.state.counters import COUNTERS
from gateway.state.entries import Entry
from gateway.state.held import HELD
from gateway.state.values import VALUES

MAP_SIZE = 64 * 1024 * 1024
"""Bytes the file may grow to; it is sparse, so that only what is used takes room on the disk."""

_WALL_OFFSET = b"\0wall offset"
_OFFSET = struct.Struct(">q")
_PROCESSES = 1024
_LOCK_SIZE = 4096 + 64 * _PROCESSES
"""Bytes of LMDB's lock file: what is shared, and a line of the processor's cache for each."""

_BLOCK = 512
"""Bytes in which a file's room is told."""

_log = logging.getLogger("gateway.state")

DAMAGE = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.PageNotFoundError,
    lmdb.VersionMismatchError,
    lmdb.IncompatibleError,
    lmdb.BadValsizeError,
    struct.error,
)
"""What LMDB (or we) say about a file that is not what it should be."""


def open_environment(path: Path, clock: Clock, map_size: int = MAP_SIZE) -> lmdb.Environment:
    """Open ``path``, made if missing (also its directory), and return it ready for use.

    A damaged file is moved aside, loudly, and a new one begun. Processes that
    start at once do this one after the other. Raises OSError and lmdb.Error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with guarded(path) as guard:
        is_of_this_boot = guard.read() == clock.boot_id
        try:
            environment = _open(path, clock, map_size, rebase=not is_of_this_boot)
        except DAMAGE as error:
            _move_aside(path, str(error))
            environment = _open(path, clock, map_size)
        if not is_of_this_boot:
            # Not each time: who is killed half-way leaves a file that looks like another boot's.
            guard.truncate(0)
            guard.write(clock.boot_id)
        return environment


def file_identity(path: Path) -> tuple[int, ...]:
    """Return what tells the file, with its lock, from another one that took its place.

    Raises FileNotFoundError when one of them is gone.
    """
    return os.stat(path).st_ino, os.stat(f"{path}-lock").st_ino


def replace_damaged(path: Path, identity: tuple[int, ...], reason: str) -> None:
    """Move the file with ``identity`` aside, unless another process has done so already."""
    with guarded(path):
        try:
            is_in_place = file_identity(path) == identity
        except FileNotFoundError:
            return
        if is_in_place:
            _move_aside(path, reason)


def _move_aside(path: Path, reason: str) -> None:
    """Rename a damaged file and its lock out of the way, for someone to look at."""
    aside = f"{path}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    for suffix in ("", "-lock"):
        if os.path.exists(f"{path}{suffix}"):
            os.replace(f"{path}{suffix}", f"{aside}{suffix}")
    _log.error("%s is damaged (%s): moved to %s, and a new one is begun", path, reason, aside)


def open_lmdb(path: Path, map_size: int) -> lmdb.Environment:
    """Open or make the LMDB file ``path`` in its full size. Raises OSError and lmdb.Error."""
    _allocate_lock(path)
    environment = lmdb.open(
        str(path),
        map_size=map_size,
        subdir=False,
        sync=False,
        mode=0o600,
        max_readers=_PROCESSES,
    )
    try:
        # A hole reads as zeros; past the end of the file the map would kill the process.
        if path.stat().st_size < map_size:
            os.truncate(path, map_size)
        environment.reader_check()
    except BaseException:
        environment.close()
        raise
    return environment


def _allocate_lock(path: Path) -> None:
    """Give LMDB's lock file its room on the disk; raises OSError where there is none.

    LMDB makes it as a hole and maps it: on a full disk the first write there kills the process.
    """
    with open(f"{path}-lock", "ab") as lock:
        if os.fstat(lock.fileno()).st_blocks * _BLOCK < _LOCK_SIZE:
            os.posix_fallocate(lock.fileno(), 0, _LOCK_SIZE)
    os.chmod(f"{path}-lock", 0o600)


@contextmanager
def guarded(path: Path) -> Iterator[TextIO]:
    """Hold the lock under which the file is opened and replaced; it also holds the boot's id."""
    with path.with_name(f"{path.name}-boot").open("a+") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        guard.seek(0)
        yield guard


def _open(path: Path, clock: Clock, map_size: int, *, rebase: bool = False) -> lmdb.Environment:
    environment = open_lmdb(path, map_size)
    try:
        with environment.begin(write=True) as txn:
            _verify(path)
            if rebase:
                _rebase(txn, clock)
            txn.put(_WALL_OFFSET, _OFFSET.pack(clock.wall() - clock.now()))
    except BaseException:
        environment.close()
        raise
    return environment


def _verify(path: Path) -> None:
    """Raise lmdb.CorruptedError for a file whose pages LMDB can't follow without harm.

    To be called under the write lock, which keeps the file still.
    """
    try:
        problems = lmdb.verify.verify(str(path), subdir=False)  # type: ignore[no-untyped-call]
    except lmdb.verify.VerifyError as error:
        problems = [str(error)]
    if problems:
        raise lmdb.CorruptedError(problems[0])


def _rebase(txn: lmdb.Transaction, clock: Clock) -> None:
    """Move windows of another boot to this one's clock, by the wall clock; drop those ended."""
    for key in list(VALUES.iter_keys(txn)):
        VALUES.delete(txn, key)
    stored = txn.get(_WALL_OFFSET)
    if stored is None:
        return
    now = clock.now()
    shift = _OFFSET.unpack(stored)[0] - (clock.wall() - now)
    for table in (COUNTERS, HELD):
        for key in list(table.iter_keys(txn)):
            window = table.load(txn, key)
            table.delete(txn, key)
            left = 0 if window is None else min(window.end + shift - now, window.length)
            if window is not None and left > 0:
                table.store(txn, key, Entry(window.payload, now + left, window.length), None)
