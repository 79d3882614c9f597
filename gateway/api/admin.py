"""``/admin/…``: the targets, the configuration in force, and its reload; for admins alone."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g
from marshmallow import Schema, ValidationError, fields, validate

from gateway.api.authentication import authenticate
from gateway.api.body import read_body
from gateway.api.responses import json_response
from gateway.api.services import configuration, services
from gateway.config.description import describe_settings
from gateway.errors import ConfigurationError, InvalidRequestError, PermissionDeniedError
from gateway.serialization import loads_strict

AUTOMATIC = "automatic"
MAX_BODY_BYTES = 64 * 1024

bp = Blueprint("admin", __name__, url_prefix="/admin")


@bp.before_request
def require_admin() -> None:
    """Raise ``AuthenticationError`` without a key, ``PermissionDeniedError`` with a user's."""
    authenticate()
    principal = g.get("principal")  # there is none for OPTIONS, which tells nothing
    if principal is not None and principal.role != "admin":
        raise PermissionDeniedError("This needs an admin's key.")


@bp.get("/targets")
def list_targets() -> Response:
    """Describe every configured provider and target as it is now."""
    return json_response(services().targets.describe())


@bp.post("/targets/<path:name>")
def override_target(name: str) -> Response:
    """Force a target's breaker open or closed, or let it decide by itself again."""
    state = _read(_OverrideSchema())["state"]
    services().targets.override(name, None if state == AUTOMATIC else state)
    return json_response({"name": name, "state": state})


@bp.get("/configuration")
def show_configuration() -> Response:
    """Show what is in force, where each value came from, secrets masked."""
    version = configuration().version
    return json_response({"version": version, **describe_settings(services().settings)})


@bp.post("/reload")
def reload_configuration() -> Response:
    """Read and check gateway.yaml again, and put it in force everywhere."""
    try:
        version = configuration().reload()
    except ConfigurationError as error:
        raise InvalidRequestError(str(error), code="invalid_configuration") from error
    return json_response({"version": version})


class _OverrideSchema(Schema):
    state = fields.String(
        required=True,
        validate=validate.OneOf(
            ("open", "closed", AUTOMATIC), error="must be open, closed or automatic"
        ),
        error_messages={
            "required": "is missing: open, closed or automatic",
            "invalid": "must be open, closed or automatic",
            "null": "must be open, closed or automatic",
        },
    )


def _read(schema: Schema) -> dict[str, Any]:
    """Return the JSON body as ``schema`` reads it; raises ``InvalidRequestError``."""
    try:
        body = loads_strict(read_body(MAX_BODY_BYTES))
    except ValueError as error:
        raise InvalidRequestError("The request body is not JSON.") from error
    if not isinstance(body, dict):
        raise InvalidRequestError("The request body must be a JSON object.")
    try:
        return dict(schema.load(body))
    except ValidationError as error:
        param, messages = next(iter(error.messages_dict.items()))
        message = messages[0] if param in schema.fields else "is not known"
        raise InvalidRequestError(f"{param} {message}.", param=param) from error
