"""The tables of keys and their owners, for SQLite and PostgreSQL alike.

Knows columns, and how limits and lists lie in them. Must not know connections, nor who asks.
Moments are seconds since 1970 (UTC); lists and metadata are JSON texts.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ROWS_AT_ONCE = "rows_at_once"
"""The key in a table's ``info``: how many of its rows a copy holds in memory, if they are large."""


def _limits() -> list[Column[object]]:
    """Return the columns of ``Limits``; amounts of money are exact as texts."""
    return [
        Column("rate_limit", Text),
        Column("token_rate_limit", Text),
        Column("max_concurrency", Integer),
        Column("budget_usd", Text),
        Column("budget_tokens", BigInteger),
        Column("budget_per", Text),
        Column("budget_soft_limit", Float),
    ]


store_version = Table(
    "store_version",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)
"""One row. Each change of a key or a tenant takes the next version, in its transaction."""

tenants = Table(
    "tenants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    *_limits(),
    Column("metadata", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("deleted_at", Float),
    Column("version", BigInteger, nullable=False, index=True),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, index=True),
    Column("tenant_id", Text, ForeignKey("tenants.id"), index=True),
    Column("role", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("models", Text, nullable=False),
    Column("allowed_ips", Text, nullable=False),
    *_limits(),
    Column("priority", Integer, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
    Column("cuts_streams", Boolean, nullable=False),
    Column("last_used_at", Float),
    Column("version", BigInteger, nullable=False, index=True),
)
"""``cuts_streams`` tells of a revoked key that its requests under way end, too."""

key_hashes = Table(
    "key_hashes",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("key_id", Text, ForeignKey("keys.id"), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
)
"""SHA-256 of what clients show. A rotated key has two for a while, the old one with an end."""

Index(
    "uq_tenants_name",
    tenants.c.name,
    unique=True,
    sqlite_where=tenants.c.deleted_at.is_(None),
    postgresql_where=tenants.c.deleted_at.is_(None),
)
