"""Connections to SQLite and PostgreSQL, each with what makes it safe and impatient.

Knows URLs, drivers and their options. Must not know tables, nor who waits.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from gateway.config.settings import SQLITE_PREFIX

BUSY_SECONDS = 0.8
"""How long a statement waits for others' locks, and on PostgreSQL for its answer."""

WRITES = "gateway_writes"
"""The execution option of a connection whose transaction is going to write."""

_CONNECT_SECONDS = 2
_PAUSE = 0.01
_POSTGRESQL_DRIVER = "postgresql+psycopg"


def is_sqlite(url: str) -> bool:
    """Tell whether a ``DATABASE_URL`` names a file of SQLite."""
    return url.startswith(SQLITE_PREFIX)


def build_engine(url: str, *, is_patient: bool = False) -> Engine:
    """Return the engine for a ``DATABASE_URL``; nothing is opened yet.

    One that ``is_patient`` waits for locks as long as it takes, for migrations and copies.
    """
    return _build_sqlite(url, is_patient) if is_sqlite(url) else _build_postgresql(url, is_patient)


def make_file(url: str) -> None:
    """Make the SQLite file with its directory, for its owner's eyes only, if there is none."""
    path = Path(url.removeprefix(SQLITE_PREFIX))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def limit_waiting(connection: Connection, seconds: float) -> None:
    """Let a connection to SQLite wait for locks for so long, from now on."""
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA busy_timeout = {max(int(seconds * 1000), 1)}")


def _build_sqlite(url: str, is_patient: bool) -> Engine:
    seconds = 60.0 if is_patient else BUSY_SECONDS
    engine = create_engine(
        url,
        # Who runs statements keeps connections: see gateway.accounts.store.database.
        poolclass=NullPool,
        # isolation_level: the driver must not begin transactions by itself.
        connect_args={"timeout": seconds, "isolation_level": None, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: object) -> None:
        _write_ahead(connection, seconds)
        connection.execute("PRAGMA synchronous = NORMAL")
        if not is_patient:  # a migration that rebuilds a table must not lose what points to it
            connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Who reads first and then writes could find that somebody has written meanwhile.
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _write_ahead(connection: Any, seconds: float) -> None:
    """Have the file written by a log, which is so for ever after; waits ``seconds`` for others.

    SQLite itself does not wait for one that does the same to a new file.
    """
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= give_up_at:
                raise
        time.sleep(_PAUSE)


def _build_postgresql(url: str, is_patient: bool) -> Engine:
    engine = create_engine(
        make_url(url).set(drivername=_POSTGRESQL_DRIVER),
        pool_size=2,
        max_overflow=2,
        pool_timeout=BUSY_SECONDS,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "prepare_threshold": None,  # a pooler between us may give each transaction another
            "tcp_user_timeout": _CONNECT_SECONDS * 1000,
        },
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: object) -> None:
        if is_patient:
            return
        milliseconds = int(BUSY_SECONDS * 1000)
        connection.execute(f"SET statement_timeout = {milliseconds}")
        connection.execute(f"SET lock_timeout = {milliseconds}")
        connection.commit()

    return engine
