"""Values with a lifetime in an LMDB transaction.

Knows when a value may be seen. Must not know what it says, nor files, locks or
errors of the disk. All times are nanoseconds of the ``Clock`` that belongs to the file.
"""

from __future__ import annotations

from typing import TypeVar

import lmdb

from gateway.state.base import Change
from gateway.state.entries import NANOSECONDS, Entry, Table

VALUES = Table(b"v", b"y", grain=8 * NANOSECONDS)
_PRUNED_AT_ONCE = 2
_BLOCK = 256
"""Bytes by which a value grows until it is worth a look at the room that is left."""

_Result = TypeVar("_Result")


class ChangeError(Exception):
    """Carries what a ``change`` raised out of the transaction, which it undoes.

    Its struct.error, say, must not be taken for damage of the file.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def change_value(
    txn: lmdb.Transaction, key: bytes, change: Change[_Result], length: int, now: int
) -> tuple[_Result, bool]:
    """Replace the value of ``key`` by what ``change`` makes of it, for ``length``.

    Return its result, and whether the file took more room than before. Each new
    value takes away two that have ended, so that those can't pile up. Raises ChangeError.
    """
    stored = VALUES.load(txn, key)
    running = stored if stored is not None and stored.is_running(now) else None
    old = None if running is None else running.payload
    try:
        new, result = change(old)
    except Exception as error:
        raise ChangeError(error) from error
    if new is old:
        return result, False
    if new is None:
        VALUES.delete(txn, key)
        return result, False
    VALUES.store(txn, key, Entry(new, now + length, length), stored)
    if stored is None:
        VALUES.prune(txn, now, _PRUNED_AT_ONCE)
    return result, stored is None or _blocks(new) > _blocks(stored.payload)


def read_value(txn: lmdb.Transaction, key: bytes, now: int) -> bytes | None:
    """Return the value of ``key``, or None when there is none or its lifetime has passed."""
    entry = VALUES.load(txn, key)
    return entry.payload if entry is not None and entry.is_running(now) else None


def _blocks(value: bytes) -> int:
    return len(value) // _BLOCK
