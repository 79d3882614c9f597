"""This process's journal: what happened to requests, where no death of the process loses it.

Knows a file that lines are appended to. Must not know what they say, nor who reads them.

A line is written by one call, and is in the system's hands when that returns. The
lock on the file tells others that its process lives; the system takes it away when it
dies. Positions count on for ever: the file begins with where it begins.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import sys
from pathlib import Path
from typing import Any

SUFFIX = ".journal"
ROLLED_AT = 1024 * 1024
"""Bytes that were taken over, after which a journal lets go of them."""

_HEAD = 21
"""Bytes of the first line: the position of what follows, as twenty digits."""

_TRIAL = b" " * 4096
"""More than the lines of a request."""


def _build_lock() -> Any:
    """Return a lock between system threads, also where gevent has patched the standard one."""
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is None:
        import _thread

        return _thread.allocate_lock()
    return monkey.get_original("_thread", "allocate_lock")()


class Journal:
    """A journal in ``directory``, made at the first line; a process has one of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = _build_lock()
        self._process = 0
        self._descriptor = -1
        self._base = 0
        self._size = 0
        self.name = ""

    def append(self, line: bytes) -> None:
        """Write ``line``, all of it or nothing. Raises OSError."""
        with self._lock:
            if self._process != os.getpid():
                self._begin()
            written = os.write(self._descriptor, line)
            if written != len(line):
                os.ftruncate(self._descriptor, self._size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._size += written

    def check(self) -> None:
        """Prove that lines could be appended now, and leave none. Raises OSError.

        What is written for that has no end of line, so that nobody takes it for one.
        """
        with self._lock:
            if self._process != os.getpid():
                self._begin()
            try:
                written = os.write(self._descriptor, _TRIAL)
            finally:
                os.ftruncate(self._descriptor, self._size)
            if written != len(_TRIAL):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @property
    def end(self) -> int:
        """The position after the last line; 0 where there is none yet."""
        return self._base + self._size - _HEAD if self._process == os.getpid() else 0

    def roll(self, position: int) -> None:
        """Let go of what is before ``position``, if that is worth it. Raises OSError."""
        with self._lock:
            if self._process != os.getpid() or position - self._base < ROLLED_AT:
                return
            rest = os.pread(self._descriptor, self.end - position, _HEAD + position - self._base)
            path = self._directory / self.name
            descriptor = _create(path.with_suffix(".new"), position, rest)
            os.replace(path.with_suffix(".new"), path)
            os.close(self._descriptor)
            self._descriptor, self._base, self._size = descriptor, position, _HEAD + len(rest)

    def close(self) -> None:
        """Let go of the file; others may take over what is in it."""
        with self._lock:
            if self._process == os.getpid():
                os.close(self._descriptor)
            self._process = 0

    def _begin(self) -> None:
        """Make the file: before its name is there, it is locked."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{secrets.token_hex(8)}{SUFFIX}"
        path = self._directory / name
        self._descriptor = _create(path.with_suffix(".new"), 0, b"")
        os.replace(path.with_suffix(".new"), path)
        self.name, self._base, self._size = name, 0, _HEAD
        self._process = os.getpid()


def _create(path: Path, position: int, rest: bytes) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        content = b"%020d\n" % position + rest
        if os.write(descriptor, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_from(path: Path, position: int, most: int) -> bytes:
    """Return the whole lines after ``position``, about ``most`` bytes. Raises OSError."""
    with path.open("rb") as file:
        base = int(file.read(_HEAD))
        file.seek(_HEAD + max(position - base, 0))
        data = file.read(most)
        end = data.rfind(b"\n") + 1
        if not end and len(data) == most:
            data += file.readline()
            end = len(data)
    return data[:end]


def end_of(path: Path) -> int:
    """Return the position after the last line of a journal. Raises OSError."""
    with path.open("rb") as file:
        return int(file.read(_HEAD)) + os.fstat(file.fileno()).st_size - _HEAD


def take_dead(path: Path) -> int | None:
    """Return a descriptor that keeps others off, if the process of this journal is dead.

    None while it lives, or another process sees to it.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino == os.stat(path).st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None
