"""Long lists a page at a time, the newest first, and searching in them.

Knows statements and cursors. Must not know what is listed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Table,
    or_,
    select,
    tuple_,
)

from gateway.errors import InvalidRequestError

T = TypeVar("T")


class Page(NamedTuple, Generic[T]):
    """Some of a list, and the cursor of the rest (None: there is no more)."""

    data: list[T]
    next: str | None


def page_of(
    connection: Connection,
    statement: Select[Any],
    table: Table,
    build: Callable[[RowMapping], T],
    limit: int,
    cursor: str | None,
) -> Page[T]:
    """Return up to ``limit`` rows of ``statement``; a cursor is the id of the last one before.

    Raises ``InvalidRequestError`` for a cursor that is none.
    """
    place = tuple_(table.c.created_at, table.c.id)
    if cursor is not None:
        last = connection.execute(select(table.c.created_at).where(table.c.id == cursor)).first()
        if last is None:
            raise InvalidRequestError(
                "cursor must be the value of next in the page before.", param="cursor"
            )
        statement = statement.where(place < tuple_(last[0], cursor))
    ordered = statement.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit + 1)
    rows = connection.execute(ordered).mappings().all()
    data = [build(row) for row in rows[:limit]]
    return Page(data, rows[limit - 1]["id"] if len(rows) > limit else None)


def contains(text: str, *columns: Column[Any]) -> ColumnElement[bool]:
    """Return the condition that one of ``columns`` has ``text`` in it, in any case."""
    return or_(*(column.icontains(text, autoescape=True) for column in columns))
