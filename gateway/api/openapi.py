"""``GET /openapi.json``: the API described for programs, from the URL map and the schemas.

Knows Flask, OpenAPI 3.1 and which schema belongs to which view. Must not know what the
views do: that is in their docstrings.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from flask import Blueprint, Response, current_app
from marshmallow import Schema
from werkzeug.routing import Rule

import gateway
from gateway.accounts.keys.schemas import KeySchema, RotationSchema, TenantSchema
from gateway.api.admin import OverrideSchema
from gateway.api.fields import KeyPageSchema, PageSchema, RevocationSchema
from gateway.api.json_schema import describe_fields
from gateway.api.responses import json_response
from gateway.api.usage_fields import RequestsSchema, StatsSchema, UsageSchema
from gateway.serialization import dumps_ascii

bp = Blueprint("openapi", __name__)

_OPEN = frozenset({"health", "welcome", "openapi"})
"""The blueprints whose views need no key."""

_PARAMETER = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")
_NO_NAME = re.compile(r"[^a-z0-9]+")
_EXTENSION = "gateway.openapi"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class _Described(NamedTuple):
    """What a view reads and answers; ``reads`` is its body, ``query`` its parameters."""

    reads: Schema | None = None
    query: Schema | None = None
    status: int = 200


_VIEWS = {
    "admin.override_target": _Described(OverrideSchema()),
    "admin_keys.create_key": _Described(KeySchema(), status=201),
    "admin_keys.list_keys": _Described(query=KeyPageSchema()),
    "admin_keys.change_key": _Described(KeySchema(partial=True)),
    "admin_keys.revoke_key": _Described(query=RevocationSchema()),
    "admin_keys.rotate_key": _Described(RotationSchema()),
    "admin_tenants.create_tenant": _Described(TenantSchema(), status=201),
    "admin_tenants.list_tenants": _Described(query=PageSchema()),
    "admin_tenants.change_tenant": _Described(TenantSchema(partial=True)),
    "admin_tenants.delete_tenant": _Described(query=RevocationSchema()),
    "stats.show_stats": _Described(query=StatsSchema()),
    "usage.sum_up_usage": _Described(query=UsageSchema()),
    "usage.list_requests": _Described(query=RequestsSchema()),
}
"""Of the admin API; what other views read is defined by those whose API it is."""

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


@bp.get("/openapi.json")
def show_description() -> Response:
    """Describe the API; open to anyone."""
    known = current_app.extensions
    if _EXTENSION not in known:
        known[_EXTENSION] = dumps_ascii(_describe())
    return json_response(known[_EXTENSION])


def _describe() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for rule in sorted(current_app.url_map.iter_rules(), key=lambda rule: rule.rule):
        operations = paths.setdefault(_PARAMETER.sub(r"{\1}", rule.rule), {})
        for method in _METHODS:
            if method in (rule.methods or ()):
                operations[method.lower()] = _describe_view(rule, method)
    return {
        "openapi": "3.1.0",
        "info": {"title": "AI gateway", "version": gateway.__version__},
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _describe_view(rule: Rule, method: str) -> dict[str, Any]:
    view = current_app.view_functions[rule.endpoint]
    blueprint = rule.endpoint.rpartition(".")[0]
    described = _VIEWS.get(rule.endpoint, _Described())
    operation: dict[str, Any] = {
        "operationId": method.lower() + _NO_NAME.sub("_", rule.rule.rstrip(">")),
        "summary": (view.__doc__ or "").partition("\n")[0],
        "tags": [blueprint],
        "responses": {
            str(described.status): {"description": "As asked."},
            "default": {
                "description": "What went wrong.",
                "content": _json({"$ref": "#/components/schemas/Error"}),
            },
        },
        "security": [] if blueprint in _OPEN else [{"key": []}],
    }
    parameters = [
        {"name": each, "in": "path", "required": True, "schema": {"type": "string"}}
        for each in _PARAMETER.findall(rule.rule)
    ]
    if described.query is not None:
        properties = describe_fields(described.query)["properties"]
        parameters += [
            {"name": each, "in": "query", "schema": schema} for each, schema in properties.items()
        ]
    if parameters:
        operation["parameters"] = parameters
    if described.reads is not None:
        operation["requestBody"] = {"content": _json(describe_fields(described.reads))}
    elif method in ("POST", "PUT") and not rule.endpoint.startswith("admin"):
        operation["requestBody"] = {"content": _json({"type": "object"})}
    return operation


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
