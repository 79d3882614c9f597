"""``/v1/responses``: OpenAI's Responses API, and the responses that are stored for it.

Knows what is kept of a response, and for whom: its tenant alone.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, request

from gateway.api.authentication import authenticate
from gateway.api.chatting import answer_chat
from gateway.api.responses import json_response
from gateway.api.services import services
from gateway.dialects import responses
from gateway.dialects.responses.input_items import list_input_items
from gateway.dialects.responses.stored import StoredResponse, StoringResponses
from gateway.errors import GatewayError, InvalidRequestError, NotFoundError
from gateway.serialization import dumps_ascii, loads_lenient

bp = Blueprint("responses", __name__)
bp.before_request(authenticate)


@bp.post("/v1/responses")
def create_response() -> Response:
    """Answer a request of OpenAI's Responses API, whole or as a stream of events."""
    settings = services().settings.responses
    if not settings.store:
        return answer_chat(responses)
    tenant: str = g.record.tenant
    kept = services().stored_responses

    def keep(stored: StoredResponse) -> bool:
        data = dumps_ascii([stored.response, stored.items])
        return kept.put(tenant, stored.response["id"], data, settings.retention_days)

    return answer_chat(StoringResponses(lambda response_id: _load(tenant, response_id), keep))


@bp.get("/v1/responses/<response_id>")
def get_response(response_id: str) -> Response:
    """Return a stored response."""
    if request.args.get("stream") == "true":
        raise InvalidRequestError(
            "A stored response is not streamed: leave 'stream' out.",
            param="stream",
            code="unsupported_parameter",
        )
    return json_response(_require(response_id).response)


@bp.get("/v1/responses/<response_id>/input_items")
def list_response_input_items(response_id: str) -> Response:
    """List the items that led to a stored response, those of earlier ones included."""
    return json_response(list_input_items(_require(response_id).items, request.args))


@bp.post("/v1/responses/<response_id>/cancel")
def cancel_response(response_id: str) -> Response:
    """Refuse: what is stored is complete, for nothing is made in the background."""
    _require(response_id)
    raise InvalidRequestError(
        "Only a response that is made in the background can be cancelled, and none is here: "
        "close the connection of a request instead.",
        code="response_not_cancellable",
    )


@bp.delete("/v1/responses/<response_id>")
def delete_response(response_id: str) -> Response:
    """Forget a stored response; what was answered on top of it has its items itself."""
    if not _is_on() or not services().stored_responses.delete(g.record.tenant, response_id):
        raise _not_found(response_id)
    return json_response({"id": response_id, "object": "response", "deleted": True})


def _require(response_id: str) -> StoredResponse:
    stored = _load(g.record.tenant, response_id)
    if stored is None:
        raise _not_found(response_id)
    return stored


def _load(tenant: str, response_id: str) -> StoredResponse | None:
    data = services().stored_responses.get(tenant, response_id) if _is_on() else None
    if data is None:
        return None
    kept: tuple[dict[str, Any], list[Any]] = loads_lenient(data)
    return StoredResponse(*kept)


def _is_on() -> bool:
    return services().settings.responses.store


def _not_found(response_id: str) -> GatewayError:
    return NotFoundError(
        f"Response with id {response_id[:80]!r} not found.", code="response_not_found"
    )
