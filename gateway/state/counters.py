"""Counters in an LMDB transaction.

Knows windows. Must not know files, locks or errors of the disk.
All times are nanoseconds of the ``Clock`` that belongs to the file.
"""

from __future__ import annotations

import struct

import lmdb

from gateway.state.base import Counter
from gateway.state.entries import NANOSECONDS, Entry, Table

COUNTERS = Table(b"c", b"x")
_VALUE = struct.Struct(">q")
_PRUNED_AT_ONCE = 2


def increment_counter(
    txn: lmdb.Transaction, key: bytes, length: int, amount: int, limit: int | None, now: int
) -> Counter:
    """Add ``amount`` to the window of ``key``, begun now for ``length`` if none is running.

    Each new window takes away two that have ended, so that those can't pile up.
    """
    old = COUNTERS.load(txn, key)
    running = old if old is not None and old.is_running(now) else None
    if running is None:
        before, end = 0, now + length
    else:
        before, end, length = _value(running), running.end, running.length
    value = before + amount
    if limit is not None and value > limit:
        return Counter(before, (end - now) / NANOSECONDS, counted=False)
    COUNTERS.store(txn, key, Entry(_VALUE.pack(value), end, length), old)
    if running is None:
        COUNTERS.prune(txn, now, _PRUNED_AT_ONCE)
    return Counter(value, (end - now) / NANOSECONDS)


def read_counter(txn: lmdb.Transaction, key: bytes, now: int) -> Counter | None:
    """Return the counter of ``key``, or None when no window of it is running."""
    entry = COUNTERS.load(txn, key)
    if entry is None or not entry.is_running(now):
        return None
    return Counter(_value(entry), (entry.end - now) / NANOSECONDS)


def _value(entry: Entry) -> int:
    value: int = _VALUE.unpack(entry.payload)[0]
    return value
