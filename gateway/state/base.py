"""What the gateway shares between processes: the interface and its values.

Knows what a counter is. Must not know where counters are kept, nor what they
count: no models, money or HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.errors import ServiceUnavailableError


class StateUnavailableError(ServiceUnavailableError):
    """503: shared state can't be read or written now; whether it counted is not known."""

    default_code = "state_unavailable"

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=1.0)


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter in its window: ``resets_in`` is in seconds.

    ``counted`` is False when an increment was refused because of its limit.
    """

    value: int
    resets_in: float
    counted: bool = True


class State(Protocol):
    """Counters shared exactly by every process that opened the same place.

    A window begins with the first increment and lasts ``window`` seconds from
    then on, whatever comes later. Every method raises StateUnavailableError.
    Instances may be made before a fork and used in every process after it.
    """

    def increment(
        self, key: str, window: float, amount: int = 1, limit: int | None = None
    ) -> Counter:
        """Add ``amount`` to the counter ``key`` and return it as it is afterwards.

        With ``limit``, an increment that would lead beyond it changes nothing:
        the counter is returned as it was, with ``counted`` False.
        """

    def read(self, key: str) -> Counter | None:
        """Return the counter, or None when no window of it is running."""

    def clear(self, key: str) -> None:
        """End the window of ``key`` now."""

    def reset(self) -> None:
        """End every window."""

    def check(self) -> None:
        """Prove that counting works now."""

    def close(self) -> None:
        """Let go of files and connections; a later use opens them again."""
