"""Blobs that the gateway's processes share for a while: bounded in bytes, and never needed.

Knows that a store may fail. Must not know where blobs are kept, nor what they say.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import lmdb

from gateway.state.base import StateUnavailableError
from gateway.state.policy import Outage

LARGEST_BLOB = 8 * 1024 * 1024
"""Bytes a blob may have."""

FAILURES = (StateUnavailableError, OSError, lmdb.Error, struct.error)
"""What a store raises that can't be used."""

_log = logging.getLogger("gateway.state")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Blob:
    """A stored blob: put ``age`` seconds ago, for ``lifetime`` seconds in all."""

    data: bytes
    age: float
    lifetime: float


class BlobStore(Protocol):
    """Blobs by key. A blob may be gone at any time: the oldest make room for new ones."""

    def get(self, key: str) -> Blob | None:
        """Return the blob, whole and as it was put, or None."""

    def put(self, key: str, data: bytes, lifetime: float) -> None:
        """Keep ``data`` for at most ``lifetime`` seconds; what is too large is not kept."""

    def delete(self, key: str) -> None:
        """Forget the blob, if it is there."""

    def close(self) -> None:
        """Let go of files and connections; a later use opens them again."""


class ForgivingBlobs:
    """A ``BlobStore`` over one that may fail, which is a miss, and told when it begins and ends.

    A store that failed is tried again once a second, for reading and for
    writing apart: a full disk can still be read.
    """

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._reading = Outage()
        self._writing = Outage()

    def get(self, key: str) -> Blob | None:
        """See ``BlobStore.get``."""
        return self._try(self._reading, "read", lambda: self._store.get(key))

    def put(self, key: str, data: bytes, lifetime: float) -> None:
        """See ``BlobStore.put``."""
        self._try(self._writing, "written", lambda: self._store.put(key, data, lifetime))

    def delete(self, key: str) -> None:
        """See ``BlobStore.delete``."""
        self._try(self._writing, "written", lambda: self._store.delete(key))

    def close(self) -> None:
        """See ``BlobStore.close``."""
        self._store.close()

    def _try(self, outage: Outage, what: str, operation: Callable[[], _Result]) -> _Result | None:
        if not outage.may_try():
            return None
        try:
            result = operation()
        except FAILURES as error:
            if outage.note_failure(str(error.__cause__ or error)):
                _log.error("The cache can't be %s: %s", what, outage.why)
            return None
        if outage.note_success():
            _log.warning("The cache can be %s again", what)
        return result
