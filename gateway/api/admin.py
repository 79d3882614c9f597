"""``/admin/…``: the targets, the configuration in force, and its reload; for admins alone."""

from __future__ import annotations

from flask import Blueprint, Response
from marshmallow import fields, validate

from gateway.accounts.keys.fields import StrictSchema
from gateway.api.authentication import require_admin
from gateway.api.fields import read_fields
from gateway.api.responses import json_response
from gateway.api.services import configuration, services
from gateway.config.description import describe_settings
from gateway.errors import ConfigurationError, InvalidRequestError

AUTOMATIC = "automatic"

bp = Blueprint("admin", __name__, url_prefix="/admin")
bp.before_request(require_admin)


@bp.get("/targets")
def list_targets() -> Response:
    """Describe every configured provider and target as it is now."""
    return json_response(services().targets.describe())


@bp.post("/targets/<path:name>")
def override_target(name: str) -> Response:
    """Force a target's breaker open or closed, or let it decide by itself again."""
    state = read_fields(OverrideSchema())["state"]
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


class OverrideSchema(StrictSchema):
    """What a target's breaker is to be."""

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
