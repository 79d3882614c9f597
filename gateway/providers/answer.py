"""What the answers of all providers share that have to be translated.

Knows OpenAI's chunk and completion, and what is asked of a text and a count in any
upstream's. Must not know any provider's format.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.config.settings import Target
from gateway.errors import UpstreamError
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
        return self.wrap([choice])

    def build_usage_chunk(self, usage: Usage, **more: Any) -> Chunk:
        """Return the chunk without choices that tells the usage, and ``more`` of the answer."""
        chunk: Any = {**self.wrap([]), **more, "usage": usage}
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
        choice = {
            "index": 0,
            "message": says,
            "logprobs": logprobs,
            "finish_reason": finish_reason,
        }
        return self.wrap_whole([choice], usage)

    def wrap(self, choices: list[Any]) -> Chunk:
        """Return the chunk with these choices."""
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }

    def wrap_whole(self, choices: list[dict[str, Any]], usage: Usage | None) -> ChatCompletion:
        """Return the whole answer with these choices; ``usage`` is None where none is told."""
        completion: ChatCompletion = {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }
        return completion if usage is None else {**completion, "usage": usage}


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


def require_text(value: Any) -> str:
    """Return a text an upstream sent; raises ``UpstreamError`` where it is none."""
    if not isinstance(value, str):
        raise UpstreamError("The provider sent a message whose text is not a string.")
    return value


def read_count(container: Any, name: str) -> int:
    """Return a count of tokens an upstream sent, also as ``12.0``; 0 for what is none."""
    value = container.get(name) if isinstance(container, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**53:
        return 0
    return int(value)
