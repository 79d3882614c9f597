"""Token counts in OpenAI's terms.

Knows Gemini's ``usageMetadata`` (recorded): thoughts are not among the candidates'
tokens, nor what tools have read among the prompt's; any count may be missing.
"""

from __future__ import annotations

from typing import Any

from gateway.types import Usage

_COUNTS = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount")


def has_counts(metadata: Any) -> bool:
    """Tell whether there is a count in it; Vertex AI's first chunks have none (recorded)."""
    return isinstance(metadata, dict) and any(name in metadata for name in _COUNTS)


def build_usage(metadata: dict[str, Any]) -> Usage:
    """Return the counts, in tokens."""
    thoughts = _read_count(metadata, "thoughtsTokenCount")
    prompt = _read_count(metadata, "promptTokenCount")
    prompt += _read_count(metadata, "toolUsePromptTokenCount")
    completion = _read_count(metadata, "candidatesTokenCount") + thoughts
    usage: Usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if "cachedContentTokenCount" in metadata:
        cached = _read_count(metadata, "cachedContentTokenCount")
        usage["prompt_tokens_details"] = {"cached_tokens": cached}
    if "thoughtsTokenCount" in metadata:
        usage["completion_tokens_details"] = {"reasoning_tokens": thoughts}
    return usage


def _read_count(metadata: dict[str, Any], name: str) -> int:
    count = metadata.get(name)
    return count if isinstance(count, int) and count > 0 else 0
