"""Responses kept for their tenants, in an SQLite file of their own on this machine.

Knows tenants, ids and for how long. Must not know what is in a response, nor HTTP. Under
gevent the file is used in threads of its own, for its locks would stop the whole worker.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar, cast

from gateway.errors import ServiceUnavailableError

LARGEST = 16 * 1024 * 1024
"""Bytes that one response may have, with all that led to it."""

_DAY = 24 * 3600.0
_PATIENCE = 1.0
"""Seconds that a request waits for others' locks."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS responses (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    expires_at REAL NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ix_responses_expires_at ON responses (expires_at);
"""

logger = logging.getLogger("gateway.accounts")
_Result = TypeVar("_Result")


class StoredResponses:
    """Bytes by tenant and id. Nothing is opened before the first use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_made = False

    def get(self, tenant: str, response_id: str) -> bytes | None:
        """Return what is kept under an id, None for nothing; raises ``ServiceUnavailableError``."""

        def read(connection: sqlite3.Connection) -> bytes | None:
            found = connection.execute(
                "SELECT data FROM responses WHERE tenant = ? AND id = ? AND expires_at > ?",
                (tenant, response_id, time.time()),
            ).fetchone()
            return found[0] if found else None

        return self._run(read, "BEGIN")

    def put(self, tenant: str, response_id: str, data: bytes, days: int) -> bool:
        """Keep ``data`` for so many days; False where it is too large, or can't be kept now.

        What has been kept for long enough goes.
        """

        def write(connection: sqlite3.Connection) -> None:
            now = time.time()
            connection.execute("DELETE FROM responses WHERE expires_at <= ?", (now,))
            connection.execute(
                "INSERT OR REPLACE INTO responses VALUES (?, ?, ?, ?)",
                (tenant, response_id, now + days * _DAY, data),
            )

        if len(data) > LARGEST:
            return False
        try:
            self._run(write)
        except ServiceUnavailableError:
            return False
        return True

    def delete(self, tenant: str, response_id: str) -> bool:
        """Forget what is kept under an id; False for nothing; raises as ``get``."""

        def write(connection: sqlite3.Connection) -> bool:
            deleted = connection.execute(
                "DELETE FROM responses WHERE tenant = ? AND id = ? AND expires_at > ?",
                (tenant, response_id, time.time()),
            )
            return deleted.rowcount > 0

        return self._run(write)

    def _run(
        self, work: Callable[[sqlite3.Connection], _Result], begin: str = "BEGIN IMMEDIATE"
    ) -> _Result:
        """Do ``work`` in one transaction, where it may wait."""

        def job() -> _Result:
            with closing(self._connect()) as connection, connection:
                connection.execute(begin)
                return work(connection)

        try:
            return _wait_for(job)
        except (sqlite3.Error, OSError) as error:
            self._is_made = False  # somebody may have taken the file away
            logger.error("stored responses can't be used: %s", error)
            raise ServiceUnavailableError(
                "Stored responses can't be used now. Try again shortly.",
                code="store_unavailable",
                retry_after=1.0,
            ) from error

    def _connect(self) -> sqlite3.Connection:
        if not self._is_made:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)
        connection.execute("PRAGMA synchronous = NORMAL")
        if not self._is_made:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
            self._is_made = True
        return connection


def _wait_for(job: Callable[[], _Result]) -> _Result:
    """Return what ``job`` returns, without holding up other greenlets where there are any."""
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("socket"):
        return job()
    from gevent import get_hub

    return cast("_Result", get_hub().threadpool.apply(job))
