"""What all parts of an answer share, for providers that have to translate it.

Knows OpenAI's chunk and completion. Must not know any provider's format.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.config.settings import Target
from gateway.types import ChatCompletion, Chunk, Usage


@dataclass(frozen=True)
class AnswerHead:
    """What every chunk of an answer says first. ``created`` is in Unix seconds."""

    id: str
    created: int
    model: str

    def build_chunk(
        self,
        index: int,
        delta: dict[str, Any],
        finish_reason: str | None = None,
        logprobs: dict[str, Any] | None = None,
    ) -> Chunk:
        """Return a chunk with one choice; ``logprobs`` is left out where there are none."""
        choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": finish_reason}
        if logprobs is not None:
            choice["logprobs"] = logprobs
        return self._build([choice])

    def build_usage_chunk(self, usage: Usage, more: Mapping[str, Any]) -> Chunk:
        """Return the chunk without choices that tells the usage, and ``more`` of the answer."""
        chunk: Any = {**self._build([]), **more, "usage": usage}
        built: Chunk = chunk
        return built

    def build_completion(
        self,
        message: Mapping[str, Any],
        finish_reason: str,
        usage: Usage,
        logprobs: dict[str, Any] | None = None,
    ) -> ChatCompletion:
        """Return a whole answer of one choice; ``message`` needs no role."""
        says = {"role": "assistant", "content": None, "refusal": None, **message}
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [
                {
                    "index": 0,
                    "message": says,
                    "logprobs": logprobs,
                    "finish_reason": finish_reason,
                }
            ],
            "usage": usage,
        }

    def _build(self, choices: list[Any]) -> Chunk:
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }


def begin_answer(target: Target) -> AnswerHead:
    """Return what is known of an answer before it comes, with a new id."""
    return AnswerHead(f"chatcmpl-{secrets.token_hex(16)}", int(time.time()), target.requested_model)


def build_usage(
    prompt: int,
    completion: int,
    *,
    cached: int | None = None,
    cache_write: int | None = None,
    reasoning: int | None = None,
) -> Usage:
    """Return OpenAI's counts, in tokens; None is what the provider did not tell.

    ``prompt`` includes ``cached`` and ``cache_write``, ``completion`` includes ``reasoning``.
    """
    usage: Any = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    details = {"cached_tokens": cached, "cache_write_tokens": cache_write}
    told = {name: count for name, count in details.items() if count is not None}
    if told:
        usage["prompt_tokens_details"] = told
    if reasoning is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    built: Usage = usage
    return built


def read_count(container: Any, name: str) -> int:
    """Return a count of tokens an upstream sent, also as ``12.0``; 0 for what is none."""
    value = container.get(name) if isinstance(container, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**53:
        return 0
    return int(value)
