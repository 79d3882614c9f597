"""``GET /``: what Ollama's clients probe before they ask anything."""

from __future__ import annotations

from flask import Blueprint, Response, request

from gateway.errors import NotFoundError

bp = Blueprint("welcome", __name__)

GREETING = "Ollama is running"
"""What a real one says, to the letter (recorded); clients compare it."""


@bp.get("/")
def greet() -> Response:
    """Greet programs; open to anyone. A browser, which asks for HTML, finds nothing here."""
    if "text/html" in request.headers.get("Accept", ""):
        raise NotFoundError("There is nothing at /.")
    return Response(GREETING, content_type="text/plain; charset=utf-8")
