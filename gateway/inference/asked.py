"""Who answered, as clients are told: by a target, or from the cache.

Knows journeys and stored answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.inference.journey import Journey
from gateway.resilience.cache import Hit


@dataclass(frozen=True)
class Asked:
    """Who answered what was asked; ``dropped_params`` names what can't be honoured.

    ``provider`` and ``model`` are "" where a ping was due before anybody did.
    ``age`` is how many seconds old a stored answer is, None where it is fresh. ``limits`` is
    what the provider said of its own, as headers for the client: none of a stored answer.
    """

    provider: str
    model: str
    dropped_params: tuple[str, ...] = ()
    age: int | None = None
    limits: Mapping[str, str] = field(default_factory=dict)

    def also_dropping(self, names: tuple[str, ...]) -> Asked:
        """Return the same with more names of what can't be honoured."""
        return replace(self, dropped_params=(*self.dropped_params, *names)) if names else self


def asked_at(journey: Journey) -> Asked:
    target = journey.target
    return Asked(target.provider.name, target.model, journey.dropped_params, limits=journey.limits)


def stored_headers(journey: Journey) -> dict[str, str]:
    target = journey.target
    return {
        "provider": target.provider.name,
        "model": target.model,
        "dropped_params": "\n".join(journey.dropped_params),
    }


def asked_of(hit: Hit) -> Asked:
    dropped = tuple(filter(None, hit.headers["dropped_params"].split("\n")))
    return Asked(hit.headers["provider"], hit.headers["model"], dropped, hit.age)
