"""``POST /v1/messages`` and ``/v1/messages/count_tokens``: Anthropic's API over any provider."""

from __future__ import annotations

from flask import Blueprint, Response, g

from gateway.api.authentication import authenticate
from gateway.api.body import read_body
from gateway.api.chatting import ClientHeaders, answer_chat
from gateway.api.lifecycle import open_client_watch
from gateway.api.responses import json_response
from gateway.api.services import services
from gateway.dialects import messages
from gateway.dialects.envelope import parse_object
from gateway.dialects.messages.request import build_request

bp = Blueprint("messages", __name__)
bp.before_request(authenticate)

PREFIX = "/v1/messages"
"""What all its paths begin with."""


@bp.post("/v1/messages")
def create_message() -> Response:
    """Answer a chat, whole or as a stream of server-sent events."""
    return answer_chat(messages)


@bp.post("/v1/messages/count_tokens")
def count_tokens() -> Response:
    """Tell how many tokens a prompt has; generates nothing."""
    body = read_body(services().settings.max_request_bytes)
    request = build_request(parse_object(body), ClientHeaders())
    g.record.model = request["model"]
    counted = services().inference.count_tokens(request, open_client_watch(), g.record)
    return json_response({"input_tokens": counted})
