"""From an upstream's status and error body to the error the client gets.

Knows what each HTTP status of a provider means for a client of the gateway, for
every provider that speaks OpenAI's format. Never quotes what is not an error
message in JSON, nor anything said about the gateway's own credentials.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gateway.errors import (
    ConflictError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    RequestTooLargeError,
    ServiceUnavailableError,
    UnprocessableEntityError,
    UpstreamError,
    UpstreamTimeoutError,
)
from gateway.providers.error_message import shorten
from gateway.providers.openai.error_body import ErrorBody, parse_error_body, read_error
from gateway.providers.retry_after import parse_retry_after

_REFUSALS: Mapping[int, type[GatewayError]] = {
    400: InvalidRequestError,
    404: NotFoundError,
    409: ConflictError,
    413: RequestTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}

# What an error inside a 200 stream would have been as a status, by its code or type.
_STATUS_OF = {
    "authentication_error": 401,
    "context_length_exceeded": 400,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "invalid_request_error": 400,
    "model_not_found": 404,
    "overloaded_error": 503,
    "permission_error": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
}

# What servers say instead of the code ``context_length_exceeded`` (llama.cpp with a 500).
_TOO_LONG = re.compile(
    r"context (?:size|length|window)[^.]{0,40} exceeded|exceeds? the (?:available |model's )?"
    r"(?:maximum )?context|maximum context length|longer than the model's context"
    r"|maximum prompt length|range of input length|prompt is too long"
    r"|exceeds the maximum number of tokens|exceeded model token limit"
    r"|`?inputs`? (?:tokens \+ `?max_new_tokens`? must be <=|must have less than)",
    re.IGNORECASE,
)

# What servers say with a 400 that is no fault of the client's (xAI, Gemini).
_BAD_KEY = re.compile(r"(?:incorrect|invalid) api key|api key not valid", re.IGNORECASE)

_PRIVATE_ADDRESS = re.compile(
    r"\b(?:localhost|127(?:\.\d+){3}|10(?:\.\d+){3}|192\.168(?:\.\d+){2}"
    r"|169\.254(?:\.\d+){2}|172\.(?:1[6-9]|2\d|3[01])(?:\.\d+){2})(?::\d+)?\b"
)


def parse_error(status: int, headers: Mapping[str, str], body: bytes, now: float) -> GatewayError:
    """Map an answer whose status is not 200. Never raises; ``now`` is in Unix seconds."""
    error = _build_error(status, parse_error_body(body), parse_retry_after(headers, now))
    error.upstream_status = status
    sent = {name.lower(): value for name, value in headers.items()}
    if sent.get("x-should-retry", "").lower() == "false":
        error.should_retry = False
    return error


def build_stream_error(value: Any) -> GatewayError:
    """Map an error told inside a 200; ``value`` is the parsed JSON that holds it."""
    error = read_error(value)
    if error is None:
        return UpstreamError("The provider reported an error without saying which.")
    named = (_STATUS_OF.get(name) for name in (error.code, error.type) if name is not None)
    status = error.status or next((known for known in named if known is not None), None)
    if status is None or status < 400:
        return UpstreamError(_presentable(f"The provider reported an error: {error.message}"))
    return _build_error(status, error)


def _build_error(
    status: int, error: ErrorBody | None, retry_after: float | None = None
) -> GatewayError:
    """Map a status and what the body said, if anything, to the error the client gets.

    ``retry_after`` is in seconds.
    """
    if error is not None and status in (400, 413, 422, 500) and _TOO_LONG.search(error.message):
        status, error = (
            400,
            error._replace(type="invalid_request_error", code="context_length_exceeded"),
        )
    if status == 400 and error is not None and _BAD_KEY.search(error.message):
        status = 401
    if status in (401, 402, 403):
        message = f"The provider refused the gateway's credentials (HTTP {status})."
        return UpstreamError(message, should_retry=False)
    if 300 <= status < 400:
        message = f"The provider answered with a redirect, which is not followed (HTTP {status})."
        return UpstreamError(message, should_retry=False)
    if status in (408, 504):
        message = f"The provider took too long to answer (HTTP {status})."
        return UpstreamTimeoutError(message, retry_after=retry_after)
    if status in (503, 529):
        message = _describe("The provider has no capacity for this now", status, error)
        return ServiceUnavailableError(message, retry_after=retry_after)
    if status == 404 and not _is_about_the_request(error):
        message = "The provider knows no such path (HTTP 404): its base URL may be wrong."
        return UpstreamError(message, should_retry=False)
    if 400 <= status < 500:
        return _build_refusal(status, error, retry_after if status in (409, 429) else None)
    return UpstreamError(_describe("The provider failed", status, error), retry_after=retry_after)


def _build_refusal(status: int, error: ErrorBody | None, retry_after: float | None) -> GatewayError:
    error_class = _REFUSALS.get(status, InvalidRequestError)
    if error is None:
        error = ErrorBody("")
    unsaid = f"The provider refused the request without saying why (HTTP {status})."
    is_spent = status == 429 and "insufficient_quota" in (error.code, error.type)
    return error_class(
        _presentable(error.message) or unsaid,
        type=error.type,
        param=error.param,
        code=error.code,
        retry_after=retry_after,
        should_retry=False if is_spent else None,
    )


def _is_about_the_request(error: ErrorBody | None) -> bool:
    """Tell a model that is not found from web servers' ``Not Found`` for an unknown path."""
    if error is None:
        return False
    return error.message.rstrip(".").lower() not in ("not found", "resource not found")


def _describe(summary: str, status: int, error: ErrorBody | None) -> str:
    if error is None:
        return f"{summary} (HTTP {status})."
    return _presentable(f"{summary} (HTTP {status}): {error.message}")


def _presentable(message: str) -> str:
    """Return the message without addresses inside a network or a traceback, not too long."""
    return shorten(_PRIVATE_ADDRESS.sub("(address)", message))
