"""Stored keys: made, listed, changed, rotated and revoked.

Knows the statements. Must not know HTTP, nor who may do any of it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, delete, func, or_, select, update

from gateway.accounts.keys.key_format import build_key
from gateway.accounts.keys.keys import hash_key
from gateway.accounts.keys.paging import Page, contains, page_of
from gateway.accounts.keys.records import KEY_PREFIX, KeyRecord, key_of, to_columns
from gateway.accounts.keys.tenant_store import ensure_tenant
from gateway.accounts.keys.versions import Announcements, take_version
from gateway.accounts.store.database import Database
from gateway.accounts.store.tables import key_hashes, keys, tenants
from gateway.errors import ConflictError, NotFoundError

_DEFAULTS: dict[str, Any] = {
    "role": "user",
    "enabled": True,
    "models": [],
    "allowed_ips": [],
    "priority": 0,
    "metadata": {},
}


class NewKey(NamedTuple):
    """A stored key together with its text, which is nowhere else."""

    record: KeyRecord
    key: str


class KeyStore:
    """All stored keys. Every method raises ``StoreUnavailableError``."""

    def __init__(self, database: Database, announcements: Announcements) -> None:
        self._database = database
        self._announcements = announcements

    def create(self, fields: Mapping[str, Any]) -> NewKey:
        """Make a key of ``fields`` (``name`` at least), named as those of ``KeyRecord``.

        An owner that is named for the first time becomes a tenant without limits.
        """
        key, key_id, now = build_key(), KEY_PREFIX + secrets.token_hex(8), time.time()
        columns = to_columns({**_DEFAULTS, **fields})
        owner = columns.pop("owner", None)

        def work(connection: Connection) -> tuple[int, KeyRecord]:
            version = take_version(connection)
            tenant_id = ensure_tenant(connection, owner, version, now)
            values = {"id": key_id, "tenant_id": tenant_id, "version": version, **columns}
            times = {"created_at": now, "updated_at": now}
            connection.execute(keys.insert().values(cuts_streams=False, **times, **values))
            _add_hash(connection, key_id, key, now)
            return version, _load(connection, key_id)

        return NewKey(self._change(work), key)

    def get(self, key_id: str) -> KeyRecord:
        """Return a key; raises ``NotFoundError``."""
        return self._database.read(lambda connection: _load(connection, key_id))

    def find_by_name(self, name: str) -> list[KeyRecord]:
        """Return the keys of that name or id that are not revoked."""
        statement = _select_keys().where(or_(keys.c.name == name, keys.c.id == name))
        statement = statement.where(keys.c.revoked_at.is_(None))
        return self._database.read(
            lambda connection: [key_of(row) for row in connection.execute(statement).mappings()]
        )

    def list_keys(
        self, limit: int, cursor: str | None = None, search: str | None = None, owner: str = ""
    ) -> Page[KeyRecord]:
        """Return up to ``limit`` keys from ``cursor`` on, the newest first.

        ``search`` is a part of the name, of the owner's name or of the id. Raises
        ``InvalidRequestError`` for a cursor that is none.
        """
        statement = _select_keys()
        if search:
            statement = statement.where(contains(search, keys.c.name, tenants.c.name, keys.c.id))
        if owner:
            statement = statement.where(tenants.c.name == owner)
        return self._database.read(
            lambda connection: page_of(connection, statement, keys, key_of, limit, cursor)
        )

    def change(self, key_id: str, fields: Mapping[str, Any]) -> KeyRecord:
        """Change ``fields``; raises ``NotFoundError``, ``ConflictError`` for a revoked key."""
        columns, now = to_columns(fields), time.time()

        def work(connection: Connection) -> tuple[int, KeyRecord]:
            version = take_version(connection)
            _load_usable(connection, key_id)
            if "owner" in fields:
                owner = columns.pop("owner")
                columns["tenant_id"] = ensure_tenant(connection, owner, version, now)
            values = {**columns, "updated_at": now, "version": version}
            connection.execute(update(keys).where(keys.c.id == key_id).values(**values))
            return version, _load(connection, key_id)

        return self._change(work)

    def rotate(self, key_id: str, overlap: float) -> NewKey:
        """Give a key another text; the old one is good for ``overlap`` more seconds.

        Raises as ``change`` does.
        """
        key, now = build_key(), time.time()

        def work(connection: Connection) -> tuple[int, KeyRecord]:
            version = take_version(connection)
            _load_usable(connection, key_id)
            of_key = key_hashes.c.key_id == key_id
            connection.execute(delete(key_hashes).where(of_key, key_hashes.c.expires_at <= now))
            lasts = or_(key_hashes.c.expires_at.is_(None), key_hashes.c.expires_at > now + overlap)
            connection.execute(
                update(key_hashes).where(of_key, lasts).values(expires_at=now + overlap)
            )
            _add_hash(connection, key_id, key, now)
            values = {"updated_at": now, "version": version}
            connection.execute(update(keys).where(keys.c.id == key_id).values(**values))
            return version, _load(connection, key_id)

        return NewKey(self._change(work), key)

    def revoke(self, key_id: str, *, cut: bool = False) -> KeyRecord:
        """Revoke a key for ever; ``cut`` ends its requests under way, too.

        Raises ``NotFoundError``.
        """
        now = time.time()

        def work(connection: Connection) -> tuple[int, KeyRecord]:
            version = take_version(connection)
            _load(connection, key_id)
            revoked_at = func.coalesce(keys.c.revoked_at, now)
            values = {"revoked_at": revoked_at, "cuts_streams": cut, "version": version}
            connection.execute(update(keys).where(keys.c.id == key_id).values(**values))
            return version, _load(connection, key_id)

        return self._change(work)

    def note_used(self, used: Mapping[str, float]) -> None:
        """Note when keys were last used: moments by their ids."""

        def work(connection: Connection) -> None:
            for key_id, moment in sorted(used.items()):
                is_later = or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < moment)
                connection.execute(
                    update(keys).where(keys.c.id == key_id, is_later).values(last_used_at=moment)
                )

        self._database.write(work)

    def _change(self, work: Callable[[Connection], tuple[int, KeyRecord]]) -> KeyRecord:
        version, record = self._database.write(work)
        self._announcements.announce(version)
        return record


def _select_keys() -> Select[Any]:
    owners = keys.outerjoin(tenants, keys.c.tenant_id == tenants.c.id)
    return select(keys, tenants.c.name.label("owner")).select_from(owners)


def _load(connection: Connection, key_id: str) -> KeyRecord:
    statement = _select_keys().where(keys.c.id == key_id)
    # PostgreSQL takes no NUL in a text, not even to look for it.
    row = connection.execute(statement).mappings().first() if key_id.isprintable() else None
    if row is None:
        raise NotFoundError(f"There is no key {key_id!r}.", param="id", code="key_not_found")
    return key_of(row)


def _load_usable(connection: Connection, key_id: str) -> None:
    if _load(connection, key_id).revoked_at is not None:
        raise ConflictError("The key is revoked; make another one.", code="key_revoked")


def _add_hash(connection: Connection, key_id: str, key: str, now: float) -> None:
    values = {"hash": hash_key(key), "key_id": key_id, "created_at": now}
    connection.execute(key_hashes.insert().values(**values))
