"""The table of stored responses, for SQLite and PostgreSQL alike.

Knows columns. Must not know what is in a response. Moments are seconds since 1970 (UTC).
"""

from __future__ import annotations

from sqlalchemy import Column, Float, LargeBinary, Table, Text

from gateway.accounts.store.tables import ROWS_AT_ONCE, metadata

stored_responses = Table(
    "stored_responses",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("expires_at", Float, nullable=False, index=True),
    Column("data", LargeBinary, nullable=False),
    info={ROWS_AT_ONCE: 10},
)
"""``tenant`` is the text that the log has, too: not every tenant has a row of its own."""
