"""Reasoning of earlier and new answers, with what proves that a model wrote it.

Knows Converse's ``reasoningContent``, and ``reasoning_details`` as OpenRouter's API
names the list in which a client keeps it: ``{type: "reasoning.text", text, signature}``
and ``{type: "reasoning.encrypted", data}``. Must not know requests or streams.
"""

from __future__ import annotations

from typing import Any


def build_reasoning_blocks(details: Any) -> list[dict[str, Any]]:
    """Return the blocks for what a client sent back of an earlier answer.

    Reasoning that is not signed is left out: models refuse it, or have no use for it.
    """
    blocks: list[dict[str, Any]] = []
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict):
            continue
        text, signature, data = (detail.get(name) for name in ("text", "signature", "data"))
        if isinstance(data, str) and data:
            blocks.append({"reasoningContent": {"redactedContent": data}})
        elif isinstance(signature, str) and signature and isinstance(text, str | None):
            signed = {"text": text or "", "signature": signature}
            blocks.append({"reasoningContent": {"reasoningText": signed}})
    return blocks


def build_text_detail(index: int, text: str, signature: str) -> dict[str, Any]:
    """Return what a client has to send back of a block of reasoning, whole."""
    return {"type": "reasoning.text", "index": index, "text": text, "signature": signature}


def build_encrypted_detail(index: int, data: str) -> dict[str, Any]:
    """Return what a client has to send back of reasoning that only the model can read."""
    return {"type": "reasoning.encrypted", "index": index, "data": data}
