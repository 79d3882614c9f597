"""Breakers: whether a target is asked at all, decided from what all processes have seen of it.

Knows shared state and one process's attempts. When a breaker opens and closes is
decided in ``gateway.resilience.health``. Must not know requests or providers.

While the shared state is away, every attempt is let through and none is counted.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from gateway.resilience.health import CLOSED, OPEN, Health, dump_health, load_health
from gateway.resilience.mending import Mending
from gateway.resilience.successes import UntoldSuccesses
from gateway.state import State, StateUnavailableError

LIFETIME = 600.0
"""Seconds that a target is remembered after what was last told of it. Clients choose the names
of models, so that what is remembered of them must not pile up."""

OVERRIDE_LIFETIME = 10 * 365 * 86_400.0
PROBE_WAIT = 1.0
"""Seconds after which to ask again while another's probe is under way."""

_Result = TypeVar("_Result")
_log = logging.getLogger("gateway.resilience")


class Admission:
    """Leave for one attempt at a target: at its end, one of the methods is called.

    The first call counts, so that ``abandoned`` may stand in a ``finally``.
    """

    __slots__ = ("_breakers", "_is_open", "_name", "is_retry", "probe")

    def __init__(self, breakers: Breakers, name: str, is_retry: bool, probe: str | None) -> None:
        self._breakers = breakers
        self._name = name
        self._is_open = True
        self.is_retry = is_retry
        self.probe = probe
        """The name of the one attempt that decides whether the breaker closes; None: another."""

    def succeeded(self, time_to_first_token: float | None = None) -> None:
        """The target answered; the time in seconds is given where a strategy needs it."""
        if self._end():
            self._breakers.count_success(self._name, self, time_to_first_token)

    def failed(self, retry_after: float | None = None) -> None:
        """The target failed; ``retry_after`` is how many seconds it asked to be left alone."""
        if self._end():
            self._breakers.count_failure(self._name, self, retry_after)

    def abandoned(self) -> None:
        """The attempt says nothing of the target: the client left, or was in the wrong."""
        if self._end() and self.probe is not None:
            self._breakers.return_probe(self._name, self.probe)

    def _end(self) -> bool:
        was_open, self._is_open = self._is_open, False
        return was_open


