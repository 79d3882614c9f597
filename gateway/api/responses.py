"""JSON answers and error answers.

Knows Flask's responses and OpenAI's error shape.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Response, current_app, g
from werkzeug.exceptions import HTTPException

from gateway.errors import (
    ClientDisconnectedError,
    GatewayError,
    InternalServerError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    RequestTooLargeError,
)
from gateway.serialization import dumps_ascii

_UNKNOWN_RETRY_AFTER = 5.0
"""Seconds after which to come again where the upstream doesn't say."""

EncodeError = Callable[[GatewayError], Any]
_SHAPES = "gateway.error_shapes"

logger = logging.getLogger("gateway.api")


def json_response(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return ``value`` as a JSON answer; bytes are JSON already."""
    body = value if isinstance(value, bytes) else dumps_ascii(value)
    return Response(body, status, headers, content_type="application/json")


def init_errors(app: Flask, shapes: Mapping[str, EncodeError] | None = None) -> None:
    """Answer every failure with its true status, in the shape of the API that its path is of.

    ``shapes`` are the encoders of others than OpenAI's API, by what their paths begin with.
    """
    app.extensions[_SHAPES] = tuple((shapes or {}).items())
    app.register_error_handler(GatewayError, _on_gateway_error)
    app.register_error_handler(HTTPException, _on_http_exception)
    app.register_error_handler(Exception, _on_exception)


def _on_gateway_error(error: GatewayError) -> Response:
    g.record.note_error(error)
    headers = {}
    retry_after = error.retry_after
    if retry_after is None and error.status in (429, 503):
        retry_after = _UNKNOWN_RETRY_AFTER
    if retry_after is not None:
        headers["Retry-After"] = str(max(math.ceil(retry_after), 1))
        headers["retry-after-ms"] = str(max(math.ceil(retry_after * 1000), 1))
    headers |= error.upstream_limits
    if error.should_retry is not None:
        headers["x-should-retry"] = "true" if error.should_retry else "false"
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="gateway"'
    # 499 is for the log; a client that has closed only its own side may still read.
    status = 400 if isinstance(error, ClientDisconnectedError) else error.status
    return json_response(_encode_error(error), status, headers)


def _encode_error(error: GatewayError) -> Any:
    path = g.record.path
    for prefix, encode in current_app.extensions[_SHAPES]:
        if path.startswith(prefix):
            return encode(error)
    return error.to_dict()


def _on_http_exception(error: HTTPException) -> Response:
    status = error.code or 500
    path = g.record.path
    if status == 404:
        response = _on_gateway_error(NotFoundError(f"There is nothing at {path}."))
    elif status == 405:
        message = f"{g.record.method} is not allowed for {path}."
        response = _on_gateway_error(MethodNotAllowedError(message))
    elif status == 413:
        response = _on_gateway_error(RequestTooLargeError("The request body is too large."))
    elif status < 500:
        response = _on_gateway_error(InvalidRequestError(error.description or error.name))
    else:
        return _on_exception(error)
    for name, value in error.get_headers():
        if name in ("Allow", "Location"):
            response.headers[name] = value
    return response


def _on_exception(error: Exception) -> Response:
    logger.error("%s: the gateway failed", g.record.request_id, exc_info=error)
    return _on_gateway_error(InternalServerError("The gateway failed. It is not your request."))
