"""What was spent of a budget, from the books: where its counter has to begin.

Knows the tables of usage. Must not know limits, nor where counters are kept.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from gateway.accounts.ledger.periods import DAY, Span
from gateway.accounts.store import usage_tables as tables

UNCHARGED = "hit"
"""What ``cache`` says of a request that cost nothing, for its answer was there."""


_FOR_EVER = 2**40


def read_spent(connection: Connection, holder: str, name: str, span: Span) -> tuple[int, int]:
    """Return tokens and nano-dollars that a ``key`` or an ``owner`` has used in ``span``.

    What is reserved for requests under way is counted in. After the span there is something
    only where the clock was set back: that belongs to its own day.
    """
    start, end = span.start, _FOR_EVER if span.end is None else span.end
    sums, still_open = tables.sums, tables.open_requests
    column = "key_id" if holder == "key" else "owner"
    ended = select(
        func.coalesce(func.sum(sums.c.prompt_tokens + sums.c.completion_tokens), 0),
        func.coalesce(func.sum(sums.c.cost), 0),
    ).where(
        sums.c.period == DAY,
        sums.c[column] == name,
        sums.c.start >= start,
        sums.c.start < end,
        sums.c.cache != UNCHARGED,
    )
    under_way = select(
        func.coalesce(func.sum(still_open.c.tokens), 0),
        func.coalesce(func.sum(still_open.c.cost), 0),
    ).where(
        still_open.c[column] == name,
        still_open.c.created >= start * 1000,
        still_open.c.created < end * 1000,
    )
    spent = [connection.execute(query).one() for query in (ended, under_way)]
    return sum(int(each[0]) for each in spent), sum(int(each[1]) for each in spent)
