"""A store of blobs in this process, whose time and failures tests decide."""

from __future__ import annotations

from gateway.state.blobs import Blob


class MemoryBlobs:
    """A ``BlobStore``; ``now`` is in seconds. One that ``is_failing`` knows and keeps nothing."""

    def __init__(self) -> None:
        self.now = 0.0
        self.is_failing = False
        self._blobs: dict[str, tuple[bytes, float, float]] = {}

    def __len__(self) -> int:
        return len(self._blobs)

    def get(self, key: str) -> Blob | None:
        data, stored, lifetime = self._blobs.get(key, (b"", 0.0, 0.0))
        age = self.now - stored
        return None if self.is_failing or age >= lifetime else Blob(data, age, lifetime)

    def put(self, key: str, data: bytes, lifetime: float) -> None:
        if not self.is_failing:
            self._blobs[key] = (data, self.now, lifetime)

    def delete(self, key: str) -> None:
        self._blobs.pop(key, None)

    def close(self) -> None:
        self._blobs.clear()
