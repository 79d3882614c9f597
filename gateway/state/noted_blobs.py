"""Blobs, and beside each a note of who is at work on it.

Knows stores that do both in one step, how to do without, and that either may fail. Must not
know what blobs and notes say.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from gateway.state.base import Change, State, StateUnavailableError
from gateway.state.blob_file import FileBlobs
from gateway.state.blobs import FAILURES, Blob, BlobStore, ForgivingBlobs
from gateway.state.policy import StateWithPolicy

_Result = TypeVar("_Result")


class Notes(Protocol):
    """Values with a lifetime in seconds, as those of ``State``."""

    def get(self, key: str) -> bytes | None:
        """See ``State.get``."""

    def update(self, key: str, change: Change[_Result], lifetime: float) -> _Result:
        """See ``State.update``."""


class NotedBlobs(Protocol):
    """Blobs by key, each with a note by a key of its own. Lifetimes and ages are in seconds.

    A note that can't be changed raises StateUnavailableError; a blob that can't be read or
    kept is none.
    """

    @property
    def notes(self) -> Notes: ...

    def put(self, key: str, data: bytes, lifetime: float) -> None:
        """See ``BlobStore.put``."""

    def find(
        self, key: str, oldest: float, note: str, change: Change[_Result], lifetime: float
    ) -> tuple[Blob | None, _Result | None]:
        """Return the blob that is younger than ``oldest``; where there was none, change ``note``.

        The result of the change is returned, too. There may be a blob all the same: one
        that was put meanwhile.
        """

    def keep(
        self, key: str, data: bytes, kept: float, note: str, change: Change[None], lifetime: float
    ) -> None:
        """Put a blob for ``kept`` seconds, and change the note when others can find it."""


class StateNotes:
    """A ``NotedBlobs`` of two parts: the notes are values of ``state``."""

    def __init__(self, blobs: BlobStore, state: State) -> None:
        self._blobs = blobs
        self.notes: Notes = state

    def put(self, key: str, data: bytes, lifetime: float) -> None:
        """See ``BlobStore.put``."""
        self._blobs.put(key, data, lifetime)

    def find(
        self, key: str, oldest: float, note: str, change: Change[_Result], lifetime: float
    ) -> tuple[Blob | None, _Result | None]:
        """See ``NotedBlobs.find``; looks again after the change, for that is another step."""
        blob = _younger(self._blobs.get(key), oldest)
        if blob is not None:
            return blob, None
        result = self.notes.update(note, change, lifetime)
        return _younger(self._blobs.get(key), oldest), result

    def keep(
        self, key: str, data: bytes, kept: float, note: str, change: Change[None], lifetime: float
    ) -> None:
        """See ``NotedBlobs.keep``."""
        self._blobs.put(key, data, kept)
        self.notes.update(note, change, lifetime)


class FileNotedBlobs(ForgivingBlobs):
    """A ``NotedBlobs`` in one file, and in one step; while that can't be written, it is read."""

    def __init__(self, store: FileBlobs) -> None:
        super().__init__(store)
        self._file = store
        self.notes: Notes = FileNotes(store)

    def find(
        self, key: str, oldest: float, note: str, change: Change[_Result], lifetime: float
    ) -> tuple[Blob | None, _Result | None]:
        """See ``NotedBlobs.find``."""
        found = self._try(
            self._writing, "written", lambda: self._file.find(key, oldest, note, change, lifetime)
        )
        if found is not None:
            return found
        blob = _younger(self.get(key), oldest)
        if blob is None:
            raise StateUnavailableError("The gateway's cache can't be written")
        return blob, None

    def keep(
        self, key: str, data: bytes, kept: float, note: str, change: Change[None], lifetime: float
    ) -> None:
        """See ``NotedBlobs.keep``."""

        def keep() -> bool:
            self._file.keep(key, data, kept, note, change, lifetime)
            return True

        if self._try(self._writing, "written", keep) is None:
            raise StateUnavailableError("The gateway's cache can't be written")


class FileNotes:
    """The notes in the file of ``store``."""

    def __init__(self, store: FileBlobs) -> None:
        self._store = store

    def get(self, key: str) -> bytes | None:
        """See ``Notes.get``."""
        return self._run(lambda: self._store.get_note(key))

    def update(self, key: str, change: Change[_Result], lifetime: float) -> _Result:
        """See ``Notes.update``."""
        return self._run(lambda: self._store.update_note(key, change, lifetime))

    def _run(self, operation: Callable[[], _Result]) -> _Result:
        try:
            return operation()
        except FAILURES as error:
            raise StateUnavailableError("The gateway's cache can't be used") from error


def open_noted_blobs(
    path: Path, max_bytes: int, state: State, *, redis_url: str | None = None
) -> tuple[BlobStore, NotedBlobs]:
    """Return the store in the file ``path`` on this machine, or in Redis, and the same with notes.

    It takes at most ``max_bytes``, a MiB or more, and blobs never raise: while it fails there
    are none. Nothing is opened or connected before the first use. In Redis the notes are
    values of ``state``, which knows what to do while that is away, and tells the store of it.
    Raises ConfigurationError for a URL that redis-py does not understand, and ValueError for
    too small a size.
    """
    if redis_url is None:
        noted = FileNotedBlobs(FileBlobs(path, max_bytes))
        return noted, noted
    from gateway.state.blob_redis import RedisBlobs  # only an installation with Redis pays for it

    outage = state.outage if isinstance(state, StateWithPolicy) else None
    blobs = ForgivingBlobs(RedisBlobs(redis_url, max_bytes, outage=outage))
    return blobs, StateNotes(blobs, state)


def _younger(blob: Blob | None, oldest: float) -> Blob | None:
    return blob if blob is not None and blob.age < oldest else None
