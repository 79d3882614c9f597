"""Rows into the database: each with its part in the sums of its hour and day, at once.

Knows the tables of usage. Must not know where rows come from. All of it is to be done
in one transaction. Groups are written in one order everywhere, so that two
transactions can't wait for each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import add, attrgetter
from typing import Any

from sqlalchemy import Connection, delete, text

from gateway.accounts.ledger.entry import Opening, Row
from gateway.accounts.ledger.latency import bucket_of
from gateway.accounts.ledger.periods import DAY
from gateway.accounts.store import usage_tables as tables
from gateway.accounts.store.usage_tables import ALL_KEYS, SUMMED, SUMMED_BY

HOUR = 3600
_GROUP = ("period", "start", *SUMMED_BY)
_group_of = attrgetter(*SUMMED_BY)


def _upsert(table: str, key: Sequence[str], summed: Sequence[str]) -> Any:
    columns = (*key, *summed)
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in summed)
    return text(
        f"INSERT INTO {table} ({', '.join(columns)}) "
        f"VALUES ({', '.join(f':{name}' for name in columns)}) "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {sums}"
    )


_INSERT = f"INSERT INTO usage_requests ({', '.join(Row._fields)})"
_ADD_SUMS = _upsert("usage_sums", _GROUP, SUMMED)
_ADD_LATENCIES = _upsert("usage_latencies", ("key_id", "start", "measure", "bucket"), ("count",))
_OPEN = text(
    "INSERT INTO usage_open (journal, number, created, key_id, owner, tokens, cost, line) "
    "VALUES (:journal, :number, :created, :key_id, :owner, :tokens, :cost, :line) "
    "ON CONFLICT (journal, number) DO UPDATE "
    "SET tokens = excluded.tokens, cost = excluded.cost, line = excluded.line"
)
_WARN = text(
    "INSERT INTO budget_warnings (account, created, body) VALUES (:account, :created, :body) "
    "ON CONFLICT (account) DO NOTHING"
)


def book(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert ``rows``, and add them to the sums."""
    if not rows:
        return
    # Past SQLAlchemy's own way, which costs as much as the rest of a row's way into the database.
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    statement = f"{_INSERT} VALUES ({', '.join([mark] * len(Row._fields))})"
    connection.exec_driver_sql(statement, list(map(tuple, rows)))
    connection.execute(_ADD_SUMS, _sum_up(rows))
    if counted := _count_latencies(rows):
        connection.execute(_ADD_LATENCIES, counted)


def note_open(connection: Connection, journal: str, lines: Iterable[tuple[Opening, str]]) -> None:
    """Remember requests of a journal that have not ended, by their lines."""
    values = [
        {
            "journal": journal,
            "number": opening.number,
            "created": opening.created,
            "key_id": opening.key_id,
            "owner": opening.owner,
            "tokens": opening.prompt_tokens + opening.completion_tokens,
            "cost": opening.cost,
            "line": line,
        }
        for opening, line in lines
    ]
    if values:
        connection.execute(_OPEN, values)


def forget_open(connection: Connection, journal: str, numbers: Iterable[int]) -> None:
    """Forget requests of a journal, for they have ended."""
    table = tables.open_requests
    for number in numbers:
        connection.execute(
            delete(table).where(table.c.journal == journal, table.c.number == number)
        )


def note_warnings(connection: Connection, warnings: Sequence[dict[str, Any]]) -> None:
    """Remember soft limits that were reached: the first of each account."""
    if warnings:
        connection.execute(_WARN, warnings)


def _sum_up(rows: Sequence[Row]) -> list[dict[str, Any]]:
    hours: dict[tuple[Any, ...], list[int]] = {}
    for row in rows:
        seconds = row.created // 1000
        key = (seconds - seconds % HOUR, *_group_of(row))
        group = hours.get(key)
        if group is None:
            group = hours[key] = [0] * len(SUMMED)
        group[0] += 1
        group[1] += row.prompt_tokens
        group[2] += row.completion_tokens
        group[3] += row.cached_tokens
        group[4] += row.reasoning_tokens
        if row.cost is None:
            group[6] += 1
        else:
            group[5] += row.cost
    groups: dict[tuple[Any, ...], list[int]] = {}
    for (start, *by), values in hours.items():
        groups[HOUR, start, *by] = values
        day = groups.setdefault((DAY, start - start % DAY, *by), [0] * len(SUMMED))
        day[:] = map(add, day, values)
    return [
        dict(zip((*_GROUP, *SUMMED), (*key, *groups[key]), strict=True)) for key in sorted(groups)
    ]


def _count_latencies(rows: Sequence[Row]) -> list[dict[str, Any]]:
    counts: Counter[tuple[str, int, str, int]] = Counter()
    for row in rows:
        seconds = row.created // 1000
        start = seconds - seconds % DAY
        if row.status >= 400:
            continue
        for measure, value in (("duration", row.duration_ms), ("ttft", row.ttft_ms)):
            if value is not None:
                bucket = bucket_of(value)
                counts[row.key_id, start, measure, bucket] += 1
                counts[ALL_KEYS, start, measure, bucket] += 1
    names = ("key_id", "start", "measure", "bucket")
    return [{**dict(zip(names, key, strict=True)), "count": counts[key]} for key in sorted(counts)]
