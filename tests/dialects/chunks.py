"""Canonical answers for tests of dialects: chunks, and pieces of calls."""

from __future__ import annotations

from typing import Any


def chunk(delta: dict[str, Any] | None = None, reason: str | None = None, **more: Any) -> Any:
    """Return a chunk of one choice, or of none without a ``delta``."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    head = {"id": "x", "object": "chat.completion.chunk", "created": 7, "model": "m-1"}
    return {**head, "choices": choices, **more}


def call(index: int, arguments: str, name: str | None = None) -> dict[str, Any]:
    """Return the delta of one piece of a tool call; the first one has its ``name``."""
    function = {"arguments": arguments} | ({"name": name} if name else {})
    head = {"id": f"call_{index}", "type": "function"} if name else {}
    return {"tool_calls": [{"index": index, **head, "function": function}]}
