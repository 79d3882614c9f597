"""Why a request failed, from what was done to it; whatever has no reason is a defect.

Knows which error stands for what. Must not know how anything was done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.clients import LOST, Asked
from tests.chaos.trouble import Trouble
from tests.chaos.weather import Flapping

OPEN_SECONDS = 60.0
"""For so long after failures a breaker may be open."""

RETURN_SECONDS = 2.0
"""Until then places are given back of a killed worker, and those that Redis was not told of."""

REDIS_SECONDS = 5.0
"""Until then Redis is used again after it could not be reached."""


@dataclass(frozen=True)
class Explanations:
    """All that happened. ``routes`` are the upstreams of each model, ``places`` how many
    requests a model with a line takes, working and waiting."""

    routes: Mapping[str, Sequence[Flapping]]
    places: Mapping[str, int]
    requests: Sequence[Asked]
    trouble: Trouble

    def explain(self, asked: Asked) -> str | None:
        """Return the reason of a failure; None: there is none."""
        if asked.failure == LOST:
            return "its worker was killed" if self._was_killed(asked) else None
        if asked.failure in ("limits_unavailable", "state_unavailable"):
            if _is_within(asked, self.trouble.hung):
                return "Redis was stopped"
            return "Redis was slow" if _is_within(asked, self.trouble.slow) else None
        if asked.failure == "queue_full":
            return "the line was full" if self._was_full(asked) else None
        if asked.has_begun:
            return self._find_cut(asked)
        reasons = [self._find_fault(asked, upstream) for upstream in self.routes[asked.model]]
        known = [reason for reason in reasons if reason is not None]
        if len(known) < len(reasons):
            return None
        if asked.failure != "circuit_open" and set(known) == {_OPEN}:
            return None
        return ", then ".join(known)

    def _was_killed(self, asked: Asked) -> bool:
        return any(
            asked.port in ports and asked.began <= at <= asked.ended
            for at, ports in self.trouble.killed
        )

    def _was_full(self, asked: Asked) -> bool:
        others = [
            other
            for other in self.requests
            if other.model == asked.model
            and other.began <= asked.ended
            and asked.began <= self._left(other)
        ]
        return len(others) > self.places[asked.model]

    def _left(self, asked: Asked) -> float:
        """Return when a request's place was free again at the latest."""
        if asked.failure == LOST:
            return asked.ended + RETURN_SECONDS
        away = [
            end + RETURN_SECONDS
            for began, end in self.trouble.hung
            if began <= asked.ended <= end + RETURN_SECONDS
        ]
        return max([asked.ended, *away])

    def _find_cut(self, asked: Asked) -> str | None:
        for upstream in self.routes[asked.model]:
            fault = _fault_of(asked, upstream)
            if fault in ("cut", "hung"):
                return f"{fault} after it had begun"
        return None

    def _find_fault(self, asked: Asked, upstream: Flapping) -> str | None:
        fault = _fault_of(asked, upstream)
        if fault:
            return fault
        if any(began <= asked.ended and asked.began <= end for began, end in upstream.refused):
            return "refused"
        if upstream.faults_between(asked.began - OPEN_SECONDS, asked.ended):
            return _OPEN
        return None


_OPEN = "breaker open"


def _is_within(asked: Asked, outages: Sequence[tuple[float, float]]) -> bool:
    return any(
        began <= asked.ended and asked.began <= ended + REDIS_SECONDS for began, ended in outages
    )


def _fault_of(asked: Asked, upstream: Flapping) -> str:
    """Return the last thing that ``upstream`` did wrong to the request."""
    touches = upstream.touches.get(asked.prompt, ())
    faults = [each.fault for each in touches if asked.began <= each.at <= asked.ended]
    return next(filter(None, reversed(faults)), "")
