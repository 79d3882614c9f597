"""The admin key that the gateway makes for itself when no key is configured.

Knows the key's file. Must not know the configuration or HTTP.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.accounts.keys.key_format import build_key, is_key
from gateway.errors import ConfigurationError

ADMIN_KEY_NAME = "admin.key"

_LONGEST_FILE = 1024


def ensure_admin_key(path: Path) -> str:
    """Return the key kept in the file ``path``, making both if there is no file yet.

    Any number of processes may call this at once: all get the same key. The file
    is readable by its owner only (a wider mode is tightened), and so is its
    directory where it has to be made. Raises ``ConfigurationError`` where the
    file can't be made or read, belongs to someone else, or holds anything else.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(path.parent) as directory:
            try:
                return _read_key(path)
            except FileNotFoundError:
                key = build_key()
                _write_key(path, key, directory)
                return key
    except OSError as error:
        raise ConfigurationError(
            f"the admin key's file {path} can't be made or read: {error.strerror or error}; "
            "make its directory writable, or set ADMIN_API_KEYS"
        ) from error


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Hold an exclusive lock on a directory; yields its descriptor. The lock ends with us."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _read_key(path: Path) -> str:
    # Not blocking: a FIFO in the file's place would otherwise hang the start.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ConfigurationError(f"{path} is not a file; remove it to get a new admin key")
        if status.st_uid != os.geteuid():
            raise ConfigurationError(
                f"{path} belongs to another user (id {status.st_uid}); "
                "change its owner, or remove it to get a new admin key"
            )
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            os.fchmod(file.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        content = file.read(_LONGEST_FILE)
    key = content.decode("ascii", "replace").strip()
    if not is_key(key):
        raise ConfigurationError(
            f"{path} does not hold an admin key (gw_ and 38 letters and digits, unchanged); "
            "restore it, or remove it to get a new one"
        )
    return key


def _write_key(path: Path, key: str, directory: int) -> None:
    """Put the whole file in place at once, on disk before anyone can see it."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(f"{key}\n".encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    os.fsync(directory)
