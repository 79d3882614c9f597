"""Stored responses; and the tables of the ledger, where a command made a database without them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.accounts.store.usage_tables import (
    journals,
    latencies,
    open_requests,
    requests,
    sums,
    warnings,
)

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table of stored responses, and what is missing of 0002."""
    op.create_table(
        "stored_responses",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("expires_at", sa.Float, nullable=False, index=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    for table in (requests, sums, latencies, journals, open_requests, warnings):
        table.create(op.get_bind(), checkfirst=True)
