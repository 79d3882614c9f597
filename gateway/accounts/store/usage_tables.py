"""The tables of what was used, for SQLite and PostgreSQL alike.

Knows columns. Must not know how they are filled. Moments of requests are milliseconds
since 1970 (UTC), starts of sums seconds; money is whole nano-dollars, NULL where the
price is not known.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table, Text

from gateway.accounts.store.tables import metadata

_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows of INTEGER alone

requests = Table(
    "usage_requests",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("created", BigInteger, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("upstream_model", Text, nullable=False),
    Column("attempts", SmallInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("stream", SmallInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost", BigInteger),
    Column("cache", Text, nullable=False),
    Column("ttft_ms", Integer),
    Column("duration_ms", Integer),
    Column("error", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("client_user", Text, nullable=False),
)
"""One row a request that has ended."""

Index("ix_usage_requests_created", requests.c.created)

SUMMED_BY = (
    "key_id",
    "owner",
    "model",
    "provider",
    "upstream_model",
    "operation",
    "status",
    "cache",
)
SUMMED = (
    "requests",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost",
    "unpriced",
)

sums = Table(
    "usage_sums",
    metadata,
    Column("period", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    *(
        Column(name, SmallInteger if name == "status" else Text, primary_key=True)
        for name in SUMMED_BY
    ),
    *(Column(name, BigInteger, nullable=False) for name in SUMMED),
    sqlite_with_rowid=False,
)
"""The rows of each hour (``period`` 3600) and day (86400); ``unpriced`` counts unknown costs."""

latencies = Table(
    "usage_latencies",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("measure", Text, primary_key=True),
    Column("bucket", SmallInteger, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""How often in a day a ``duration`` or ``ttft`` was in a bucket of ``ledger/latency.py``.

By key, and of all keys together under the name ``ALL_KEYS``.
"""

ALL_KEYS = "*"

journals = Table(
    "usage_journals",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
)
"""How far each journal has been taken over, and when the rows were pruned last."""

open_requests = Table(
    "usage_open",
    metadata,
    Column("journal", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("created", BigInteger, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("cost", BigInteger),
    Column("line", Text, nullable=False),
)
"""Requests that were reserved and have not ended: ``line`` as it was in the journal."""

warnings = Table(
    "budget_warnings",
    metadata,
    Column("account", Text, primary_key=True),
    Column("created", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("delivered_at", BigInteger),
)
"""Soft limits that were reached, once a period each; NULL: its webhook has not been told."""
