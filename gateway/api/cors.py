"""Cross-origin requests, for browsers that call the API from the configured origins.

Knows https://fetch.spec.whatwg.org/#http-cors-protocol. Keys are sent in headers
and never in cookies, so that credentials are not allowed.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response, request

_EXPOSED = (
    "x-request-id, x-gateway-provider, x-gateway-model, x-gateway-attempts, "
    "x-gateway-dropped-params, x-gateway-cache, x-gateway-idempotent-replay, "
    "x-gateway-queued-ms, age, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, "
    "x-ratelimit-reset-requests, retry-after, "
    + ", ".join(
        f"x-gateway-upstream-ratelimit-{what}-{counted}"
        for what in ("limit", "remaining", "reset")
        for counted in ("requests", "tokens")
    )
)
_MAX_AGE_SECONDS = "600"


def init_cors(app: Flask, origins: Sequence[str]) -> None:
    """Allow ``origins`` (``*``: any) to call the API; nothing is added where there are none."""
    if not origins:
        return

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin is None or not ("*" in origins or origin in origins):
            return response
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        if request.method == "OPTIONS":
            asked = request.headers.get("Access-Control-Request-Headers", "")
            response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
            response.headers["Access-Control-Allow-Headers"] = asked or "authorization"
            response.headers["Access-Control-Max-Age"] = _MAX_AGE_SECONDS
        return response
