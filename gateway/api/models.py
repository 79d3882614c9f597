"""``GET /v1/models`` and ``/v1/models/ID``."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g

from gateway.api.authentication import authenticate
from gateway.api.responses import json_response
from gateway.api.services import services
from gateway.types import ModelInfo

bp = Blueprint("models", __name__)
bp.before_request(authenticate)


@bp.get("/v1/models")
def list_models() -> Response:
    """List every name that works as ``model``."""
    data = [_to_dict(model) for model in services().catalog.list_models()]
    return json_response({"object": "list", "data": data})


@bp.get("/v1/models/<path:model>")
def retrieve_model(model: str) -> Response:
    """Describe one model, by any name that works as ``model``."""
    g.record.model = model
    return json_response(_to_dict(services().catalog.get_model(model)))


def _to_dict(model: ModelInfo) -> dict[str, Any]:
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
    }
