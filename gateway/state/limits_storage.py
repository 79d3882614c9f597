"""Shared state as a storage of the ``limits`` package, so that Flask-Limiter counts there.

Knows that package's interface. Must not know Flask or what is limited.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from limits.storage import Storage

from gateway.state.base import Counter, State, StateUnavailableError


class StateStorage(Storage):
    """``limits`` over a ``State``, which is handed in as the option ``state``.

    Fixed windows only. A refused hit is counted as well: its window ends by itself.
    ``on_increment`` is told the counter after each hit: ``limits`` itself hands on
    the value only, and asking for the end of the window would be another operation.
    """

    STORAGE_SCHEME = ["gateway"]  # noqa: RUF012 - as the base class declares it

    def __init__(
        self, uri: str, *, state: State, on_increment: Callable[[Counter], None], **options: Any
    ) -> None:
        super().__init__(uri, **options)
        self.state = state
        self.on_increment = on_increment

    @property
    def base_exceptions(self) -> type[Exception]:
        """What the methods raise when state can't be used."""
        return StateUnavailableError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add ``amount`` to a window of ``expiry`` seconds; return its value."""
        counter = self.state.increment(key, expiry, amount)
        self.on_increment(counter)
        return counter.value

    def get(self, key: str) -> int:
        """Return the value of the running window, else 0."""
        counter = self.state.read(key)
        return 0 if counter is None else counter.value

    def get_expiry(self, key: str) -> float:
        """Return when the running window ends, in seconds of Unix time; now, if none runs."""
        counter = self.state.read(key)
        return time.time() + (0.0 if counter is None else counter.resets_in)

    def check(self) -> bool:
        """Return whether state can be used."""
        try:
            self.state.check()
        except StateUnavailableError:
            return False
        return True

    def reset(self) -> None:
        """End every window."""
        self.state.reset()

    def clear(self, key: str) -> None:
        """End the window of ``key``."""
        self.state.clear(key)
