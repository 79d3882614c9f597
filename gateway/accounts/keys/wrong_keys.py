"""Wrong keys, counted by the address they come from: who guesses is told to wait.

Knows how many are too many. Must not know HTTP. Good keys are never held up by it, also
from an address that others guess from.
"""

from __future__ import annotations

import ipaddress

from gateway.errors import RateLimitError
from gateway.state import State, StateUnavailableError

ALLOWED = 50
"""Wrong keys from an address in a minute: people mistype, and many may share an address."""

_WINDOW = 60.0
_IPV6_PREFIX = 64


class WrongKeys:
    """What all processes have counted."""

    def __init__(self, state: State) -> None:
        self._state = state

    def note(self, address: str) -> None:
        """Count a wrong key from ``address``; raises ``RateLimitError`` for one too many."""
        try:
            counter = self._state.increment(f"wrong-keys:{_place_of(address)}", _WINDOW)
        except StateUnavailableError:  # the state says so itself; the key is wrong all the same
            return
        if counter.value > ALLOWED:
            raise RateLimitError(
                "Too many wrong API keys came from your address. Wait before you try again.",
                code="too_many_wrong_keys",
                retry_after=counter.resets_in,
            )


def _place_of(address: str) -> str:
    """Return the address, or the network of an IPv6 one: a host there has many."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))
