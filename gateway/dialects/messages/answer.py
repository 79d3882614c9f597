"""A canonical completion as a message.

Knows content blocks and stop reasons. Must not know streams.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from gateway.dialects.tool_arguments import read_arguments
from gateway.types import ChatCompletion

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def build_message(completion: ChatCompletion, model: str) -> dict[str, Any]:
    """Return the message that ``completion`` is; ``model`` is the name the client used."""
    choice = completion["choices"][0]
    message = choice["message"]
    return {
        **begin_message(model),
        "content": _build_content(message),
        "stop_reason": STOP_REASONS.get(choice.get("finish_reason") or "stop", "end_turn"),
        "usage": build_usage(completion.get("usage") or {}),
    }


def begin_message(model: str) -> dict[str, Any]:
    """Return a message that says nothing yet, with a new id."""
    return {
        "id": f"msg_{secrets.token_hex(12)}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": build_usage({}),
    }


def build_usage(usage: Mapping[str, Any]) -> dict[str, int]:
    """Return counts in tokens, as Anthropic does: those of the cache apart from the input's."""
    details = usage.get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens") or 0
    written = details.get("cache_write_tokens") or 0
    return {
        "input_tokens": max(0, (usage.get("prompt_tokens") or 0) - cached - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.get("completion_tokens") or 0,
    }


def _build_content(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = list(message.get("thinking_blocks") or ())
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if reasoning and not content:
        content.append({"type": "thinking", "thinking": reasoning, "signature": ""})
    text = message.get("content") or message.get("refusal")
    if text:
        content.append({"type": "text", "text": text, "citations": None})
    for call in message.get("tool_calls") or ():
        function = call["function"]
        content.append(
            {
                "type": "tool_use",
                "id": call.get("id") or f"toolu_{secrets.token_hex(12)}",
                "name": function["name"],
                "input": read_arguments(function["name"], function.get("arguments") or ""),
            }
        )
    return content