class Breakers:
    """The breakers and retry budgets of all targets, by the targets' names."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._untold = UntoldSuccesses()
        self._probes: set[str] = set()
        self._numbers = itertools.count()
        self._mending = Mending(self._return_lost_probe)
        self._is_failing = False

    def admit(self, name: str, *, is_retry: bool = False) -> Admission | None:
        """Return leave for an attempt at the target, or None while its breaker is open.

        A retry (see ``may_retry``) does not earn the target a part of another one.
        """
        health = self._safely(lambda: self._load(name), Health())
        if health.is_closed():
            return Admission(self, name, is_retry, None)
        if health.override is not None or health.opens_in(self._state.now()) > 0:
            return None
        return self._admit_probe(name, is_retry)

    def retry_after(self, name: str) -> float:
        """Return in how many seconds it is worth asking ``admit`` again; 0: now."""
        health = self._safely(lambda: self._load(name), Health())
        if health.is_closed():
            return 0.0
        if health.override is not None or health.probe is not None:
            return PROBE_WAIT
        return health.opens_in(self._state.now())

    def has_asked_for_pause(self, name: str) -> bool:
        """Tell whether the breaker is open only because the target asked for a pause."""
        health = self._safely(lambda: self._load(name), Health())
        return health.was_asked and health.override is None

    def may_retry(self, name: str) -> bool:
        """Take one retry from the target's budget; False if it has none left.

        While the shared state is away the answer is no: nobody can tell how many there
        have been, and an outage must not be made worse. While an admin forces the
        breaker, nothing is counted and the answer is yes.
        """

        def take(health: Health, now: float) -> tuple[Health, bool]:
            left = health.retrying()
            return left, left is not health or health.override is not None

        return self._safely(lambda: self._update(name, take), False)

    def time_to_first_token(self, name: str) -> float | None:
        """Return the target's recent time to first token in seconds; None: not known."""
        return self._safely(lambda: self._load(name), Health()).first_token

    def measured_ago(self, name: str) -> float | None:
        """Return how many seconds ago the time to first token was last measured; None: never."""
        health = self._safely(lambda: self._load(name), Health())
        return None if health.first_token is None else self._state.now() - health.first_token_at

    def override(self, name: str, override: str | None) -> None:
        """Force the breaker ``open`` or ``closed``; None lets it decide again.

        Raises StateUnavailableError, and ValueError for another word.
        """
        if override not in (None, OPEN, CLOSED):
            raise ValueError(f"a breaker is forced open or closed, not {override!r}")
        lifetime = LIFETIME if override is None else OVERRIDE_LIFETIME
        self._update(name, lambda health, now: (health.overridden(override), None), lifetime)

    def describe(self, name: str) -> dict[str, Any]:
        """Return what admins see of the target; raises StateUnavailableError.

        ``state`` is ``closed``, ``open`` or ``half_open``, for ``for_ms`` (None: always),
        an ``override`` counted in. ``successes`` and ``failures`` are those of the last half
        minute, ``probe_in_ms`` is when an open breaker lets a probe through.
        """
        health = self._load(name)
        now = self._state.now()
        successes, failures = health.counts(now)
        first_token = health.first_token
        is_waiting = health.override is None and health.circuit == OPEN
        return {
            "state": health.override or health.circuit,
            "override": health.override,
            "for_ms": round((now - health.since) * 1000) if health.since else None,
            "successes": successes,
            "failures": failures,
            "probe_in_ms": round(health.opens_in(now) * 1000) if is_waiting else None,
            "retries_left": health.retries_left,
            "time_to_first_token_ms": None if first_token is None else round(first_token * 1000, 1),
        }

    def count_success(self, name: str, admission: Admission, first_token: float | None) -> None:
        """See ``Admission.succeeded``."""
        probe = admission.probe
        if probe is not None:
            self._end_probe(name, probe, lambda h, now: h.probe_succeeded(probe, first_token, now))
            return
        successes = self._untold.add(name, admission.is_retry, first_token, self._state.now())
        if successes is not None:
            self._count(name, lambda health, now: health.succeeded(successes, now))

    def count_failure(self, name: str, admission: Admission, retry_after: float | None) -> None:
        """See ``Admission.failed``."""
        probe = admission.probe
        if probe is not None:
            self._end_probe(name, probe, lambda h, now: h.probe_failed(probe, retry_after, now))
            return
        untold = self._untold.take(name)
        requests = 0 if admission.is_retry else 1

        def count(health: Health, now: float) -> Health:
            if untold is not None:
                health = health.succeeded(untold, now)
            return health.failed(requests, retry_after, now)

        self._count(name, count)

    def return_probe(self, name: str, probe: str) -> None:
        """See ``Admission.abandoned``."""
        self._end_probe(name, probe, lambda health, now: health.probe_returned(probe))

    def _admit_probe(self, name: str, is_retry: bool) -> Admission | None:
        owner = self._state.owner
        probe = f"{owner}.{next(self._numbers)}"

        def take(health: Health, now: float) -> tuple[Health, Health]:
            taken = health.probing(probe, owner, self._is_lost, now)
            return taken, taken

        self._probes.add(probe)
        try:
            health = self._update(name, take)
        except StateUnavailableError as error:  # it may be the probe all the same
            self._probes.discard(probe)
            self._mending.note(name)
            self._note_failing(error)
            return Admission(self, name, is_retry, None)
        if health.probe == probe:
            return Admission(self, name, is_retry, probe)
        self._probes.discard(probe)
        return Admission(self, name, is_retry, None) if health.is_closed() else None

    def _end_probe(
        self, name: str, probe: str, transition: Callable[[Health, float], Health]
    ) -> None:
        def end(health: Health, now: float) -> tuple[Health, bool]:
            ended = transition(health, now)
            return ended, ended is not health

        if not self._safely(lambda: self._update(name, end), False):
            self._mending.note(name)
        # Only now: another thread would have taken it for lost.
        self._probes.discard(probe)

    def _return_lost_probe(self, name: str) -> None:
        health = self._load(name)
        probe, prober = health.probe, health.prober
        if probe is not None and prober is not None and self._is_lost(prober, probe):
            self._update(name, lambda health, now: (health.probe_returned(probe), None))

    def _is_lost(self, prober: str, probe: str) -> bool:
        """Tell whether nobody will ever end a probe, as its process died or doesn't know of it."""
        if prober == self._state.owner:
            return probe not in self._probes
        return not self._state.is_alive(prober)

    def _count(self, name: str, transition: Callable[[Health, float], Health]) -> None:
        self._safely(
            lambda: self._update(name, lambda health, now: (transition(health, now), None)), None
        )

    def _load(self, name: str) -> Health:
        return load_health(self._state.get(_key(name)))

    def _update(
        self,
        name: str,
        transition: Callable[[Health, float], tuple[Health, _Result]],
        lifetime: float = LIFETIME,
    ) -> _Result:
        now = self._state.now()

        def change(data: bytes | None) -> tuple[bytes | None, _Result]:
            health = load_health(data)
            changed, result = transition(health, now)
            return (data if changed is health else dump_health(changed)), result

        return self._state.update(_key(name), change, lifetime)

    def _safely(self, operation: Callable[[], _Result], otherwise: _Result) -> _Result:
        """Return what ``operation`` does, or ``otherwise`` while the shared state is away."""
        try:
            result = operation()
        except StateUnavailableError as error:
            self._note_failing(error)
            return otherwise
        if self._is_failing:
            self._is_failing = False
            _log.warning("Breakers work again")
        return result

    def _note_failing(self, error: StateUnavailableError) -> None:
        if not self._is_failing:
            self._is_failing = True
            _log.error("%s: until it can, breakers let everything through", error)


def _key(name: str) -> str:
    return f"target:{name}"
