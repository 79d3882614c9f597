"""Reasoning of earlier and new answers, with what proves that a model wrote it.

Knows Converse's ``reasoningContent``, and ``thinking_blocks``, the list in which a message
keeps it for its next turn, in Anthropic's form: ``{type: "thinking", thinking, signature}`` and
``{type: "redacted_thinking", data}``. Must not know requests or streams.
"""

from __future__ import annotations

from typing import Any


def build_reasoning_content(blocks: Any) -> list[dict[str, Any]]:
    """Return Converse's blocks for what a client sent back of an earlier answer.

    Reasoning that is not signed is left out: models refuse it, or have no use for it.
    """
    built: list[dict[str, Any]] = []
    for block in blocks if isinstance(blocks, list) else ():
        if not isinstance(block, dict):
            continue
        text, signature, data = (block.get(name) for name in ("thinking", "signature", "data"))
        if isinstance(data, str) and data:
            built.append({"reasoningContent": {"redactedContent": data}})
        elif isinstance(signature, str) and signature and isinstance(text, str | None):
            signed = {"text": text or "", "signature": signature}
            built.append({"reasoningContent": {"reasoningText": signed}})
    return built


def build_thinking(text: str, signature: str) -> dict[str, Any]:
    """Return what a client has to send back of a block of reasoning, whole."""
    return {"type": "thinking", "thinking": text, "signature": signature}


def build_redacted_thinking(data: str) -> dict[str, Any]:
    """Return what a client has to send back of reasoning that only the model can read."""
    return {"type": "redacted_thinking", "data": data}
