"""Why an answer ended, in OpenAI's terms.

Knows Gemini's ``finishReason`` and ``blockReason`` (google-genai 3.6). Must not know
what was said before.
"""

from __future__ import annotations

import logging
from functools import lru_cache

from gateway.errors import UpstreamError
from gateway.providers.gemini.answer import Answer

logger = logging.getLogger(__name__)

_CUT = "MAX_TOKENS"
_FILTERED = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
    }
)
_FAILED = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
        "LANGUAGE",
        "OTHER",
        "NO_IMAGE",
        "IMAGE_OTHER",
        "PUP_LIMITED_DISABLED",
    }
)
"""The model failed. What it said until then is an answer; nothing at all is none."""

_ENDED = frozenset({"STOP", "FINISH_REASON_UNSPECIFIED", "ESCALATION", "CONTINUATION"})


def read_finish_reason(
    reason: str | None, answer: Answer, *, was_called: bool, has_said: bool
) -> str:
    """Return OpenAI's reason; Gemini says "STOP" for calls as well.

    Raises ``UpstreamError`` where the model failed before it said anything.
    """
    if reason == _CUT:
        return "length"
    if reason in _FILTERED:
        return "content_filter"
    if reason in _FAILED and not has_said:
        raise UpstreamError(f"{answer.provider} ended its answer without giving one: {reason}.")
    if reason is not None and reason not in _FAILED and reason not in _ENDED:
        _log_unknown_reason(reason[:100])
    if was_called:
        return "function_call" if answer.plan.legacy else "tool_calls"
    return "stop"


@lru_cache(maxsize=64)
def _log_unknown_reason(reason: str) -> None:
    """Log a reason not known here, once."""
    logger.warning("Gemini ended an answer for an unknown reason, taken as stop: %r", reason)
