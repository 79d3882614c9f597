"""The database of keys and usage: transactions that never hold up anybody else.

Knows how a transaction is run, for how long one waits, and how all of that fails. Must
not know tables. Under gevent, SQLite is used in threads of its own, for its locks would
stop the whole worker; psycopg waits by gevent's means.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError

from gateway.accounts.store.engines import WRITES, build_engine, is_sqlite, limit_waiting
from gateway.accounts.store.schema import prepare_schema
from gateway.accounts.store.waiting import TooSlowError, Waiter, build_waiter
from gateway.errors import ServiceUnavailableError

PATIENCE = 1.0
"""Seconds that a request waits for the database before it is refused."""

_MARGIN = 0.1
_START_PATIENCE = 60.0
_OWN_FAULTS = (IntegrityError, ProgrammingError, DataError)
_Result = TypeVar("_Result")
Work = Callable[[Connection], _Result]
"""What is done in one transaction. What it raises undoes the transaction and is raised."""

logger = logging.getLogger("gateway.database")


class StoreUnavailableError(ServiceUnavailableError):
    """503: the database can't be asked now; whether a write was done after all is not known."""

    default_code = "store_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "The gateway's database can't be asked now. Try again shortly.", retry_after=1.0
        )


class Database:
    """The database at a ``DATABASE_URL``. Nothing is opened before the first use.

    It may be made before a fork and used after it, by any number of threads and greenlets.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = threading.Lock()
        self._process = 0
        self._is_prepared = False
        self._failing: set[bool] = set()
        self._waiter: Waiter
        self._engines: tuple[Engine, Engine]
        self._idle: tuple[deque[Connection], deque[Connection]] = (deque(), deque())

    def read(self, work: Work[_Result], patience: float = PATIENCE) -> _Result:
        """Return what ``work`` does in a transaction that only reads.

        Waits ``patience`` seconds at most, then raises ``StoreUnavailableError``, as for
        every other failure of the database. Violated constraints are raised as they are.
        """
        return self._run(work, patience, writes=False)

    def write(self, work: Work[_Result], patience: float = PATIENCE) -> _Result:
        """Do ``work`` in a transaction that may write; otherwise as ``read``.

        It is on the disk when this returns. ``work`` may write what it has read before:
        on SQLite nobody else's write comes between, on PostgreSQL lock the rows.
        """
        return self._run(work, patience, writes=True)

    def prepare(self, patience: float = _START_PATIENCE) -> None:
        """Make or upgrade the schema, unless this process has done so already.

        Raises ``StoreUnavailableError``, and ``ConfigurationError`` for a newer schema.
        """
        self._open()
        if not self._is_prepared:
            self._guarded(lambda: prepare_schema(self.url), patience, writes=True)
            self._is_prepared = True

    def check(self) -> None:
        """Prove that the database answers; raises ``StoreUnavailableError``."""
        self.read(lambda connection: connection.exec_driver_sql("SELECT 1"))

    def close(self) -> None:
        """Let go of all connections; a later use opens new ones."""
        if self._process != os.getpid():
            return
        for idle in self._idle:
            while idle:
                idle.pop().close()
        for engine in self._engines:
            engine.dispose()

    def _run(self, work: Work[_Result], patience: float, *, writes: bool) -> _Result:
        self.prepare(patience)
        deadline = time.monotonic() + patience
        return self._guarded(
            lambda: self._transact(work, writes, deadline), patience, writes=writes
        )

    def _guarded(self, job: Callable[[], _Result], patience: float, *, writes: bool) -> _Result:
        """Run ``job`` where it may wait; say so once when that fails, and when it works again.

        Of reading and of writing apart: on a full disk SQLite can still be read.
        """
        doing = "written" if writes else "read"
        try:
            result = self._waiter.run(job, patience, writes=writes)
        except _OWN_FAULTS:
            raise
        except (SQLAlchemyError, OSError, TooSlowError) as error:
            if writes not in self._failing:
                logger.error("the database can't be %s: %s", doing, describe_failure(error))
            self._failing.add(writes)
            raise StoreUnavailableError from error
        if writes in self._failing:
            logger.warning("the database can be %s again", doing)
            self._failing.discard(writes)
        return result

    def _transact(self, work: Work[_Result], writes: bool, deadline: float) -> _Result:
        connection = self._take(writes)
        try:
            if writes and is_sqlite(self.url):
                # A write whose caller has given up waiting must not be done after all.
                limit_waiting(connection, deadline - time.monotonic() - _MARGIN)
            with connection.begin():
                result = work(connection)
        except BaseException:
            connection.close()
            raise
        self._idle[writes].append(connection) if is_sqlite(self.url) else connection.close()
        return result

    def _take(self, writes: bool) -> Connection:
        """Return a connection: SQLite's are kept here, PostgreSQL's by the engine's pool."""
        try:
            return self._idle[writes].pop()
        except IndexError:
            return self._engines[writes].connect()

    def _open(self) -> None:
        if self._process == os.getpid():
            return
        with self._lock:
            if self._process != os.getpid():
                for idle in self._idle:
                    idle.clear()
                # Those that wait for a lock to write must not take the connections of others.
                reads, writes = build_engine(self.url), build_engine(self.url)
                self._engines = reads, writes.execution_options(**{WRITES: True})
                self._waiter = build_waiter(in_threads=is_sqlite(self.url))
                self._process = os.getpid()


def describe_failure(error: BaseException) -> str:
    """Return what went wrong, without the statement and its values: they may be secrets."""
    return str(error.orig).strip() if isinstance(error, DBAPIError) else str(error)
