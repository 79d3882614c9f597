"""The version of all keys and tenants: how everybody learns of a change.

Knows the row that counts changes, and the value in the shared state that tells of it at
once. The row is the truth; the value only saves asking the database all the time.
"""

from __future__ import annotations

import logging

from sqlalchemy import Connection, select

from gateway.accounts.store.tables import store_version
from gateway.state import State, StateUnavailableError

ANNOUNCED_KEY = "keys:version"

_LIFETIME = 10 * 365 * 86_400.0
_log = logging.getLogger("gateway.keys")


def take_version(connection: Connection) -> int:
    """Return the next version, for a change in the connection's transaction.

    Others that change something wait until that ends, so that versions come in order.
    """
    count = store_version.c.version + 1
    statement = store_version.update().values(version=count).returning(store_version.c.version)
    return int(connection.execute(statement).scalar_one())


def read_version(connection: Connection) -> int:
    """Return the version of the last change."""
    return int(connection.execute(select(store_version.c.version)).scalar_one())


class Announcements:
    """Tells other processes that something has changed, and hears of it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def announce(self, version: int) -> None:
        """Tell of ``version``. Without the shared state the others find out a little later."""
        try:
            self._state.update(ANNOUNCED_KEY, lambda old: (_newer(old, version), None), _LIFETIME)
        except StateUnavailableError as error:
            _log.warning("a change of keys could not be announced: %s", error.message)

    def hear(self) -> int:
        """Return the newest version announced, 0 for none."""
        try:
            return _number(self._state.get(ANNOUNCED_KEY))
        except StateUnavailableError:  # the state says so itself
            return 0


def _newer(old: bytes | None, version: int) -> bytes:
    return old if old is not None and _number(old) >= version else str(version).encode()


def _number(value: bytes | None) -> int:
    return int(value) if value else 0
