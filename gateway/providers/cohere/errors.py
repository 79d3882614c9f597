"""Cohere's errors in OpenAI's terms: ``{"id", "message"}`` with a status (recorded)."""

from __future__ import annotations

import time
from collections.abc import Mapping

from gateway.config.settings import Target
from gateway.errors import GatewayError, InvalidRequestError
from gateway.providers.error_message import shorten
from gateway.providers.retry_after import parse_retry_after
from gateway.providers.status_errors import build_model_not_found, build_status_error
from gateway.serialization import loads_lenient

_BLOCKED_STATUS = 498
"""Cohere's own status for a request or an answer that holds a blocked word."""


def parse_error(
    status: int, headers: Mapping[str, str], body: bytes, target: Target
) -> GatewayError:
    """Map an answer whose status is not 200. Never raises."""
    error = _build_error(status, headers, _read_message(body), target)
    error.upstream_status = status
    return error


def _build_error(
    status: int, headers: Mapping[str, str], message: str, target: Target
) -> GatewayError:
    lowered = message.lower()
    if status == 404 and lowered.startswith("model "):
        return build_model_not_found(target.requested_model)
    if status == 400 and lowered.startswith("too many tokens"):
        return InvalidRequestError(shorten(message), code="context_length_exceeded")
    if status == _BLOCKED_STATUS:
        return InvalidRequestError(
            shorten(message) or "The provider's filter blocked this.", code="content_filter"
        )
    return build_status_error(status, message, parse_retry_after(headers, time.time()))


def _read_message(body: bytes) -> str:
    try:
        value = loads_lenient(body)
    except ValueError:
        return ""
    message = value.get("message") if isinstance(value, dict) else None
    return message if isinstance(message, str) else ""
