"""``POST /v1/responses``, whole and streamed."""

from __future__ import annotations

from flask import Blueprint, Response

from gateway.api.authentication import authenticate
from gateway.api.chatting import answer_chat
from gateway.dialects import responses

bp = Blueprint("responses", __name__)
bp.before_request(authenticate)


@bp.post("/v1/responses")
def create_response() -> Response:
    """Answer a request of OpenAI's Responses API, whole or as a stream of events."""
    return answer_chat(responses)
