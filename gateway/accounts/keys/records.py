"""Stored keys and tenants as values: out of rows, and as people and programs are shown them.

Knows the columns. Must not know statements, nor HTTP. No record holds a key.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping

from gateway.accounts.keys.keys import Budget, Limits, Principal, Role

KEY_PREFIX = "key_"
TENANT_PREFIX = "tenant_"


@dataclass(frozen=True)
class KeyRecord:
    """A stored key. Moments are seconds since 1970; ``owner`` is "" without a tenant."""

    id: str
    name: str
    owner: str
    role: Role
    enabled: bool
    models: tuple[str, ...]
    allowed_ips: tuple[str, ...]
    limits: Limits
    priority: int
    metadata: Mapping[str, Any]
    created_at: float
    updated_at: float
    expires_at: float | None
    revoked_at: float | None
    last_used_at: float | None

    @property
    def status(self) -> str:
        """Return what the key is now: ``active``, ``disabled``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= time.time():
            return "expired"
        return "active" if self.enabled else "disabled"


@dataclass(frozen=True)
class TenantRecord:
    """A stored tenant, the owner of keys; its limits bound the sum of them."""

    id: str
    name: str
    enabled: bool
    limits: Limits
    metadata: Mapping[str, Any]
    created_at: float
    updated_at: float


def key_of(row: RowMapping) -> KeyRecord:
    """Return the key of a row of ``keys`` with its tenant's name as ``owner``."""
    return KeyRecord(
        id=row["id"],
        name=row["name"],
        owner=row["owner"] or "",
        role=row["role"],
        enabled=row["enabled"],
        models=tuple(json.loads(row["models"])),
        allowed_ips=tuple(json.loads(row["allowed_ips"])),
        limits=limits_of(row),
        priority=row["priority"],
        metadata=json.loads(row["metadata"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )


def tenant_of(row: RowMapping) -> TenantRecord:
    """Return the tenant of a row of ``tenants``."""
    return TenantRecord(
        id=row["id"],
        name=row["name"],
        enabled=row["enabled"],
        limits=limits_of(row),
        metadata=json.loads(row["metadata"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def principal_of(record: KeyRecord, owner_limits: Limits) -> Principal:
    """Return who shows the key."""
    return Principal(
        name=record.name,
        role=record.role,
        tenant=record.id,
        key_id=record.id,
        owner=record.owner,
        limits=record.limits,
        owner_limits=owner_limits,
        models=record.models,
        allowed_ips=record.allowed_ips,
        priority=record.priority,
        expires_at=record.expires_at,
    )


def limits_of(row: RowMapping, prefix: str = "") -> Limits:
    """Return the limits of a row whose columns of limits begin with ``prefix``."""
    usd, tokens = row[f"{prefix}budget_usd"], row[f"{prefix}budget_tokens"]
    budget = None
    if usd is not None or tokens is not None:
        money = None if usd is None else Decimal(usd)
        soft_limit = row[f"{prefix}budget_soft_limit"]
        budget = Budget(money, tokens, row[f"{prefix}budget_per"], soft_limit)
    return Limits(
        row[f"{prefix}rate_limit"],
        row[f"{prefix}token_rate_limit"],
        row[f"{prefix}max_concurrency"],
        budget,
        row[f"{prefix}updated_at"] or 0.0,
    )


def to_columns(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that hold ``fields``, which are named as those of the records.

    Of limits each is a field of its own, as in the admin API.
    """
    columns = dict(fields)
    for name in ("models", "allowed_ips", "metadata"):
        if name in columns:
            columns[name] = json.dumps(columns[name])
    if "budget" in columns:
        budget: Budget = columns.pop("budget") or Budget()
        columns["budget_usd"] = None if budget.usd is None else str(budget.usd)
        columns["budget_tokens"] = budget.tokens
        columns["budget_per"] = budget.per
        columns["budget_soft_limit"] = budget.soft_limit
    return columns


def describe_key(record: KeyRecord) -> dict[str, Any]:
    """Return a key as the admin API and ``--json`` show it."""
    return {
        "id": record.id,
        "name": record.name,
        "owner": record.owner or None,
        "role": record.role,
        "status": record.status,
        "enabled": record.enabled,
        "models": list(record.models),
        "allowed_ips": list(record.allowed_ips),
        **_describe_limits(record.limits),
        "priority": record.priority,
        "metadata": record.metadata,
        "created_at": format_moment(record.created_at),
        "updated_at": format_moment(record.updated_at),
        "expires_at": format_moment(record.expires_at),
        "revoked_at": format_moment(record.revoked_at),
        "last_used_at": format_moment(record.last_used_at),
    }


def describe_tenant(record: TenantRecord) -> dict[str, Any]:
    """Return a tenant as the admin API and ``--json`` show it."""
    return {
        "id": record.id,
        "name": record.name,
        "enabled": record.enabled,
        **_describe_limits(record.limits),
        "metadata": record.metadata,
        "created_at": format_moment(record.created_at),
        "updated_at": format_moment(record.updated_at),
    }


def describe_budget(budget: Budget | None) -> dict[str, Any] | None:
    """Return a budget as it is written in the admin API; money as a number."""
    if budget is None:
        return None
    described: dict[str, Any] = {"per": budget.per}
    if budget.usd is not None:
        described["usd"] = float(budget.usd)
    else:
        described["tokens"] = budget.tokens
    if budget.soft_limit is not None:
        described["soft_limit"] = budget.soft_limit
    return described


def format_moment(moment: float | None) -> str | None:
    """Return seconds since 1970 as ISO 8601 in UTC, to the second."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _describe_limits(limits: Limits) -> dict[str, Any]:
    return {
        "rate_limit": limits.rate_limit,
        "token_rate_limit": limits.token_rate_limit,
        "max_concurrency": limits.max_concurrency,
        "budget": describe_budget(limits.budget),
    }
