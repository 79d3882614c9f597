"""What was used, summed up by key, model, provider, status, day and more.

Knows the tables of usage. Must not know HTTP. Sums are of days where a day lies wholly
in what is asked for, of hours at its edge, and of single rows within the first hour.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, case, func, literal, select, union_all

from gateway.accounts.ledger.booking import HOUR
from gateway.accounts.ledger.latency import percentiles
from gateway.accounts.ledger.periods import DAY
from gateway.accounts.prices.prices import NANO
from gateway.accounts.store import usage_tables as tables

DIMENSIONS = {
    "key": "key_id",
    "owner": "owner",
    "model": "model",
    "provider": "provider",
    "upstream_model": "upstream_model",
    "operation": "operation",
    "status": "status",
    "cache": "cache",
    "day": "day",
    "hour": "hour",
}
"""What usage can be summed up by, as people name it, and its column."""

_FAILED = 400
_SUMMED = ("requests", "errors", "prompt_tokens", "completion_tokens", "cached_tokens")
_COUNTED = (*_SUMMED, "reasoning_tokens", "cost", "unpriced")


@dataclass(frozen=True)
class Scope:
    """Which requests: since a moment in Unix seconds (0: the beginning), of a key or of all.

    ``oldest_hour`` is that before which there are sums by day only.
    """

    since: float = 0.0
    key_id: str | None = None
    oldest_hour: float = 0.0


def parse_dimensions(text: str) -> tuple[str, ...]:
    """Read names of ``DIMENSIONS``, separated by commas. Raises ValueError."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in DIMENSIONS:
            raise ValueError(f"has {name!r}; there are {', '.join(DIMENSIONS)}")
    return names


def describe_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``iter_usage`` yields as it is told: money in dollars, null if not known."""
    told = {name: value for name, value in entry.items() if name not in ("cost", "unpriced")}
    cost = to_usd(known_cost(entry))
    return {**told, "cost_usd": cost, "unpriced_requests": entry["unpriced"]}


def iter_usage(connection: Connection, scope: Scope, by: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a dict for each group of ``by`` (names of ``DIMENSIONS``), in their order.

    It has the names of ``by``, counts, and ``cost`` in nano-dollars.
    """
    parts = union_all(*_parts(scope, by)).subquery()
    groups = [parts.c[f"by_{name}"] for name in by]
    counted = [func.sum(parts.c[name]).label(name) for name in _COUNTED]
    query = select(*groups, *counted).group_by(*groups).order_by(*groups)
    for row in connection.execute(query):
        yield _to_dict(row, by)


def read_latencies(connection: Connection, scope: Scope) -> dict[str, dict[str, float] | None]:
    """Return percentiles in ms of whole durations and of the time to the first token.

    They are of successes, since the day that ``scope`` begins in.
    """
    table = tables.latencies
    start = scope.since - scope.since % DAY
    query = select(table.c.measure, table.c.bucket, func.sum(table.c["count"]))
    key_id = tables.ALL_KEYS if scope.key_id is None else scope.key_id
    query = query.where(table.c.key_id == key_id, table.c.start >= start)
    found: dict[str, dict[int, int]] = {"duration": {}, "ttft": {}}
    for measure, bucket, count in connection.execute(
        query.group_by(table.c.measure, table.c.bucket)
    ):
        found[measure][bucket] = int(count)
    return {"duration_ms": percentiles(found["duration"]), "ttft_ms": percentiles(found["ttft"])}


def to_usd(nano: int | None) -> float | None:
    """Return nano-dollars as dollars; None: not known."""
    return None if nano is None else nano / NANO


def known_cost(entry: Mapping[str, Any]) -> int | None:
    """Return the nano-dollars of a group, None where no price of it is known."""
    if entry["unpriced"] and not entry["cost"]:
        return None
    return int(entry["cost"])


def _parts(scope: Scope, by: Sequence[str]) -> Iterator[Select[Any]]:
    """Yield what to add up: whole days, and before them hours and rows at the edge."""
    since = scope.since
    if since < scope.oldest_hour:
        since -= since % DAY
    first_hour = -(-since // HOUR) * HOUR
    first_day = -(-since // DAY) * DAY
    by_hour = "hour" in by
    if by_hour:
        yield _sums(scope, by, HOUR, first_hour, None)
    else:
        yield _sums(scope, by, DAY, first_day, None)
        if first_hour < first_day:
            yield _sums(scope, by, HOUR, first_hour, first_day)
    if since < first_hour:
        yield _rows(scope, by, since, first_hour)


def _sums(
    scope: Scope, by: Sequence[str], period: int, start: float, end: float | None
) -> Select[Any]:
    table = tables.sums
    counted: dict[str, Any] = {name: table.c[name] for name in _COUNTED if name in table.c}
    counted["errors"] = case((table.c.status >= _FAILED, table.c.requests), else_=0)
    groups = [
        (table.c.start - table.c.start % _SECONDS[name] if name in _SECONDS else table.c[column])
        .label(f"by_{name}")
        for name, column in ((name, DIMENSIONS[name]) for name in by)
    ]  # fmt: skip
    query = select(*groups, *(counted[name].label(name) for name in _COUNTED))
    query = query.where(table.c.period == period, table.c.start >= start)
    if end is not None:
        query = query.where(table.c.start < end)
    return query if scope.key_id is None else query.where(table.c.key_id == scope.key_id)


def _rows(scope: Scope, by: Sequence[str], start: float, end: float) -> Select[Any]:
    table = tables.requests
    counted: dict[str, Any] = {name: table.c[name] for name in _COUNTED if name in table.c}
    counted |= {
        "requests": literal(1),
        "errors": case((table.c.status >= _FAILED, 1), else_=0),
        "cost": func.coalesce(table.c.cost, 0),
        "unpriced": case((table.c.cost.is_(None), 1), else_=0),
    }
    groups = [
        (literal(int(end - HOUR)) - literal(int(end - HOUR)) % literal(_SECONDS[name])
         if name in _SECONDS else table.c[DIMENSIONS[name]]).label(f"by_{name}")
        for name in by
    ]  # fmt: skip
    query = select(*groups, *(counted[name].label(name) for name in _COUNTED))
    query = query.where(table.c.created >= int(start * 1000), table.c.created < int(end * 1000))
    return query if scope.key_id is None else query.where(table.c.key_id == scope.key_id)


_SECONDS = {"day": DAY, "hour": HOUR}


def _to_dict(row: Any, by: Sequence[str]) -> dict[str, Any]:
    values = dict(row._mapping)
    entry: dict[str, Any] = {}
    for name in by:
        value = values[f"by_{name}"]
        entry[name] = _format_start(name, int(value)) if name in _SECONDS else value
    return entry | {name: int(values[name] or 0) for name in _COUNTED}


def _format_start(name: str, seconds: int) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.date().isoformat() if name == "day" else moment.strftime("%Y-%m-%dT%H:00Z")


def build_scope(since: float, key_id: str | None, retention_days: int) -> Scope:
    """Return the scope of requests since a moment, as far as rows and hours are kept."""
    return Scope(since, key_id, time.time() - retention_days * DAY + HOUR)
