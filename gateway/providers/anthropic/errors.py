"""Anthropic's errors in OpenAI's terms.

Knows its statuses, types and texts (anthropic-python 2.14, its documentation, recorded). Never
quotes what is said about the gateway's own account.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from gateway.config.settings import Target
from gateway.errors import (
    ConflictError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    RequestTooLargeError,
    ServiceUnavailableError,
    UpstreamError,
    UpstreamTimeoutError,
)
from gateway.providers.error_message import shorten
from gateway.providers.retry_after import parse_retry_after
from gateway.serialization import loads_lenient

STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status of each type, for errors inside a 200."""

_TOO_LONG = re.compile(
    r"prompt is too long|exceeds? (the )?context (limit|window)|input is too long", re.IGNORECASE
)
_OUR_ACCOUNT = re.compile(
    r"credit balance|usage limit|spend(ing)? (limit|cap)|billing", re.IGNORECASE
)
_PARAMS = {
    "messages": "messages",
    "system": "messages",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop_sequences": "stop",
    "output_config": "response_format",
    "thinking": "reasoning_effort",
    "metadata": "user",
}
"""The client's name of what a message says is wrong with Anthropic's."""

_LIMIT = "anthropic-ratelimit-"


class ErrorBody(NamedTuple):
    """What an error says; ``type`` is "" where it doesn't name one."""

    type: str
    message: str


def parse_error(
    status: int, headers: Mapping[str, str], body: bytes, target: Target
) -> GatewayError:
    """Map an answer whose status is not 200. Never raises."""
    now = time.time()
    retry_after = parse_retry_after(headers, now)
    if retry_after is None and status == 429:
        retry_after = _parse_reset(headers, now)
    error = _build_error(status, _read_body(body), retry_after, target)
    error.upstream_status = status
    return error


def build_stream_error(value: Mapping[str, Any], target: Target) -> GatewayError:
    """Map an error told inside a 200; ``value`` is the parsed JSON that holds it."""
    error = _read_error(value)
    if error is None:
        return UpstreamError(f"{_name(target)} reported an error without saying which.")
    return _build_error(STATUSES.get(error.type, 500), error, None, target)


def _build_error(
    status: int, error: ErrorBody | None, retry_after: float | None, target: Target
) -> GatewayError:
    name = _name(target)
    about_us = error is not None and _OUR_ACCOUNT.search(error.message) is not None
    # A 429 about money tells no time to come again, for it stays (Anthropic's documentation).
    is_spent = about_us and (status == 400 or (status == 429 and retry_after is None))
    if status in (401, 402, 403, 407) or is_spent:
        return UpstreamError(
            f"{name} refused the gateway itself: its key, account or limits there are wrong.",
            should_retry=False,
        )
    if status == 429:
        by_tokens = error is not None and "token" in error.message
        message = f"{name} has had too many {'tokens' if by_tokens else 'requests'}."
        return RateLimitError(message, retry_after=retry_after)
    if status in (503, 529):
        return ServiceUnavailableError(f"{name} is overloaded.", retry_after=retry_after)
    if status in (408, 504):
        return UpstreamTimeoutError(f"{name} took too long.", retry_after=retry_after)
    if status == 413:
        return RequestTooLargeError(f"{name} refused the request as too large.")
    if status == 409:
        message = _presentable(error, target) or f"{name} reported a conflict."
        return ConflictError(message, retry_after=retry_after)
    if status == 404:
        return _build_not_found(error, target)
    if 400 <= status < 500:
        return _build_refusal(error, target)
    if status >= 500:
        return UpstreamError(f"{name} failed with status {status}.", retry_after=retry_after)
    return UpstreamError(
        f"{name} answered with status {status}, as Anthropic does not: its address in the "
        "gateway's configuration may be wrong.",
        should_retry=False,
    )


def _build_not_found(error: ErrorBody | None, target: Target) -> GatewayError:
    if error is not None and error.message.startswith("model:"):
        return NotFoundError(
            f"The model `{target.requested_model}` does not exist.",
            param="model",
            code="model_not_found",
        )
    if error is not None and error.type == "not_found_error":
        return NotFoundError(_presentable(error, target))
    return UpstreamError(
        f"{_name(target)} knows no such path: its base URL may be wrong.", should_retry=False
    )


def _build_refusal(error: ErrorBody | None, target: Target) -> GatewayError:
    message = _presentable(error, target)
    if not message:
        return InvalidRequestError(f"{_name(target)} refused the request without saying why.")
    if _TOO_LONG.search(message):
        return InvalidRequestError(message, param="messages", code="context_length_exceeded")
    where = re.match(r"[a-z_]+", message)
    return InvalidRequestError(message, param=_PARAMS.get(where[0]) if where else None)


def _read_body(body: bytes) -> ErrorBody | None:
    try:
        parsed = loads_lenient(body)
    except ValueError:
        return None
    return _read_error(parsed)


def _read_error(value: Any) -> ErrorBody | None:
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict):
        return None
    message, kind = error.get("message"), error.get("type")
    return ErrorBody(
        kind if isinstance(kind, str) else "", message if isinstance(message, str) else ""
    )


def _presentable(error: ErrorBody | None, target: Target) -> str:
    """Return a message with the client's name of the model, and not too long."""
    message = error.message if error is not None else ""
    return shorten(message.replace(target.model, target.requested_model))


def _parse_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until all limits that are used up (``remaining: 0``) begin anew."""
    sent = {name.lower(): value for name, value in headers.items()}
    waits = []
    for name, value in sent.items():
        if name.startswith(_LIMIT) and name.endswith("-remaining") and value.strip() == "0":
            try:
                reset = datetime.fromisoformat(sent[name.removesuffix("remaining") + "reset"])
            except (KeyError, ValueError):
                continue
            if reset.tzinfo is not None:
                waits.append(reset.timestamp() - now)
    longest = max(waits, default=0.0)
    return longest if longest > 0 else None


def _name(target: Target) -> str:
    return f"The provider `{target.provider.name}`"
