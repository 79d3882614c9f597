"""What was spent of a budget, from the books: where its counter has to begin.

Knows the tables of usage. Must not know limits, nor where counters are kept.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from gateway.accounts.ledger.periods import DAY
from gateway.accounts.store import usage_tables as tables

UNCHARGED = "hit"
"""What ``cache`` says of a request that cost nothing, for its answer was there."""


def read_spent(connection: Connection, holder: str, name: str, start: int) -> tuple[int, int]:
    """Return tokens and nano-dollars of a ``key`` or an ``owner`` since ``start``.

    That is the first second of a day in UTC. What is reserved for requests under way is counted in.
    """
    sums, still_open = tables.sums, tables.open_requests
    column = "key_id" if holder == "key" else "owner"
    ended = select(
        func.coalesce(func.sum(sums.c.prompt_tokens + sums.c.completion_tokens), 0),
        func.coalesce(func.sum(sums.c.cost), 0),
    ).where(
        sums.c.period == DAY,
        sums.c[column] == name,
        sums.c.start >= start,
        sums.c.cache != UNCHARGED,
    )
    under_way = select(
        func.coalesce(func.sum(still_open.c.tokens), 0),
        func.coalesce(func.sum(still_open.c.cost), 0),
    ).where(still_open.c[column] == name, still_open.c.created >= start * 1000)
    spent = [connection.execute(query).one() for query in (ended, under_way)]
    return sum(int(each[0]) for each in spent), sum(int(each[1]) for each in spent)
