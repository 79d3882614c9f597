"""What is kept of a request in Ollama's format until its answer is written.

Knows ``NativeRequest``. Must not know any one path of the API.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from gateway.types import ChatRequest, NativeRequest


class OllamaRequest(NativeRequest):
    """A request in Ollama's format; ``started`` is ``time.monotonic_ns()``, for its durations."""

    __slots__ = ("started",)

    def __init__(
        self,
        canonical: Mapping[str, Any],
        dialect: str,
        native: dict[str, Any],
        untranslated: tuple[str, ...],
        native_only: tuple[str, ...] = (),
    ) -> None:
        wanted = {**canonical}
        preferences = {}
        if wanted.get("reasoning_effort") == "none":
            # Not to think is taken by every model of Ollama's, by others only if they can.
            preferences["reasoning_effort"] = wanted.pop("reasoning_effort")
        super().__init__(
            wanted,
            dialect,
            native,
            untranslated=untranslated,
            native_only=native_only,
            preferences=preferences,
        )
        self.started = time.monotonic_ns()


def started_at(request: ChatRequest) -> int:
    """Return when a request in Ollama's format came; now, for any other."""
    return request.started if isinstance(request, OllamaRequest) else time.monotonic_ns()
