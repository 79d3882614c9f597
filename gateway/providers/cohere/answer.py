"""Parts of Cohere's answers that streams and whole ones share.

Knows finish reasons, usage, logprobs and calls on both sides. Must not know how they come.
"""

from __future__ import annotations

import logging
import math
import secrets
from functools import lru_cache
from typing import Any

from gateway.errors import UpstreamError, UpstreamTimeoutError
from gateway.providers.answer import build_usage, read_count
from gateway.types import Usage

logger = logging.getLogger(__name__)

FINISH_REASONS = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_LIMIT": "length",
    "ERROR_TOXIC": "content_filter",
    "USER_CANCEL": "stop",
}
"""Those of cohere-python 7.3.1's v2 and v1; its errors are errors here as well."""


def read_finish_reason(reason: Any, *, was_called: bool) -> str:
    """Return OpenAI's reason; raises ``GatewayError`` where the answer ended with a failure."""
    if reason == "ERROR":
        raise UpstreamError("The provider failed while it generated the answer.")
    if reason == "TIMEOUT":
        raise UpstreamTimeoutError("The provider took too long to generate the answer.")
    known = FINISH_REASONS.get(reason) if isinstance(reason, str) else None
    if known is None:
        _log_unknown_reason(str(reason)[:100])
        known = "stop"
    if known in ("stop", "tool_calls"):
        return "tool_calls" if was_called else "stop"
    return known


def read_usage(usage: Any) -> Usage:
    """Return the counts, in tokens, of ``usage.tokens``: billed units leave out what is free.

    They count where nothing else is told.
    """
    usage = usage if isinstance(usage, dict) else {}
    tokens = usage.get("tokens") or usage.get("billed_units")
    tokens = tokens if isinstance(tokens, dict) else {}
    return build_usage(
        read_count(tokens, "input_tokens"),
        read_count(tokens, "output_tokens"),
        cached=read_count(usage, "cached_tokens") if "cached_tokens" in usage else None,
        reasoning=read_count(tokens, "reasoning_tokens") if "reasoning_tokens" in tokens else None,
    )


def build_logprobs(items: list[Any]) -> dict[str, Any]:
    """Return a choice's ``logprobs``.

    An item is a piece of text with the logprobs of its tokens, whose own texts are not told; so
    it counts as one token, whose logprob is the sum. Other tokens are never told.
    """
    built = (_build_logprob(item) for item in items)
    return {"content": [each for each in built if each is not None], "refusal": None}


def build_call(index: int, call: Any) -> dict[str, Any]:
    """Return a call as OpenAI's delta of it; raises ``UpstreamError`` where it is none."""
    function = call.get("function") if isinstance(call, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        raise UpstreamError("The provider sent a tool call that can't be read.")
    call_id, arguments = call.get("id"), function.get("arguments")
    return {
        "index": index,
        "id": call_id if isinstance(call_id, str) and call_id else f"call_{secrets.token_hex(12)}",
        "type": "function",
        "function": {"name": name, "arguments": arguments if isinstance(arguments, str) else ""},
    }


def _build_logprob(item: Any) -> dict[str, Any] | None:
    text = item.get("text") if isinstance(item, dict) else None
    if text is None:
        return None
    values = item.get("logprobs") if isinstance(item, dict) else None
    numbers = [each for each in values or () if isinstance(each, int | float)]
    if not isinstance(text, str) or not math.isfinite(total := math.fsum(numbers)):
        raise UpstreamError("The provider sent logprobs that can't be read.")
    token = text.encode("utf-8", "replace")
    return {"token": text, "logprob": total, "bytes": list(token), "top_logprobs": []}


@lru_cache(maxsize=64)
def _log_unknown_reason(reason: str) -> None:
    """Log a reason not known here, once."""
    logger.warning("Cohere ended an answer for an unknown reason, taken as stop: %r", reason)
