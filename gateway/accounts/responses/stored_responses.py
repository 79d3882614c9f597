"""Responses kept for their tenants, in the database of keys and usage.

Knows tenants, ids and for how long. Must not know what is in a response, nor HTTP.
"""

from __future__ import annotations

import time

from sqlalchemy import ColumnElement, Connection, and_, delete, select, text, tuple_

from gateway.accounts.store.database import Database, StoreUnavailableError
from gateway.accounts.store.response_tables import stored_responses as table

LARGEST = 16 * 1024 * 1024
"""Bytes that one response may have, with all that led to it."""

PRUNED_AT_ONCE = 100
"""Rows that one transaction deletes: they may be large, and others wait to write."""

_DAY = 24 * 3600.0
_LONGEST_ID = 256
_PUT = text(
    "INSERT INTO stored_responses (tenant, id, expires_at, data) "
    "VALUES (:tenant, :id, :expires_at, :data) ON CONFLICT (tenant, id) "
    "DO UPDATE SET expires_at = excluded.expires_at, data = excluded.data"
)


class StoredResponses:
    """Bytes by tenant and id, the same for all gateways that share ``database``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, tenant: str, response_id: str) -> bytes | None:
        """Return what is kept under an id, None for nothing; raises ``StoreUnavailableError``."""
        if not _is_possible(response_id):
            return None
        found = select(table.c.data).where(_is_kept(tenant, response_id))
        data: bytes | None = self._database.read(lambda connection: connection.scalar(found))
        return data

    def put(self, tenant: str, response_id: str, data: bytes, days: int) -> bool:
        """Keep ``data`` for so many days; False where it is too large, or can't be kept now."""
        if len(data) > LARGEST or not _is_possible(response_id):
            return False
        values = {
            "tenant": tenant,
            "id": response_id,
            "expires_at": time.time() + days * _DAY,
            "data": data,
        }
        try:
            self._database.write(lambda connection: connection.execute(_PUT, values))
        except StoreUnavailableError:  # the database says so itself
            return False
        return True

    def delete(self, tenant: str, response_id: str) -> bool:
        """Forget what is kept under an id; False for nothing; raises as ``get``."""
        if not _is_possible(response_id):
            return False
        forget = delete(table).where(_is_kept(tenant, response_id))
        return self._database.write(lambda connection: connection.execute(forget).rowcount) > 0


def prune_responses(connection: Connection) -> int:
    """Delete some of what has been kept for long enough; return how many rows those were."""
    row = tuple_(table.c.tenant, table.c.id)
    old = select(table.c.tenant, table.c.id).where(table.c.expires_at <= time.time())
    return connection.execute(delete(table).where(row.in_(old.limit(PRUNED_AT_ONCE)))).rowcount


def _is_kept(tenant: str, response_id: str) -> ColumnElement[bool]:
    return and_(
        table.c.tenant == tenant, table.c.id == response_id, table.c.expires_at > time.time()
    )


def _is_possible(response_id: str) -> bool:
    """Tell whether an id is one that either database can hold, and find again."""
    return len(response_id) <= _LONGEST_ID and response_id.isascii() and response_id.isprintable()
