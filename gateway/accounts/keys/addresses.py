"""Addresses a key may be used from.

Knows IP addresses and networks. Must not know whose they are.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache


def is_allowed(address: str, networks: Sequence[str]) -> bool:
    """Tell whether ``address`` is in one of ``networks``; what is no address never is.

    An IPv4 address written as an IPv6 one (``::ffff:10.0.0.1``) is what it stands for.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in _parse_network(network) for network in networks)


@lru_cache(maxsize=1024)
def _parse_network(network: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(network)
