"""How what has a lifetime lies in an LMDB transaction: one entry each, and an index of the ends.

Knows the layout and lifetimes. Must not know what is kept, nor files, locks or
errors of the disk. All times are nanoseconds of the ``Clock`` that belongs to the file.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import lmdb

NANOSECONDS = 1_000_000_000
_TIMES = struct.Struct(">qq")
_END = struct.Struct(">Q")
_LONGEST_KEY = 480


class Entry(NamedTuple):
    """What is stored: its bytes, when its lifetime ends, how long that is in all."""

    payload: bytes
    end: int
    length: int

    def is_running(self, now: int) -> bool:
        """Whether it counts at ``now``; one that ends later than a fresh one would, does not."""
        return now < self.end <= now + self.length


@dataclass(frozen=True, slots=True)
class Table:
    """Entries of one kind: those under the prefix ``entries``, and the index of when they end.

    The index rounds up to ``grain``, so that an entry whose end moves on with
    each change is not indexed anew each time.
    """

    entries: bytes
    index: bytes
    grain: int = 1

    def load(self, txn: lmdb.Transaction, key: bytes) -> Entry | None:
        """Return what is stored for ``key``, its lifetime running or not."""
        record = txn.get(self.entries + key)
        if record is None:
            return None
        size = len(record) - _TIMES.size
        return Entry(bytes(record[:size]), *_TIMES.unpack_from(record, size))

    def store(self, txn: lmdb.Transaction, key: bytes, entry: Entry, old: Entry | None) -> None:
        """Store ``entry`` for ``key`` in place of ``old``, keeping the index in step."""
        if old is None or self._round(old.end) != self._round(entry.end):
            if old is not None:
                txn.delete(self._indexed(old.end, key))
            txn.put(self._indexed(entry.end, key), b"")
        txn.put(self.entries + key, entry.payload + _TIMES.pack(entry.end, entry.length))

    def delete(self, txn: lmdb.Transaction, key: bytes) -> None:
        """Remove ``key``, if it is there."""
        entry = self.load(txn, key)
        if entry is not None:
            txn.delete(self._indexed(entry.end, key))
            txn.delete(self.entries + key)

    def prune(self, txn: lmdb.Transaction, now: int, most: int) -> int:
        """Remove up to ``most`` entries that have ended, the oldest first; return how many."""
        ended: list[bytes] = []
        with txn.cursor() as cursor:
            found = cursor.set_range(self.index)
            while found and len(ended) < most:
                indexed = bytes(cursor.key())
                if indexed[:1] != self.index or _END.unpack_from(indexed, 1)[0] > now:
                    break
                ended.append(indexed)
                found = cursor.next()
        for indexed in ended:
            txn.delete(indexed)
            txn.delete(self.entries + indexed[1 + _END.size :])
        return len(ended)

    def iter_keys(self, txn: lmdb.Transaction) -> Iterator[bytes]:
        """Yield every stored key."""
        with txn.cursor() as cursor:
            found = cursor.set_range(self.entries)
            while found and cursor.key()[:1] == self.entries:
                yield bytes(cursor.key()[1:])
                found = cursor.next()

    def _indexed(self, end: int, key: bytes) -> bytes:
        return self.index + _END.pack(self._round(end)) + key

    def _round(self, end: int) -> int:
        return -(-end // self.grain) * self.grain


def encode_key(key: str) -> bytes:
    """Return ``key`` as LMDB can hold it: at most 511 bytes with our prefixes."""
    encoded = key.encode("utf-8", "surrogatepass")
    if len(encoded) > _LONGEST_KEY:
        return hashlib.blake2b(encoded, digest_size=32).digest()
    return encoded
