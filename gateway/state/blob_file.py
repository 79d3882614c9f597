"""Blobs in two files on this machine: a ring of bytes, and an LMDB index of what lies where.

Knows the layout of both. Must not know what blobs say, nor what to do when files fail.

Beside the places the index has notes: values with a lifetime, by keys of their own.

Both files have their full size from the start, as holes, and never grow: that is
the bound. A blob gets the next place in the ring, over the oldest ones. Only its
place is given under the lock of the index; its bytes are written afterwards,
and nobody waits for that, for the index holds their digest: bytes without it (not
written yet, half written by a process that was killed, overwritten since) are no blob.

Nothing is synced, and a crash of the machine can tear the index: each boot begins anew.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import NamedTuple, TypeVar

import lmdb

from gateway.state.base import Change
from gateway.state.blobs import LARGEST_BLOB, Blob
from gateway.state.clock import Clock, load_clock
from gateway.state.entries import NANOSECONDS, encode_key
from gateway.state.file import DAMAGE, guarded, open_lmdb
from gateway.state.ring import Ring, open_ring
from gateway.state.shared_file import Operation, SharedFile
from gateway.state.values import ChangeError, change_value, read_value

SMALLEST = 1024 * 1024
"""Bytes that a store needs."""

_PAGE = 4096
_INDEX_SHARE = 8
_INDEX_USABLE = 0.5
_FORGOTTEN_AT_ONCE = 4
_MEASURED_EVERY = 16
"""Blobs that a process puts until it looks again how large the index is."""

_QUICKLY_WRITTEN = 64 * 1024
"""Bytes that may be written while others wait for the lock."""

_HEAD = b"\0head"
_BY_KEY = b"k"
_BY_POSITION = b"p"
_NUMBER = struct.Struct(">Q")
_Result = TypeVar("_Result")
_PLACE = struct.Struct(">QQqq32s")
"""Position and size in the ring, when it was put, its lifetime (nanoseconds), its digest."""


class FileBlobs:
    """A ``BlobStore`` in the files ``path`` and ``path``-ring, of ``max_bytes`` together."""

    def __init__(self, path: Path, max_bytes: int, *, clock: Clock | None = None) -> None:
        if max_bytes < SMALLEST:
            raise ValueError(f"max_bytes must be at least {SMALLEST}, not {max_bytes}")
        self._path = path
        self._lock_path = path.with_name(f"{path.name}-lock")
        self._ring_path = path.with_name(f"{path.name}-ring")
        self._clock = clock or load_clock()
        self._index_size = max_bytes // _INDEX_SHARE // _PAGE * _PAGE
        self._ring_size = max_bytes - self._index_size
        self._is_known = False
        self._is_full = False
        self._puts = 0
        self._ring = Ring(-1, 0)
        self._index = SharedFile(path, self._clock, self._open)

    def get(self, key: str) -> Blob | None:
        """See ``BlobStore.get``."""
        name = _name(key)

        def find(txn: lmdb.Transaction, now: int) -> _Found | None:
            return self._find(txn, name, now)

        found = self._index.run(find)
        return None if found is None else found.read(name)

    def find(
        self, key: str, oldest: float, note: str, change: Change[_Result], lifetime: float
    ) -> tuple[Blob | None, _Result | None]:
        """See ``NotedBlobs.find``. Raises what ``change`` raises, too."""
        name, note_name = _name(key), encode_key(note)
        length = int(lifetime * NANOSECONDS)
        broken = b""

        def find(txn: lmdb.Transaction, now: int) -> tuple[_Found | None, _Result | None]:
            found = self._find(txn, name, now)
            if found is not None and found.age < oldest and found.place != broken:
                return found, None
            return None, change_value(txn, note_name, change, length, now)[0]

        while True:
            found, result = self._run(find)
            if found is None:
                return None, result
            blob = found.read(name)
            if blob is not None:
                return blob, None
            broken = found.place

    def get_note(self, key: str) -> bytes | None:
        """Return the note, or None when there is none or its lifetime has passed."""
        name = encode_key(key)
        return self._index.run(lambda txn, now: read_value(txn, name, now))

    def update_note(self, key: str, change: Change[_Result], lifetime: float) -> _Result:
        """See ``State.update``."""
        name, length = encode_key(key), int(lifetime * NANOSECONDS)
        return self._run(lambda txn, now: change_value(txn, name, change, length, now)[0])

    def put(self, key: str, data: bytes, lifetime: float) -> None:
        """See ``BlobStore.put``."""
        name = _name(key)
        digest, length = _digest(name + data), int(lifetime * NANOSECONDS)

        def place(txn: lmdb.Transaction, now: int) -> tuple[int, Ring] | None:
            return self._place(txn, name, len(data), length, digest, now)

        if len(data) <= LARGEST_BLOB and (placed := self._index.run(place)):
            position, ring = placed
            ring.write(position, data)

    def keep(
        self, key: str, data: bytes, kept: float, note: str, change: Change[None], lifetime: float
    ) -> None:
        """See ``NotedBlobs.keep``; a blob that takes a while to write is written before."""
        if len(data) > _QUICKLY_WRITTEN:
            self.put(key, data, kept)
            self.update_note(note, change, lifetime)
            return
        name, note_name = _name(key), encode_key(note)
        digest, length = _digest(name + data), int(kept * NANOSECONDS)
        note_length = int(lifetime * NANOSECONDS)

        def keep(txn: lmdb.Transaction, now: int) -> None:
            placed = self._place(txn, name, len(data), length, digest, now)
            if placed:
                position, ring = placed
                ring.write(position, data)
            change_value(txn, note_name, change, note_length, now)

        self._run(keep)

    def delete(self, key: str) -> None:
        """See ``BlobStore.delete``."""
        name = _name(key)
        self._index.run(lambda txn, now: _forget(txn, name))

    def close(self) -> None:
        """See ``BlobStore.close``."""
        self._index.close()
        self._ring = Ring(-1, 0)

    def _run(self, operation: Operation[_Result]) -> _Result:
        try:
            return self._index.run(operation)
        except ChangeError as failed:
            raise failed.error from None

    def _find(self, txn: lmdb.Transaction, name: bytes, now: int) -> _Found | None:
        """Return where the blob is, if its lifetime has not passed."""
        place = txn.get(_BY_KEY + name)
        if place is None:
            return None
        _, _, put_at, lifetime, _ = _PLACE.unpack(place)
        if not put_at <= now < put_at + lifetime:
            return None
        return _Found(bytes(place), (now - put_at) / NANOSECONDS, self._ring)

    def _place(
        self, txn: lmdb.Transaction, name: bytes, size: int, lifetime: int, digest: bytes, now: int
    ) -> tuple[int, Ring] | None:
        """Give a blob its place, if there is any that large."""
        ring = self._ring
        if size > ring.size:
            return None
        position, head = ring.place(_load_head(txn), size)
        _forget(txn, name)
        self._forget_oldest(txn, head)
        txn.put(_BY_KEY + name, _PLACE.pack(position, size, now, lifetime, digest))
        txn.put(_BY_POSITION + _NUMBER.pack(position), name)
        txn.put(_HEAD, _NUMBER.pack(head))
        return position, ring

    def _forget_oldest(self, txn: lmdb.Transaction, head: int) -> None:
        """Remove some entries whose bytes were overwritten; any, if the index has its share.

        Some are more than the one that each put adds, and few enough for the lock.
        """
        if self._puts % _MEASURED_EVERY == 0:
            stat = txn.stat()
            used = (stat["branch_pages"] + stat["leaf_pages"]) * _PAGE
            self._is_full = used > self._index_size * _INDEX_USABLE
        self._puts += 1
        for _ in range(_FORGOTTEN_AT_ONCE):
            with txn.cursor() as cursor:
                if not cursor.set_range(_BY_POSITION) or cursor.key()[:1] != _BY_POSITION:
                    return
                position = _NUMBER.unpack(cursor.key()[1:])[0]
                name = bytes(cursor.value())
            if not self._is_full and position + self._ring.size >= head:
                return
            _forget(txn, name)

    def _open(self) -> lmdb.Environment:
        """Open both files, made if missing, and begun anew if they are of another boot.

        Also if one is gone or has another size than this process wants, at its
        first time: later it goes along with what a newer process has decided.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with guarded(self._path) as guard:
            is_of_this_boot = guard.read() == self._clock.boot_id
            if not is_of_this_boot or not (self._is_known or self._are_as_wanted()):
                self._remove()
            try:
                environment = self._open_both()
            except DAMAGE:
                self._remove()
                environment = self._open_both()
            guard.truncate(0)
            guard.write(self._clock.boot_id)
        self._is_known = True
        return environment

    def _open_both(self) -> lmdb.Environment:
        self._ring = open_ring(self._ring_path, self._ring_size)
        return open_lmdb(self._path, self._index_size)

    def _are_as_wanted(self) -> bool:
        try:
            self._lock_path.stat()
            sizes = self._path.stat().st_size, self._ring_path.stat().st_size
        except FileNotFoundError:
            return False
        return sizes == (self._index_size, self._ring_size)

    def _remove(self) -> None:
        for path in (self._path, self._lock_path, self._ring_path):
            path.unlink(missing_ok=True)


class _Found(NamedTuple):
    """Where the index says that a blob is; ``age`` is in seconds."""

    place: bytes
    age: float
    ring: Ring

    def read(self, name: bytes) -> Blob | None:
        """Return the blob, if it is still, and already, there."""
        position, size, _, lifetime, digest = _PLACE.unpack(self.place)
        data = self.ring.read(position, size)
        if _digest(name + data) != digest:
            return None
        return Blob(data, self.age, lifetime / NANOSECONDS)


def _load_head(txn: lmdb.Transaction) -> int:
    head = txn.get(_HEAD)
    return 0 if head is None else int(_NUMBER.unpack(head)[0])


def _forget(txn: lmdb.Transaction, name: bytes) -> None:
    """Remove what the index says of ``name``, if anything."""
    place = txn.get(_BY_KEY + name)
    if place is not None:
        position = _PLACE.unpack(place)[0]
        txn.delete(_BY_POSITION + _NUMBER.pack(position))
        txn.delete(_BY_KEY + name)


def _name(key: str) -> bytes:
    return _digest(key.encode("utf-8", "surrogatepass"))


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
