"""Thinking of earlier turns beside the thinking that is asked for now.

Knows when one excludes the other (Anthropic's documentation of thinking, reports of its errors).
Expects messages in Anthropic's form. Must not know how they were made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from gateway.providers.anthropic.families import Family
from gateway.providers.anthropic.reasoning import Reasoning
from gateway.providers.anthropic.thinking import THINKING

BINDING_CONTROLS = "thinking-binding-controls-2026-08-01"
"""The beta with which a model does without thinking that no longer fits, instead of refusing."""

_BINDING = {"prefix_mismatch_behavior": "drop_block"}

Message = dict[str, Any]


class Agreed(NamedTuple):
    """What can be sent together; ``betas`` are the features it needs."""

    messages: list[Message]
    reasoning: Reasoning
    betas: tuple[str, ...] = ()


def agree(
    messages: list[Message], reasoning: Reasoning, family: Family, *, is_forced: bool
) -> Agreed:
    """Return messages and reasoning that go together; ``is_forced``: a tool has to be called.

    Models that are given a budget neither think where a tool is forced, nor go on with a
    turn whose thinking is lost; and a model that is not to think takes no thinking. A model
    that binds thinking to all before it is asked to pass over what no longer fits: clients
    of OpenAI's API may shorten a conversation.
    """
    if reasoning.is_budgeted and (is_forced or _lacks_thinking(messages)):
        reasoning = reasoning.without()
    if not reasoning.is_active(family):
        return Agreed(_without_thinking(messages), reasoning)
    if not family.binds_thinking or not any(map(_holds_thinking, messages)):
        return Agreed(messages, reasoning)
    thinking = {"type": "adaptive", "block_binding": _BINDING, **(reasoning.thinking or {})}
    return Agreed(messages, replace(reasoning, thinking=thinking), (BINDING_CONTROLS,))


def _lacks_thinking(messages: list[Message]) -> bool:
    """Tell whether the turn under way called tools without thinking before."""
    if len(messages) < 2 or messages[-1]["content"][0].get("type") != "tool_result":
        return False
    return messages[-2]["content"][0].get("type") not in THINKING


def _holds_thinking(message: Message) -> bool:
    return any(block.get("type") in THINKING for block in message["content"])


def _without_thinking(messages: list[Message]) -> list[Message]:
    kept = [
        {**message, "content": [b for b in message["content"] if b.get("type") not in THINKING]}
        if _holds_thinking(message)
        else message
        for message in messages
    ]
    return [message for message in kept if message["content"]]
