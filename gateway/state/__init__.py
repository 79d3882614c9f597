"""Everything the gateway's processes share, behind one small interface.

Knows which implementation to open. Must not know what is counted.
"""

from __future__ import annotations

from pathlib import Path

from gateway.state.base import Counter, State, StateUnavailableError
from gateway.state.local import LocalState
from gateway.state.policy import Outage, StateWithPolicy
from gateway.state.reservation import Claim, Held, Refusal, Reservation, Unseeded

__all__ = [
    "STATE_NAME",
    "Claim",
    "Counter",
    "Held",
    "LocalState",
    "Refusal",
    "Reservation",
    "State",
    "StateUnavailableError",
    "Unseeded",
    "open_state",
]

STATE_NAME = "gateway.state"
"""The file's name, in the directory of the gateway's data."""


def open_state(
    path: Path, *, redis_url: str | None = None, when_redis_is_down: str = "deny"
) -> State:
    """Return the shared state: the file ``path`` on this machine, or Redis.

    ``when_redis_is_down`` is ``deny`` (StateUnavailableError while Redis is away)
    or ``local`` (count in ``path`` meanwhile, for each machine by itself).
    Nothing is opened or connected before the first use. Raises
    ConfigurationError for a URL that redis-py does not understand.
    """
    if redis_url is None:
        return LocalState(path)
    from gateway.state.redis import RedisState  # only an installation with Redis pays for it

    fallback = LocalState(path) if when_redis_is_down == "local" else None
    outage = Outage()
    return StateWithPolicy(RedisState(redis_url, outage=outage), fallback, outage)
