"""Ollama's errors in OpenAI's terms.

Knows statuses and how an error is wrapped; the texts stand in
``gateway.providers.ollama.error_texts``. Must not let a text through unseen: they
name registry paths, Go types, files and addresses.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from gateway.config.settings import Target
from gateway.errors import (
    GatewayError,
    InvalidRequestError,
    RateLimitError,
    RequestTooLargeError,
    ServiceUnavailableError,
    UpstreamError,
    UpstreamTimeoutError,
)
from gateway.providers.ollama.error_texts import BUSY_RETRY_AFTER, match_error_text
from gateway.providers.retry_after import parse_retry_after
from gateway.serialization import loads_lenient

MAX_LEVELS = 4
"""How deep an error may be wrapped in objects and JSON strings and still be read."""

_HARMLESS = re.compile(r"[A-Za-z][A-Za-z0-9 ,;'\"()_-]{1,200}\.?")
"""A sentence without addresses, paths, type names, markup or numbers with a point."""


def parse_error(
    status: int, headers: Mapping[str, str], body: bytes, target: Target
) -> GatewayError:
    """Map an answer whose status is not 200."""
    error = _build_error(status, parse_retry_after(headers, time.time()), body, target)
    error.upstream_status = status
    return error


def _build_error(
    status: int, retry_after: float | None, body: bytes, target: Target
) -> GatewayError:
    name = _name(target)
    if status in (401, 402, 403, 407):
        return UpstreamError(
            f"{name} refused the gateway itself: its key, account or address in the gateway's "
            "configuration is wrong.",
            should_retry=False,
        )
    if status == 429:
        return RateLimitError(f"{name} has had too many requests.", retry_after=retry_after)
    text = _read_text(body)
    known = match_error_text(text, target) if text is not None else None
    if known is not None:
        return known
    if status == 503:
        return ServiceUnavailableError(
            f"{name} is busy.", retry_after=retry_after or BUSY_RETRY_AFTER
        )
    if status in (408, 504):
        return UpstreamTimeoutError(f"{name} took too long.", retry_after=retry_after)
    if status == 413:
        return RequestTooLargeError(f"{name} refused the request as too large.")
    if status >= 500:
        return UpstreamError(f"{name} failed with status {status}.", retry_after=retry_after)
    if status >= 400 and text is not None:
        return InvalidRequestError(f"{name} refused the request{_quote(text, target)}.")
    return UpstreamError(
        f"{name} answered with status {status}, as Ollama does not: its address in the gateway's "
        "configuration may be wrong.",
        should_retry=False,
    )


def parse_error_line(error: Any, target: Target) -> GatewayError:
    """Map what stands under ``error`` in a line of a stream."""
    known = match_error_text(_unwrap(error, MAX_LEVELS), target)
    return known or UpstreamError(f"{_name(target)} reported an error instead of an answer.")


def _read_text(body: bytes) -> str | None:
    """Return the error's text, or None where the body is not ``{"error": …}``."""
    try:
        parsed = loads_lenient(body)
    except ValueError:
        return None
    if not isinstance(parsed, dict) or parsed.get("error") is None:
        return None
    return _unwrap(parsed["error"], MAX_LEVELS)


def _unwrap(error: Any, levels: int) -> str:
    """Return the text of an error that may be an object, or hold JSON as a string.

    Newer servers hand llama-server's error on as text (Ollama v0.33 source); its
    ``type`` is put in front of the message, for the message's wording changes.
    """
    if levels and isinstance(error, dict):
        inner = _unwrap(error.get("error", error.get("message")), levels - 1)
        kind = error.get("type")
        return f"{kind}: {inner}" if isinstance(kind, str) else inner
    if not isinstance(error, str):
        return ""
    if levels and error.lstrip().startswith("{"):
        try:
            return _unwrap(loads_lenient(error), levels - 1)
        except ValueError:
            return error
    return error


def _quote(text: str, target: Target) -> str:
    """Return a harmless text to put after "refused the request", with the client's model name."""
    text = re.sub(r"registry\.ollama\.ai/(library/)?\S+", "the model", text)
    text = text.replace(target.model, "the model").strip()
    return f": {text.rstrip('.')}" if _HARMLESS.fullmatch(text) else ""


def _name(target: Target) -> str:
    return f"The provider `{target.provider.name}`"
