"""Who asks and what they may, and the keys given by the configuration.

Knows keys, roles and limits. Must not know HTTP, nor where keys are configured or
stored. Keeps no key itself, only its SHA-256 digest.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, get_args

from gateway.errors import ConfigurationError

Role = Literal["user", "admin"]


Period = Literal["day", "week", "month", "total"]
ROLES: tuple[Role, ...] = get_args(Role)
PERIODS: tuple[Period, ...] = get_args(Period)


@dataclass(frozen=True)
class Budget:
    """What may be spent ``per`` period: US dollars or tokens, one of them.

    ``soft_limit`` is the share of it (above 0, up to 1) from which on there are warnings.
    """

    usd: Decimal | None = None
    tokens: int | None = None
    per: Period = "month"
    soft_limit: float | None = None


@dataclass(frozen=True)
class Limits:
    """What a key, or all keys of a tenant together, may use; None: no limit of its own.

    Rates are texts such as ``100/minute``, of requests and of tokens. ``changed_at`` is when the
    key or tenant was last changed, in seconds since 1970; 0 where that can't be.
    """

    rate_limit: str | None = None
    token_rate_limit: str | None = None
    max_concurrency: int | None = None
    budget: Budget | None = None
    changed_at: float = field(default=0.0, compare=False)


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Principal:
    """Who asks. ``name`` is safe to log: it says which key, not what the key is.

    ``tenant`` stays the same wherever the key stands in a list: what is kept for one
    key must not be found by another that took its place. ``owner`` is the name of the
    tenant the key belongs to ("": none), whose ``owner_limits`` bound the sum of its keys.
    ``models`` are patterns such as ``ollama/*`` and ``allowed_ips`` networks such as
    ``10.0.0.0/8``; () allows all. ``expires_at`` is in seconds since 1970.
    """

    name: str
    role: Role
    tenant: str = field(default="", compare=False)
    key_id: str = ""
    owner: str = ""
    limits: Limits = NO_LIMITS
    owner_limits: Limits = NO_LIMITS
    models: tuple[str, ...] = ()
    allowed_ips: tuple[str, ...] = ()
    priority: int = 0
    expires_at: float | None = None


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
        digest = hash_key(token)
        known, principal = self._principals.get(digest, (b"", None))
        return principal if hmac.compare_digest(known, digest) else None


def _index(keys: Sequence[str], role: Role) -> dict[bytes, Principal]:
    principals: dict[bytes, Principal] = {}
    for place, key in enumerate(keys, start=1):
        digest = hash_key(key)
        name = f"{role}-{place}"
        who = Principal(name, role, digest.hex()[:32], key_id=f"env-{name}")
        principals.setdefault(digest, who)
    return principals


def hash_key(key: str) -> bytes:
    """Return the SHA-256 digest by which a key is known."""
    # A token is whatever a client sent; a lone surrogate in it must not be an error.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
