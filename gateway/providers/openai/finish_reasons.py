"""Why an answer ended, in OpenAI's words, whatever words the upstream has for it.

Knows the words of every provider that speaks OpenAI's format (recorded, in its
documents, or in its SDK's types). Must not know where in an answer they are.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any

from gateway.errors import UpstreamError
from gateway.types import FinishReason

logger = logging.getLogger("gateway.providers.openai")

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "complete": "stop",
    "completed": "stop",
    "done": "stop",
    "end_turn": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "stop_token": "stop",
    "length": "length",
    "max_length": "length",
    "max_output_tokens": "length",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "function_call",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "sensitive": "content_filter",
}
_UNTOLD = ("null", "none")  # written as text
_FAILURES = frozenset(
    ("abort", "aborted", "cancelled", "error", "insufficient_system_resource", "network_error")
)


def read_finish_reason(told: Any, has_calls: bool) -> FinishReason | None:
    """Return OpenAI's word for a finish reason; None where nothing is told ("" included).

    ``has_calls``: the choice has tool calls, so that it can't have ended with ``stop``.
    A word nobody knows is logged once and counts as ``stop``. Raises ``UpstreamError``
    where the reason is a failure of the provider.
    """
    if not told:
        return None
    word = str(told).lower()
    if word in _UNTOLD:
        return None
    if word in _FAILURES:
        raise UpstreamError(f"The provider broke its answer off ({word}).")
    reason = _REASONS.get(word)
    if reason is None:
        _log_unknown(word[:64])
        reason = "stop"
    return "tool_calls" if has_calls and reason == "stop" else reason


@lru_cache(100)
def _log_unknown(word: str) -> None:
    logger.warning("unknown finish reason %r counts as 'stop'", word)
