"""``/stats`` for everybody's own usage; ``/admin/usage`` and ``/admin/requests`` for admins.

Knows Flask. What is summed up is decided in ``gateway.accounts.ledger.usage``.
"""

from __future__ import annotations

from typing import Any, TypeVar

from flask import Blueprint, Response, g

from gateway.accounts.ledger.requests import Filter, read_requests
from gateway.accounts.ledger.usage import (
    Scope,
    build_scope,
    describe_entry,
    iter_usage,
    known_cost,
    read_latencies,
    to_usd,
)
from gateway.accounts.store.database import Work
from gateway.api.authentication import authenticate, require_admin
from gateway.api.fields import read_query
from gateway.api.responses import json_response
from gateway.api.services import services
from gateway.api.usage_fields import RequestsSchema, StatsSchema, UsageSchema

bp = Blueprint("stats", __name__)
bp.before_request(authenticate)

admin = Blueprint("usage", __name__, url_prefix="/admin")
admin.before_request(require_admin)

_Result = TypeVar("_Result")
_GROUPS = {"by_key": "key", "by_model": "model", "by_provider": "provider", "by_status": "status"}
_NOTHING = dict.fromkeys(
    ("requests", "errors", "prompt_tokens", "completion_tokens", "cost", "unpriced"), 0
)


@bp.get("/stats")
@bp.get("/v1/stats")
def show_stats() -> Response:
    """Sum up what was used: an admin sees everything, others their own key's."""
    since = read_query(StatsSchema())["since"]
    who = g.principal
    scope = _scope(since, None if who.role == "admin" else who.key_id)
    groups, latency = _read(
        lambda connection: (
            {name: list(iter_usage(connection, scope, [by])) for name, by in _GROUPS.items()},
            read_latencies(connection, scope),
        )
    )
    totals = {
        name: sum(entry[name] for entry in groups["by_status"]) if groups["by_status"] else 0
        for name in _NOTHING
    }
    body: dict[str, Any] = {"totals": _to_usage(totals)}
    for name, dimension in _GROUPS.items():
        body[name] = [{dimension: entry[dimension], **_to_usage(entry)} for entry in groups[name]]
    body["latency"] = latency
    body["unpriced_requests"] = totals["unpriced"]
    return json_response(body)


@admin.get("/usage")
def sum_up_usage() -> Response:
    """Sum usage up by what is asked for."""
    query = read_query(UsageSchema())
    scope = _scope(query["since"], query["key"])
    entries = _read(lambda connection: list(iter_usage(connection, scope, query["by"])))
    return json_response({"data": [describe_entry(entry) for entry in entries]})


@admin.get("/requests")
def list_requests() -> Response:
    """List the ledger's rows, the newest first."""
    query = read_query(RequestsSchema())
    wanted = Filter(
        since=query["since"],
        until=query["until"],
        key_id=query["key"],
        model=query["model"],
        status=query["status"],
        request_id=query["request_id"],
        before=query["cursor"],
        limit=query["limit"],
    )
    rows, cursor = _read(lambda connection: read_requests(connection, wanted))
    return json_response({"data": rows, "next": cursor or None})


def _read(work: Work[_Result]) -> _Result:
    """Return what ``work`` finds in the books, up to the last request that has ended."""
    ledger = services().charging.admissions.ledger
    ledger.drain()
    return ledger.database.read(work)


def _scope(since: float, key_id: str | None) -> Scope:
    return build_scope(since, key_id, services().settings.usage_retention_days)


def _to_usage(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "requests": entry["requests"],
        "errors": entry["errors"],
        "prompt_tokens": entry["prompt_tokens"],
        "completion_tokens": entry["completion_tokens"],
        "cost_usd": to_usd(known_cost(entry)),
    }
