"""Stored tenants, the owners of keys.

Knows the statements. Must not know HTTP, nor who may do any of it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from gateway.accounts.keys.paging import Page, contains, page_of
from gateway.accounts.keys.records import TENANT_PREFIX, TenantRecord, tenant_of, to_columns
from gateway.accounts.keys.versions import Announcements, take_version
from gateway.accounts.store.database import Database
from gateway.accounts.store.tables import keys, tenants
from gateway.errors import ConflictError, NotFoundError

_DEFAULTS: dict[str, Any] = {"enabled": True, "metadata": {}}
_EXISTING = tenants.c.deleted_at.is_(None)


class TenantStore:
    """All stored tenants. Every method raises ``StoreUnavailableError``."""

    def __init__(self, database: Database, announcements: Announcements) -> None:
        self._database = database
        self._announcements = announcements

    def create(self, fields: Mapping[str, Any]) -> TenantRecord:
        """Make a tenant of ``fields`` (``name`` at least), named as those of ``TenantRecord``.

        Raises ``ConflictError`` for a name that there is.
        """
        columns, now = to_columns({**_DEFAULTS, **fields}), time.time()

        def work(connection: Connection) -> tuple[int, TenantRecord]:
            version = take_version(connection)
            tenant_id = _insert(connection, columns, version, now)
            return version, _load(connection, tenant_id)

        return self._change(work)

    def get(self, tenant_id: str) -> TenantRecord:
        """Return a tenant; raises ``NotFoundError``."""
        return self._database.read(lambda connection: _load(connection, tenant_id))

    def find_by_name(self, name: str) -> list[TenantRecord]:
        """Return the tenant of that name or id, if there is one."""
        statement = select(tenants).where(
            or_(tenants.c.name == name, tenants.c.id == name), _EXISTING
        )
        return self._database.read(
            lambda connection: [tenant_of(row) for row in connection.execute(statement).mappings()]
        )

    def list_tenants(
        self, limit: int, cursor: str | None = None, search: str | None = None
    ) -> Page[TenantRecord]:
        """Return up to ``limit`` tenants from ``cursor`` on, the newest first.

        ``search`` is a part of the name or the id. Raises ``InvalidRequestError`` for a
        cursor that is none.
        """
        statement = select(tenants).where(_EXISTING)
        if search:
            statement = statement.where(contains(search, tenants.c.name, tenants.c.id))
        return self._database.read(
            lambda connection: page_of(connection, statement, tenants, tenant_of, limit, cursor)
        )

    def change(self, tenant_id: str, fields: Mapping[str, Any]) -> TenantRecord:
        """Change ``fields``; raises ``NotFoundError``, ``ConflictError`` for a name there is."""
        columns, now = to_columns(fields), time.time()

        def work(connection: Connection) -> tuple[int, TenantRecord]:
            version = take_version(connection)
            _load(connection, tenant_id)
            values = {**columns, "updated_at": now, "version": version}
            connection.execute(update(tenants).where(tenants.c.id == tenant_id).values(**values))
            return version, _load(connection, tenant_id)

        return self._change(work)

    def delete(self, tenant_id: str, *, cut: bool = False) -> TenantRecord:
        """Delete a tenant and revoke its keys; ``cut`` ends their requests under way, too.

        Raises ``NotFoundError``.
        """
        now = time.time()

        def work(connection: Connection) -> tuple[int, TenantRecord]:
            version = take_version(connection)
            record = _load(connection, tenant_id)
            own = {"deleted_at": now, "version": version}
            connection.execute(update(tenants).where(tenants.c.id == tenant_id).values(**own))
            revoked_at = func.coalesce(keys.c.revoked_at, now)
            values = {"revoked_at": revoked_at, "cuts_streams": cut, "version": version}
            connection.execute(update(keys).where(keys.c.tenant_id == tenant_id).values(**values))
            return version, record

        return self._change(work)

    def _change(self, work: Callable[[Connection], tuple[int, TenantRecord]]) -> TenantRecord:
        try:
            version, record = self._database.write(work)
        except IntegrityError as error:
            raise ConflictError(
                "name is that of another tenant; names of tenants are unique.",
                param="name",
                code="name_taken",
            ) from error
        self._announcements.announce(version)
        return record


def ensure_tenant(connection: Connection, name: str | None, version: int, now: float) -> str | None:
    """Return the id of the tenant called ``name``, made if there is none; None for no name."""
    if not name:
        return None
    found = connection.scalar(select(tenants.c.id).where(tenants.c.name == name, _EXISTING))
    if found is not None:
        return str(found)
    return _insert(connection, to_columns({**_DEFAULTS, "name": name}), version, now)


def _insert(connection: Connection, columns: Mapping[str, Any], version: int, now: float) -> str:
    tenant_id = TENANT_PREFIX + secrets.token_hex(8)
    values = {"id": tenant_id, "created_at": now, "updated_at": now, "version": version, **columns}
    connection.execute(tenants.insert().values(**values))
    return tenant_id


def _load(connection: Connection, tenant_id: str) -> TenantRecord:
    statement = select(tenants).where(tenants.c.id == tenant_id, _EXISTING)
    # PostgreSQL takes no NUL in a text, not even to look for it.
    row = connection.execute(statement).mappings().first() if tenant_id.isprintable() else None
    if row is None:
        raise NotFoundError(
            f"There is no tenant {tenant_id!r}.", param="id", code="tenant_not_found"
        )
    return tenant_of(row)
