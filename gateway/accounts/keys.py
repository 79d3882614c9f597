"""Keys given by the configuration, and who shows one.

Knows keys and roles. Must not know HTTP, nor where keys are configured. Keeps no
key itself, only its SHA-256 digest.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gateway.errors import ConfigurationError

Role = Literal["user", "admin"]


@dataclass(frozen=True)
class Principal:
    """Who asks. ``name`` is safe to log: it says which key, not what the key is.

    ``tenant`` stays the same wherever the key stands in a list: what is kept for one
    key must not be found by another that took its place.
    """

    name: str
    role: Role
    tenant: str = field(default="", compare=False)


class KeyRing:
    """All known keys. Immutable, so that any number of threads may ask."""

    def __init__(self, principals: Mapping[bytes, Principal]) -> None:
        self._principals = {digest: (digest, who) for digest, who in principals.items()}

    @classmethod
    def from_keys(
        cls, gateway_api_keys: Sequence[str] = (), admin_api_keys: Sequence[str] = ()
    ) -> KeyRing:
        """Name the keys by their places: ``user-1``, ``user-2`` …, and ``admin-1`` ….

        A key given twice in one list has its first place. Raises
        ``ConfigurationError`` for a key in both lists: it would have two roles.
        """
        users = _index(gateway_api_keys, "user")
        admins = _index(admin_api_keys, "admin")
        for digest in users.keys() & admins.keys():
            raise ConfigurationError(
                f"the keys of {users[digest].name} and {admins[digest].name} are the same; "
                "a key has one role"
            )
        return cls({**users, **admins})

    def authenticate(self, token: str) -> Principal | None:
        """Return whose key ``token`` is, or None.

        The time this takes tells nothing of a key: what is looked up is a digest
        that nobody can steer towards another, and the match is compared in
        constant time.
        """
        digest = _digest(token)
        known, principal = self._principals.get(digest, (b"", None))
        return principal if hmac.compare_digest(known, digest) else None


def _index(keys: Sequence[str], role: Role) -> dict[bytes, Principal]:
    principals: dict[bytes, Principal] = {}
    for place, key in enumerate(keys, start=1):
        digest = _digest(key)
        principals.setdefault(digest, Principal(f"{role}-{place}", role, digest.hex()[:32]))
    return principals


def _digest(key: str) -> bytes:
    # A token is whatever a client sent; a lone surrogate in it must not be an error.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
