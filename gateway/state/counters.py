"""How counters lie in an LMDB transaction: one entry each, and an index of when they end.

Knows the layout and windows. Must not know files, locks or errors of the disk.
All times are nanoseconds of the ``Clock`` that belongs to the file.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import lmdb

from gateway.state.base import Counter

_ENTRY = struct.Struct(">qqq")
_END = struct.Struct(">Q")
_COUNTER = b"c"
_INDEX = b"x"
_LONGEST_KEY = 480
_PRUNED_AT_ONCE = 2
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """A stored counter: its value, when its window ends, how long the window is."""

    value: int
    end: int
    length: int

    def is_running(self, now: int) -> bool:
        """Whether it counts at ``now``; one that ends later than a fresh one would, does not."""
        return now < self.end <= now + self.length

    def counter(self, now: int, *, counted: bool = True) -> Counter:
        """Return it as callers see it."""
        return Counter(self.value, (self.end - now) / NANOSECONDS, counted)


def encode_key(key: str) -> bytes:
    """Return ``key`` as LMDB can hold it: at most 511 bytes with our prefixes."""
    encoded = key.encode("utf-8", "surrogatepass")
    if len(encoded) > _LONGEST_KEY:
        return hashlib.blake2b(encoded, digest_size=32).digest()
    return encoded


def load_window(txn: lmdb.Transaction, key: bytes) -> Window | None:
    """Return what is stored for ``key``, running or not."""
    entry = txn.get(_COUNTER + key)
    return None if entry is None else Window(*_ENTRY.unpack(entry))


def store_window(txn: lmdb.Transaction, key: bytes, window: Window, old: Window | None) -> None:
    """Store ``window`` for ``key`` in place of ``old``, keeping the index in step."""
    if old is None or old.end != window.end:
        if old is not None:
            txn.delete(_index(old.end, key))
        txn.put(_index(window.end, key), b"")
    txn.put(_COUNTER + key, _ENTRY.pack(window.value, window.end, window.length))


def delete_window(txn: lmdb.Transaction, key: bytes) -> None:
    """Remove ``key``, if it is there."""
    window = load_window(txn, key)
    if window is not None:
        txn.delete(_index(window.end, key))
        txn.delete(_COUNTER + key)


def increment_window(
    txn: lmdb.Transaction, key: bytes, length: int, amount: int, limit: int | None, now: int
) -> Counter:
    """Add ``amount`` to the window of ``key``, begun now for ``length`` if none is running.

    Each new window takes away two that have ended, so that those can't pile up.
    """
    old = load_window(txn, key)
    running = old if old is not None and old.is_running(now) else None
    window = running or Window(0, now + length, length)
    value = window.value + amount
    if limit is not None and value > limit:
        return window.counter(now, counted=False)
    window = Window(value, window.end, window.length)
    store_window(txn, key, window, old)
    if running is None:
        prune_windows(txn, now, _PRUNED_AT_ONCE)
    return window.counter(now)


def prune_windows(txn: lmdb.Transaction, now: int, most: int) -> int:
    """Remove up to ``most`` windows that have ended, the oldest first; return how many."""
    ended: list[bytes] = []
    with txn.cursor() as cursor:
        found = cursor.set_range(_INDEX)
        while found and len(ended) < most:
            entry = bytes(cursor.key())
            if entry[:1] != _INDEX or _END.unpack_from(entry, 1)[0] > now:
                break
            ended.append(entry)
            found = cursor.next()
    for entry in ended:
        txn.delete(entry)
        txn.delete(_COUNTER + entry[1 + _END.size :])
    return len(ended)


def iter_windows(txn: lmdb.Transaction) -> Iterator[tuple[bytes, Window]]:
    """Yield every stored key and window."""
    with txn.cursor() as cursor:
        found = cursor.set_range(_COUNTER)
        while found and cursor.key()[:1] == _COUNTER:
            yield bytes(cursor.key()[1:]), Window(*_ENTRY.unpack(cursor.value()))
            found = cursor.next()


def _index(end: int, key: bytes) -> bytes:
    return _INDEX + _END.pack(end) + key
