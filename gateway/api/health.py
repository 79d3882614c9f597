"""``/health`` (is the process alive) and ``/health/ready`` (can it answer); open to anyone."""

from __future__ import annotations

from flask import Blueprint, Response

from gateway.api.responses import json_response
from gateway.api.services import services
from gateway.errors import GatewayError, RestartingError
from gateway.transport import is_restarting

UNREACHABLE = "unreachable"
UNWRITABLE = "unwritable"

bp = Blueprint("health", __name__)


@bp.get("/health")
@bp.get("/v1/health")
def live() -> Response:
    """Answer 200 as long as the process serves, 503 once it is about to end."""
    if is_restarting():
        raise RestartingError
    return json_response({"status": "ok"})


@bp.get("/health/ready")
@bp.get("/v1/health/ready")
def ready() -> Response:
    """Answer 200 if database, store and at least one provider answer, else 503.

    Generates nothing. A database that can be read alone is enough: keys are let in then,
    and what was used is written down in journals meanwhile. Where those can't be written either,
    for the disk is full, no request is let in.
    """
    providers = services().catalog.check_providers()
    store = _describe_store()
    database = services().database_probe.answers()
    ledger = services().ledger_is_writable()
    is_ready = database and ledger and store != UNREACHABLE and any(providers.values())
    checks = {name: _word(answers) for name, answers in providers.items()}
    body = {
        "status": "ready" if is_ready else "not ready",
        "database": _word(database),
        "store": store,
        "ledger": "ok" if ledger else UNWRITABLE,
        "providers": checks,
    }
    return json_response(body, 200 if is_ready else 503)


def _describe_store() -> str:
    """Return ``local`` where the machines' common store is away, and each counts by itself."""
    try:
        return "ok" if services().check_store() else "local"
    except GatewayError:
        return UNREACHABLE


def _word(answers: bool) -> str:
    return "ok" if answers else UNREACHABLE
