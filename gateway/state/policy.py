"""What happens while the store that machines share is down.

Knows the two policies and when to try again. Must not know what store it is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from gateway.state.base import Change, Counter, State, StateUnavailableError
from gateway.state.owner import is_of_this_machine
from gateway.state.reservation import Claim, Held, Refusal, Reservation, Unseeded

RETRY_AFTER = 1.0
"""Seconds after a failure before a process tries the store again, with one request."""

_log = logging.getLogger("gateway.state")
_Result = TypeVar("_Result")


class Outage:
    """When to try a store: always, but once a second only while it is down.

    All who use the same store share one: nobody waits for what another has waited for in vain.
    """

    def __init__(self) -> None:
        self.why = ""
        self._is_down = False
        self._retry_at = 0.0

    @property
    def is_down(self) -> bool:
        """Whether the store failed when it was tried last; ``why`` says how."""
        return self._is_down

    def may_try(self) -> bool:
        """Return whether the caller may try now; who is told so tells how it went."""
        if not self._is_down:
            return True
        now = time.monotonic()
        if now < self._retry_at:
            return False
        self._retry_at = now + RETRY_AFTER  # before the attempt, so that nobody else makes one
        return True

    def note_failure(self, why: str) -> bool:
        """Take note that the store failed; return whether that is news."""
        self.why = why
        self._retry_at = time.monotonic() + RETRY_AFTER
        was_down, self._is_down = self._is_down, True
        return not was_down

    def note_success(self) -> bool:
        """Take note that the store works; return whether that is news."""
        was_down, self._is_down = self._is_down, False
        return was_down


class StateWithPolicy:
    """A ``State`` that uses ``shared``, and while that is down ``fallback``, or refuses if None.

    ``outage`` is that of the store in which ``shared`` is.
    """

    def __init__(self, shared: State, fallback: State | None, outage: Outage | None = None) -> None:
        self.outage = outage or Outage()
        self._shared = shared
        self._fallback = fallback
        self._is_away = False
        self._counted_apart: set[str] = set()

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

    def update(self, key: str, change: Change[_Result], lifetime: float) -> _Result:
        """See ``State.update``."""
        return self._run(lambda state: state.update(key, change, lifetime))

    def get(self, key: str) -> bytes | None:
        """See ``State.get``."""
        return self._run(lambda state: state.get(key))

    def reserve(self, claims: Sequence[Claim]) -> Reservation | Refusal | Unseeded:
        """See ``State.reserve``.

        Accounts that were used in ``fallback`` are seeded anew when ``shared`` is back.
        """

        def reserve(state: State) -> Reservation | Refusal | Unseeded:
            accounts = [claim.key for claim in claims if claim.kind == "account"]
            if state is self._shared and self._counted_apart:
                state.forget(list(self._counted_apart))
                self._counted_apart.clear()
            outcome = state.reserve(claims)
            if state is self._shared or not isinstance(outcome, Reservation):
                return outcome
            self._counted_apart.update(accounts)
            return replace(outcome, is_fallback=True)

        return self._run(reserve)

    def settle(self, reservation: Reservation, used: Sequence[int]) -> list[Held]:
        """See ``State.settle``; where it was reserved."""
        if reservation.is_fallback and self._fallback is not None:
            return self._fallback.settle(reservation, used)
        if not self.outage.may_try():
            self._note_away()
            raise StateUnavailableError("The gateway's shared state can't be reached")
        return self._try(lambda state: state.settle(reservation, used), None)

    def forget(self, keys: Sequence[str]) -> None:
        """See ``State.forget``."""
        self._run(lambda state: state.forget(keys))

    def now(self) -> float:
        """See ``State.now``; always the shared clock, which goes on while ``shared`` is down."""
        return self._shared.now()

    @property
    def owner(self) -> str:
        """See ``State.owner``; the same for both."""
        return self._shared.owner

    def is_alive(self, owner: str) -> bool:
        """See ``State.is_alive``; while ``shared`` is down, those of other machines pass for it.

        A change that began in ``shared`` may end there after all, and take away what is theirs.
        """

        def is_alive(state: State) -> bool:
            is_out_of_sight = state is self._fallback and not is_of_this_machine(owner)
            return is_out_of_sight or state.is_alive(owner)

        return self._run(is_alive)

    def check(self) -> bool:
        """See ``State.check``; with a fallback, counting works while ``shared`` is down."""

        def check(state: State) -> bool:
            return state.check() and state is self._shared

        return self._run(check)

    def close(self) -> None:
        """See ``State.close``."""
        self._shared.close()
        if self._fallback is not None:
            self._fallback.close()

    def _run(self, operation: Callable[[State], _Result]) -> _Result:
        if self.outage.may_try():
            return self._try(operation, self._fallback)
        self._note_away()
        if self._fallback is None:
            raise StateUnavailableError("The gateway's shared state can't be reached")
        return operation(self._fallback)

    def _try(self, operation: Callable[[State], _Result], fallback: State | None) -> _Result:
        """Have ``shared`` do it, or ``fallback`` where that fails; raises if there is none."""
        try:
            result = operation(self._shared)
        except StateUnavailableError as error:
            self.outage.note_failure(f"{error} ({error.__cause__})")
            self._note_away()
            if fallback is None:
                raise StateUnavailableError("The gateway's shared state can't be reached") from None
            return operation(fallback)
        self.outage.note_success()
        if self._is_away:
            self._is_away = False
            _log.warning("The gateway's shared state can be reached again")
        return result

    def _note_away(self) -> None:
        """Say once what happens while ``shared`` is away, whoever has found that out."""
        if not self._is_away:
            self._is_away = True
            policy = "this machine counts" if self._fallback else "requests are refused"
            _log.error("%s; until it can, %s", self.outage.why, policy)
