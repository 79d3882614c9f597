"""What was used: rows, sums, journals, open requests and warnings."""

from __future__ import annotations

from alembic import op

from gateway.accounts.store.usage_tables import (
    journals,
    latencies,
    open_requests,
    requests,
    sums,
    warnings,
)

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables of the ledger."""
    for table in (requests, sums, latencies, journals, open_requests, warnings):
        table.create(op.get_bind())
