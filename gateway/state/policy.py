"""What happens while the store that machines share is down.

Knows the two policies and when to try again. Must not know what store it is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from gateway.state.base import Counter, State, StateUnavailableError

RETRY_AFTER = 1.0
"""Seconds after a failure before a process tries the store again, with one request."""

_log = logging.getLogger("gateway.state")
_Result = TypeVar("_Result")


class StateWithPolicy:
    """A ``State`` that uses ``shared``, and while that is down ``fallback``, or refuses if None."""

    def __init__(self, shared: State, fallback: State | None) -> None:
        self._shared = shared
        self._fallback = fallback
        self._is_down = False
        self._retry_at = 0.0

    def increment(
        self, key: str, window: float, amount: int = 1, limit: int | None = None
    ) -> Counter:
        """See ``State.increment``."""
        return self._run(lambda state: state.increment(key, window, amount, limit))

    def read(self, key: str) -> Counter | None:
        """See ``State.read``."""
        return self._run(lambda state: state.read(key))

    def clear(self, key: str) -> None:
        """See ``State.clear``."""
        self._run(lambda state: state.clear(key))

    def reset(self) -> None:
        """See ``State.reset``."""
        self._run(lambda state: state.reset())

    def check(self) -> None:
        """See ``State.check``; with a fallback, counting works while ``shared`` is down."""
        self._run(lambda state: state.check())

    def close(self) -> None:
        """See ``State.close``."""
        self._shared.close()
        if self._fallback is not None:
            self._fallback.close()

    def _run(self, operation: Callable[[State], _Result]) -> _Result:
        if self._may_try():
            try:
                result = operation(self._shared)
            except StateUnavailableError as error:
                self._note_failure(error)
            else:
                self._note_success()
                return result
        if self._fallback is None:
            raise StateUnavailableError("The gateway's shared state can't be reached")
        return operation(self._fallback)

    def _may_try(self) -> bool:
        if not self._is_down:
            return True
        now = time.monotonic()
        if now < self._retry_at:
            return False
        self._retry_at = now + RETRY_AFTER  # before the attempt, so that nobody else makes one
        return True

    def _note_failure(self, error: StateUnavailableError) -> None:
        self._retry_at = time.monotonic() + RETRY_AFTER
        if not self._is_down:
            self._is_down = True
            policy = "requests are refused" if self._fallback is None else "this machine counts"
            _log.error("%s (%s); until it can, %s", error, error.__cause__, policy)

    def _note_success(self) -> None:
        if self._is_down:
            self._is_down = False
            _log.warning("The gateway's shared state can be reached again")
