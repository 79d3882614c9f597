"""What reading an answer has to know of the question, and the parts of an answer both ways need.

Knows the canonical chunk, stop reasons and usage. Must not know streams.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.config.settings import Target
from gateway.providers.answer import AnswerHead, begin_answer, build_usage, read_count
from gateway.providers.anthropic.tools import ToolPlan
from gateway.types import Usage

logger = logging.getLogger(__name__)

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "stop",
}
_SAID_BY_FINISH_REASON = frozenset(FINISH_REASONS) - {"pause_turn"}

_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


@dataclass(frozen=True)
class Answer:
    """What reading an answer has to know of the question."""

    head: AnswerHead
    target: Target
    plan: ToolPlan

    @property
    def provider(self) -> str:
        """Return the provider's name as errors have it."""
        return f"The provider `{self.target.provider.name}`"


def build_answer(target: Target, plan: ToolPlan) -> Answer:
    """Return what is known when a request is sent, with a new id."""
    return Answer(begin_answer(target), target, plan)


def build_end(stop_reason: Any, answer: Answer, *, was_called: bool) -> dict[str, Any]:
    """Return ``finish_reason``, and ``native_finish_reason`` where it says more.

    A turn that is paused (``pause_turn``) goes on when its ``content_blocks`` are sent back.
    ``was_called``: there is a call for the client, a JSON answer's tool not counted.
    """
    reason = stop_reason if isinstance(stop_reason, str) else ""
    finish_reason = FINISH_REASONS.get(reason)
    if finish_reason is None:
        _log_unknown_reason(reason[:100])
        finish_reason = "stop"
    if finish_reason in ("stop", "tool_calls"):
        finish_reason = "stop"
        if was_called:
            finish_reason = "function_call" if answer.plan.legacy else "tool_calls"
    if reason and reason not in _SAID_BY_FINISH_REASON:
        return {"finish_reason": finish_reason, "native_finish_reason": reason}
    return {"finish_reason": finish_reason}


def read_refusal(container: Mapping[str, Any]) -> str | None:
    """Return why the model refused to answer, where ``stop_details`` say it."""
    details = container.get("stop_details")
    explanation = details.get("explanation") if isinstance(details, dict) else None
    return explanation if isinstance(explanation, str) and explanation else None


def read_usage(counts: Mapping[str, Any]) -> Usage:
    """Return Anthropic's counts, in tokens, as OpenAI's: the prompt's include the cache's."""
    uncached, written, cached = (read_count(counts, name) for name in _COUNTS)
    details = counts.get("output_tokens_details")
    tells_thought = isinstance(details, dict) and "thinking_tokens" in details
    return build_usage(
        uncached + written + cached,
        read_count(counts, "output_tokens"),
        cached=cached,
        cache_write=written,
        reasoning=read_count(details, "thinking_tokens") if tells_thought else None,
    )


@lru_cache(maxsize=64)
def _log_unknown_reason(reason: str) -> None:
    """Log a reason not known here, once."""
    logger.warning("Anthropic ended an answer for an unknown reason, taken as stop: %r", reason)
