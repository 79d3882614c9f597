"""Keys of both kinds as one: those of the configuration, and those in the database.

Knows where a key is looked for first. Must not know HTTP.
"""

from __future__ import annotations

from gateway.accounts.keys.key_store import KeyStore
from gateway.accounts.keys.keys import KeyRing, Principal
from gateway.accounts.keys.known_keys import KnownKeys
from gateway.accounts.keys.live_keys import EndRequests, LiveKeys
from gateway.accounts.keys.tenant_store import TenantStore
from gateway.accounts.keys.versions import Announcements
from gateway.accounts.keys.wrong_keys import WrongKeys
from gateway.accounts.store.database import Database
from gateway.state import State


class Accounts:
    """Everybody who may ask. ``end_requests`` is told of keys whose requests are to end."""

    def __init__(
        self, key_ring: KeyRing, database: Database, state: State, end_requests: EndRequests
    ) -> None:
        announcements = Announcements(state)
        self._key_ring = key_ring
        self.database = database
        self.keys = KeyStore(database, announcements)
        self.tenants = TenantStore(database, announcements)
        self.wrong_keys = WrongKeys(state)
        self.live = LiveKeys(KnownKeys(database), self.keys, announcements, end_requests)

    def authenticate(self, token: str) -> Principal | None:
        """Return whose key ``token`` is, or None.

        Raises ``AuthenticationError`` for one that is not good any more, and
        ``StoreUnavailableError`` where only the database could tell.
        """
        return self._key_ring.authenticate(token) or self.live.authenticate(token)
