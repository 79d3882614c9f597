"""The ledger's rows, newest first, a page at a time.

Knows the table of requests. Must not know HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from gateway.accounts.ledger.usage import to_usd
from gateway.accounts.store import usage_tables as tables

MOST_AT_ONCE = 1000


@dataclass(frozen=True)
class Filter:
    """Which rows; moments are Unix seconds, ``before`` what ``next`` of the page before says."""

    since: float | None = None
    until: float | None = None
    key_id: str | None = None
    model: str | None = None
    status: int | None = None
    request_id: str | None = None
    before: tuple[int, int] | None = None
    limit: int = 100


def read_requests(connection: Connection, wanted: Filter) -> tuple[list[dict[str, Any]], str]:
    """Return rows, and the cursor of those after them: "" where there are none."""
    table = tables.requests
    query = select(table).order_by(table.c.created.desc(), table.c.id.desc())
    if wanted.since is not None:
        query = query.where(table.c.created >= round(wanted.since * 1000))
    if wanted.until is not None:
        query = query.where(table.c.created < round(wanted.until * 1000))
    for name in ("key_id", "model", "status", "request_id"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(table.c[name] == value)
    if wanted.before is not None:
        created, row = wanted.before
        query = query.where(
            or_(table.c.created < created, and_(table.c.created == created, table.c.id < row))
        )
    rows = [dict(row._mapping) for row in connection.execute(query.limit(wanted.limit + 1))]
    page = rows[: wanted.limit]
    cursor = f"{page[-1]['created']}-{page[-1]['id']}" if len(rows) > len(page) else ""
    return [_to_dict(row) for row in page], cursor


def parse_cursor(text: str) -> tuple[int, int]:
    """Read what ``next`` says. Raises ValueError."""
    created, _, row = text.partition("-")
    if not (created.isascii() and created.isdecimal() and row.isascii() and row.isdecimal()):
        raise ValueError("is no cursor; send what next of the page before says")
    if len(created) > 15 or len(row) > 18:
        raise ValueError("is no cursor; send what next of the page before says")
    return int(created), int(row)


def _to_dict(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as it is told: ``created`` in Unix seconds, ``cost_usd`` null if unknown."""
    entry = {name: value for name, value in row.items() if name not in ("id", "cost")}
    entry["created"] = row["created"] / 1000
    entry["stream"] = bool(row["stream"])
    entry["cost_usd"] = to_usd(row["cost"])
    entry["user"] = entry.pop("client_user")
    return entry
