"""Successes that a process keeps to itself for a moment, to tell the others of them together.

Knows counting and when it is time. Must not know shared state.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from gateway.resilience.health import Successes

TELL_EVERY = 0.25
"""Seconds. A busy, healthy target costs most requests nothing but the read at their admission,
and processes don't queue up to change its value. A failure is told at once, and with it what
succeeded before, so that the process that sees failures knows its own successes."""


@dataclass(slots=True)
class _Sum:
    told_at: float
    since: float = 0.0
    count: int = 0
    requests: int = 0
    first_tokens: float = 0.0
    measured: int = 0

    def to_successes(self) -> Successes:
        first_token = self.first_tokens / self.measured if self.measured else None
        return Successes(self.count, self.requests, first_token, self.since)


class UntoldSuccesses:
    """The successes of each target that the others don't know of yet. Thread-safe."""

    def __init__(self) -> None:
        self._sums: dict[str, _Sum] = {}
        self._lock = threading.Lock()

    def add(
        self, name: str, is_retry: bool, first_token: float | None, now: float
    ) -> Successes | None:
        """Add a success; return all of them if it is time to tell of them, else None."""
        with self._lock:
            total = self._sums.get(name)
            if total is None:
                total = self._sums[name] = _Sum(told_at=now - TELL_EVERY)
            if not total.count:
                total.since = now
            total.count += 1
            total.requests += not is_retry
            if first_token is not None:
                total.first_tokens += first_token
                total.measured += 1
            if now - total.told_at < TELL_EVERY:
                return None
            self._sums[name] = _Sum(told_at=now)
            return total.to_successes()

    def take(self, name: str) -> Successes | None:
        """Return the successes that have not been told of, if any: they are about to be."""
        with self._lock:
            total = self._sums.pop(name, None)
        return total.to_successes() if total is not None and total.count else None
