"""Parts of Bedrock's answers that streams and whole ones share.

Knows stop reasons and usage on both sides. Must not know how they come.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.answer import AnswerHead, build_usage, read_count
from gateway.types import Usage

logger = logging.getLogger(__name__)

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "refusal": "content_filter",
}
"""Those of botocore 1.44, and Claude's own refusal."""

_MALFORMED = ("malformed_model_output", "malformed_tool_use")


@dataclass(frozen=True)
class Answer:
    """What reading an answer has to know of the question.

    ``json_tool`` is the name of a tool whose call is the answer in JSON; ``only_first_call``:
    the client allows but one call.
    """

    head: AnswerHead
    json_tool: str | None = None
    only_first_call: bool = False


def read_finish_reason(reason: Any, *, was_called: bool) -> str:
    """Return OpenAI's reason; raises ``UpstreamError`` where the model's output was no answer."""
    if reason in _MALFORMED:
        raise UpstreamError("The model's answer can't be read: it was malformed.")
    known = FINISH_REASONS.get(reason) if isinstance(reason, str) else None
    if known is None:
        _log_unknown_reason(str(reason)[:100])
        known = "stop"
    if known in ("stop", "tool_calls"):
        return "tool_calls" if was_called else "stop"
    return known


def read_usage(usage: Any) -> Usage:
    """Return the counts, in tokens. Bedrock counts cached tokens beside ``inputTokens``."""
    usage = usage if isinstance(usage, dict) else {}
    read, written = (read_count(usage, f"cache{what}InputTokens") for what in ("Read", "Write"))
    return build_usage(
        read_count(usage, "inputTokens") + read + written,
        read_count(usage, "outputTokens"),
        cached=read if "cacheReadInputTokens" in usage else None,
        cache_write=written if "cacheWriteInputTokens" in usage else None,
    )


def read_extras(value: dict[str, Any]) -> dict[str, Any]:
    """Return what was asked for by Converse's own fields, under its names."""
    names = ("additionalModelResponseFields", "trace")
    return {name: value[name] for name in names if value.get(name)}


@lru_cache(maxsize=64)
def _log_unknown_reason(reason: str) -> None:
    """Log a reason not known here, once."""
    logger.warning("Bedrock ended an answer for an unknown reason, taken as stop: %r", reason)
