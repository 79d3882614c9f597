"""Log probabilities in the shape that completions have: four parallel lists.

Knows both of OpenAI's shapes (openai-python 3.54). Must not know anything else of an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class LegacyLogprobs:
    """Turns the log probabilities of one choice, piece by piece; offsets count from its start."""

    def __init__(self) -> None:
        self._offset = 0

    def add(self, logprobs: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Return the next piece's log probabilities, None where it has none."""
        entries = (logprobs or {}).get("content")
        if not entries:
            return None
        offsets = []
        for entry in entries:
            offsets.append(self._offset)
            self._offset += len(entry["token"])
        return {
            "tokens": [entry["token"] for entry in entries],
            "token_logprobs": [entry["logprob"] for entry in entries],
            "top_logprobs": [
                {top["token"]: top["logprob"] for top in entry.get("top_logprobs") or ()}
                for entry in entries
            ],
            "text_offset": offsets,
        }
