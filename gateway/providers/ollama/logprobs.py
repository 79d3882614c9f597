"""Ollama's logprobs in OpenAI's shape. Knows both shapes, and must not know streams."""

from __future__ import annotations

from typing import Any


def build_logprobs(entries: list[Any]) -> dict[str, Any]:
    """Return a choice's ``logprobs`` for the entries of a line.

    OpenAI's SDKs require ``bytes`` and ``top_logprobs``, which Ollama leaves out
    where there are none.
    """
    content = [
        {
            **_build_entry(entry),
            "top_logprobs": [
                _build_entry(top)
                for top in entry.get("top_logprobs") or ()
                if isinstance(top, dict)
            ],
        }
        for entry in entries
        if isinstance(entry, dict)
    ]
    return {"content": content, "refusal": None}


def _build_entry(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "token": entry.get("token", ""),
        "logprob": entry.get("logprob", 0.0),
        "bytes": entry.get("bytes"),
    }
