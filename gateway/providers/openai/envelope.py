"""What stands around every answer and chunk: ``id``, ``object``, ``created``, ``model``.

Knows what OpenAI's clients require of it, and which values of ``service_tier`` they read.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

COMPLETION = "chat.completion"
CHUNK = "chat.completion.chunk"

SERVICE_TIERS = (None, "default", "auto", "flex", "scale", "priority", "fast")


def read_envelope(answer: Mapping[str, Any], kind: str, model: str) -> dict[str, Any]:
    """Return the four fields an answer of this ``kind`` (its ``object``) has to have.

    What it doesn't tell is made up, or ``model``.
    """
    told, created, name = answer.get("id"), answer.get("created"), answer.get("model")
    return {
        "id": told if isinstance(told, str) and told else f"chatcmpl-{secrets.token_hex(12)}",
        "object": kind,
        "created": _read_time(created),
        "model": name if isinstance(name, str) and name else model,
    }


def complete_envelope(answer: dict[str, Any], envelope: Mapping[str, Any]) -> bool:
    """Give an answer this envelope in place; tells whether that changed it."""
    is_changed = False
    for name, value in envelope.items():
        told = answer.get(name)
        if told != value or type(told) is not type(value):
            answer[name] = value
            is_changed = True
    if answer.get("service_tier") not in SERVICE_TIERS:
        del answer["service_tier"]
        is_changed = True
    return is_changed


def _read_time(told: Any) -> int:
    if isinstance(told, int | float) and not isinstance(told, bool) and 0 < told < 2**53:
        return int(told)
    return int(time.time())
