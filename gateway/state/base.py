"""What the gateway shares between processes: the interface and what it hands out.

Knows what counters, values and owners are. Must not know where they are kept,
nor what they are about: no models, money or HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from gateway.errors import ServiceUnavailableError
from gateway.state.reservation import Claim, Held, Refusal, Reservation, Unseeded

_Result = TypeVar("_Result")
Change: TypeAlias = Callable[[bytes | None], tuple[bytes | None, _Result]]
"""A pure function from a value (None: there is none) to the new one (None: delete) and a result."""


class StateUnavailableError(ServiceUnavailableError):
    """503: shared state can't be read or written now; whether it counted is not known."""

    default_code = "state_unavailable"

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=1.0)


class Counter(NamedTuple):
    """A counter in its window: ``resets_in`` is in seconds.

    ``counted`` is False when an increment was refused because of its limit.
    """

    value: int
    resets_in: float
    counted: bool = True


class State(Protocol):
    """Counters and values shared exactly by every process that opened the same place.

    A window begins with the first increment and lasts ``window`` seconds from
    then on, whatever comes later. Values are small, up to 256 KiB. Every method
    raises StateUnavailableError, except ``now`` and ``owner``. Instances may be
    made before a fork and used in every process after it.
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

    def update(self, key: str, change: Change[_Result], lifetime: float) -> _Result:
        """Replace the value of ``key`` by what ``change`` makes of it; return its result.

        Nobody else's change comes between. The new value lives ``lifetime``
        seconds from now. If ``change`` returns the very object it was given,
        nothing is written and the lifetime isn't renewed.

        ``change`` may be called more than once, and under a lock: it must be
        pure, quick, and never wait. What it raises is raised, and changes nothing.
        """

    def get(self, key: str) -> bytes | None:
        """Return the value, or None when there is none or its lifetime has passed."""

    def reserve(self, claims: Sequence[Claim]) -> Reservation | Refusal | Unseeded:
        """Take all ``claims`` at once, or nothing; each is of another key.

        What is held by a process that has died is settled: its slots come back,
        and all else counts as used.
        """

    def settle(self, reservation: Reservation, used: Sequence[int]) -> list[Held]:
        """Put what was ``used``, in the order of the claims, in place of what was reserved.

        Returns the counters as they are then. To be done once.
        """

    def forget(self, keys: Sequence[str]) -> None:
        """Have the accounts ``keys`` seeded anew."""

    def now(self) -> float:
        """Return seconds on a clock that all who share this state agree on.

        No step of the wall clock moves it; values never outlive it.
        """

    @property
    def owner(self) -> str:
        """A token of this process, unique among all processes ever."""

    def is_alive(self, owner: str) -> bool:
        """Return whether the process with the token ``owner`` lives, as of 0.25 s ago at most.

        False within 2 s of its death, however it died. May be used in a ``change``.
        """

    def check(self) -> bool:
        """Prove that counting works now; False: on this machine only, for its store is away."""

    def close(self) -> None:
        """Let go of files and connections; a later use opens them again."""
