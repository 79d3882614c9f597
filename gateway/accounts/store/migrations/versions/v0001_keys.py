"""Keys and the tenants they belong to."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables of keys."""
    op.create_table(
        "store_version",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO store_version (id, version) VALUES (1, 0)")
    op.create_table(
        "tenants",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        *_limits(),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.Column("deleted_at", sa.Float),
        sa.Column("version", sa.BigInteger, nullable=False, index=True),
    )
    op.create_index(
        "uq_tenants_name",
        "tenants",
        ["name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, index=True),
        sa.Column("tenant_id", sa.Text, sa.ForeignKey("tenants.id"), index=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("models", sa.Text, nullable=False),
        sa.Column("allowed_ips", sa.Text, nullable=False),
        *_limits(),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float),
        sa.Column("revoked_at", sa.Float),
        sa.Column("cuts_streams", sa.Boolean, nullable=False),
        sa.Column("last_used_at", sa.Float),
        sa.Column("version", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "key_hashes",
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("key_id", sa.Text, sa.ForeignKey("keys.id"), nullable=False, index=True),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float),
    )


def _limits() -> list[sa.Column[Any]]:
    return [
        sa.Column("rate_limit", sa.Text),
        sa.Column("token_rate_limit", sa.Text),
        sa.Column("max_concurrency", sa.Integer),
        sa.Column("budget_usd", sa.Text),
        sa.Column("budget_tokens", sa.BigInteger),
        sa.Column("budget_per", sa.Text),
        sa.Column("budget_soft_limit", sa.Float),
    ]
