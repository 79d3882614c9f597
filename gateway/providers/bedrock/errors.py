"""Bedrock's errors in OpenAI's terms.

Knows the names of its exceptions, in the header ``x-amzn-errortype`` or within a stream,
and the statuses they have (botocore 1.44's service model, and recorded).
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from gateway.config.settings import Target
from gateway.errors import (
    GatewayError,
    InvalidRequestError,
    RateLimitError,
    ServiceUnavailableError,
)
from gateway.providers.error_message import shorten
from gateway.providers.retry_after import parse_retry_after
from gateway.providers.status_errors import build_model_not_found, build_status_error
from gateway.serialization import loads_lenient

STATUS_OF = {
    "accessdeniedexception": 403,
    "internalserverexception": 500,
    "modelerrorexception": 502,
    "modelnotreadyexception": 503,
    "modelstreamerrorexception": 502,
    "modeltimeoutexception": 504,
    "resourcenotfoundexception": 404,
    "servicequotaexceededexception": 429,
    "serviceunavailableexception": 503,
    "throttlingexception": 429,
    "validationexception": 400,
}
"""What an exception is to a client of the gateway, by its name in small letters."""

_UNKNOWN_MODEL = ("model identifier is invalid", "could not resolve the foundation model")
_TOO_LONG = (
    "input is too long",
    "prompt is too long",
    "too many input tokens",
    "maximum context length",
    "exceeds the maximum number of tokens",
    "context window",
)


def parse_error(
    status: int, headers: Mapping[str, str], body: bytes, target: Target
) -> GatewayError:
    """Map an answer whose status is not 200. Never raises."""
    sent = {name.lower(): value for name, value in headers.items()}
    name = sent.get("x-amzn-errortype", "").partition(":")[0]
    retry_after = parse_retry_after(headers, time.time())
    error = _build_error(name, status, _read_message(body), retry_after, target)
    error.upstream_status = status
    return error


def build_stream_error(name: str, message: str) -> GatewayError:
    """Map an exception within a stream; its name begins with a small letter there."""
    return _build_error(name, 502, message, None, None)


def _build_error(
    name: str, status: int, message: str, retry_after: float | None, target: Target | None
) -> GatewayError:
    status = STATUS_OF.get(name.lower(), status)
    lowered = message.lower()
    if target is not None and (
        any(text in lowered for text in _UNKNOWN_MODEL) or (status == 404 and message)
    ):
        return build_model_not_found(target.requested_model)
    if status == 400 and any(text in lowered for text in _TOO_LONG):
        return InvalidRequestError(shorten(message), code="context_length_exceeded")
    if status == 429 and "not ready" in lowered:
        return ServiceUnavailableError(shorten(message), retry_after=retry_after)
    if status == 429:
        return RateLimitError(
            shorten(message) or "The provider has had too many requests.", retry_after=retry_after
        )
    if status == 424:
        status = 502
    return build_status_error(status, message, retry_after)


def _read_message(body: bytes) -> str:
    """Return what the body says: ``message``, or ``Message`` where AWS's front answers."""
    try:
        value = loads_lenient(body)
    except ValueError:
        return ""
    if not isinstance(value, dict):
        return ""
    message = value.get("message") or value.get("Message")
    return message if isinstance(message, str) else ""
