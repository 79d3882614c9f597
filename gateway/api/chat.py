"""``POST /v1/chat/completions``, whole and streamed."""

from __future__ import annotations

from flask import Blueprint, Response

from gateway.api.authentication import authenticate
from gateway.api.chatting import answer_chat
from gateway.dialects import openai_chat

bp = Blueprint("chat", __name__)
bp.before_request(authenticate)


@bp.post("/v1/chat/completions")
def create_chat_completion() -> Response:
    """Answer a chat, whole or as a stream of server-sent events."""
    return answer_chat(openai_chat)
