"""The stored keys that one process has seen lately: a look into a dict, not the database.

Knows what is read of a key to let its holder in, and what tells that it is not true any
more. Must not know HTTP, nor when somebody looks for changes.
"""

from __future__ import annotations

import hmac
import threading
from concurrent.futures import CancelledError, Future
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, bindparam, select

from gateway.accounts.keys.keys import Principal
from gateway.accounts.keys.records import key_of, limits_of, principal_of
from gateway.accounts.keys.versions import read_version
from gateway.accounts.store.database import Database, StoreUnavailableError
from gateway.accounts.store.tables import key_hashes, keys, tenants

MAX_KNOWN = 20_000
"""Keys that a process remembers; of more than that those go that came first."""

MAX_CHANGES = 1000
"""So many changes at once, and everything is forgotten instead."""

_LIMITS = (
    "rate_limit",
    "token_rate_limit",
    "max_concurrency",
    "budget_usd",
    "budget_tokens",
    "budget_per",
    "budget_soft_limit",
    "updated_at",
)


class KnownKey(NamedTuple):
    """A stored key as of now. ``refusal`` says why its holder is not let in, None: they are.

    ``expires_at`` is the end of this text of the key, or of the key (seconds since 1970).
    """

    digest: bytes
    principal: Principal
    tenant_id: str | None
    refusal: str | None
    expires_at: float | None


class KnownKeys:
    """Finds keys by their digests, in memory where it can; safe for threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._known: dict[bytes, KnownKey] = {}
        self._version: int | None = None
        self._asked: dict[bytes, Future[KnownKey | None]] = {}

    def recall(self, digest: bytes) -> KnownKey | None:
        """Return the key with that digest if it is known; compared in constant time."""
        known = self._known.get(digest)
        return known if known and hmac.compare_digest(known.digest, digest) else None

    def look_up(self, digest: bytes) -> KnownKey | None:
        """Return the key with that digest, known from now on, or None for no key.

        Who asks for the same at the same time shares the answer: a burst with a key that is
        not known yet would take all connections. Raises ``StoreUnavailableError``.
        """
        own: Future[KnownKey | None] = Future()
        while (asked := self._asked.setdefault(digest, own)) is not own:
            try:
                return asked.result()
            except CancelledError:
                continue  # who asked has been ended
        try:
            own.set_result(self._read(digest))
        except StoreUnavailableError as error:
            own.set_exception(error)
        finally:
            if self._asked.get(digest) is own:
                del self._asked[digest]
            own.cancel()
        return own.result()

    def _read(self, digest: bytes) -> KnownKey | None:
        while True:
            if self._version is None:
                self.catch_up()
            began_at = self._version
            known = self._database.read(lambda connection: _read_key(connection, digest))
            with self._lock:
                if self._version != began_at:
                    continue  # what was read may be what has just been forgotten
                if known is not None:
                    if len(self._known) >= MAX_KNOWN:
                        self._known.pop(next(iter(self._known)))
                    self._known[digest] = known
                del self._asked[digest]  # who comes from now on may know of a later change
                return known

    def is_behind(self, version: int) -> bool:
        """Tell whether something has changed since what is known was read."""
        return self._version is not None and version > self._version

    def catch_up(self) -> list[str]:
        """Forget what has changed; return the ids of keys whose requests are to end.

        Raises ``StoreUnavailableError``; then everything known stays known.
        """
        since = self._version
        if since is None:
            self._version = self._database.read(read_version)
            return []
        changes = self._database.read(lambda connection: _read_changes(connection, since))
        if changes.version == since:
            return []
        with self._lock:
            self._forget(changes)
            self._version = changes.version
        return changes.cut

    def _forget(self, changes: _Changes) -> None:
        if changes.are_many:
            self._known = {}
            return
        kept = (
            each
            for each in self._known.values()
            if each.principal.key_id not in changes.key_ids
            and each.tenant_id not in changes.tenant_ids
        )
        self._known = {each.digest: each for each in kept}


class _Changes(NamedTuple):
    """``cut`` are the ids of keys that were revoked together with their requests."""

    version: int
    key_ids: frozenset[str]
    tenant_ids: frozenset[str | None]
    cut: list[str]
    are_many: bool


def _read_key(connection: Connection, digest: bytes) -> KnownKey | None:
    row = connection.execute(_SELECT_BY_HASH, {"digest": digest}).mappings().first()
    return None if row is None else _build(digest, row)


def _build(digest: bytes, row: RowMapping) -> KnownKey:
    record = key_of(row)
    owner_limits = limits_of(row, "owner_")
    ends = [end for end in (row["hash_expires_at"], record.expires_at) if end is not None]
    refusal = None
    if record.revoked_at is not None:
        refusal = "was revoked"
    elif not record.enabled:
        refusal = "is disabled"
    elif row["owner_enabled"] is False:
        refusal = "belongs to a tenant that is disabled"
    return KnownKey(
        digest,
        principal_of(record, owner_limits),
        row["tenant_id"],
        refusal,
        min(ends, default=None),
    )


def _read_changes(connection: Connection, since: int) -> _Changes:
    version = read_version(connection)
    if version == since:
        return _Changes(version, frozenset(), frozenset(), [], False)
    parameters = {"since": since}
    key_ids = frozenset(connection.scalars(_CHANGED_KEYS, parameters))
    tenant_ids = frozenset(connection.scalars(_CHANGED_TENANTS, parameters))
    cut = list(connection.scalars(_CUT_KEYS, parameters))
    # An older version is that of a database that was restored.
    are_many = max(len(key_ids), len(tenant_ids)) > MAX_CHANGES or version < since
    return _Changes(version, key_ids, tenant_ids, cut, are_many)


_SELECT_BY_HASH = (
    select(
        keys,
        tenants.c.name.label("owner"),
        tenants.c.enabled.label("owner_enabled"),
        *(tenants.c[name].label(f"owner_{name}") for name in _LIMITS),
        key_hashes.c.expires_at.label("hash_expires_at"),
    )
    .select_from(
        key_hashes.join(keys, key_hashes.c.key_id == keys.c.id).outerjoin(
            tenants, keys.c.tenant_id == tenants.c.id
        )
    )
    .where(key_hashes.c.hash == bindparam("digest"))
)
_SINCE_KEYS = keys.c.version > bindparam("since")
_SINCE_TENANTS = tenants.c.version > bindparam("since")
_CHANGED_KEYS = select(keys.c.id).where(_SINCE_KEYS).limit(MAX_CHANGES + 1)
_CHANGED_TENANTS = select(tenants.c.id).where(_SINCE_TENANTS).limit(MAX_CHANGES + 1)
_CUT_KEYS = select(keys.c.id).where(_SINCE_KEYS, keys.c.cuts_streams)
