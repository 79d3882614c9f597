"""A database as a whole: whether it is sound, backups, and copies into another.

Knows every table of ``metadata``. Must not know what is in them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Table, func, inspect, select, text

from gateway.accounts.store.engines import WRITES, build_engine, is_sqlite
from gateway.accounts.store.schema import head_revision, prepare_schema, read_revision
from gateway.accounts.store.tables import ROWS_AT_ONCE, metadata, store_version
from gateway.config.settings import SQLITE_PREFIX
from gateway.errors import ConfigurationError

_ROWS_AT_ONCE = 1000


class Report(NamedTuple):
    """What there is: the schema's revision, rows by table, and what is wrong."""

    revision: str | None
    rows: dict[str, int]
    problems: list[str]


def check(url: str) -> Report:
    """Look into a database; raises what SQLAlchemy does where there is none."""
    if is_sqlite(url) and not Path(url.removeprefix(SQLITE_PREFIX)).exists():
        return Report(None, {}, ["there is no such file yet; it is made at the first start"])
    with _connected(url) as connection:
        revision, problems = read_revision(connection), []
        if revision != head_revision():
            problems.append(f"the schema is {revision}, this version's is {head_revision()}")
        if is_sqlite(url):
            found = connection.exec_driver_sql("PRAGMA quick_check").scalars().all()
            problems += [line for line in found if line != "ok"]
        there = set(inspect(connection).get_table_names())
        rows = {
            table.name: int(connection.scalar(select(func.count()).select_from(table)) or 0)
            for table in metadata.sorted_tables
            if table.name in there
        }
    return Report(revision, rows, problems)


def back_up(url: str, file: Path) -> None:
    """Write everything into a new SQLite file as of one moment; others may write meanwhile."""
    if not is_sqlite(url):
        copy(url, f"{SQLITE_PREFIX}{file}")
        return
    file.touch(mode=0o600)
    source = sqlite3.connect(url.removeprefix(SQLITE_PREFIX))
    with closing(source), closing(sqlite3.connect(file)) as target:
        source.backup(target)
        # One file is easier to carry about than one with its log.
        target.execute("PRAGMA journal_mode = DELETE")


def copy(source_url: str, target_url: str) -> dict[str, int]:
    """Copy everything into an empty database, which gets the schema; return rows by table.

    Raises ``ConfigurationError`` where the target is not empty, or the source not of
    this version's schema.
    """
    with _connected(source_url) as source:
        if source.dialect.name == "postgresql":
            source.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        if read_revision(source) != head_revision():
            raise ConfigurationError("the source has another schema: run db upgrade first")
        prepare_schema(target_url)
        with _connected(target_url, writes=True) as target:
            _require_empty(target)
            target.execute(store_version.delete())
            return {table.name: _copy_table(source, target, table) for table in _tables()}


@contextmanager
def _connected(url: str, *, writes: bool = False) -> Iterator[Connection]:
    engine = build_engine(url, is_patient=True)
    try:
        with engine.execution_options(**{WRITES: writes}).begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _tables() -> list[Table]:
    return metadata.sorted_tables


def _require_empty(target: Connection) -> None:
    for table in _tables():
        if table is not store_version and target.execute(select(table).limit(1)).first():
            raise ConfigurationError(f"the target is not empty: it has rows in {table.name}")


def _copy_table(source: Connection, target: Connection, table: Table) -> int:
    count, at_once = 0, table.info.get(ROWS_AT_ONCE, _ROWS_AT_ONCE)
    found = source.execution_options(yield_per=at_once).execute(select(table))
    for rows in found.mappings().partitions(at_once):
        target.execute(table.insert(), [dict(row) for row in rows])
        count += len(rows)
    if target.dialect.name == "postgresql":
        _advance_sequences(target, table)
    return count


def _advance_sequences(target: Connection, table: Table) -> None:
    """Let numbers that PostgreSQL gives out begin after those that were copied."""
    for column in table.primary_key:
        if column is table.autoincrement_column:
            name = target.scalar(select(func.pg_get_serial_sequence(table.name, column.name)))
            highest = target.scalar(select(func.max(column)))
            if name is not None and highest is not None:
                target.execute(select(func.setval(name, highest)))
