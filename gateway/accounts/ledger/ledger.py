"""The books: what requests reserve and use, in journals first and in the database soon after.

Knows journals and the database. Must not know HTTP, limits or prices. A request waits
for its line in the journal alone. Anybody may take over any journal: how far that
has come is kept in the same transaction as the rows.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, select, text, update

from gateway.accounts.ledger.booking import book, forget_open, note_open, note_warnings
from gateway.accounts.ledger.entry import (
    ENDED,
    RESERVED,
    WARNED,
    Opening,
    Row,
    charge_lost,
    check_storable,
    encode_line,
)
from gateway.accounts.ledger.journal import SUFFIX, Journal, end_of, read_from, take_dead
from gateway.accounts.store import usage_tables as tables
from gateway.accounts.store.database import Database
from gateway.errors import ServiceUnavailableError

JOURNALS = "journals"
"""The directory of the journals, beside the gateway's other files."""

_TAKEN_AT_ONCE = 256 * 1024
"""Bytes of a journal that one transaction takes over."""

_KEEP_POSITION = text(
    "INSERT INTO usage_journals (name, position) VALUES (:name, 0) ON CONFLICT (name) DO NOTHING"
)
logger = logging.getLogger("gateway.ledger")


class Ledger:
    """The books of all processes that share a database; journals are this machine's.

    ``on_fork`` is called in a process that was forked, before its first request.
    """

    def __init__(self, database: Database, data_directory: Path) -> None:
        self.database = database
        self.on_fork: Callable[[], None] | None = None
        self._directory = data_directory / JOURNALS
        self._journal = Journal(self._directory)
        self._unwritten: deque[bytes] = deque()
        self._process = os.getpid()
        self._positions: dict[str, int] = {}
        self._is_failing = False

    def open(self, opening: Opening) -> None:
        """Write down that a request begins. Raises ``ServiceUnavailableError`` where it can't."""
        if self._process != os.getpid():
            self._process = os.getpid()
            if self.on_fork is not None:
                self.on_fork()
        try:
            self._append(encode_line(RESERVED, opening.number, opening[1:]))
        except OSError as error:
            self._note_failure(error)
            raise ServiceUnavailableError(
                "What this request uses can't be written down now, so that it is not let through. "
                "Try again shortly.",
                code="ledger_unavailable",
                retry_after=1.0,
            ) from error

    def reopen(self, opening: Opening) -> None:
        """Write down that a request may use more than it began with."""
        self._write(encode_line(RESERVED, opening.number, opening[1:]))

    def end(self, number: int, row: Row) -> None:
        """Write down how a request has ended; ``number`` is its opening's, 0 without one.

        What can't be written now is written later.
        """
        self._write(encode_line(ENDED, number, row))

    def warn(self, account: str, created: int, body: dict[str, Any]) -> None:
        """Write down that a soft limit was reached, to be told once for each ``account``."""
        self._write(encode_line(WARNED, 0, (account, created, json.dumps(body))))

    def is_writable(self) -> bool:
        """Return whether requests can be written down now; tried, but nothing is left of it."""
        try:
            self._journal.check()
        except OSError as error:
            self._note_failure(error)
            return False
        return True

    def drain(self) -> None:
        """Take over all that is in this machine's journals; raises ``StoreUnavailableError``."""
        self._write_rest()
        positions = self.database.read(_read_positions)
        for path in self._paths():
            with contextlib.suppress(FileNotFoundError):
                end = end_of(path)
                while positions.get(path.name, 0) < end and self._take_over(path):
                    positions[path.name] = self._positions[path.name]

    def drain_own(self) -> None:
        """Take over what is in this process's journal, and let go of it there."""
        self._write_rest()
        path = self._directory / self._journal.name
        end = self._journal.end
        if not end:
            return
        while self._positions.get(path.name, -1) < end and self._take_over(path):
            pass
        with contextlib.suppress(OSError):
            self._journal.roll(self._positions[path.name])

    def settle_dead(self) -> None:
        """Take over the journals of processes that have died, and charge what they left open."""
        for path in self._paths():
            if path.name == self._journal.name:
                continue
            descriptor = take_dead(path)
            if descriptor is None:
                continue
            try:
                while self._take_over(path):
                    pass
                self.database.write(partial(_charge, journal=path.name))
                path.unlink(missing_ok=True)
                self.database.write(partial(_forget, journal=path.name))
                self._positions.pop(path.name, None)
            except FileNotFoundError:
                continue
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Take over what is left, and let go of the journal."""
        self.drain_own()
        self._journal.close()

    def _paths(self) -> list[Path]:
        return sorted(self._directory.glob(f"*{SUFFIX}"))

    def _take_over(self, path: Path) -> bool:
        """Take over the next part of a journal; return whether there was any."""

        def take_over(connection: Connection) -> tuple[int, int]:
            connection.execute(_KEEP_POSITION, {"name": path.name})
            table = tables.journals
            position = connection.execute(
                select(table.c.position).where(table.c.name == path.name).with_for_update()
            ).scalar_one()
            data = read_from(path, position, _TAKEN_AT_ONCE)
            if data:
                _book_lines(connection, path.name, data.splitlines())
                connection.execute(
                    update(table)
                    .where(table.c.name == path.name)
                    .values(position=position + len(data))
                )
            return position + len(data), len(data)

        self._positions[path.name], taken = self.database.write(take_over)
        return taken > 0

    def _write(self, line: bytes) -> None:
        self._unwritten.append(line)
        self._write_rest()

    def _write_rest(self) -> None:
        """Write what could not be written when it was to be."""
        try:
            while self._unwritten:
                line = self._unwritten.popleft()
                try:
                    self._append(line)
                except BaseException:
                    self._unwritten.appendleft(line)
                    raise
        except OSError as error:
            self._note_failure(error)

    def _append(self, line: bytes) -> None:
        self._journal.append(line)
        if self._is_failing:
            self._is_failing = False
            logger.warning("the journal in %s can be written again", self._directory)

    def _note_failure(self, error: OSError) -> None:
        if not self._is_failing:
            logger.error("the journal in %s can't be written: %s", self._directory, error)
        self._is_failing = True


def _read_positions(connection: Connection) -> dict[str, int]:
    table = tables.journals
    return {row.name: row.position for row in connection.execute(select(table))}


def _book_lines(connection: Connection, journal: str, lines: Sequence[bytes]) -> None:
    openings: dict[int, tuple[Opening, str]] = {}
    ended: list[int] = []
    rows: list[Row] = []
    warnings: list[dict[str, Any]] = []
    for line in lines:
        try:
            kind, number, *values = json.loads(line)
            check_storable([number, *values])
            if kind == RESERVED:
                openings[number] = Opening(number, *values), line.decode("ascii")
            elif kind == ENDED:
                rows.append(Row(*values))
                if number and openings.pop(number, None) is None:
                    ended.append(number)
            else:
                account, created, body = values
                warnings.append({"account": account, "created": created, "body": body})
        except (ValueError, TypeError):
            logger.error("a line of the journal %s can't be read: %r", journal, line[:200])
    book(connection, rows)
    forget_open(connection, journal, ended)
    note_open(connection, journal, openings.values())
    note_warnings(connection, warnings)


def _charge(connection: Connection, journal: str) -> None:
    """Charge what a dead process left open with all that was reserved."""
    table = tables.open_requests
    lines = connection.execute(select(table.c.line).where(table.c.journal == journal)).scalars()
    openings = [Opening(*json.loads(line)[1:]) for line in lines]
    book(connection, [charge_lost(opening) for opening in openings])
    connection.execute(delete(table).where(table.c.journal == journal))


def _forget(connection: Connection, journal: str) -> None:
    connection.execute(delete(tables.journals).where(tables.journals.c.name == journal))
