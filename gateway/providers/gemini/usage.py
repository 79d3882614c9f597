"""Token counts in OpenAI's terms.

Knows Gemini's ``usageMetadata`` (recorded): thoughts are not among the candidates'
tokens, nor what tools have read among the prompt's; any count may be missing.
"""

from __future__ import annotations

from typing import Any

from gateway.providers.answer import build_usage, read_count
from gateway.types import Usage

_COUNTS = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount")


def has_counts(metadata: Any) -> bool:
    """Tell whether there is a count in it; Vertex AI's first chunks have none (recorded)."""
    return isinstance(metadata, dict) and any(name in metadata for name in _COUNTS)


def read_usage(metadata: dict[str, Any]) -> Usage:
    """Return the counts, in tokens."""
    thoughts = read_count(metadata, "thoughtsTokenCount")
    prompt = read_count(metadata, "promptTokenCount")
    cached = read_count(metadata, "cachedContentTokenCount")
    return build_usage(
        prompt + read_count(metadata, "toolUsePromptTokenCount"),
        read_count(metadata, "candidatesTokenCount") + thoughts,
        cached=cached if "cachedContentTokenCount" in metadata else None,
        reasoning=thoughts if "thoughtsTokenCount" in metadata else None,
    )
