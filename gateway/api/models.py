"""``GET /v1/models`` and ``/v1/models/ID``, which OpenAI's and Anthropic's clients share.

Those of Anthropic send ``anthropic-version``, and get its shape.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, request

from gateway.api.authentication import authenticate
from gateway.api.responses import json_response
from gateway.api.services import services
from gateway.dialects.messages.models import build_model, build_model_list
from gateway.types import ModelInfo

bp = Blueprint("models", __name__)
bp.before_request(authenticate)


@bp.get("/v1/models")
def list_models() -> Response:
    """List every name that works as ``model`` with this key."""
    models = services().catalog.list_models(g.principal.models)
    if "HTTP_ANTHROPIC_VERSION" in request.environ:
        return json_response(build_model_list(models))
    return json_response({"object": "list", "data": [_to_dict(model) for model in models]})


@bp.get("/v1/models/<path:model>")
def retrieve_model(model: str) -> Response:
    """Describe one model, by any name that works as ``model``."""
    g.record.model = model
    found = services().catalog.get_model(model, g.principal.models)
    if "HTTP_ANTHROPIC_VERSION" in request.environ:
        return json_response(build_model(found))
    return json_response(_to_dict(found))


def _to_dict(model: ModelInfo) -> dict[str, Any]:
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
    }
