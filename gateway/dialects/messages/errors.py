"""Failures in the shape of Anthropic's API.

Knows its error types by status (anthropic-python 2.14 and the documentation of errors).
"""

from __future__ import annotations

from typing import Any

from gateway.errors import GatewayError
from gateway.serialization import dumps_ascii

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}

_TOO_LONG = "prompt is too long"


def encode_error(error: GatewayError) -> Any:
    """Return ``{"type": "error", "error": {"type", "message"}}``."""
    kind = _TYPES.get(error.status)
    if kind is None:
        kind = "api_error" if error.status >= 500 else "invalid_request_error"
    return {"type": "error", "error": {"type": kind, "message": _word(error)}}


def _word(error: GatewayError) -> str:
    """Return the message; agents know by Anthropic's own words that they have to shorten."""
    if error.code != "context_length_exceeded" or _TOO_LONG in error.message.lower():
        return error.message
    return f"{_TOO_LONG}: {error.message}"


def encode_error_event(error: GatewayError) -> bytes:
    """Return the event that ends a stream which failed."""
    return b"event: error\ndata: %b\n\n" % dumps_ascii(encode_error(error))
