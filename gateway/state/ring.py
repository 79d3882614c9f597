"""A file of fixed size that is written round and round.

Knows where a position lies. Must not know what is there, nor whether it is still whole.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, eq=False)
class Ring:
    """An open file of ``size`` bytes; it is closed when its last user is done with it.

    Positions count on for ever; a byte lies at its position modulo the size.
    """

    descriptor: int
    size: int

    def place(self, head: int, size: int) -> tuple[int, int]:
        """Return where ``size`` bytes go in one piece, from ``head`` on, and the head after."""
        left = self.size - head % self.size
        position = head if size <= left else head + left
        return position, position + max(size, 1)  # no two have the same position

    def read(self, position: int, size: int) -> bytes:
        """Return what is there now, shorter if the file is. Raises OSError."""
        return os.pread(self.descriptor, size, position % self.size)

    def write(self, position: int, data: bytes) -> None:
        """Write over what is there. Raises OSError, also when the disk took only a part."""
        if os.pwrite(self.descriptor, data, position % self.size) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


def open_ring(path: Path, size: int) -> Ring:
    """Open the file ``path``; made, as a hole of ``size`` bytes, if missing. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if os.fstat(descriptor).st_size == 0:
        os.truncate(descriptor, size)
    return Ring(descriptor, os.fstat(descriptor).st_size)
